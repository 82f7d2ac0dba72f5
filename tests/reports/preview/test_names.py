from __future__ import annotations

import pytest

from thermalctl.errors import RequestError
from thermalctl.reports.preview.names import match_name

CLASSES = (
    "standing",
    "lying down-lying with risk",
    "lying down-lying on the bed/couch",
    "other",
    "lower position-other",
)


def match(wanted: str, known: tuple[str, ...] = CLASSES) -> str:
    return match_name(wanted, known, option="--class", plural="classes")


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("standing", "standing"),
        ("STANDING", "standing"),
        ("stand", "standing"),
        ("with risk", "lying down-lying with risk"),
        (" Couch ", "lying down-lying on the bed/couch"),
    ],
)
def test_unique_part_in_any_case_is_the_name(wanted: str, meant: str) -> None:
    assert match(wanted) == meant


def test_whole_name_wins_over_names_that_contain_it() -> None:
    assert match("other") == "other"


def test_part_of_several_names_is_refused_with_all_of_them() -> None:
    with pytest.raises(RequestError, match=r'--class "lying": 2 classes .*with risk, lying down-lying on'):
        match("lying")


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [("standng", "standing"), ("coach", "lying down-lying on the bed/couch"), ("sitanding", "standing")],
)
def test_misspelt_word_is_answered_with_the_name_that_has_the_nearest(wanted: str, meant: str) -> None:
    with pytest.raises(RequestError) as raised:
        match(wanted)
    assert raised.value.message == f'--class "{wanted}": no such name. Is {meant} meant?'
    assert raised.value.hint == "the classes: " + ", ".join(CLASSES)


@pytest.mark.parametrize("wanted", ["", "   ", "xyzzy"])
def test_what_is_near_to_nothing_is_not_guessed_at(wanted: str) -> None:
    with pytest.raises(RequestError, match=r"no such name$"):
        match(wanted)


def test_long_lists_are_cut() -> None:
    with pytest.raises(RequestError) as raised:
        match("?", tuple(f"sample {number}" for number in range(100)))
    assert raised.value.hint == "the classes: sample 0, sample 1, sample 2, sample 3 and 96 more"
