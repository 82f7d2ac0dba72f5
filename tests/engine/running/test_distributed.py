"""Several processes, and accumulated steps, learn what one process with one large batch learns."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from thermalctl.engine.checkpoints import find_last
from thermalctl.engine.running.distributed import Place, find_first_host, find_place
from thermalctl.errors import RequestError
from thermalctl.evaluation.run_log import read_run_log

Command = Callable[..., list[str]]

#: What would differ between processes, or between batches of another size: draws, dropout, statistics of the batch.
ALIKE = ("--augment", "none", "--dropout", "0", "--freeze-bn", "--class-weights", "inverse", "--epochs", "2")


@pytest.fixture
def command(simulated_dataset: Path, trained_run: Path, small: dict[str, Any]) -> Command:
    """Return the command line of a short training from the weights of another."""
    pairs = [f"{key}={value}" for key, value in small.items() if key != "train_dataloader.batch_size"]

    def make(work_dir: Path, *flags: str) -> list[str]:
        where = ("--data", str(simulated_dataset), "--work-dir", str(work_dir), "--device", "cpu")
        start = ("--config", "slowfast-tiny", "--load-from", str(trained_run / "epoch_1.pth"))
        # A schedule counts steps, and the steps of an update would differ in their rate.
        every = ("default_hooks.logger.interval=1", "default_hooks.checkpoint.interval=1", "param_scheduler=None")
        return [sys.executable, "-m", "thermalctl", "train", *where, *start, *flags, "--cfg-options", *pairs, *every]

    return make


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return weights


def assert_alike(found: Path, expected: Path) -> None:
    first, second = read_weights(found), read_weights(expected)
    assert first.keys() == second.keys()
    for name, value in second.items():
        torch.testing.assert_close(first[name], value, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_two_processes_and_two_steps_learn_what_one_large_batch_teaches(command: Command, tmp_path: Path) -> None:
    ways = {
        "one": ("--batch-size", "4"),
        "processes": ("--batch-size", "2", "--gpus", "2"),
        "steps": ("--batch-size", "2", "--accumulate", "2"),
        "both": ("--batch-size", "1", "--accumulate", "2", "--gpus", "2"),
    }
    for name, flags in ways.items():
        outcome = run(command(tmp_path / name, *ALIKE, *flags))
        assert outcome.returncode == 0, outcome.stderr
        assert "Warning" not in outcome.stderr
        assert outcome.stdout.count("trained for 2 epochs") == 1
    untrained = read_weights(tmp_path / "one" / "epoch_1.pth")
    trained = read_weights(tmp_path / "one" / "epoch_2.pth")
    assert max(float((trained[name] - value).abs().max()) for name, value in untrained.items()) > 1e-3
    for name in ("processes", "steps", "both"):
        assert_alike(tmp_path / name / "epoch_2.pth", tmp_path / "one" / "epoch_2.pth")
    header = json.loads((tmp_path / "both" / "metrics.jsonl").read_text().splitlines()[0])
    assert (header["num_processes"], header["accumulate"], header["batch_size"]) == (2, 2, 1)
    one, both = (read_run_log(tmp_path / name).validations for name in ("one", "both"))
    assert [done.metrics["acc/top1"] for done in one] == [done.metrics["acc/top1"] for done in both]


def wait_for(condition: Callable[[], bool], *, seconds: float = 120) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)


def find_children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


@pytest.mark.slow
def test_training_goes_on_after_a_process_was_lost(command: Command, tmp_path: Path) -> None:
    work_dir = tmp_path / "lost"
    arguments = command(work_dir, "--batch-size", "2", "--gpus", "2", "--epochs", "30")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        wait_for(lambda: find_last(work_dir) is not None)
        os.kill(find_children(parent.pid)[-1], signal.SIGKILL)
        _, told = parent.communicate(timeout=300)
    assert parent.returncode == 0, told
    assert re.search(r"process \d of 2 was lost \(SIGKILL\)", told)
    assert "resumed" in told
    assert (work_dir / "epoch_30.pth").is_file()


@pytest.mark.slow
def test_processes_that_are_asked_to_end_save_the_run(command: Command, tmp_path: Path) -> None:
    work_dir = tmp_path / "asked"
    arguments = command(work_dir, "--batch-size", "2", "--gpus", "2", "--epochs", "500")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        wait_for(lambda: find_last(work_dir) is not None)
        parent.send_signal(signal.SIGTERM)
        _, told = parent.communicate(timeout=120)
    assert parent.returncode == 143, told
    assert "Traceback" not in told
    assert "interrupted; go on with: thermalctl train --resume --work-dir" in told


def test_place_is_what_the_launcher_says() -> None:
    torchrun = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    slurm = {"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1"}
    assert find_place(None, {}) is None
    assert find_place(None, slurm) is None  # any shell of a job has these
    assert find_place(None, torchrun) == Place(rank=3, world_size=4, local_rank=1)
    assert find_place("slurm", torchrun | slurm) == Place(rank=5, world_size=8, local_rank=1)
    with pytest.raises(RequestError, match=r"--launcher slurm: \$SLURM_PROCID is not set"):
        find_place("slurm", torchrun)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("gpu03", "gpu03"),
        ("gpu03,gpu04", "gpu03"),
        ("gpu[03-05,09],cpu1", "gpu03"),
        ("a1,gpu[3-5]", "a1"),
        ("n[7]", "n7"),
    ],
)
def test_first_machine_of_a_job_is_found(nodes: str, first: str) -> None:
    assert find_first_host(nodes) == first
