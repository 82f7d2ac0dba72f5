from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.annotations.annotator_lines import NO_ACTION, parse_annotator_lines, read_annotator_lines
from thermalctl.annotations.coco import Box, read_annotations
from thermalctl.annotations.keyframes import AnnotatedKeyframe, AnnotatedPerson
from thermalctl.errors import DatasetError

BOX = "expected [centre x, centre y, width, height] as fractions of the frame, 0 to 1."


def make_line() -> dict[str, Any]:
    return {
        "data_id": "R1",
        "mac_address": "02",
        "annotator_id": "annotator1",
        "data_time": 17,
        "annotations": [
            {"bbox": [0.5, 0.25, 0.1, 0.2], "category": "person", "subcategory": " sitting ",
             "attribute_obscured": "25%", "object_id": 3},
            {"bbox": "anywhere", "category": "furniture", "subcategory": "chair", "object_id": 4},
            {"bbox": [0.5, 0.5, 1, 1], "category": "person", "subcategory": None},
        ],
    }  # fmt: skip


def write(folder: Path, *lines: object, encoding: str = "utf-8") -> Path:
    path = folder / "R1_annotation.json"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_bytes("\n".join(texts).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_people_with_an_action_are_read_and_others_skipped(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, make_line(), "", {"data_id": "R2", "data_time": 18, "annotations": []}, encoding=encoding)
    source = read_annotator_lines(path)
    person = AnnotatedPerson(action="sitting", box=Box(0.5, 0.25, 0.1, 0.2), object_id=3, attribute_obscured="25%")
    assert source.keyframes == (
        AnnotatedKeyframe(where=f"{path}: line 1", recording="R1", mac_address="02", timestamp_ms=17, people=(person,)),
        AnnotatedKeyframe(where=f"{path}: line 3", recording="R2", timestamp_ms=18, people=()),
    )
    assert [(skipped.where, skipped.reason) for skipped in source.skipped] == [
        (f"{path}: line 1, annotations[2]", NO_ACTION)
    ]
    assert (source.path, source.kind, source.classes) == (path, "annotators' JSON Lines", ())


def person(**changes: Any) -> Any:
    def apply(line: dict[str, Any]) -> None:
        line["annotations"][0] |= changes

    return apply


def line_with(**changes: Any) -> Any:
    return lambda line: line.update(changes)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda line: line.pop("data_id"), 'has no "data_id"; expected a text.'),
        (line_with(data_id=7), 'has "data_id": 7, expected a text.'),
        (line_with(data_id="../R1"), 'has "data_id": "../R1", expected a plain name, as of {name}.h5.'),
        (line_with(data_id="\ud800"), 'has "data_id": "\\ud800", expected a plain name, as of {name}.h5.'),
        (lambda line: line.pop("data_time"), 'has no "data_time"; expected a whole number, 0 or more.'),
        (line_with(data_time="17"), 'has "data_time": "17", expected a whole number, 0 or more.'),
        (line_with(data_time=-1), 'has "data_time": -1, expected a whole number, 0 or more.'),
        (line_with(data_time=17.5), 'has "data_time": 17.5, expected a whole number, 0 or more.'),
        (line_with(mac_address=2), 'has "mac_address": 2, expected a text.'),
        (lambda line: line.pop("annotations"), 'has no "annotations", expected a list, empty if nothing is there.'),
        (line_with(annotations={}), 'has "annotations": {}, expected a list, empty if nothing is there.'),
        (person(category=None), 'annotations[0] has "category": null, expected a text.'),
        (person(subcategory=5), 'annotations[0] has "subcategory": 5, expected an action\'s name.'),
        (person(subcategory="a\nb"), 'annotations[0] has "subcategory": "a\\nb", expected an action\'s name.'),
        (person(object_id="3"), 'annotations[0] has "object_id": "3", expected a whole number, 0 or more.'),
        (person(attribute_obscured=25), 'annotations[0] has "attribute_obscured": 25, expected a text.'),
        (person(bbox=None), f'annotations[0] has "bbox": null, {BOX}'),
        (person(bbox=[30, 20, 6, 4]), f'annotations[0] has "bbox": [30, 20, 6, 4], {BOX}'),
        (person(bbox=[0.5, 0.5, 0.1]), f'annotations[0] has "bbox": [0.5, 0.5, 0.1], {BOX}'),
        (person(bbox=[0.5, 0.5, 0, 0.1]), f'annotations[0] has "bbox": [0.5, 0.5, 0, 0.1], {BOX}'),
        (person(bbox=[float("nan")] * 4), f'annotations[0] has "bbox": [NaN, NaN, NaN, NaN], {BOX}'),
        (lambda line: line["annotations"][0].pop("bbox"), f'annotations[0] has no "bbox", {BOX}'),
        (lambda line: line["annotations"].insert(0, "person"), 'annotations[0] is "person", expected an object'),
    ],
)  # fmt: skip
def test_problem_names_line_field_found_and_expected(tmp_path: Path, spoil: Any, problem: str) -> None:
    line = make_line()
    spoil(line)
    path = write(tmp_path, make_line(), line)
    with pytest.raises(DatasetError) as error:
        read_annotator_lines(path)
    separator = ", " if problem.startswith("annotations[") else " "
    assert error.value.message.splitlines() == [f"{path}: line 2{separator}{problem}"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"data_id": "R1", "data', "is not JSON: Unterminated string starting at at column 19"),
        ("[]", "is [], expected an object {...}"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"data_time": ' + "9" * 5000 + "}", "holds a number of too many digits"),
        ("not JSON", "is not JSON: Expecting value at column 1; expected an object {...} in one line"),
    ],
    ids=["cut short", "a list", "nested", "digits", "text"],
)
def test_line_that_is_no_object_is_named(tmp_path: Path, line: str, problem: str) -> None:
    path = write(tmp_path, make_line(), line)
    with pytest.raises(DatasetError) as error:
        read_annotator_lines(path)
    assert f"{path}: line 2 {problem}" in error.value.message


