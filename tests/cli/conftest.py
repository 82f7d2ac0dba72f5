"""The command line as a user runs it: through `main`, with its exit code and both streams."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from thermalctl.dataset.simulate import simulate_dataset
from thermalctl.recordings.simulate import SimulationOptions

#: A real SlowFast that trains in seconds.
_TRAINING = ("--config", "slowfast-tiny", "--device", "cpu", "--epochs", "1", "--batch-size", "4")
_TRAINING += ("--cfg-options", "clip.num_frames=16", "clip.input_size=(16,24)")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def thermalctl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command in this process and return how it ended."""
    from thermalctl.cli.app import main

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["thermalctl", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code
        captured = capsys.readouterr()
        return Outcome(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("simulated") / "thermal_action_dataset"
    options = SimulationOptions(
        num_sessions=2,
        recordings_per_session=1,
        frames_per_recording=300,
        keyframes_per_recording=8,
        frame_size=(16, 24),
    )
    simulate_dataset(root, options)
    return root


@pytest.fixture
def folder(simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a dataset below it, and the user in it."""
    (tmp_path / "ThermalDataGen").mkdir()
    shutil.copytree(simulated, tmp_path / "ThermalDataGen" / simulated.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def trained(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work dir, trained through the command line."""
    work_dir = tmp_path_factory.mktemp("runs") / "run"
    arguments = ["train", "--data", str(simulated), "--work-dir", str(work_dir), *_TRAINING]
    subprocess.run([sys.executable, "-m", "thermalctl", *arguments], check=True, capture_output=True)
    return work_dir
