from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.annotations.coco import Box, parse_annotations, read_annotations
from thermalctl.errors import DatasetError

Document = dict[str, Any]


def make_document() -> Document:
    return {
        "images": [
            {
                "id": "a",
                "sensor_id": "R1",
                "mac_address": "02",
                "timestamp": 17,
                "width": 6,
                "height": 4,
                "frame_idx": 3,
            },
            {"id": "b", "sensor_id": "R2", "timestamp": 18, "width": 6, "height": 4, "frame_idx": 0},
        ],
        "annotations": [
            {
                "id": 7,
                "image_id": "a",
                "bbox": [0.5, 0.25, 0.125, 1],
                "category_id": 1,
                "category_name": "lie",
                "object_id": 4,
                "attribute_obscured": "25%",
            },
            {"id": 8, "image_id": "b", "bbox": [0.1, 0.2, 0.3, 0.4], "category_id": 0},
            {"id": 9, "image_id": "a", "bbox": [0.1, 0.2, 0.3, 0.4], "category_id": 0, "category_name": "stand"},
        ],
        "categories": [{"id": 0, "name": "stand"}, {"id": 1, "name": "lie"}],
    }


def write(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "train.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_every_field_is_read(tmp_path: Path) -> None:
    read = read_annotations(write(tmp_path, make_document()))
    image, person = read.images[0], read.annotations[0]
    assert (image.id, image.sensor_id, image.mac_address, image.timestamp_ms) == ("a", "R1", "02", 17)
    assert (image.width, image.height, image.frame_idx) == (6, 4, 3)
    assert person.box == Box(cx=0.5, cy=0.25, w=0.125, h=1.0)
    assert (person.id, person.image_id, person.category_id, person.category_name) == (7, "a", 1, "lie")
    assert (person.object_id, person.attribute_obscured) == (4, "25%")
    assert read.classes == ("stand", "lie")


def test_what_annotators_may_leave_out_is_none_or_follows(tmp_path: Path) -> None:
    read = read_annotations(write(tmp_path, make_document()))
    assert read.images[1].mac_address == ""
    assert (read.annotations[1].object_id, read.annotations[1].attribute_obscured) == (None, None)
    assert read.annotations[1].category_name == "stand"


def test_people_are_grouped_by_keyframe_in_file_order(tmp_path: Path) -> None:
    people = read_annotations(write(tmp_path, make_document())).group_by_image()
    assert {image_id: [person.id for person in found] for image_id, found in people.items()} == {"a": [7, 9], "b": [8]}


def test_split_rule_is_given_unless_the_file_names_one(tmp_path: Path) -> None:
    document = make_document()
    assert read_annotations(write(tmp_path, document)).split_rule == "given"
    document["info"] = {"split_rule": "session"}
    assert read_annotations(write(tmp_path, document)).split_rule == "session"


def change(kind: str, position: int, field: str, value: object) -> Any:
    def apply(document: Document) -> None:
        document[kind][position][field] = value

    return apply


def drop(kind: str, position: int, field: str) -> Any:
    def apply(document: Document) -> None:
        del document[kind][position][field]

    return apply


BOX = "expected [centre x, centre y, width, height] as fractions of the frame, 0 to 1."
PIXELS = "Are these pixels? Divide by the frame's width and height."
NAME = "expected a plain name, as of frames/<sensor_id>.h5."


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (change("images", 0, "frame_idx", -1), 'image "a" has "frame_idx": -1, expected a whole number, 0 or more.'),
        (change("images", 0, "frame_idx", "3"), 'image "a" has "frame_idx": "3", expected a whole number, 0 or more.'),
        (
            change("images", 0, "frame_idx", 10**30),
            f'image "a" has "frame_idx": {10**30}, expected a whole number, 0 or more.',
        ),
        (drop("images", 0, "timestamp"), 'image "a" has no "timestamp"; expected a whole number, 0 or more.'),
        (change("images", 1, "sensor_id", "../R2"), f'image "b" has "sensor_id": "../R2", {NAME}'),
        (change("images", 1, "sensor_id", "/etc/R2"), f'image "b" has "sensor_id": "/etc/R2", {NAME}'),
        (change("images", 1, "sensor_id", "..\\R2"), f'image "b" has "sensor_id": "..\\\\R2", {NAME}'),
        (change("images", 1, "sensor_id", ".."), f'image "b" has "sensor_id": "..", {NAME}'),
        (change("images", 1, "sensor_id", "C:R2"), f'image "b" has "sensor_id": "C:R2", {NAME}'),
        (drop("images", 1, "sensor_id"), 'image "b" has no "sensor_id"; expected a text.'),
        (
            change("annotations", 1, "image_id", "c"),
            'annotation 8 has "image_id": "c", which is not among the images.',
        ),
        (change("annotations", 0, "category_id", 2), 'annotation 7 has "category_id": 2, but categories are 0 to 1.'),
        (
            change("annotations", 0, "category_name", "stand"),
            'annotation 7 has "category_name": "stand", but category 1 is "lie".',
        ),
        (change("annotations", 0, "bbox", [0.5, 0.5, 0.1]), f'annotation 7 has "bbox": [0.5, 0.5, 0.1], {BOX}'),
        (
            change("annotations", 0, "bbox", [30, 20, 6, 4]),
            f'annotation 7 has "bbox": [30, 20, 6, 4], {BOX} {PIXELS}',
        ),
        (change("annotations", 0, "bbox", [0.5, 0.5, 0, 0.1]), f'annotation 7 has "bbox": [0.5, 0.5, 0, 0.1], {BOX}'),
        (change("annotations", 0, "bbox", [0.5, 0.5, 0.1, 0]), f'annotation 7 has "bbox": [0.5, 0.5, 0.1, 0], {BOX}'),
        (
            change("annotations", 0, "bbox", [0.5, 0.5, float("nan"), 0.1]),
            f'annotation 7 has "bbox": [0.5, 0.5, NaN, 0.1], {BOX}',
        ),
        (drop("annotations", 0, "bbox"), f'annotation 7 has no "bbox", {BOX}'),
        (change("annotations", 0, "id", "x"), 'annotation "x" has "id": "x", expected a whole number, 0 or more.'),
        (change("annotations", 2, "id", 7), "annotation 7 is there twice; expected each id once."),
        (lambda document: document["images"].append([]), "images[2] is [], expected an object"),
        (lambda document: document.pop("images"), '"images" is missing, expected a list of at least one image'),
        (
            lambda document: document.update(annotations=[]),
            '"annotations" is [], expected a list of at least one annotation',
        ),
    ],
)
def test_problem_names_file_record_field_found_and_expected(tmp_path: Path, spoil: Any, problem: str) -> None:
    document = make_document()
    spoil(document)
    path = write(tmp_path, document)
    with pytest.raises(DatasetError) as error:
        read_annotations(path)
    assert f"{path}: {problem}" in error.value.message.splitlines()


