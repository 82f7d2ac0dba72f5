from __future__ import annotations

from pathlib import Path

import pytest

from thermalctl.annotations.class_choice import choose_classes, read_class_names
from thermalctl.annotations.classes import THERMAL_ACTION_CLASSES
from thermalctl.annotations.keyframes import AnnotatedKeyframe, AnnotatedPerson, AnnotationSource
from thermalctl.errors import DatasetError, RequestError


def make_source(*actions: str, classes: tuple[str, ...] = (), name: str = "a.json") -> AnnotationSource:
    people = tuple(AnnotatedPerson(action=action) for action in actions)
    keyframe = AnnotatedKeyframe(where=f"{name}: line 1", recording="R", timestamp_ms=1, people=people)
    return AnnotationSource(path=Path(name), kind="test", keyframes=(keyframe,), classes=classes)


def test_actions_of_the_thermal_dataset_get_its_classes() -> None:
    choice = choose_classes([make_source("walking", "standing")])
    assert choice.names == THERMAL_ACTION_CLASSES
    assert (choice.find_id("sitting"), choice.find_id("walking")) == (0, 2)


def test_other_actions_are_the_classes_themselves() -> None:
    choice = choose_classes([make_source("run", "walking"), make_source("fall")])
    assert choice.names == ("fall", "run", "walking")


def test_files_that_define_classes_are_followed_and_must_agree() -> None:
    defined = make_source("b", classes=("b", "a"))
    assert choose_classes([defined, make_source("a")]).names == ("b", "a")
    with pytest.raises(DatasetError, match=r"c\.json: defines 3 classes that are not the 2 of a\.json"):
        choose_classes([defined, make_source("b", classes=("a", "b", "c"), name="c.json")])


def test_named_classes_come_first_and_leave_other_actions_out() -> None:
    choice = choose_classes([make_source("walking", "wlaking", classes=("x",))], named=["walking", "standing"])
    assert choice.names == ("walking", "standing")
    assert choice.find_id("wlaking") is None
    assert choice.explain_unknown("wlaking") == '"wlaking" is not among the classes; is "walking" meant?'
    assert choice.explain_unknown("zzz") == '"zzz" is not among the classes'


def test_merged_actions_become_one_class_in_the_place_of_the_first() -> None:
    choice = choose_classes([make_source("a")], named=["a", "b", "c", "d"], merges=["low=d,b"])
    assert choice.names == ("a", "c", "low")
    assert [choice.find_id(action) for action in "abcd"] == [0, 2, 1, 2]


def test_merge_into_one_of_the_merged_keeps_its_name() -> None:
    choice = choose_classes([make_source("a")], named=["a", "b", "c"], merges=["b=a,b"])
    assert choice.names == ("b", "c")
    assert [choice.find_id(action) for action in "abc"] == [0, 0, 1]


@pytest.mark.parametrize(
    ("merge", "message"),
    [
        ("low", "expected NEW=OLD,OLD"),
        ("=a,b", "expected NEW=OLD,OLD"),
        ("low=", "expected NEW=OLD,OLD"),
        ("low=aaa", '--merge-classes low: "aaa" is not a class. Is "aaab" meant'),
    ],
)
def test_malformed_merge_is_refused(merge: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        choose_classes([make_source("a")], named=["a", "aaab"], merges=[merge])


def test_annotations_without_an_action_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"a\.json: nobody in it does anything"):
        choose_classes([make_source()])


def test_names_are_read_from_lines_or_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\ufeffwalking\r\n\r\n  standing \n", encoding="utf-8")
    (tmp_path / "class_mapping.json").write_text('{"classes": ["a", "b"]}')
    assert read_class_names(tmp_path / "classes.txt") == ("walking", "standing")
    assert read_class_names(tmp_path / "class_mapping.json") == ("a", "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no class name"),
        (b"a\nb\na\n", 'lists "a" twice'),
        (b"\xff\xfe\x00", "is not text in UTF-8"),
    ],
)
def test_broken_list_of_names_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_class_names(tmp_path / "classes.txt")
    with pytest.raises(DatasetError, match=r"absent\.txt: cannot be read"):
        read_class_names(tmp_path / "absent.txt")
