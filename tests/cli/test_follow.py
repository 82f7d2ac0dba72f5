from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thermalctl.cli import follow
from thermalctl.cli.follow import follow_run
from thermalctl.errors import NotHeldError, RequestError
from thermalctl.evaluation.run_records import (
    Finding,
    Record,
    RunEnded,
    RunHeader,
    ValidationDone,
    format_record,
)

Run = Callable[..., Any]
NOBODY = "another machine"


def begin(**changes: Any) -> RunHeader:
    values: dict[str, Any] = {
        "model": "X3D",
        "num_parameters": 3_000_000,
        "device": "NVIDIA H100",
        "precision": "bfloat16",
        "num_train": 40,
        "num_val": 4,
        "classes": ("a", "b"),
        "train_counts": (40, 0),
        "batch_size": 4,
        "max_epochs": 3,
        "warmup_epochs": 0,
        "first_epoch": 1,
        "weights": "kinetics.pth",
        "rates": {"backbone": 0.1},
        "version": "0.1.0",
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
    return RunHeader(**values | changes)


def validation(epoch: int) -> ValidationDone:
    return ValidationDone(epoch=epoch, metrics={"acc/top1": 0.5}, train_loss=1.25, is_best=epoch == 1)


END = RunEnded(status="finished", epochs=2, seconds=75)


def append(folder: Path, *records: Record, time_s: float | None = None) -> None:
    with (folder / "metrics.jsonl").open("a") as file:
        for record in records:
            file.write(format_record(record, time_s=time.time() if time_s is None else time_s) + "\n")


def test_finished_run_is_shown_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finding = Finding(epoch=2, topic="overfitting", text="train is far above val", advice="--dropout 0.5")
    append(tmp_path, begin(), validation(1), validation(2), finding, END)
    follow_run(tmp_path)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    run = "".join(lines[4:-5])  # a long path is wrapped
    assert lines[:4] == [
        "data     40 train, 4 val clips, 2 classes (1 in train)",
        "model    X3D, 3.0 M parameters",
        "weights  kinetics.pth",
        "device   NVIDIA H100, bfloat16, batch 4",
    ]
    assert tmp_path.name in run
    assert lines[-5:] == [
        "epoch 1    loss 1.250  top-1 50.0  best so far",
        "epoch 2    loss 1.250  top-1 50.0",
        "note: train is far above val",
        "      try: --dropout 0.5",
        "finished after 2 epochs, 1:15",
    ]


def test_real_run_is_followed_by_the_command(trained: Path, thermalctl: Run) -> None:
    outcome = thermalctl("train", "--follow", trained)
    assert outcome.code == 0, outcome.err
    assert "epoch 1 " in outcome.out
    assert "finished after 1 epoch, " in outcome.out
    assert "\x1b" not in outcome.out
    outcome = thermalctl("train", "--follow", trained, "--json")
    log = json.loads(outcome.out)
    assert (log["header"]["num_train"], log["end"]["status"], len(log["validations"])) == (8, "finished", 1)


def test_running_run_is_followed_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(tmp_path, begin(), validation(1))

    def go_on() -> None:
        for record in (validation(2), END):
            time.sleep(0.1)
            append(tmp_path, record)

    thread = threading.Thread(target=go_on)
    thread.start()
    follow_run(tmp_path, poll_s=0.02)
    thread.join()
    text = capsys.readouterr().out
    assert text.index("epoch 1 ") < text.index("epoch 2 ") < text.index("finished after 2 epochs")
    assert text.count("epoch 1 ") == 1


def test_resumption_is_shown_where_it_happened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopped = RunEnded(status="interrupted", epochs=1, seconds=9)
    append(tmp_path, begin(), validation(1), stopped, begin(first_epoch=2), validation(2), END)
    follow_run(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-5:] == [
        "epoch 1    loss 1.250  top-1 50.0  best so far",
        "interrupted after 1 epoch, 0:09",
        "resumed, epoch 2 comes next",
        "epoch 2    loss 1.250  top-1 50.0",
        "finished after 2 epochs, 1:15",
    ]


def test_reason_of_a_failure_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(tmp_path, begin(), RunEnded(status="failed", epochs=0, seconds=2, reason="the scores are not numbers"))
    follow_run(tmp_path)
    assert capsys.readouterr().out.endswith("failed after 0 epochs, 0:02: the scores are not numbers\n")


@pytest.mark.parametrize(
    ("saved", "hint"), [(["epoch_1.pth"], "thermalctl train --resume --work-dir"), ([], "there is nothing to resume")]
)
def test_killed_process_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], saved: list[str], hint: str
) -> None:
    for name in saved:
        (tmp_path / name).touch()
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    append(tmp_path, begin(pid=process.pid), validation(1))
    with pytest.raises(NotHeldError, match=rf"its process \({process.pid} on .*\) is gone and left no end") as caught:
        follow_run(tmp_path)
    assert hint in str(caught.value.hint)
    assert "epoch 1 " in capsys.readouterr().out


def test_process_on_another_machine_is_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(tmp_path, begin(host=NOBODY, pid=1), END)
    monkeypatch.setattr(os, "kill", lambda pid, sent: pytest.fail("asked for a process of another machine"))
    follow_run(tmp_path)


@pytest.mark.parametrize(("pause_s", "silent_s", "is_told"), [(1, 119, False), (1, 121, True), (60, 290, False)])
def test_silent_run_is_told_once(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    pause_s: float,
    silent_s: float,
    is_told: bool,
) -> None:
    now = time.time()
    append(tmp_path, begin(host=NOBODY), time_s=now - silent_s - pause_s)
    append(tmp_path, validation(1), time_s=now - silent_s)
    polls = []

    def sleep(seconds: float) -> None:
        polls.append(seconds)
        if len(polls) == 3:
            append(tmp_path, END)

    monkeypatch.setattr(follow.time, "sleep", sleep)
    follow_run(tmp_path)
    assert capsys.readouterr().out.count("the run may hang or be gone") == is_told


def test_damaged_line_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(tmp_path, begin())
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write("half a li\n")
    append(tmp_path, END)
    follow_run(tmp_path)
    assert "line 2 is damaged and left out" in capsys.readouterr().err


def test_folder_without_a_log_is_exit_2(trained: Path, tmp_path: Path, thermalctl: Run) -> None:
    shutil.copy(trained / "epoch_1.pth", tmp_path)
    outcome = thermalctl("train", "--follow", tmp_path)
    assert outcome.code == 2
    assert "holds no metrics.jsonl" in outcome.err
    with pytest.raises(RequestError):
        follow_run(tmp_path, as_json=True)
