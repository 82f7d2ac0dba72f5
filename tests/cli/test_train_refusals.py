"""What `train` refuses: exit 2, what is wrong and what to do, and nothing written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thermalctl.cli.console import count, find_exit_code
from thermalctl.cli.launching import drop_option
from thermalctl.engine.running.launching import count_processes
from thermalctl.engine.running.signals import TrainingInterrupted
from thermalctl.errors import RequestError
from thermalctl.evaluation.run_records import RunHeader, format_record
from thermalctl.evaluation.sweep_record import write_sweep
from thermalctl.evaluation.sweep_summary import RunOutcome, summarise_sweep

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "99999999999"], "--seed is 99999999999, expected at most 4294967295"),
        (["--print-config", "--dry-run"], "--print-config and --dry-run are two questions"),
        (["--mix", "mixup", "--mix-probability", "0"], "--mix mixup and --mix-probability 0 contradict"),
        (["--cfg-options", "data_preprocessor.augment.flip=0.9"], "has a data_preprocessor of its own"),
        (["--follow", "run", "--epochs", "2"], "--follow shows a run and trains nothing: it takes no --epochs"),
        (["--rendezvous", "node1:1"], "--rendezvous node1:1: one machine meets nobody"),
        (["--nodes", "2", "--work-dir", "run"], "--nodes 2: where do they meet?"),
        (["--nodes", "2", "--rendezvous", "node1:1"], "several processes have to agree on where the run goes"),
        (["--gpus", "0"], "--gpus is 0, expected 1 or more"),
        (["--gpus", "2", "--seeds", "1,2"], "train their runs one after the other, each in one process"),
        (["--launcher", "slurm", "--work-dir", "run"], "--launcher slurm: $SLURM_PROCID is not set"),
        (["--batch-size", "some"], "is neither a number nor auto"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_impossible_request_is_exit_2(
    simulated: Path, folder: Path, thermalctl: Run, arguments: list[str], message: str
) -> None:
    data = () if "--follow" in arguments else ("--data", simulated, "--device", "cpu")
    outcome = thermalctl("train", *data, *arguments)
    assert outcome.code == 2
    assert message in " ".join(outcome.err.replace("│", " ").split())
    assert "Traceback" not in outcome.err
    assert not (folder / "work_dirs").exists()


def test_run_without_a_checkpoint_is_begun_again(simulated: Path, folder: Path, thermalctl: Run) -> None:
    (folder / "run").mkdir()
    (folder / "run/metrics.jsonl").touch()
    outcome = thermalctl("train", "--data", simulated, "--resume", "--work-dir", "run")
    assert outcome.code == 2
    assert "the run in run ended before a checkpoint was saved" in outcome.err
    assert "the same command without --resume" in outcome.err


def test_single_run_does_not_go_into_a_sweeps_folder(simulated: Path, folder: Path, thermalctl: Run) -> None:
    write_sweep(summarise_sweep(folder / "sweep", [RunOutcome(name="seed-1", seed=1)]))
    outcome = thermalctl("train", "--data", simulated, "--work-dir", "sweep")
    assert outcome.code == 2
    assert "sweep: holds a sweep" in outcome.err


def test_folder_of_several_runs_is_not_followed(folder: Path, thermalctl: Run) -> None:
    for name in ("seed-1", "seed-2"):
        (folder / "sweep" / name).mkdir(parents=True)
        (folder / "sweep" / name / "metrics.jsonl").touch()
    outcome = thermalctl("train", "--follow", "sweep")
    assert outcome.code == 2
    assert "sweep: holds 2 runs, each with a log of its own" in outcome.err
    assert "name one: sweep/seed-1, sweep/seed-2" in outcome.err


def test_killed_run_is_killed_in_json_too(folder: Path, thermalctl: Run) -> None:
    import socket

    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    header = RunHeader(
        model="X3D", num_parameters=1, device="CPU", precision="float32", num_train=1, num_val=1, classes=("a",),
        train_counts=(1,), batch_size=1, max_epochs=2, warmup_epochs=0, weights=None, rates={}, first_epoch=1,
        version="0.1.0", host=socket.gethostname(), pid=process.pid,
    )  # fmt: skip
    (folder / "run").mkdir()
    (folder / "run/metrics.jsonl").write_text(format_record(header, time_s=1.0) + "\n")
    outcome = thermalctl("train", "--follow", "run", "--json")
    assert (outcome.code, json.loads(outcome.out)["status"]) == (1, "killed")
    assert "is gone and left no end" in outcome.err


@pytest.mark.parametrize(
    ("command", "left"),
    [
        (["train", "--extend-epochs", "2", "--resume"], ["train", "--resume"]),
        (["train", "--extend-epochs=2"], ["train"]),
        (["train", "--epochs", "2"], ["train", "--epochs", "2"]),
    ],
)
def test_option_is_dropped_with_its_value(command: list[str], left: list[str]) -> None:
    assert drop_option(command, "--extend-epochs") == left


def test_processes_of_a_processor_are_as_many_as_asked_for() -> None:
    assert [count_processes(None, device="cpu"), count_processes(3, device="cpu")] == [1, 3]
    with pytest.raises(RequestError, match="--gpus is 0"):
        count_processes(0, device="cpu")


def test_more_gpus_than_there_are_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert count_processes(None, device="cuda") == 2
    with pytest.raises(RequestError, match="--gpus 3: torch sees 2"):
        count_processes(3, device="cuda")


def test_words_and_codes() -> None:
    assert (count(1, "epoch"), count(2, "epoch"), count(1000, "step")) == ("1 epoch", "2 epochs", "1,000 steps")
    assert (find_exit_code(KeyboardInterrupt()), find_exit_code(TrainingInterrupted(10))) == (130, 138)
