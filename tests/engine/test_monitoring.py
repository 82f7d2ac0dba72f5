from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from thermalctl.engine.events import RunStarted, StepDone, ValidationDone
from thermalctl.engine.monitoring import MetricsLog
from thermalctl.evaluation.run_log import read_run_log
from thermalctl.evaluation.run_records import Finding, RunEnded, RunHeader, format_record


def read_lines(work_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work_dir / "metrics.jsonl").read_text().splitlines()]


def start(folder: Path, **changes: Any) -> RunStarted:
    values: dict[str, Any] = {
        "work_dir": folder,
        "model": "X3D",
        "num_parameters": 7,
        "device": "CPU",
        "precision": "float32",
        "num_train": 40,
        "num_val": 4,
        "classes": ("a", "b"),
        "train_counts": (30, 10),
        "class_weights": (),
        "incomplete_share": None,
        "weights": None,
        "fitted": None,
        "rates": {"backbone": 0.1},
        "max_epochs": 3,
        "warmup_epochs": 0,
        "batch_size": 4,
        "first_epoch": 1,
    }
    return RunStarted(**values | changes)


def step(number: int, *, epoch: int = 1, num_steps: int = 10) -> StepDone:
    return StepDone(
        epoch=epoch,
        max_epochs=3,
        step=number,
        num_steps=num_steps,
        loss=1.0,
        lr=0.1,
        clips_per_s=9.0,
        memory_gib=1.0,
        seconds_left=2.0,
    )


def test_log_of_a_real_run(trained_run: Path) -> None:
    header, *_, end = read_lines(trained_run)
    assert (header["kind"], header["num_train"], header["num_val"], header["max_epochs"]) == ("start", 12, 12, 1)
    assert (header["host"], header["pid"]) == (socket.gethostname(), os.getpid())
    assert (end["kind"], end["status"], end["epochs"]) == ("end", "finished", 1)
    log = read_run_log(trained_run)
    assert [(entry.epoch, entry.step) for entry in log.steps] == [(1, 2)]
    (done,) = log.validations
    assert {"acc/top1", "acc/mean_class", "acc/log_loss"} <= set(done.metrics)
    assert done.train_accuracy is not None
    assert 0 <= done.train_accuracy <= 1
    assert log.steps[0].data_share is not None
    assert 0 < log.steps[0].data_share < 1


def test_accuracy_in_train_is_that_of_the_epochs_clips(training: Any) -> None:
    training.run(warmup_epochs=0, overrides={"train_dataloader.batch_size": 3, "default_hooks.logger.interval": 1})
    told = [event for event in training.events if isinstance(event, ValidationDone)]
    text = next(training.work_dir.glob("*.log")).read_text()
    of_steps = [float(line.split("top1_acc: ")[1].split()[0]) for line in text.splitlines() if "Epoch(train)" in line]
    assert len(of_steps) == 4
    assert told[0].train_accuracy == pytest.approx(sum(of_steps) / 4, abs=1e-4)


def test_steps_are_logged_as_often_as_mmengine_logs_them(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, log_interval=4) as log:
        log(start(tmp_path))
        for number in range(1, 11):
            log(step(number))
    assert [line["step"] for line in read_lines(tmp_path) if line["kind"] == "step"] == [4, 8, 10]


def test_lines_can_be_read_while_it_runs(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, log_interval=1) as log:
        log(start(tmp_path))
        log(step(1))
        read = read_run_log(tmp_path)
    assert isinstance(read.header, RunHeader)
    assert (len(read.steps), read.end) == (1, None)


def test_interrupted_run_says_so_and_the_resumed_one_appends(training: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        training.run(epochs=3, stop_after=2)
    end = read_run_log(training.work_dir).end
    assert end is not None
    assert (end.status, end.epochs, end.reason) == ("interrupted", 2, "")
    known = Finding(epoch=2, topic="overfitting", text="far above", advice="--dropout 0.5")
    with (training.work_dir / "metrics.jsonl").open("a") as file:
        file.write(format_record(known, time_s=0) + "\n")
    result = training.run(epochs=3, resume=True)
    assert result.findings == (known,)
    log = read_run_log(training.work_dir)
    assert [done.epoch for done in log.validations] == [1, 2, 3]
    assert log.header.first_epoch == 3
    assert log.end is not None
    assert (log.end.status, log.end.epochs) == ("finished", 3)
    assert [line["kind"] for line in read_lines(training.work_dir) if line["kind"] in ("start", "end")] == [
        "start",
        "end",
        "start",
        "end",
    ]


def test_run_that_stopped_early_says_so(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, log_interval=1) as log:
        log(start(tmp_path))
        log.note_end(epochs=2, stopped_early=True)
    end = read_run_log(tmp_path).end
    assert end is not None
    assert (end.status, end.epochs) == ("stopped early", 2)


def test_error_that_ends_a_run_is_the_reason(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no space"), MetricsLog(tmp_path, log_interval=1) as log:
        log(start(tmp_path, first_epoch=2))
        log(step(10, epoch=2))
        log(step(4, epoch=3))
        raise OSError("no space left on device")
    end = read_run_log(tmp_path).end
    assert end is not None
    assert (end.status, end.epochs, end.reason) == ("failed", 2, "no space left on device")


def test_run_that_never_began_leaves_no_log(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), MetricsLog(tmp_path, log_interval=1):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_half_a_line_of_a_killed_process_does_not_swallow_the_next(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"kind": "step", "ti')
    with MetricsLog(tmp_path, log_interval=1) as log:
        log(start(tmp_path, first_epoch=2))
    read = read_run_log(tmp_path)
    assert read.header.first_epoch == 2
    assert isinstance(read.end, RunEnded)
    assert len(read.damaged) == 1