def test_repeated_image_is_named(tmp_path: Path) -> None:
    document = make_document()
    document["images"].append(document["images"][0])
    with pytest.raises(DatasetError, match='image "a" is there twice'):
        read_annotations(write(tmp_path, document))


def test_keyframe_without_a_person_is_named(tmp_path: Path) -> None:
    document = make_document()
    del document["annotations"][1]
    with pytest.raises(DatasetError, match='image "b" has no annotation; expected at least one person'):
        read_annotations(write(tmp_path, document))


def test_all_problems_are_raised_at_once_and_counted(tmp_path: Path) -> None:
    document = make_document()
    for image in document["images"]:
        image["width"] = image["height"] = image["timestamp"] = image["frame_idx"] = -1
    with pytest.raises(DatasetError) as error:
        read_annotations(write(tmp_path, document))
    assert len(error.value.message.splitlines()) == 6
    assert error.value.message.endswith("... and 3 more problems")


def test_json_that_does_not_parse_is_named_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text('{"images": [],\n "annotations": [}')
    with pytest.raises(DatasetError, match=r"train\.json: is not JSON: Expecting value at line 2, column 18"):
        read_annotations(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "holds a JSON list, expected an object"),
        (b"\x89HDF\r\n", r"is not text in UTF-8 \(byte 0\)"),
        (b"[" * 100_000, "nested too deeply"),
        (b"", "is not JSON: Expecting value at line 1, column 1"),
    ],
)
def test_file_of_another_kind_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train.json"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_annotations(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"train\.json: no such file"):
        read_annotations(tmp_path / "train.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(
    kind=st.sampled_from(["images", "annotations", "categories"]),
    field=st.sampled_from(["id", "sensor_id", "image_id", "bbox", "category_id", "category_name", "frame_idx", "name"]),
    value=json_values,
)
def test_any_value_in_any_field_is_read_or_reported(
    tmp_path_factory: pytest.TempPathFactory, kind: str, field: str, value: object
) -> None:
    document = make_document()
    document[kind][0][field] = value
    path = write(tmp_path_factory.mktemp("fuzz"), document)
    problems: list[str] = []
    read = parse_annotations(path, problems)
    assert (read is None) == bool(problems)
    assert all(problem.startswith(f"{path}: ") for problem in problems)


@pytest.mark.real
def test_real_people_are_counted_by_class_as_the_datasets_own_statistics(real_dataset: Path) -> None:
    expected = json.loads((real_dataset / "statistics" / "dataset_stats.json").read_text())
    for split in ("train", "val"):
        read = read_annotations(real_dataset / "annotations" / f"{split}.json")
        names = [person.category_name for person in read.annotations]
        assert {name: names.count(name) for name in set(names)} == expected[split]["class_distribution"]
        assert len(read.images) == expected[split]["images"]
