from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.cli.console import to_plain
from thermalctl.errors import RequestError
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.protocol import ProtocolRecord
from thermalctl.reports.classification import build_report, report_folder, write_report

CLASSES = ("sitting", "standing, still", "walking", "leaning")


@pytest.fixture
def predictions(answer: Any) -> Predictions:
    return answer([0, 0, 0, 1, 2], [0, 0, 1, 3, 2], CLASSES, train_counts=np.array([2, 6, 1, 1]))


def test_report_puts_baselines_beside_the_model(predictions: Predictions) -> None:
    report = build_report(predictions)
    assert report.metrics.top1 == pytest.approx(0.6)
    assert [(baseline.name, baseline.top1) for baseline in report.baselines] == [
        ("always the majority", pytest.approx(1 / 5)),
        ("drawn as in training", pytest.approx(0.2 * 0.6 + 0.6 * 0.2 + 0.1 * 0.2)),
        ("drawn evenly", pytest.approx(1 / 4)),
    ]
    assert report.verdict is None


def test_report_says_what_the_numbers_are_worth(predictions: Predictions) -> None:
    report = build_report(predictions)
    assert report.protocol_text[0] == 'val, 5 clips, split "session": 1 session, none of them trained on.'
    majority, mean1, sureness = report.remarks
    assert majority.startswith('"standing, still" is the most frequent class in training; here it is "sitting"')
    assert mean1.startswith("MMAction2's acc/mean1 is 41.7")
    assert sureness.startswith("In brackets: 95 % intervals, clips drawn anew. All clips are of one session")


def test_verdict_comes_first_where_a_baseline_is_not_beaten(answer: Any) -> None:
    report = build_report(answer([0, 0, 0, 1], [0, 0, 1, 0], CLASSES, train_counts=np.array([5, 1, 1, 1])))
    assert report.verdict is not None
    assert report.verdict.startswith('The model does not beat "always the majority" on top-1 (50.0 against 75.0)')


def test_without_training_counts_only_the_even_draw_is_a_baseline(answer: Any) -> None:
    report = build_report(answer([0, 1], [0, 1], CLASSES))
    assert [baseline.name for baseline in report.baselines] == ["drawn evenly"]


@pytest.mark.parametrize(
    ("file", "folder"), [("predictions_val.npz", "report_val"), ("baseline_a.npz", "report_baseline_a")]
)
def test_report_folder_is_beside_the_predictions(file: str, folder: str) -> None:
    assert report_folder(Path("work_dirs/a") / file) == Path("work_dirs/a") / folder


def test_files_hold_the_whole_report(tmp_path: Path, predictions: Predictions) -> None:
    report = build_report(predictions)
    files = write_report(report, tmp_path / "report", confusion_picture=False)
    assert files.confusion_picture is None
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "confusion.csv",
        "report.json",
        "report.txt",
    ]
    assert json.loads(files.json.read_text()) == to_plain(report)
    rows = list(csv.reader(files.confusion_csv.read_text().splitlines()))
    assert rows[0][1:] == list(CLASSES)
    assert rows[1:] == [
        ["sitting", "2", "1", "0", "0"],
        ["standing, still", "0", "0", "0", "1"],
        ["walking", "0", "0", "1", "0"],
        ["leaning", "0", "0", "0", "0"],
    ]


def test_text_says_everything_in_order(tmp_path: Path, predictions: Predictions) -> None:
    text = write_report(build_report(predictions), tmp_path, confusion_picture=False).text.read_text()
    parts = [
        "val, 5 clips",
        "this model",
        "always the majority",
        "acc/mean1",
        "f1-score",
        "epoch_3.pth, epoch 3",
        "f00d",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "0123456789abcdef" * 4 in text


def test_report_is_replaced_by_a_newer_one(tmp_path: Path, answer: Any) -> None:
    for predicted in ([0, 1], [0, 0]):
        files = write_report(build_report(answer([0, 1], predicted, CLASSES)), tmp_path, confusion_picture=False)
    assert json.loads(files.json.read_text())["metrics"]["top1"] == 0.5


def test_too_many_classes_for_a_picture_leave_nothing_written(tmp_path: Path, answer: Any) -> None:
    report = build_report(answer([0, 1], [0, 1], [f"class {index}" for index in range(81)]))
    with pytest.raises(RequestError, match="of 81 classes is too large to draw, expected at most 80"):
        write_report(report, tmp_path / "report")
    assert not (tmp_path / "report").exists()
    assert write_report(report, tmp_path / "report", confusion_picture=False).text.is_file()


def test_protocol_travels_into_the_report(answer: Any) -> None:
    protocol = ProtocolRecord(split="test", split_rule="random", selection="last epoch", num_overlapping=1)
    report = build_report(answer([0, 1], [0, 1], CLASSES, protocol=protocol))
    assert report.protocol == protocol
    assert report.protocol_text[0].startswith('test, 2 clips, split "random": 1 of the clips')
