from __future__ import annotations

import pytest

from thermalctl.events.evidence import NOTHING, Evidence, Level, weigh_room

PROBABILITY: dict[Level, float] = {"above": 0.9, "between": 0.5, "below": 0.1, "unsure": 0.0}


def see(level: Level, person: int) -> Evidence:
    return Evidence(level=level, person=person, probability=PROBABILITY[level])


@pytest.mark.parametrize(
    ("levels", "carrier", "expected"),
    [
        (("below", "above"), None, "above"),
        (("unsure", "above"), 1, "above"),
        (("below", "between"), None, "between"),
        (("below", "below"), None, "below"),
        (("below", "below"), 2, "below"),
        # Nobody is sure of everybody, or of whom it held.
        (("below", "unsure"), None, "unsure"),
        (("below", "below"), 3, "unsure"),
        (("unsure", "unsure"), None, "unsure"),
        ((), None, "unsure"),
    ],
)
def test_room_is_its_people_s_highest_and_quiet_only_if_everybody_surely_is(
    levels: tuple[Level, ...], carrier: int | None, expected: Level
) -> None:
    found = [see(level, person) for person, level in enumerate(levels, start=1)]
    assert weigh_room(found, carrier).level == expected


def test_room_is_told_of_by_the_person_of_whom_it_is_most_probable() -> None:
    assert weigh_room([see("between", 1), see("above", 2), see("below", 3)], None).person == 2
    assert weigh_room([], 2) == NOTHING
