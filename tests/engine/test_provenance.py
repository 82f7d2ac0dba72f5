from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mmengine.config import Config

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.config import load_config
from thermalctl.engine.provenance import find_trained_dataset
from thermalctl.pipeline.clip_dataset import find_innermost


def test_dataset_of_a_complete_configuration_is_found(training: Any, dataset: ThermalDataset) -> None:
    found = find_trained_dataset(training.prepare())
    assert found is not None
    assert found.fingerprint() == dataset.fingerprint()


def test_dataset_folder_behind_a_users_configuration_is_found(users_config: Path, dataset: ThermalDataset) -> None:
    cfg = load_config(str(users_config))
    found = find_trained_dataset(cfg)
    assert found is not None
    assert found.layout.root == dataset.layout.root
    leaf = cfg.train_dataloader.dataset
    leaf.update(data_root=str(dataset.layout.root), ann_file="annotations/train.json")
    assert find_trained_dataset(cfg) is not None


def test_other_annotation_files_are_no_dataset_folder(users_config: Path, dataset: ThermalDataset) -> None:
    cfg = load_config(str(users_config))
    for name in (str(dataset.layout.annotation_file("val")), "train.json", "/train.json"):
        cfg.train_dataloader.dataset.ann_file = name
        assert find_trained_dataset(cfg) is None
    assert find_trained_dataset(Config({"train_dataloader": {"dataset": {"type": "Own"}}})) is None


def test_dataset_inside_wrappers_is_found() -> None:
    inner = SimpleNamespace(sample_ids=["a"])
    assert find_innermost(SimpleNamespace(dataset=SimpleNamespace(dataset=inner))) is inner
    assert find_innermost(inner) is inner
