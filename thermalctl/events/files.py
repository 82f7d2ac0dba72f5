"""Files of events: JSON Lines, complete in themselves, and a table.

The first line says what was watched and by which rules; each of the others is an event:

{"format": 1, "recording", "target", "rules": [{"name", "classes", ...}], "watched": [[ms, ms], ...], "about": {...}}
{"rule", "person", "began_ms", "decided_ms", "raised_ms", "ended_ms", "closed_ms", "end", "first_keyframe", ...}
"""

from __future__ import annotations

import csv
import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from thermalctl.clip_spec import Target
from thermalctl.errors import PredictionsError, summarise_problems
from thermalctl.events.record import EndReason, Event, EventRecord, Span
from thermalctl.events.rule_files import parse_rules
from thermalctl.files import replace_file

SUFFIX = ".events.jsonl"
TABLE_SUFFIX = ".events.csv"
#: Of the format; another number is another format.
FORMAT = 1

_COLUMNS = (
    "rule", "person", "began_ms", "decided_ms", "raised_ms", "ended_ms", "closed_ms", "end", "first_keyframe",
    "last_keyframe", "probability",
)  # fmt: skip
_REQUIRED = ("began_ms", "ended_ms", "closed_ms", "first_keyframe", "last_keyframe")
_OPTIONAL = ("person", "decided_ms", "raised_ms")
#: float32 has seven digits.
_DIGITS = 7
_HINT = "predict writes such files with --events"


def write_events(path: Path, record: EventRecord) -> None:
    """Write the events of a recording or stream as JSON Lines, whole or not at all."""
    header = {
        "format": FORMAT,
        "recording": record.recording,
        "target": record.target,
        "rules": [asdict(rule) for rule in record.rules],
        "watched": record.watched,
        "about": dict(record.about),
    }
    lines = [json.dumps(values, ensure_ascii=False) for values in (header, *map(describe_event, record.events))]
    with replace_file(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_event_table(path: Path, record: EventRecord) -> None:
    """Write the events alone as a table, CSV, whole or not at all."""
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, _COLUMNS)
        rows.writeheader()
        rows.writerows(map(describe_event, record.events))


def describe_event(event: Event) -> dict[str, Any]:
    """Return an event as plain values by name, as the files have it."""
    values = {name: getattr(event, name) for name in _COLUMNS}
    return values | {"probability": round(event.probability, _DIGITS)}


def list_event_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files of events among files and folders, each folder's sorted.

    Raises:
        PredictionsError: if a folder holds none.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not inside:
            raise PredictionsError(f"{path}: holds no file of events, *{SUFFIX}", hint=_HINT)
        found += inside
    return found


def read_events(path: Path) -> EventRecord:
    """Return the events of a recording or stream.

    Raises:
        PredictionsError: if the file cannot be read, is of another format or contradicts itself, with every problem.
    """
    problems: list[str] = []
    lines = _read_lines(path, problems)
    header = lines[0] if lines else {}
    if header.get("format") != FORMAT and not problems:
        found = reprlib.repr(header["format"]) if "format" in header else "missing"
        problems.append(f"{path}: line 1: format is {found}, expected {FORMAT}: it is no file of events")
    if problems:
        raise PredictionsError(summarise_problems(problems), hint=_HINT)
    rules = parse_rules(f"{path}: line 1", header.get("rules"), problems)
    watched = _parse_watched(path, header.get("watched"), problems)
    recording, target, about = (header.get(name) for name in ("recording", "target", "about"))
    if not isinstance(recording, str) or not recording.isprintable():
        problems.append(f"{path}: line 1: recording is {reprlib.repr(recording)}, expected its name")
    if target not in get_args(Target):
        problems.append(f"{path}: line 1: target is {reprlib.repr(target)}, expected {' or '.join(get_args(Target))}")
    if not isinstance(about, dict):
        problems.append(f"{path}: line 1: about is {reprlib.repr(about)}, expected an object")
    names = {rule.name for rule in rules}
    events = [_parse_event(f"{path}: line {number}", line, names, problems) for number, line in _number(lines)]
    if problems:
        raise PredictionsError(summarise_problems(problems), hint=_HINT)
    return EventRecord(
        recording=str(recording),
        target="person" if target == "person" else "frame",
        rules=rules,
        watched=watched,
        events=tuple(event for event in events if event is not None),
        about=about or {},
    )


def _number(lines: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(lines, start=1))[1:]


def _read_lines(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    try:
        texts = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")  # texts may hold other ends of lines
    except OSError as error:
        raise PredictionsError(f"{path}: cannot be read ({error.strerror})", hint=_HINT) from error
    except UnicodeDecodeError as error:
        raise PredictionsError(f"{path}: is not text in UTF-8 (byte {error.start})", hint=_HINT) from error
    if texts == [""]:
        raise PredictionsError(f"{path}: is empty, expected a file of events", hint=_HINT)
    lines = []
    for number, text in enumerate(texts, start=1):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            lines.append(value)
        else:
            problems.append(f"{path}: line {number}: is no JSON object: {reprlib.repr(text)}")
    return lines


def _parse_watched(path: Path, values: object, problems: list[str]) -> tuple[Span, ...]:
    spans = []
    for value in values if isinstance(values, list) else [values]:
        is_pair = isinstance(value, list) and len(value) == 2 and all(map(_is_whole, value))
        if isinstance(value, list) and is_pair and value[0] <= value[1]:
            spans.append(Span(*value))
        else:
            problems.append(f"{path}: line 1: watched has {reprlib.repr(value)}, expected [start ms, end ms]")
    return tuple(spans)


def _parse_event(where: str, values: Mapping[str, Any], rules: set[str], problems: list[str]) -> Event | None:
    before = len(problems)
    if values.get("rule") not in rules:
        problems.append(f"{where}: rule is {reprlib.repr(values.get('rule'))}, which is not among the rules of line 1")
    for name in (*_REQUIRED, *_OPTIONAL):
        value = values.get(name)
        if not (_is_whole(value) or (name in _OPTIONAL and value is None)):
            problems.append(f"{where}: {name} is {reprlib.repr(value)}, expected a whole number")
    if values.get("end") not in get_args(EndReason):
        problems.append(f"{where}: end is {reprlib.repr(values.get('end'))}, expected {', '.join(get_args(EndReason))}")
    if not isinstance(values.get("probability"), (int, float)):
        problems.append(f"{where}: probability is {reprlib.repr(values.get('probability'))}, expected a number")
    if len(problems) == before and values["began_ms"] > values["ended_ms"]:
        problems.append(f"{where}: began_ms is {values['began_ms']}, after ended_ms, {values['ended_ms']}")
    if (values.get("decided_ms") is None) != (values.get("raised_ms") is None):
        problems.append(f"{where}: has one of decided_ms and raised_ms, expected both or neither")
    if len(problems) > before:
        return None
    return Event(
        rule=values["rule"],
        person=values.get("person"),
        began_ms=values["began_ms"],
        held_ms=values["ended_ms"],
        first_keyframe=values["first_keyframe"],
        last_keyframe=values["last_keyframe"],
        probability=float(values["probability"]),
        decided_ms=values.get("decided_ms"),
        raised_ms=values.get("raised_ms"),
        end=values["end"],
        closed_ms=values["closed_ms"],
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
