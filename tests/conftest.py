"""Fixtures that more than one room uses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from thermalctl.dataset.simulate import simulate_dataset
from thermalctl.recordings.simulate import SimulationOptions

REAL_DATASET = Path(__file__).parents[2] / "shared" / "data" / "thermal_action_v1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the demo, the longest test by far, so that all workers end at about the same time."""
    items.sort(key=lambda item: item.path.name != "test_demo.py")


@pytest.fixture(scope="session")
def real_dataset() -> Path:
    """The real recordings, read only; tests that use them are marked `real`."""
    if not REAL_DATASET.is_dir():
        pytest.skip(f"the real recordings are not at {REAL_DATASET}")
    return REAL_DATASET


@pytest.fixture(scope="session")
def simulated_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated sessions of two recordings, 100 frames of 16x24: 12 train and 12 val keyframes; never changed.

    The first session, which is train, has incomplete frames.
    """
    root = tmp_path_factory.mktemp("simulated") / "dataset"
    options = SimulationOptions(
        num_sessions=2,
        recordings_per_session=2,
        frames_per_recording=100,
        keyframes_per_recording=6,
        frame_size=(16, 24),
        seed=3,
    )
    simulate_dataset(root, options)
    return root


#: Makes of the shipped small SlowFast one that trains an epoch on 8 frames of 16x24 in a second.
SMALL = {
    "clip.num_frames": 8,
    "clip.input_size": (16, 24),
    "model.backbone.resample_rate": 4,
    "model.backbone.slow_pathway.base_channels": 8,
    "model.backbone.fast_pathway.base_channels": 2,
    "model.cls_head.in_channels": 80,
    "train_dataloader.batch_size": 6,
    "val_dataloader.batch_size": 6,
    "optim_wrapper.optimizer.type": "SGD",
    "optim_wrapper.optimizer.lr": 0.05,
    "auto_scale_lr.base_batch_size": 8,
}


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """What makes of the shipped small SlowFast a much smaller one: values by dotted key of the configuration."""
    return dict(SMALL)


@pytest.fixture(scope="session")
def trained_run(simulated_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work dir of one epoch on the simulated dataset; never changed."""
    from thermalctl.dataset.layout import DatasetLayout
    from thermalctl.dataset.samples import load_dataset
    from thermalctl.engine.config import complete_config, load_config
    from thermalctl.engine.options import TrainOptions
    from thermalctl.engine.train import train

    work_dir = tmp_path_factory.mktemp("trained") / "run"
    options = TrainOptions(epochs=1, device="cpu", overrides=SMALL | {"default_hooks.checkpoint.interval": 1})
    dataset = load_dataset(DatasetLayout(simulated_dataset))
    cfg = complete_config(load_config("slowfast-tiny"), options, dataset, work_dir=work_dir, device="cpu")
    train(cfg, on_event=lambda event: None, command=("thermalctl", "train"))
    return work_dir


@pytest.fixture(autouse=True)
def _away_from_the_users_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the caller's dataset, colours or terminal width."""
    for name in [name for name in os.environ if name.startswith("THERMALCTL_")] + ["FORCE_COLOR"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
