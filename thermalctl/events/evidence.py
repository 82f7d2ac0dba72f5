"""What one window's answers say about a rule's condition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from thermalctl.events.rules import EventRule
from thermalctl.streams.answers import WindowAnswer

#: "above": it holds; "between": it does if it did before; "below": it does not; "unsure": nobody can tell.
Level = Literal["above", "between", "below", "unsure"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a window says about a rule's condition.

    Attributes:
        level: whether it holds.
        person: of whom it says so; None for the whole frame, or nobody.
        probability: of the rule's classes together; 0 where unsure.
    """

    level: Level
    person: int | None
    probability: float = 0.0


#: Nobody was found, or there is no answer.
NOTHING = Evidence(level="unsure", person=None)


class Scale:
    """Weighs answers by a rule.

    Args:
        rule: the rule.
        classes: the model's class names in id order, the rule's among them.
    """

    def __init__(self, rule: EventRule, classes: Sequence[str]) -> None:
        self._ids = [classes.index(name) for name in rule.classes]
        # As answers are: 0.7 in float32 is a little less than 0.7.
        self._start_above, self._end_below, self._unsure_below = (
            float(np.float32(limit)) for limit in (rule.start_above, rule.end_below, rule.unsure_below)
        )

    def weigh(self, answer: WindowAnswer) -> Evidence:
        """Return what an answer says of the person, or of the frame, that it is about."""
        found = answer.probabilities
        if found is None or not np.isfinite(found).all() or float(found.max()) < self._unsure_below:
            return Evidence(level="unsure", person=answer.person)
        probability = float(np.float32(found[self._ids].sum()))
        level: Level = "between"
        if probability >= self._start_above:
            level = "above"
        elif probability < self._end_below:
            level = "below"
        return Evidence(level=level, person=answer.person, probability=probability)


def weigh_room(found: Iterable[Evidence], carrier: int | None) -> Evidence:
    """Return what a window says of the room: the highest that it says of anybody.

    The condition does not hold only where that is sure of everybody, and the one of whom it last held is among them:
    that somebody else stands there does not mean that who lay there has got up.

    Args:
        found: of each person, or of the whole frame.
        carrier: of whom the condition last held; None for the whole frame, or if it did not hold.
    """
    by_person = list(found)
    sure = [one for one in by_person if one.level != "unsure"]
    if not sure:
        return NOTHING
    highest = max(sure, key=lambda one: one.probability)
    everybody_is_known = len(sure) == len(by_person) and (carrier is None or carrier in {one.person for one in sure})
    return highest if highest.level != "below" or everybody_is_known else NOTHING
