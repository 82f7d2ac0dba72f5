from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.engine.config import complete_config, load_config
from thermalctl.engine.events import Event, ValidationDone
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.train import TrainResult, train


@pytest.fixture(scope="session")
def dataset(simulated_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(simulated_dataset))


@pytest.fixture(scope="session")
def r50() -> Config:
    """The shipped SlowFast R50, as it is read."""
    return load_config("slowfast-r50")


@pytest.fixture(scope="session")
def tiny() -> Config:
    """The shipped small SlowFast, as it is read."""
    return load_config("slowfast-tiny")


#: A configuration as a user of MMAction2 writes it for the finetuning guide's dataset class; {root} is the dataset's.
USERS_CONFIG = """
_base_ = "mmaction::_base_/default_runtime.py"

custom_imports = dict(imports=["mmaction.models", "mmaction.datasets"], allow_failed_imports=False)
dataset_type = "ThermalHDF5Dataset"
pathway = dict(type="resnet3d", depth=18, pretrained=None, conv1_stride_t=1, pool1_stride_t=1, norm_eval=False)
model = dict(
    type="Recognizer3D",
    backbone=dict(
        type="ResNet3dSlowFast",
        pretrained=None,
        resample_rate=4,
        speed_ratio=4,
        channel_ratio=4,
        slow_pathway=dict(
            lateral=True, base_channels=8, conv1_kernel=(1, 5, 5), dilations=(1, 1, 1, 1), inflate=(0, 0, 1, 1),
            **pathway,
        ),
        fast_pathway=dict(lateral=False, base_channels=2, conv1_kernel=(5, 5, 5), **pathway),
    ),
    cls_head=dict(type="SlowFastHead", in_channels=80, num_classes=14, dropout_ratio=0.5, average_clips="prob"),
    data_preprocessor=dict(
        type="ActionDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape="NCTHW",
    ),
)
train_pipeline = [
    dict(type="RandomResizedCrop", area_range=(0.7, 1.0), aspect_ratio_range=(0.85, 1.15)),
    dict(type="Resize", scale=(24, 16), keep_ratio=False),
    dict(type="Flip", flip_ratio=0.5),
    dict(type="ColorJitter", brightness=0.3, contrast=0.3),
    dict(type="RandomErasing", erase_prob=0.25, max_area_ratio=0.2, mode="rand", fill_std=(64, 64, 64)),
    dict(type="FormatShape", input_format="NCTHW"),
    dict(type="PackActionInputs"),
]
test_pipeline = [
    dict(type="Resize", scale=(24, 16), keep_ratio=False),
    dict(type="FormatShape", input_format="NCTHW"),
    dict(type="PackActionInputs"),
]
train_dataloader = dict(
    batch_size=6,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type=dataset_type,
        ann_file="{root}/annotations/train.json",
        data_prefix=dict(hdf5="{root}/frames"),
        frame_window=8,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=6,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type,
        ann_file="{root}/annotations/val.json",
        data_prefix=dict(hdf5="{root}/frames"),
        frame_window=8,
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="AccMetric")
test_evaluator = val_evaluator
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=1, val_begin=1, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=1e-4), clip_grad=dict(max_norm=40, norm_type=2)
)
param_scheduler = [dict(type="MultiStepLR", begin=0, end=1, by_epoch=True, milestones=[1], gamma=0.1)]
default_hooks = dict(checkpoint=dict(interval=1, save_best="acc/top1"), logger=dict(interval=1))
randomness = dict(seed=1)
"""


def _flatten(node: Any, place: str = "") -> dict[str, Any]:
    """Return a configuration's values by dotted key; lists of groups by index."""
    if isinstance(node, Config):
        node = node.to_dict()
    if isinstance(node, dict):
        items = list(node.items())
    elif isinstance(node, list) and any(isinstance(inner, dict) for inner in node):
        items = [(str(index), inner) for index, inner in enumerate(node)]
    else:
        return {place: node}
    flat: dict[str, Any] = {}
    for key, inner in items:
        flat |= _flatten(inner, f"{place}.{key}" if place else key)
    return flat


def _compare(before: Config, after: Config) -> dict[str, Any]:
    """Return what differs in `after`, by dotted key; what is gone is "gone"."""
    old, new = _flatten(before), _flatten(after)
    changed = {key: value for key, value in new.items() if key not in old or old[key] != value}
    return changed | dict.fromkeys(old.keys() - new.keys(), "gone")


@pytest.fixture
def compare() -> Callable[[Config, Config], dict[str, Any]]:
    return _compare


@pytest.fixture
def complete() -> Callable[..., Config]:
    """Complete a configuration for a CPU and the folder work_dirs/run: (cfg, dataset, **options)."""

    def complete(cfg: Config, dataset: ThermalDataset | None, **options: Any) -> Config:
        return complete_config(cfg, TrainOptions(**options), dataset, work_dir=Path("work_dirs/run"), device="cpu")

    return complete


@pytest.fixture
def users_config(tmp_path: Path, simulated_dataset: Path) -> Path:
    """A user's own MMAction2 configuration file, which names the simulated dataset's files."""
    path = tmp_path / "thermal_slowfast.py"
    path.write_text(USERS_CONFIG.replace("{root}", str(simulated_dataset)), encoding="utf-8")
    return path


class Training:
    """Trains the small SlowFast in one folder, and remembers what was told.

    Attributes:
        work_dir: the folder.
        events: everything told so far, over all runs.
    """

    def __init__(self, cfg: Config, dataset: ThermalDataset | None, work_dir: Path, overrides: dict[str, Any]) -> None:
        self.cfg = cfg
        self.dataset = dataset
        self.work_dir = work_dir
        self.overrides = overrides
        self.events: list[Event] = []

    def prepare(self, **options: Any) -> Config:
        """Return the complete configuration."""
        overrides = self.overrides | options.pop("overrides", {})
        options = {"epochs": 1, "device": "cpu", "overrides": overrides} | options
        return complete_config(self.cfg, TrainOptions(**options), self.dataset, work_dir=self.work_dir, device="cpu")

    def run(self, *, stop_after: int | None = None, **options: Any) -> TrainResult:
        """Train; with `stop_after` the process is interrupted once that epoch is validated."""

        def tell(event: Event) -> None:
            self.events.append(event)
            if stop_after is not None and isinstance(event, ValidationDone) and event.epoch == stop_after:
                raise KeyboardInterrupt

        return train(self.prepare(**options), on_event=tell, command=("thermalctl", "train", "--seed", "1"))


@pytest.fixture
def training(tiny: Config, dataset: ThermalDataset, tmp_path: Path, small: dict[str, Any]) -> Training:
    """A training of the small SlowFast in a folder of its own; a checkpoint each epoch."""
    overrides = small | {"default_hooks.checkpoint.interval": 1}
    return Training(tiny, dataset, tmp_path / "run", overrides)


@pytest.fixture
def users_training(users_config: Path, tmp_path: Path) -> Training:
    """A training of a user's own MMAction2 configuration, on the files that it names."""
    return Training(load_config(str(users_config)), None, tmp_path / "theirs", {})
