from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thermalctl.annotations.sources import detect_format, read_annotation_files
from thermalctl.errors import DatasetError, ThermalctlError

TIMES_MS = {"R1": 1000 + 250 * np.arange(40, dtype=np.int64)}
PERSON = {"bbox": [0.5, 0.5, 0.2, 0.2], "category": "person", "subcategory": "sitting"}
LINES = "\n".join(
    json.dumps({"data_id": "R1", "data_time": 1000 + place, "annotations": [PERSON]}) for place in range(3)
)
COCO = json.dumps(
    {
        "info": {"description": "a" * 500},
        "images": [{"id": "a", "sensor_id": "R1", "timestamp": 1000, "width": 6, "height": 4, "frame_idx": 0}],
        "annotations": [{"id": 1, "image_id": "a", "bbox": [0.5, 0.5, 0.2, 0.2], "category_id": 0}],
        "categories": [{"id": 0, "name": "sitting"}],
    },
    indent=1,
)
SEGMENTS = "file;start;end;action\nR1;0;2;sitting\n"
CONTENTS = {"annotators' JSON Lines": LINES, "COCO": COCO, "segment table": SEGMENTS}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.txt", "a"])
def test_format_is_told_by_the_content_whatever_the_name(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    path.write_text(CONTENTS[kind], encoding="utf-8")
    [source] = read_annotation_files([path], TIMES_MS)
    assert (source.kind, source.path) == (kind, path)
    assert {person.action for keyframe in source.keyframes for person in keyframe.people} == {"sitting"}


def test_coco_in_one_line_is_no_json_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(json.loads(COCO)))
    assert detect_format(tmp_path / "a.jsonl") == "coco"


def test_step_of_segments_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(SEGMENTS)
    [source] = read_annotation_files([tmp_path / "a.csv"], TIMES_MS, step_s=0.5)
    assert len(source.keyframes) == 4


def test_folder_stands_for_the_annotation_files_in_it(tmp_path: Path) -> None:
    for name in ("R10.json", "R2.jsonl", "R1.csv"):
        (tmp_path / name).write_text(SEGMENTS)
    (tmp_path / "class_mapping.json").write_text('{"classes": ["sitting"]}')
    (tmp_path / "notes.txt").write_text("nothing")
    sources = read_annotation_files([tmp_path, tmp_path / "R2.jsonl"], TIMES_MS)
    assert [source.path.name for source in sources] == ["R1.csv", "R2.jsonl", "R10.json"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("[]", "is a JSON list, expected annotators' JSON Lines"),
        ('{"classes": []}', "is JSON with other keys, expected annotators' JSON Lines"),
        ("21.0,21.5\n22.0,22.5", "line 1 is no JSON object and names no column of segments; expected annotators'"),
        ("\ufeff", "the file is empty"),
        ("\0", "is not text in UTF-8"),
    ],
)
def test_unknown_format_is_refused_with_those_that_are_known(tmp_path: Path, content: str, found: str) -> None:
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError) as error:
        read_annotation_files([tmp_path / "a.json"], TIMES_MS)
    assert error.value.message.startswith(f"{tmp_path / 'a.json'}: {found}")
    if "expected" in found:
        assert all(word in error.value.message for word in ("COCO-style JSON", "segment table", "data_id"))


def test_problems_of_all_files_are_raised_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"data_id": "R1", "annotations": []}')
    (tmp_path / "b.csv").write_text("file,start,end,action\nR1,3,2,sitting")
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(DatasetError) as error:
        read_annotation_files([*sorted(tmp_path.iterdir()), tmp_path / "d.json"], TIMES_MS)
    starts = [f"{tmp_path / name}: " for name in ("a.json", "b.csv", "c.json", "d.json")]
    lines = error.value.message.splitlines()
    assert len(lines) == 4
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True))


def test_folder_without_annotations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no annotation file; expected"):
        read_annotation_files([tmp_path], TIMES_MS)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(CONTENTS)),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.none() | st.integers(0, 2000),
)
def test_damaged_bytes_give_a_source_or_a_named_error(
    tmp_path: Path, kind: str, changes: list[tuple[int, int]], cut: int | None
) -> None:
    content = bytearray(CONTENTS[kind].encode()[:cut])
    for place, value in changes:
        if content:
            content[place % len(content)] = value
    path = tmp_path / "a.json"
    path.write_bytes(content)
    try:
        [source] = read_annotation_files([path], TIMES_MS)
    except ThermalctlError as error:
        assert error.message.startswith(f"{path}: ")
    else:
        assert source.path == path


@pytest.mark.real
def test_real_files_are_told_apart(real_dataset: Path) -> None:
    sources = read_annotation_files([real_dataset / "raw_annotations", real_dataset / "annotations"], {})
    assert [source.kind for source in sources] == ["annotators' JSON Lines"] * 8 + ["COCO"] * 2
    assert sum(len(source.keyframes) for source in sources) == 2 * 387
