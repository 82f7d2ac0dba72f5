"""Fixtures that more than one room uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from thermalctl.dataset.simulate import simulate_dataset
from thermalctl.recordings.simulate import SimulationOptions

REAL_DATASET = Path(__file__).parents[2] / "shared" / "data" / "thermal_action_v1"


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


@pytest.fixture(autouse=True)
def _away_from_the_users_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the caller's dataset, colours or terminal width."""
    for name in [name for name in os.environ if name.startswith("THERMALCTL_")] + ["FORCE_COLOR"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
