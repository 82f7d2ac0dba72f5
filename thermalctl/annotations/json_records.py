"""Reading JSON written by other people's tools: every problem is collected, with the record and the field it is in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thermalctl.errors import DatasetError

#: How much of a wrong value a message quotes.
MAX_QUOTED = 40
#: Ids and timestamps are kept as int64.
MAX_INTEGER = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class JsonRecord:
    """One JSON object and the problems found in it; a field that is missing or of the wrong type comes back as None.

    Attributes:
        where: the file and the record, as a message begins: `annotations/train.json: image "A_17"`.
        values: the object.
        problems: where problems are added; shared by all records of a file.
    """

    where: str
    values: Mapping[str, Any]
    problems: list[str]

    def report(self, problem: str) -> None:
        """Add a problem of this record."""
        self.problems.append(f"{self.where} {problem}")

    def text(self, field: str) -> str | None:
        """Return a field that must be a non-empty string."""
        value = self.values.get(field)
        if isinstance(value, str) and value:
            return value
        self._report_wrong(field, "a text")
        return None

    def integer(self, field: str) -> int | None:
        """Return a field that must be a whole number, 0 or more."""
        value = self.values.get(field)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INTEGER:
            return value
        self._report_wrong(field, "a whole number, 0 or more")
        return None

    def _report_wrong(self, field: str, expected: str) -> None:
        if field in self.values:
            self.report(f'has "{field}": {quote(self.values[field])}, expected {expected}.')
        else:
            self.report(f'has no "{field}"; expected {expected}.')


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file holds.

    Raises:
        DatasetError: if the file is missing, is not JSON (named with line and column) or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not text in UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{path}: is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            hint="the file may be cut short; copy or write it again",
        ) from error
    except ValueError as error:  # Python reads no integer of more than 4,300 digits
        raise DatasetError(f"{path}: is not an annotation file: it holds a number of too many digits") from error
    except RecursionError as error:
        raise DatasetError(f"{path}: is not an annotation file: its JSON is nested too deeply") from error
    if not isinstance(value, dict):
        raise DatasetError(f"{path}: holds a JSON {_JSON_NAMES[type(value)]}, expected an object {{...}}")
    return value


def list_records(
    path: Path, document: Mapping[str, Any], field: str, kind: str, problems: list[str]
) -> list[JsonRecord]:
    """Return the objects of a list, each named by its id, or by its position where it has none.

    Args:
        path: the file, named in the problems.
        document: the file's object.
        field: the list's name in it.
        kind: what one object is, in a word.
        problems: where problems are added: a list that is missing or empty, an item that is no object.
    """
    found = document.get(field)
    if not isinstance(found, list) or not found:
        what = f"is {quote(found)}" if field in document else "is missing"
        problems.append(f'{path}: "{field}" {what}, expected a list of at least one {kind}')
        return []
    records = []
    for position, values in enumerate(found):
        if not isinstance(values, dict):
            problems.append(f"{path}: {field}[{position}] is {quote(values)}, expected an object")
            continue
        name = f"{kind} {quote(values['id'])}" if "id" in values else f"{field}[{position}]"
        records.append(JsonRecord(where=f"{path}: {name}", values=values, problems=problems))
    return records


def quote(value: object) -> str:
    """Return a value as it stands in the JSON file, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 3] + "..."


_JSON_NAMES = {list: "list", str: "text", int: "number", float: "number", bool: "true or false", type(None): "null"}
