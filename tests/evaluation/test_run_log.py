from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from thermalctl.errors import RequestError
from thermalctl.evaluation.run_log import METRICS_FILE, LogReader, read_run_log
from thermalctl.evaluation.run_records import (
    Finding,
    Record,
    RunEnded,
    RunHeader,
    StepDone,
    ValidationDone,
    format_record,
    parse_record,
)


def begin(**changes: Any) -> RunHeader:
    values: dict[str, Any] = {
        "model": "ResNet3dSlowFast, depth 18",
        "num_parameters": 570092,
        "device": "CPU, 1 thread",
        "precision": "float32",
        "num_train": 12,
        "num_val": 6,
        "classes": ("walking", "sitting"),
        "train_counts": (5, 7),
        "batch_size": 6,
        "max_epochs": 4,
        "warmup_epochs": 1,
        "first_epoch": 1,
        "weights": None,
        "rates": {"backbone": 0.01, "cls_head": 0.1},
        "version": "0.1.0",
        "host": "here",
        "pid": 7,
    }
    return RunHeader(**values | changes)


def step(epoch: int, loss: float = 1.5, **changes: Any) -> StepDone:
    values: dict[str, Any] = {"max_epochs": 4, "step": 2, "num_steps": 2, "lr": 0.1, "clips_per_s": 20.0}
    return StepDone(epoch=epoch, loss=loss, **values | {"memory_gib": 0.5, "seconds_left": 3.0} | changes)


def validation(epoch: int, top1: float = 0.5) -> ValidationDone:
    return ValidationDone(epoch=epoch, metrics={"acc/top1": top1}, train_loss=1.25, is_best=False, train_accuracy=0.75)


def finding(epoch: int) -> Finding:
    return Finding(epoch=epoch, topic="overfitting", text="far above", advice="--dropout 0.5")


def write(folder: Path, *records: Record, rest: str = "") -> Path:
    lines = "".join(format_record(record, time_s=100 + place) + "\n" for place, record in enumerate(records))
    (folder / METRICS_FILE).write_text(lines + rest)
    return folder


@pytest.mark.parametrize(
    "record",
    [
        begin(),
        begin(weights="kinetics.pth", train_counts=()),
        step(2, data_share=0.25),
        validation(1),
        ValidationDone(epoch=1, metrics={}, train_loss=1.0, is_best=True),
        finding(3),
        RunEnded(status="stopped early", epochs=3, seconds=8.5),
        RunEnded(status="failed", epochs=3, seconds=8.5, reason="no space left: ä"),
    ],
)
def test_record_is_read_as_it_was_written(record: Record) -> None:
    line = format_record(record, time_s=12.3456)
    assert "\n" not in line
    assert parse_record(line) == (12.346, record)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_number_that_is_none_is_null_in_json_and_nan_again(loss: float) -> None:
    line = format_record(step(1, loss=loss), time_s=0)
    assert json.loads(line)["loss"] is None
    record = parse_record(line)[1]
    assert isinstance(record, StepDone)
    assert math.isnan(record.loss)


def test_score_that_is_no_number_is_nan_again() -> None:
    line = format_record(
        ValidationDone(epoch=1, metrics={"acc/log_loss": math.inf}, train_loss=1, is_best=False), time_s=0
    )
    record = parse_record(line)[1]
    assert isinstance(record, ValidationDone)
    assert math.isnan(record.metrics["acc/log_loss"])


def test_fields_of_a_later_version_are_left_out() -> None:
    values = json.loads(format_record(finding(2), time_s=1)) | {"severity": 3}
    assert parse_record(json.dumps(values))[1] == finding(2)


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[1]",
        '{"kind": "novel"}',
        '{"kind": "finding", "time": 1, "epoch": 2}',
        '{"kind": "finding", "time": 1, "epoch": "2", "topic": "a", "text": "b", "advice": "c"}',
        '{"kind": "end", "time": 1, "status": "flown", "epochs": 1, "seconds": 2}',
        '{"kind": "end", "time": 1, "status": "finished", "epochs": true, "seconds": 2}',
    ],
)
def test_line_that_is_no_record_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_record(line)


def test_log_of_a_finished_run(tmp_path: Path) -> None:
    end = RunEnded(status="finished", epochs=2, seconds=8)
    write(tmp_path, begin(), step(1), validation(1), finding(1), step(2), validation(2), end)
    log = read_run_log(tmp_path)
    assert (log.work_dir, log.header, log.end) == (tmp_path, begin(), end)
    assert log.steps == (step(1), step(2))
    assert log.validations == (validation(1), validation(2))
    assert log.findings == (finding(1),)
    assert (log.updated_s, log.damaged) == (106, ())


def test_epochs_that_were_repeated_after_resuming_are_superseded(tmp_path: Path) -> None:
    write(
        tmp_path,
        *(begin(), step(1), validation(1, 0.1), step(2), validation(2, 0.2), finding(2), step(3, loss=9)),
        RunEnded(status="interrupted", epochs=2, seconds=3),
        *(begin(first_epoch=2), step(2, loss=7), validation(2, 0.6)),
    )
    log = read_run_log(tmp_path)
    assert log.header.first_epoch == 2
    assert [(entry.epoch, entry.loss) for entry in log.steps] == [(1, 1.5), (2, 7)]
    assert [(entry.epoch, entry.metrics["acc/top1"]) for entry in log.validations] == [(1, 0.1), (2, 0.6)]
    assert (log.findings, log.end) == ((), None)


def test_half_a_last_line_is_left_for_later(tmp_path: Path) -> None:
    whole = format_record(validation(1), time_s=5)
    write(tmp_path, begin(), rest=whole[:30])
    log = read_run_log(tmp_path)
    assert (log.validations, log.damaged) == ((), ())
    reader = LogReader(tmp_path / METRICS_FILE)
    assert [entry.record for entry in reader.read_new()] == [begin()]
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write(whole[30:] + "\n")
    assert [(entry.time_s, entry.record) for entry in reader.read_new()] == [(5, validation(1))]
    assert reader.read_new() == []


def test_damaged_lines_are_named_and_the_others_read(tmp_path: Path) -> None:
    good = format_record(validation(1), time_s=5)
    (tmp_path / METRICS_FILE).write_bytes(
        format_record(begin(), time_s=0).encode()
        + b"\n"
        + good[:40].encode()
        + b"\n\n\xff\xfe\n"
        + good.encode()
        + b"\n"
    )
    log = read_run_log(tmp_path)
    assert log.validations == (validation(1),)
    assert log.damaged == tuple(f"{tmp_path}/metrics.jsonl: line {line} is damaged and left out" for line in (2, 4))


def test_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"holds no metrics\.jsonl"):
        read_run_log(tmp_path)
    assert LogReader(tmp_path / METRICS_FILE).read_new() == []


def test_log_that_does_not_say_what_runs_is_refused(tmp_path: Path) -> None:
    write(tmp_path, validation(1))
    with pytest.raises(RequestError, match="has no line that says what runs"):
        read_run_log(tmp_path)
