from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from thermalctl.annotations.coco import Box
from thermalctl.annotations.coco_source import read_coco_source
from thermalctl.annotations.keyframes import AnnotatedKeyframe, AnnotatedPerson
from thermalctl.errors import DatasetError


def make_document() -> dict[str, Any]:
    box = [0.5, 0.5, 0.2, 0.3]
    return {
        "images": [
            {"id": "a", "sensor_id": "R1", "mac_address": "02", "timestamp": 17, "width": 6, "height": 4,
             "frame_idx": 3},
            {"id": "b", "sensor_id": "R2", "timestamp": 18, "width": 6, "height": 4, "frame_idx": 0},
        ],
        "annotations": [
            {"id": 1, "image_id": "b", "bbox": box, "category_id": 1},
            {"id": 2, "image_id": "a", "bbox": box, "category_id": 0, "object_id": 5, "attribute_obscured": "25%"},
            {"id": 3, "image_id": "b", "bbox": box, "category_id": 0},
        ],
        "categories": [{"id": 0, "name": "sit"}, {"id": 1, "name": "lie"}],
    }  # fmt: skip


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_images_become_keyframes_with_their_people(tmp_path: Path) -> None:
    path = write(tmp_path / "val.json", make_document())
    source = read_coco_source(path)
    box = Box(0.5, 0.5, 0.2, 0.3)
    assert source.keyframes == (
        AnnotatedKeyframe(
            where=f'{path}: image "a"', recording="R1", mac_address="02", timestamp_ms=17, frame_idx=3, split="val",
            people=(AnnotatedPerson(action="sit", box=box, object_id=5, attribute_obscured="25%"),),
        ),
        AnnotatedKeyframe(
            where=f'{path}: image "b"', recording="R2", timestamp_ms=18, frame_idx=0, split="val",
            people=(AnnotatedPerson(action="lie", box=box), AnnotatedPerson(action="sit", box=box)),
        ),
    )  # fmt: skip
    assert (source.path, source.kind, source.classes, source.skipped) == (path, "COCO", ("sit", "lie"), ())


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("test", "test"),
        ("thermal_val", "val"),
        ("hall", None),
        ("contest", None),
        ("trainer", None),
    ],
)
def test_split_is_told_by_the_files_name(tmp_path: Path, name: str, split: str | None) -> None:
    source = read_coco_source(write(tmp_path / f"{name}.json", make_document()))
    assert {keyframe.split for keyframe in source.keyframes} == {split}


def test_problems_are_those_of_the_coco_file(tmp_path: Path) -> None:
    document = make_document()
    document["images"][0]["frame_idx"] = -1
    document["annotations"][0]["category_id"] = 2
    path = write(tmp_path / "train.json", document)
    with pytest.raises(DatasetError) as error:
        read_coco_source(path)
    assert error.value.message.splitlines() == [
        f'{path}: image "a" has "frame_idx": -1, expected a whole number, 0 or more.',
        f'{path}: annotation 1 has "category_id": 2, but categories are 0 to 1.',
    ]


def test_number_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text('{"images": ' + "9" * 5000 + "}")
    with pytest.raises(DatasetError, match=r"train\.json: .*too many digits"):
        read_coco_source(tmp_path / "train.json")