def test_all_problems_of_a_file_are_raised_at_once_and_counted(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as error:
        read_annotator_lines(write(tmp_path, *["{}"] * 4))
    assert len(error.value.message.splitlines()) == 6
    assert error.value.message.endswith("... and 7 more problems")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the file is empty"), (b"\xff\xfe{", "is not text in UTF-8"), (b"{\0}", "byte 1 is zero")],
)
def test_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "R1_annotation.json"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"R1_annotation\.json: .*{message}"):
        read_annotator_lines(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(
    field=st.sampled_from(["data_id", "data_time", "mac_address", "annotations", "category", "subcategory", "bbox",
                           "object_id", "attribute_obscured"]),
    value=json_values,
)  # fmt: skip
def test_any_value_in_any_field_is_read_or_reported(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: object
) -> None:
    line = make_line()
    (line if field in line else line["annotations"][0])[field] = value
    path = write(tmp_path_factory.mktemp("fuzz"), line)
    problems: list[str] = []
    source = parse_annotator_lines(path, problems)
    assert (source is None) == bool(problems)
    assert all(problem.startswith(f"{path}: line 1") for problem in problems)


@pytest.mark.real
def test_real_lines_hold_what_the_finished_dataset_holds(real_dataset: Path) -> None:
    sources = [read_annotator_lines(path) for path in sorted((real_dataset / "raw_annotations").glob("*.json"))]
    keyframes = [keyframe for source in sources for keyframe in source.keyframes]
    assert len(keyframes) == 387
    assert sum(len(keyframe.people) for keyframe in keyframes) == 500
    assert not any(source.skipped for source in sources)
    raw = Counter(
        (keyframe.recording, keyframe.timestamp_ms, person.action, person.box, person.object_id)
        for keyframe in keyframes
        for person in keyframe.people
    )
    finished = Counter()
    for split in ("train", "val"):
        file = read_annotations(real_dataset / "annotations" / f"{split}.json")
        images = {image.id: image for image in file.images}
        finished.update(
            (images[person.image_id].sensor_id, images[person.image_id].timestamp_ms, person.category_name, person.box,
             person.object_id)
            for person in file.annotations
        )  # fmt: skip
    assert raw == finished
