"""The annotators' own JSON Lines: one keyframe a line, with everything that they drew in it.

{"data_id": "SL18_R1", "mac_address", "annotator_id", "annotation_time", "data_time": ms since 1970,
 "annotations": [{"bbox": [cx, cy, w, h] in 0..1, "category": "person" | "furniture" | "object" | ..., "subcategory",
                  "attribute_obscured", "attribute_heat_residual", "object_id"}]}

A person's action is their `subcategory`. What is no person has no action, and is not told of.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from thermalctl.annotations.coco import Box
from thermalctl.annotations.json_records import JsonRecord, quote
from thermalctl.annotations.keyframes import AnnotatedKeyframe, AnnotatedPerson, AnnotationSource, Skipped
from thermalctl.errors import DatasetError, summarise_problems
from thermalctl.recordings.names import is_plain_name
from thermalctl.recordings.text_lines import read_text_lines

KIND = "annotators' JSON Lines"
PERSON = "person"
#: Why a person did not become one of a keyframe's people.
NO_ACTION = "person without an action"

_EXPECTED = "expected an object {...} in one line"


def read_annotator_lines(path: Path) -> AnnotationSource:
    """Return what a file of annotators' JSON Lines holds.

    Raises:
        DatasetError: with every problem found, each naming the line and the field.
    """
    problems: list[str] = []
    source = parse_annotator_lines(path, problems)
    if source is None:
        raise DatasetError(summarise_problems(problems), hint="mend the lines, or export them again")
    return source


def parse_annotator_lines(path: Path, problems: list[str]) -> AnnotationSource | None:
    """Return what a file of annotators' JSON Lines holds; None, and its faults added to `problems`, if it has any."""
    try:
        lines = read_text_lines(path, kind=DatasetError)
    except DatasetError as error:
        problems.append(error.message)
        return None
    found: list[str] = []
    skipped: list[Skipped] = []
    keyframes = [
        keyframe
        for number, line in enumerate(lines, 1)
        if line.strip() and (keyframe := _parse_line(f"{path}: line {number}", line, found, skipped)) is not None
    ]
    if found:
        problems.extend(found)
        return None
    return AnnotationSource(path=path, kind=KIND, keyframes=tuple(keyframes), skipped=tuple(skipped))


def _parse_line(where: str, line: str, problems: list[str], skipped: list[Skipped]) -> AnnotatedKeyframe | None:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        problems.append(f"{where} is not JSON: {error.msg} at column {error.colno}; {_EXPECTED}")
        return None
    except RecursionError:
        problems.append(f"{where} is nested too deeply; {_EXPECTED}")
        return None
    except ValueError:  # Python refuses numbers of thousands of digits
        problems.append(f"{where} holds a number of too many digits; {_EXPECTED}")
        return None
    if not isinstance(values, dict):
        problems.append(f"{where} is {quote(values)}, expected an object {{...}}")
        return None
    record = JsonRecord(where=where, values=values, problems=problems)
    recording, timestamp_ms = record.text("data_id"), record.integer("data_time")
    if recording is not None and not is_plain_name(recording):
        record.report(f'has "data_id": {_quote_safely(recording)}, expected a plain name, as of {{name}}.h5.')
    mac_address = values.get("mac_address")
    if mac_address is not None and not isinstance(mac_address, str):
        record.report(f'has "mac_address": {quote(mac_address)}, expected a text.')
    people = _parse_people(record, skipped)
    return AnnotatedKeyframe(
        where=where,
        recording=recording or "",
        mac_address=mac_address if isinstance(mac_address, str) else "",
        timestamp_ms=timestamp_ms,
        people=people,
    )


def _parse_people(record: JsonRecord, skipped: list[Skipped]) -> tuple[AnnotatedPerson, ...]:
    drawn = record.values.get("annotations")
    if not isinstance(drawn, list):
        found = f'has "annotations": {quote(drawn)}' if "annotations" in record.values else 'has no "annotations"'
        record.report(f"{found}, expected a list, empty if nothing is there.")
        return ()
    people = []
    for place, values in enumerate(drawn):
        where = f"{record.where}, annotations[{place}]"
        if not isinstance(values, dict):
            record.problems.append(f"{where} is {quote(values)}, expected an object")
            continue
        item = JsonRecord(where=where, values=values, problems=record.problems)
        if item.text("category") == PERSON:
            person = _parse_person(item)
            if person is None:
                skipped.append(Skipped(where=where, reason=NO_ACTION))
            else:
                people.append(person)
    return tuple(people)


def _parse_person(item: JsonRecord) -> AnnotatedPerson | None:
    """Return a person; None if the annotators gave them no action. A field with a problem becomes a placeholder."""
    action = item.values.get("subcategory")
    if action is None or (isinstance(action, str) and not action.strip()):
        return None
    if not isinstance(action, str) or not action.strip().isprintable():
        item.report(f'has "subcategory": {_quote_safely(action)}, expected an action\'s name.')
        action = ""
    object_id = item.values.get("object_id")
    if object_id is not None:
        object_id = item.integer("object_id")
    obscured = item.values.get("attribute_obscured")
    if obscured is not None and not isinstance(obscured, str):
        item.report(f'has "attribute_obscured": {quote(obscured)}, expected a text.')
        obscured = None
    return AnnotatedPerson(
        action=action.strip(), box=_parse_box(item), object_id=object_id, attribute_obscured=obscured
    )


def _parse_box(item: JsonRecord) -> Box | None:
    values = item.values.get("bbox")
    if isinstance(values, list) and len(values) == 4 and all(_is_fraction(value) for value in values):
        box = Box(*(float(value) for value in values))
        if box.w > 0 and box.h > 0:
            return box
    found = f'has "bbox": {quote(values)}' if "bbox" in item.values else 'has no "bbox"'
    item.report(f"{found}, expected [centre x, centre y, width, height] as fractions of the frame, 0 to 1.")
    return None


def _is_fraction(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def _quote_safely(value: Any) -> str:
    """Return a value as it stands in the file, with what no terminal shows written out."""
    return quote(value) if not isinstance(value, str) or value.isprintable() else json.dumps(value[:40])
