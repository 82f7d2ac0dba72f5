"""Tiny trained-looking models on a tiny simulated dataset, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from mmengine.config import Config
from onnx import numpy_helper, parser

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.dataset.simulate import simulate_dataset
from thermalctl.engine.config import complete_config, load_config
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.restore import RestoredModel, build_model, restore_model
from thermalctl.recordings.simulate import SimulationOptions

FRAME_SIZE = (12, 18)

#: A configuration as the guide's scripts have it: stock pipeline, stock preprocessor, ImageNet statistics; but small.
GUIDE_CONFIG = """
default_scope = "mmaction"
model = dict(
    type="Recognizer3D",
    backbone=dict(
        type="ResNet3dSlowFast", pretrained=None, resample_rate=8, speed_ratio=4, channel_ratio=4,
        slow_pathway=dict(type="resnet3d", depth=18, pretrained=None, lateral=True, base_channels=16,
            conv1_kernel=(1, 3, 3), conv1_stride_t=1, pool1_stride_t=1, inflate=(0, 0, 1, 1), norm_eval=False),
        fast_pathway=dict(type="resnet3d", depth=18, pretrained=None, lateral=False, base_channels=4,
            conv1_kernel=(5, 3, 3), conv1_stride_t=1, pool1_stride_t=1, norm_eval=False)),
    cls_head=dict(type="SlowFastHead", in_channels=160, num_classes=14, dropout_ratio=0.5, average_clips="prob"),
    data_preprocessor=dict(type="ActionDataPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
        format_shape="NCTHW"))
pipeline = [dict(type="Resize", scale=(36, 24), keep_ratio=False), dict(type="FormatShape", input_format="NCTHW"),
            dict(type="PackActionInputs")]
val_dataloader = dict(batch_size=4, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="ThermalHDF5Dataset", ann_file="annotations/val.json", data_prefix=dict(hdf5="frames"),
        frame_window=16, pipeline=pipeline, test_mode=True))
"""


#: Degrees are shifted, then comes a network of two layers, then temperature and softmax.
SMALL_NETWORK = """
<ir_version: 8, opset_import: ["" : 17]>
small (float[batch, 1, 4, 4] input) => (float[batch, 2] output, float[batch, 2] logits, float[batch, 8] features)
{
    shifted = Sub (input, mean)
    maps = Conv <kernel_shape = [3, 3]> (shifted, kernel, bias)
    warm = Relu (maps)
    features = Flatten (warm)
    logits = Gemm (features, weight)
    scaled = Div (logits, temperature)
    output = Softmax (scaled)
}
"""


@pytest.fixture
def small_network() -> onnx.ModelProto:
    """A model of seven nodes, named after their operators, with weights drawn at random."""
    model = parser.parse_model(SMALL_NETWORK)
    rng = np.random.default_rng(0)
    weights = {
        "mean": np.full(1, 22.0),
        "kernel": rng.normal(size=(2, 1, 3, 3)),
        "bias": rng.normal(size=2),
        "weight": rng.normal(size=(8, 2)),
        "temperature": np.full(1, 2.0),
    }
    for name, values in weights.items():
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    for node in model.graph.node:
        node.name = node.op_type
    return model


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ThermalDataset:
    """Six val clips of 12x18 pixels; a good quarter of their frames is incomplete."""
    root = tmp_path_factory.mktemp("data") / "simulated"
    simulate_dataset(
        root,
        SimulationOptions(
            num_sessions=3,
            recordings_per_session=1,
            frames_per_recording=60,
            keyframes_per_recording=6,
            frame_size=FRAME_SIZE,
            incomplete_share=(0.2, 0.3),
        ),
    )
    return load_dataset(DatasetLayout(root))


@pytest.fixture(scope="session")
def make_checkpoint(
    dataset: ThermalDataset, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Config, dict[str, Any]], Path]:
    """Return a function that writes a checkpoint of a configuration, its weights drawn at random.

    They are not the small ones that training begins with: those answer nearly the same to every clip.
    """

    def make(cfg: Config, meta: dict[str, Any]) -> Path:
        torch.manual_seed(0)
        model = build_model(cfg)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                torch.nn.init.uniform_(module.bias, -0.3, 0.3)
        torch.nn.init.normal_(model.cls_head.fc_cls.weight, std=0.3)
        path = tmp_path_factory.mktemp("run") / "epoch_1.pth"
        torch.save({"state_dict": model.state_dict(), "meta": {"cfg": cfg.pretty_text, "epoch": 1} | meta}, path)
        (path.parent / "last_checkpoint").write_text(str(path))
        return path

    return make


@pytest.fixture(scope="session")
def make_model(
    dataset: ThermalDataset, make_checkpoint: Callable[[Config, dict[str, Any]], Path]
) -> Callable[..., RestoredModel]:
    """Return a function that makes one of our models from changes to the tiny configuration's `clip`."""

    def make(**clip: Any) -> RestoredModel:
        cfg = load_config("slowfast-tiny")
        cfg.clip.update({"num_frames": 16, "input_size": (24, 36)} | clip)
        cfg = complete_config(cfg, TrainOptions(), dataset, work_dir=Path("work_dirs"), device="cpu")
        return restore_model(make_checkpoint(cfg, {}))

    return make


@pytest.fixture(scope="session")
def model(make_model: Callable[..., RestoredModel]) -> RestoredModel:
    """One channel, whole frames."""
    return make_model()


@pytest.fixture(scope="session")
def person_model(make_model: Callable[..., RestoredModel]) -> RestoredModel:
    """Three channels, one person, who is followed."""
    return make_model(target="person", channels="copy", mean=(110.0, 112.0, 108.0), std=(30.0, 31.0, 29.0))


@pytest.fixture(scope="session")
def fixed_person_model(make_model: Callable[..., RestoredModel]) -> RestoredModel:
    """One channel, one person, at the place where the keyframe has them."""
    return make_model(target="person", person_crop="fixed")


@pytest.fixture(scope="session")
def guide_model(dataset: ThermalDataset, make_checkpoint: Callable[[Config, dict[str, Any]], Path]) -> RestoredModel:
    """A model of the guide's scripts."""
    cfg = Config.fromstring(GUIDE_CONFIG, file_format=".py")
    return restore_model(make_checkpoint(cfg, {"dataset_meta": {"classes": list(dataset.classes)}}))
