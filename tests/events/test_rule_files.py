from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thermalctl.annotations.classes import THERMAL_ACTION_CLASSES
from thermalctl.errors import RequestError
from thermalctl.events.rule_files import parse_rules, read_rules
from thermalctl.events.rules import EventRule

CLASSES = ("standing", "lying with risk", "lying on the bed")
LEAST = "classes: lying with risk, start_above: 0.5, for_s: 3"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rules.yaml"


def refuse(path: Path, text: str) -> RequestError:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RequestError) as caught:
        read_rules(path, CLASSES)
    return caught.value


def test_rule_has_what_the_file_says(path: Path) -> None:
    path.write_text(
        """
rules:
  down:
    classes: [lying with risk, lying on the bed]
    start_above: 0.7
    end_below: 0.2
    for_s: 5
    merge_gap_s: 2
    cool_down_s: 30
    unsure_below: 0.4
    unsure_s: 20.5
    per: person
  up: {classes: standing, start_above: 0.6, for_s: 0}
"""
    )
    down, up = read_rules(path, CLASSES)
    assert down == EventRule(
        name="down",
        classes=("lying with risk", "lying on the bed"),
        start_above=0.7,
        end_below=0.2,
        for_s=5.0,
        merge_gap_s=2.0,
        cool_down_s=30.0,
        unsure_below=0.4,
        unsure_s=20.5,
        per="person",
    )
    assert (up.name, up.classes) == ("up", ("standing",))


def test_what_is_not_said_is_off_but_for_the_time_without_an_answer(path: Path) -> None:
    path.write_text(f"rules: {{up: {{{LEAST}}}}}")
    (rule,) = read_rules(path, CLASSES)
    assert (rule.end_below, rule.merge_gap_s, rule.cool_down_s, rule.unsure_below) == (0.5, 0.0, 0.0, 0.0)
    assert (rule.unsure_s, rule.per) == (10.0, "room")


def test_default_rules_are_for_falls_of_the_thermal_action_dataset() -> None:
    (rule,) = read_rules(None, THERMAL_ACTION_CLASSES)
    assert (rule.name, rule.classes, rule.for_s) == ("fall", ("lying down-lying with risk",), 10.0)


def test_default_rules_say_which_classes_a_model_has_that_lacks_theirs() -> None:
    with pytest.raises(RequestError, match='default rules: rule "fall": classes: there is no class "lying') as caught:
        read_rules(None, CLASSES)
    assert caught.value.hint is not None
    assert "its classes are: standing, lying with risk, lying on the bed" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"rules: {{up: {{{LEAST}, for: 3}}}}", "unknown key 'for'; is \"for_s\" meant?"),
        ("rules: {up: {classes: standing, start_above: 0.5}}", 'rule "up": has no for_s'),
        (
            "rules: {up: {classes: [standin], start_above: 0.5, for_s: 1}}",
            'there is no class "standin"; is "standing" meant?',
        ),
        (
            "rules: {up: {classes: [standing, standing], start_above: 0.5, for_s: 1}}",
            'classes names "standing" twice',
        ),
        ("rules: {up: {classes: [], start_above: 0.5, for_s: 1}}", "classes is [], expected a list of class names"),
        ("rules: {up: {classes: standing, start_above: 0.5, for_s: ten}}", "for_s is 'ten', expected a number"),
        ("rules: {up: {classes: standing, start_above: yes, for_s: 1}}", "start_above is True, expected a number"),
        ("rules: {up: {classes: standing, start_above: 50, for_s: 1}}", "start_above is 50, expected a probability"),
        ("rules: {up: {classes: standing, start_above: 0, for_s: 1}}", "start_above is 0, expected a probability"),
        (f"rules: {{up: {{{LEAST}, end_below: 0.6}}}}", "end_below is 0.6, expected at most start_above, 0.5"),
        (f"rules: {{up: {{{LEAST}, unsure_below: 1}}}}", "unsure_below is 1, expected a probability"),
        (f"rules: {{up: {{{LEAST}, cool_down_s: -1}}}}", "cool_down_s is -1, expected seconds"),
        (f"rules: {{up: {{{LEAST}, cool_down_s: .nan}}}}", "cool_down_s is nan, expected seconds"),
        (
            f"rules: {{up: {{{LEAST}, merge_gap_s: 12}}}}",
            "unsure_s is 10 by default, expected at least merge_gap_s, 12",
        ),
        (f"rules: {{up: {{{LEAST}, per: house}}}}", "per is 'house', expected room or person"),
        ("rules: {up: 3}", 'rule "up" is 3, expected keys with values'),
        (f"rules: {{7: {{{LEAST}}}}}", "rule 7: its name, expected a printable text"),
        (f'rules: {{"a\\eb": {{{LEAST}}}}}', "its name, expected a printable text"),
        ("rules: []", "rules is [], expected names with their keys"),
        ("", "rules is None, expected names with their keys"),
        (f"rules: {{up: {{{LEAST}}}}}\nversion: 2", "unknown key 'version', expected rules"),
    ],
)
def test_what_is_wrong_is_told_with_file_rule_and_key(path: Path, text: str, expected: str) -> None:
    error = refuse(path, text)
    assert expected in error.message
    assert all(line.startswith(str(path)) for line in error.message.splitlines())


def test_all_problems_are_told_at_once(path: Path) -> None:
    error = refuse(path, "rules: {up: {classes: standin, start_above: no, per: house}, down: 3}")
    assert len(error.message.splitlines()) == 5


def test_key_that_is_there_twice_is_told_with_both_lines(path: Path) -> None:
    error = refuse(path, "rules:\n  up:\n    for_s: 1\n    classes: standing\n    start_above: 0.5\n    for_s: 2\n")
    assert error.message == f'{path}: line 6: "for_s" is there twice, first in line 3'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"rules: [", "is not YAML: .* at line 1, column 9"),
        (b"rules: {a: \x00}", "is not YAML"),
        (b"rules: 2020-13-45", "is not YAML"),
        (b"rules: \xff", r"is not text in UTF-8 \(byte 7\)"),
        (b"[" * 5000, "nested too deeply"),
        (b"#" * 2_000_000, "is larger than 1,048,576 bytes"),
        (b"rules: &a {x: *a}", "rule .*x"),
        (b"!!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_file_that_is_none_of_rules_is_refused(path: Path, content: bytes, expected: str) -> None:
    path.write_bytes(content)
    with pytest.raises(RequestError, match=expected):
        read_rules(path, CLASSES)


def test_missing_file_is_told_with_what_to_name_instead(path: Path) -> None:
    with pytest.raises(RequestError, match="No such file") as caught:
        read_rules(path, CLASSES)
    assert caught.value.hint == "a YAML file; default stands for the shipped rules"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )
)
def test_no_document_breaks_the_reader(path: Path, value: object) -> None:
    path.write_text(yaml.safe_dump({"rules": {"up": value}}), encoding="utf-8")
    with pytest.raises(RequestError):
        read_rules(path, CLASSES)


@pytest.mark.parametrize("values", [None, [], [3], [{"classes": ["a"]}], [{"name": "up", "for_s": 1}]])
def test_list_of_rules_in_a_file_of_events_is_checked_likewise(values: object) -> None:
    problems: list[str] = []
    assert parse_rules("hall.events.jsonl: line 1", values, problems) == ()
    assert problems
    assert all(problem.startswith("hall.events.jsonl: line 1: ") for problem in problems)
