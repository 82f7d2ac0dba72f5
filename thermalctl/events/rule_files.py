"""Rules of events from a YAML file, checked: every problem is told with its rule and key."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from thermalctl.errors import RequestError, summarise_problems
from thermalctl.events.rules import SUBJECTS, EventRule, Subject, find_contradictions

#: What the command line calls the rules that are shipped.
DEFAULT_RULES = "default"
_SHIPPED = "default_rules.yaml"
_HINT = "docs/events.md describes every key; the shipped rules are an example"
#: A file of rules has tens of lines.
_MOST_BYTES = 1 << 20
_MOST_NAME = 40

_NUMBERS = ("start_above", "end_below", "for_s", "merge_gap_s", "cool_down_s", "unsure_below", "unsure_s")
_KEYS = ("classes", *_NUMBERS, "per")
_REQUIRED = ("classes", "start_above", "for_s")


def read_rules(path: Path | None, classes: Sequence[str]) -> tuple[EventRule, ...]:
    """Return the rules of a file; without one, those that are shipped.

    Args:
        path: a YAML file, `rules: {name: {key: value, ...}, ...}`; None for the default rules.
        classes: the class names of the model whose answers they are for.

    Raises:
        RequestError: with every problem found: an unknown or repeated key, a value that is none, a class that the model
            does not have, values that contradict each other.
    """
    where = "default rules" if path is None else str(path)
    text = (files("thermalctl.events") / _SHIPPED).read_text(encoding="utf-8") if path is None else _read_text(path)
    problems: list[str] = []
    document = _load(where, text, problems)
    rules = []
    for name, values in _list_rules(where, document, problems):
        rule = _Parser(where=f'{where}: rule "{name}"', classes=classes, problems=problems).parse(name, values)
        if rule is not None:
            rules.append(rule)
    if problems:
        raise RequestError(summarise_problems(problems), hint=_find_hint(path, classes, problems))
    return tuple(rules)


def parse_rules(where: str, values: object, problems: list[str]) -> tuple[EventRule, ...]:
    """Return the rules of a list, as a file of events has them; what is wrong is added to `problems`.

    Args:
        where: the file, as a message begins.
        values: `[{"name": ..., key: value, ...}, ...]`.
        problems: where problems are added.
    """
    if not isinstance(values, list) or not values:
        problems.append(f"{where}: rules is {reprlib.repr(values)}, expected a list of rules")
        return ()
    rules = []
    for number, value in enumerate(values):
        name = value.get("name") if isinstance(value, dict) else None
        if not _is_name(name):
            problems.append(f"{where}: rules[{number}] is {reprlib.repr(value)}, expected a rule with a name")
            continue
        keys = {key: item for key, item in value.items() if key != "name"}
        rule = _Parser(where=f'{where}: rule "{name}"', classes=None, problems=problems).parse(name, keys)
        if rule is not None:
            rules.append(rule)
    return tuple(rules)


def _find_hint(path: Path | None, classes: Sequence[str], problems: Sequence[str]) -> str:
    if not any("there is no class" in problem for problem in problems):
        return _HINT
    own = "the default rules are not for this model, write your own; " if path is None else ""
    return f"{own}its classes are: {', '.join(classes)}"


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        suggestion = f"; {DEFAULT_RULES} stands for the shipped rules" if isinstance(error, FileNotFoundError) else ""
        raise RequestError(f"{path}: cannot be read ({error.strerror})", hint=f"a YAML file{suggestion}") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: is not text in UTF-8 (byte {error.start})", hint=_HINT) from error
    if len(content) > _MOST_BYTES:
        raise RequestError(f"{path}: is larger than {_MOST_BYTES:,} bytes, expected a file of rules", hint=_HINT)
    return text


def _load(where: str, text: str, problems: list[str]) -> object:
    try:
        _find_repeated(where, yaml.compose(text, Loader=yaml.SafeLoader), problems)
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RequestError(f"{where}: is not YAML: {error.problem or error.context}{place}", hint=_HINT) from error
    except (yaml.YAMLError, ValueError) as error:  # a character or a date that is none
        raise RequestError(f"{where}: is not YAML: {str(error).splitlines()[0]}", hint=_HINT) from error
    except RecursionError as error:
        raise RequestError(f"{where}: is no file of rules: it is nested too deeply", hint=_HINT) from error


def _find_repeated(where: str, node: Any, problems: list[str], depth: int = 0) -> None:
    """Report keys that a mapping has twice, of which YAML's reader silently keeps the last."""
    if not isinstance(node, yaml.MappingNode) or depth > 2:
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            problems.append(f'{where}: line {line}: "{key.value}" is there twice, first in line {seen[key.value]}')
        elif isinstance(key, yaml.ScalarNode):
            seen[key.value] = line
        _find_repeated(where, value, problems, depth + 1)


