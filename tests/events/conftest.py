"""Answers made by hand: one a second, about a keyframe five seconds before they are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from thermalctl.events.record import Change
from thermalctl.events.rules import EventRule
from thermalctl.events.watcher import EventWatcher
from thermalctl.streams.answers import WindowAnswer

CLASSES = ("standing", "lying", "crawling")
MakeRule = Callable[..., EventRule]
MakeAnswer = Callable[..., WindowAnswer]
Play = Callable[..., list[Change]]


@pytest.fixture
def make_rule() -> MakeRule:
    """A function to a rule: lying from 0.6 on, until below 0.4, for 3 s; every key can be given."""

    def make(**keys: Any) -> EventRule:
        given = {"name": "fall", "classes": ("lying",), "start_above": 0.6, "end_below": 0.4, "for_s": 3.0}
        return EventRule(**(given | keys))

    return make


@pytest.fixture
def make_answer() -> MakeAnswer:
    """A function from (second, probability of lying) to an answer; None for no answer, a triple for all classes."""

    def make(
        second: float, lying: float | Sequence[float] | None, *, person: int | None = None, segment: int = 0
    ) -> Any:
        keyframe_ms = round(1000 * second)
        every = (1 - lying, lying, 0.0) if isinstance(lying, (int, float)) else lying
        return WindowAnswer(
            recording="hall",
            window=round(1000 * second),
            segment=segment,
            first_frame=0,
            keyframe=round(10 * second),
            last_frame=0,
            start_ms=keyframe_ms - 5000,
            keyframe_ms=keyframe_ms,
            end_ms=keyframe_ms + 5000,
            person=person,
            status="incomplete" if every is None else "answered",
            probabilities=None if every is None else np.array(every, dtype=np.float32),
        )

    return make


@pytest.fixture
def play(make_answer: MakeAnswer) -> Play:
    """A function from (rule, one probability a second) to all changes; nothing more comes then, unless told so."""

    def play(rule: EventRule, lying: Sequence[Any], *, finish: bool = True, target: Any = "frame") -> list[Change]:
        watcher = EventWatcher([rule], CLASSES, target=target)
        changes = [change for second, one in enumerate(lying) for change in watcher.update(make_answer(second, one))]
        return changes + (watcher.finish() if finish else [])

    return play
