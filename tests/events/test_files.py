from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from thermalctl.errors import PredictionsError
from thermalctl.events.files import list_event_files, read_events, write_event_table, write_events
from thermalctl.events.record import Event, EventRecord, Span
from thermalctl.events.rules import EventRule

RAISED = Event(
    rule="fall",
    person=2,
    began_ms=1_000,
    held_ms=9_000,
    first_keyframe=10,
    last_keyframe=90,
    probability=0.875,
    decided_ms=4_000,
    raised_ms=9_500,
    end="over",
    closed_ms=15_000,
)
HELD_BACK = replace(RAISED, person=None, began_ms=11_000, held_ms=11_000, decided_ms=None, raised_ms=None)


@pytest.fixture
def record(make_rule: Callable[..., EventRule]) -> EventRecord:
    return EventRecord(
        recording="Küche 1",
        target="person",
        rules=(make_rule(), make_rule(name="up", classes=("standing", "crawling"), per="person")),
        watched=(Span(0, 10_000), Span(20_000, 30_000)),
        events=(RAISED, HELD_BACK),
        about={"model": "m\u2028.onnx", "trained_on": ["a", "b"]},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "Küche 1.events.jsonl"


def change_line(path: Path, number: int, **fields: Any) -> None:
    lines = path.read_text(encoding="utf-8").rstrip().split("\n")
    lines[number - 1] = json.dumps(json.loads(lines[number - 1]) | fields)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_events_come_back_as_they_were_written(path: Path, record: EventRecord) -> None:
    write_events(path, record)
    assert read_events(path) == record


def test_recording_without_an_event_is_watched_nevertheless(path: Path, record: EventRecord) -> None:
    write_events(path, replace(record, events=()))
    assert path.read_text(encoding="utf-8").count("\n") == 1
    assert read_events(path).watched == record.watched


def test_first_line_says_what_was_watched_and_by_which_rules(path: Path, record: EventRecord) -> None:
    write_events(path, record)
    first, *others = map(json.loads, path.read_text(encoding="utf-8").rstrip().split("\n"))
    assert (first["recording"], first["watched"]) == ("Küche 1", [[0, 10_000], [20_000, 30_000]])
    assert [rule["name"] for rule in first["rules"]] == ["fall", "up"]
    assert first["about"]["model"] == "m\u2028.onnx"
    assert [(one["began_ms"], one["ended_ms"], one["raised_ms"]) for one in others] == [
        (1_000, 9_000, 9_500),
        (11_000, 11_000, None),
    ]


def test_table_has_a_line_for_each_event(tmp_path: Path, record: EventRecord) -> None:
    write_event_table(tmp_path / "a.events.csv", record)
    with (tmp_path / "a.events.csv").open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert (first["rule"], first["person"], first["began_ms"], first["ended_ms"]) == ("fall", "2", "1000", "9000")
    assert (second["person"], second["raised_ms"], second["end"]) == ("", "", "over")


def test_folder_stands_for_the_files_of_events_in_it(tmp_path: Path, record: EventRecord) -> None:
    for name in ("b.events.jsonl", "a.events.jsonl"):
        write_events(tmp_path / name, record)
    (tmp_path / "a.jsonl").write_text("{}")
    write_event_table(tmp_path / "a.events.csv", record)
    assert [path.name for path in list_event_files([tmp_path])] == ["a.events.jsonl", "b.events.jsonl"]
    assert list_event_files([tmp_path / "other"]) == [tmp_path / "other"]


def test_folder_without_events_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"holds no file of events, \*\.events\.jsonl"):
        list_event_files([tmp_path])


@pytest.mark.parametrize(
    ("number", "fields", "expected"),
    [
        (1, {"format": 2}, "line 1: format is 2, expected 1"),
        (1, {"recording": 3}, "line 1: recording is 3"),
        (1, {"recording": "a\x1b[2Jb"}, "line 1: recording is"),
        (1, {"target": "dog"}, "target is 'dog', expected frame or person"),
        (1, {"about": []}, r"about is \[\], expected an object"),
        (1, {"rules": []}, r"rules is \[\], expected a list of rules"),
        (1, {"watched": [[5, 3]]}, r"watched has \[5, 3\], expected \[start ms, end ms\]"),
        (1, {"watched": None}, "watched has None"),
        (2, {"rule": "other"}, "line 2: rule is 'other', which is not among the rules"),
        (2, {"began_ms": "soon"}, "line 2: began_ms is 'soon', expected a whole number"),
        (2, {"began_ms": True}, "began_ms is True, expected a whole number"),
        (2, {"began_ms": 9_001}, "began_ms is 9001, after ended_ms, 9000"),
        (2, {"raised_ms": None}, "line 2: has one of decided_ms and raised_ms"),
        (3, {"end": "well"}, "line 3: end is 'well', expected over, unsure"),
        (3, {"probability": None}, "line 3: probability is None, expected a number"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    path: Path, record: EventRecord, number: int, fields: dict[str, Any], expected: str
) -> None:
    write_events(path, record)
    change_line(path, number, **fields)
    with pytest.raises(PredictionsError, match=expected):
        read_events(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"{}\n", "line 1: format is missing, expected 1"),
        (b"[1]\n", r"line 1: is no JSON object: '\[1\]'"),
        (b"\xff", "is not text in UTF-8"),
        (b"[" * 100_000, "line 1: is no JSON object"),
    ],
)
def test_file_that_is_none_of_events_is_refused(path: Path, content: bytes, expected: str) -> None:
    path.write_bytes(content)
    with pytest.raises(PredictionsError, match=expected):
        read_events(path)


def test_file_that_was_cut_short_is_refused(path: Path, record: EventRecord) -> None:
    write_events(path, record)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PredictionsError, match="line 3: is no JSON object"):
        read_events(path)


def test_missing_file_is_refused(path: Path) -> None:
    with pytest.raises(PredictionsError, match="No such file"):
        read_events(path)
