from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from thermalctl.benchmarking.contenders import STOCK, Contender, complete_contender, list_train_contenders
from thermalctl.benchmarking.stock import make_stock_config
from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.engine.runner import register_guide_dataset

prepare_mmaction()


@pytest.fixture(scope="module")
def dataset(simulated_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(simulated_dataset))


def complete(contender: Contender, dataset: ThermalDataset, folder: Path):  # type: ignore[no-untyped-def]
    return complete_contender(contender, dataset, work_dir=folder, device="cpu", batch_size=2, num_workers=0)


def test_both_sides_train_the_same_network(dataset: ThermalDataset, tmp_path: Path) -> None:
    shapes = []
    for config in (None, "slowfast-r50"):
        cfg = complete(Contender(name="", config=config), dataset, tmp_path)
        with torch.device("meta"):
            init_default_scope("mmaction")
            model = MODELS.build(copy.deepcopy(cfg.model))
        shapes.append({name: value.shape for name, value in model.state_dict().items() if "preprocessor" not in name})
        assert cfg.optim_wrapper.optimizer == {"type": "SGD", "lr": 0.005, "momentum": 0.9, "weight_decay": 1e-4}
    stock, ours = shapes
    assert {name: shape for name, shape in ours.items() if "loss_cls" not in name} == stock


def test_both_sides_make_the_same_shape_of_the_same_clip(dataset: ThermalDataset, tmp_path: Path) -> None:
    register_guide_dataset()
    init_default_scope("mmaction")
    inputs, identities = [], []
    for config in (None, "slowfast-r50"):
        cfg = complete(Contender(name="", config=config, in_memory=True), dataset, tmp_path)
        clips = DATASETS.build(cfg.train_dataloader.dataset)
        batch = pseudo_collate([clips[5]])
        ready = MODELS.build(cfg.model.data_preprocessor)(batch, training=True)
        inputs.append(ready["inputs"])
        identities.append(clips.sample_ids)
    assert inputs[0].shape == inputs[1].shape == (1, 1, 3, 64, 256, 384)
    assert inputs[0].dtype == inputs[1].dtype == torch.float32
    assert identities[0] == identities[1]
    # Of the sizes that normalised values have, whatever brightness was drawn: neither side leaves out a step.
    assert max(float(values.abs().mean()) for values in inputs) < 2.5
    assert min(float(values.std()) for values in inputs) > 0.05


def test_guides_transforms_are_stock_ones(dataset: ThermalDataset) -> None:
    cfg = make_stock_config(dataset)
    names = [step["type"] for step in cfg.train_dataloader.dataset.pipeline]
    assert names == ["RandomResizedCrop", "Resize", "Flip", "ColorJitter", "RandomErasing", "FormatShape", "PackActionInputs"]  # fmt: skip  # noqa: E501
    assert cfg.model.data_preprocessor.type == "ActionDataPreprocessor"
    assert cfg.train_dataloader.dataset.frame_cache_mib == 0


def test_contenders_of_each_device() -> None:
    configs = ("slowfast-r50", "slowfast-tiny")
    on_cpu = [one.name for one in list_train_contenders(configs, amp=False, has_gpu=False)]
    assert on_cpu == [STOCK, *configs]
    # MMEngine refuses mixed precision on a CPU, so there is nothing of stock's to compare with.
    assert [one.name for one in list_train_contenders(configs, amp=True, has_gpu=False)] == [
        f"{config}, --amp" for config in configs
    ]
    on_gpu = [(one.name, one.amp) for one in list_train_contenders(configs, amp=False, has_gpu=True)]
    assert len(on_gpu) == 6
    assert on_gpu[3] == (f"{STOCK}, --amp", True)