def _list_rules(where: str, document: object, problems: list[str]) -> list[tuple[str, Mapping[Any, Any]]]:
    if not isinstance(document, dict) or not isinstance(document.get("rules"), dict) or not document["rules"]:
        found = reprlib.repr(document.get("rules") if isinstance(document, dict) else document)
        problems.append(f"{where}: rules is {found}, expected names with their keys, as in rules: {{fall: {{...}}}}")
        return []
    problems += [f"{where}: unknown key {reprlib.repr(key)}, expected rules" for key in document if key != "rules"]
    rules: list[tuple[str, Mapping[Any, Any]]] = []
    for name, values in document["rules"].items():
        if not _is_name(name):
            expected = f"a printable text of up to {_MOST_NAME} characters"
            problems.append(f"{where}: rule {reprlib.repr(name)}: its name, expected {expected}")
        elif not isinstance(values, dict):
            problems.append(f'{where}: rule "{name}" is {reprlib.repr(values)}, expected keys with values')
        else:
            rules.append((name, values))
    return rules


def _is_name(name: object) -> TypeGuard[str]:
    return isinstance(name, str) and bool(name.strip()) and name.isprintable() and len(name) <= _MOST_NAME


@dataclass(frozen=True, kw_only=True)
class _Parser:
    """Makes rules of values.

    Attributes:
        where: the file and the rule, as a message begins.
        classes: those that there are; None: any.
        problems: where problems are added.
    """

    where: str
    classes: Sequence[str] | None
    problems: list[str]

    def parse(self, name: str, values: Mapping[Any, Any]) -> EventRule | None:
        """Return a rule; None, with what is wrong added to the problems, if it cannot be made."""
        before = len(self.problems)
        for key in values:
            if key not in _KEYS:
                self._tell(f"unknown key {reprlib.repr(key)}{_suggest(key, _KEYS)}; there are {', '.join(_KEYS)}")
        for key in _REQUIRED:
            if key not in values:
                self._tell(f"has no {key}")
        numbers = {key: self._number(key, values[key]) for key in _NUMBERS if key in values}
        names = self._class_names(values["classes"]) if "classes" in values else ()
        subject = self._subject(values.get("per", EventRule.per))
        if len(self.problems) > before:
            return None
        numbers.setdefault("end_below", numbers["start_above"])
        rule = EventRule(name=name, classes=names, per=subject, **numbers)
        for key, found, expected in find_contradictions(rule):
            by_default = "" if key in values else " by default"
            self._tell(f"{key} is {found}{by_default}, expected {expected}")
        return rule if len(self.problems) == before else None

    def _tell(self, problem: str) -> None:
        self.problems.append(f"{self.where}: {problem}")

    def _number(self, key: str, value: object) -> float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                pass
        self._tell(f"{key} is {reprlib.repr(value)}, expected a number")
        return 0.0

    def _subject(self, value: object) -> Subject:
        for subject in SUBJECTS:
            if value == subject:
                return subject
        self._tell(f"per is {reprlib.repr(value)}, expected {' or '.join(SUBJECTS)}")
        return EventRule.per

    def _class_names(self, value: object) -> tuple[str, ...]:
        named = [value] if isinstance(value, str) else value
        if not isinstance(named, list) or not named or not all(isinstance(name, str) and name for name in named):
            self._tell(f"classes is {reprlib.repr(value)}, expected a list of class names")
            return ()
        for name in sorted(set(named)):
            if named.count(name) > 1:
                self._tell(f'classes names "{name}" twice')
            if self.classes is not None and name not in self.classes:
                self._tell(f'classes: there is no class "{name}"{_suggest(name, self.classes)}')
        return tuple(named)


def _suggest(word: object, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(word), known, n=1) if isinstance(word, str) else []
    return f'; is "{near[0]}" meant?' if near else ""
