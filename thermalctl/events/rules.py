"""When an event is told: how probable its classes must be, for how long, and what interrupts it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

#: Whose event it is: "room": whoever it is, so that people whose numbers are swapped are one event; "person": each
#: person's own.
Subject = Literal["room", "person"]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)

#: Where a rule does not say: longer than the pauses between answers, shorter than anybody should wait for help unseen.
DEFAULT_UNSURE_S = 10.0
#: A day: what is longer is rather a time in milliseconds.
MOST_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class EventRule:
    """One kind of event; all times are between keyframes, in seconds. What is not said is off, but for `unsure_s`.

    Attributes:
        name: of the event, as it is told.
        classes: the classes that it consists of; their probabilities are summed.
        start_above: the sum from which on the condition holds, more than 0.
        end_below: the sum below which it no longer does; between the two it stays as it was.
        for_s: how long it must have held before the alarm is raised.
        merge_gap_s: a dip shorter than this does not end it.
        cool_down_s: after an event, no alarm of this rule is raised for so long; one whose condition then still holds
            is raised then.
        unsure_below: where the most probable class of all is less probable than this, the answer counts as none.
        unsure_s: how long an event outlives without an answer.
        per: whose event it is.
    """

    name: str
    classes: tuple[str, ...]
    start_above: float
    end_below: float
    for_s: float
    merge_gap_s: float = 0.0
    cool_down_s: float = 0.0
    unsure_below: float = 0.0
    unsure_s: float = DEFAULT_UNSURE_S
    per: Subject = "room"


def find_contradictions(rule: EventRule) -> Iterator[tuple[str, str, str]]:
    """Yield (key, what it is, what is expected) of each value that is impossible, alone or beside another."""
    if not 0 < rule.start_above <= 1:
        yield "start_above", f"{rule.start_above:g}", "a probability, more than 0 and up to 1"
    if not 0 <= rule.end_below <= 1:
        yield "end_below", f"{rule.end_below:g}", "a probability, 0 to 1"
    elif rule.end_below > rule.start_above:
        yield "end_below", f"{rule.end_below:g}", f"at most start_above, {rule.start_above:g}"
    if not 0 <= rule.unsure_below < 1:
        yield "unsure_below", f"{rule.unsure_below:g}", "a probability, 0 to less than 1"
    seconds = {key: getattr(rule, key) for key in ("for_s", "merge_gap_s", "cool_down_s", "unsure_s")}
    for key, value in seconds.items():
        if not 0 <= value <= MOST_SECONDS:  # also where it is no number
            yield key, f"{value:g}", f"seconds, 0 to {MOST_SECONDS:g}"
    # An unsure stretch must not end what a dip of the same length would not: two events would be closer than the gap.
    if all(map(math.isfinite, seconds.values())) and rule.unsure_s < rule.merge_gap_s:
        yield "unsure_s", f"{rule.unsure_s:g}", f"at least merge_gap_s, {rule.merge_gap_s:g}"
