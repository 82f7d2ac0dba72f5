from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from thermalctl.annotations.coco import Box, read_annotations
from thermalctl.prediction import answer_files
from thermalctl.prediction.answer_files import AnswerFile
from thermalctl.prediction.coco_file import CocoFile
from thermalctl.streams.answers import WindowAnswer

CLASSES = ("standing", "lying, at risk")


def make_answer(window: int, **values: object) -> WindowAnswer:
    scores = np.array([0.25, 0.75], dtype=np.float32)
    fields = {"segment": 0, "first_frame": 8 * window, "keyframe": 8 * window + 2, "last_frame": 8 * window + 3,
              "start_ms": 1000 * window, "keyframe_ms": 1000 * window + 200, "end_ms": 1000 * window + 300,
              "probabilities": scores}  # fmt: skip
    return WindowAnswer(recording="R1", window=window, **(fields | values))  # type: ignore[arg-type]


ANSWERS = [
    make_answer(0),
    make_answer(1, person=3, box=Box(0.5, 0.25, 0.125, 0.5), num_incomplete=2),
    make_answer(2, status="incomplete", probabilities=None, num_incomplete=4),
]


def write(path: Path) -> Path:
    with AnswerFile(path, CLASSES, {"model": "m.onnx"}) as file:
        for answer in ANSWERS:
            file.write(answer)
    return path


def test_table_has_a_row_for_each_answer(tmp_path: Path) -> None:
    with write(tmp_path / "R1.answers.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["lying, at risk", "lying, at risk", ""]
    assert [row["person"] for row in rows] == ["", "3", ""]
    assert [float(rows[1][f"box_{side}"]) for side in ("cx", "cy", "w", "h")] == [0.5, 0.25, 0.125, 0.5]
    assert (rows[0]["standing"], rows[0]["lying, at risk"], rows[2]["standing"]) == ("0.25", "0.75", "")
    assert (rows[1]["keyframe"], rows[1]["keyframe_ms"], rows[1]["num_incomplete"]) == ("10", "1200", "2")
    assert [row["status"] for row in rows] == ["answered", "answered", "incomplete"]


def test_json_lines_begin_with_what_they_are_about(tmp_path: Path) -> None:
    first, *records = map(json.loads, write(tmp_path / "R1.answers.jsonl").read_text(encoding="utf-8").splitlines())
    assert first == {"about": {"model": "m.onnx", "classes": list(CLASSES)}}
    assert [record["window"] for record in records] == [0, 1, 2]
    assert records[1]["box"] == [0.5, 0.25, 0.125, 0.5]
    assert records[0]["probabilities"] == {"standing": 0.25, "lying, at risk": 0.75}
    assert records[2]["probabilities"] is None


@pytest.mark.parametrize("block", [1, 2, 1024])
def test_hdf5_has_arrays_of_all_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(answer_files, "_BLOCK", block)
    with h5py.File(write(tmp_path / "R1.answers.h5")) as file:
        assert file["window"][:].tolist() == [0, 1, 2]
        assert file["person"][:].tolist() == [-1, 3, -1]
        np.testing.assert_array_equal(file["probabilities"][:], [[0.25, 0.75], [0.25, 0.75], [np.nan, np.nan]])
        np.testing.assert_array_equal(file["boxes"][1], [0.5, 0.25, 0.125, 0.5])
        assert json.loads(file.attrs["about"])["classes"] == list(CLASSES)


@pytest.mark.parametrize("name", ["R1.answers.csv", "R1.answers.jsonl", "R1.answers.h5"])
def test_file_that_is_broken_off_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyboardInterrupt), AnswerFile(tmp_path / name, CLASSES, {}) as file:
        file.write(ANSWERS[0])
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def write_coco(path: Path, answers: list[WindowAnswer]) -> Path:
    with CocoFile(path, CLASSES, frame_size=(40, 60), mac_address="02:00", title="Predictions") as file:
        for answer in answers:
            file.write(answer)
    return path


def test_coco_file_is_an_annotation_file(tmp_path: Path) -> None:
    found = read_annotations(write_coco(tmp_path / "R1.coco.json", ANSWERS))
    assert found.classes == CLASSES
    assert [(image.sensor_id, image.frame_idx, image.timestamp_ms) for image in found.images] == [
        ("R1", 2, 200),
        ("R1", 10, 1200),
    ]
    assert [(person.category_name, person.object_id, person.box) for person in found.annotations] == [
        ("lying, at risk", None, (0.5, 0.5, 1.0, 1.0)),
        ("lying, at risk", 3, (0.5, 0.25, 0.125, 0.5)),
    ]


def test_people_of_a_keyframe_share_its_image(tmp_path: Path) -> None:
    answers = [make_answer(0, person=number, box=Box(0.5, 0.5, 0.25, 0.25)) for number in range(3)]
    found = read_annotations(write_coco(tmp_path / "R1.coco.json", answers))
    assert len(found.images) == 1
    assert [person.object_id for person in found.annotations] == [0, 1, 2]
    scores = [person["score"] for person in json.loads((tmp_path / "R1.coco.json").read_text())["annotations"]]
    assert scores == [0.75] * 3


def test_box_that_reaches_beyond_the_frame_is_cut_at_its_edge(tmp_path: Path) -> None:
    answer = make_answer(0, person=0, box=Box(0.0, 0.5, 0.5, 1.5))
    [person] = read_annotations(write_coco(tmp_path / "R1.coco.json", [answer])).annotations
    assert person.box == (0.125, 0.5, 0.25, 1.0)
