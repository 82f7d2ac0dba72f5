from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

KILLED = Path(__file__).with_name("killed_trainings.py")
NUM_KILLS = 30


@pytest.mark.slow
def test_run_killed_thirty_times_is_the_run_that_was_not(
    simulated_dataset: Path,
    small: dict[str, Any],
    tmp_path: Path,
    assert_same_run: Callable[[Path, Path], None],
) -> None:
    overrides = small | {
        "train_dataloader.batch_size": 2,
        "default_hooks.logger.interval": 1,
        "default_hooks.checkpoint.interval": 1,
        "default_hooks.checkpoint.max_keep_ckpts": 1,
    }
    arguments = [sys.executable, str(KILLED), str(simulated_dataset), str(tmp_path / "killed")]
    arguments += [json.dumps(overrides), str(NUM_KILLS), "7"]
    paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    outcome = subprocess.run(
        arguments, capture_output=True, text=True, timeout=900, env=os.environ | paths, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    seen = json.loads(outcome.stdout.splitlines()[-1])
    assert len(seen) == NUM_KILLS
    assert len(set(seen)) >= 10
    assert_same_run(tmp_path / "killed" / "epoch_10.pth", tmp_path / "whole" / "epoch_10.pth")
    assert not list((tmp_path / "killed").glob("iter_*.pth"))
