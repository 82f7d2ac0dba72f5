"""Which alarm tells of which true event, and which tells of nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from thermalctl.evaluation.event_truth import TrueEvent, Truth
from thermalctl.events.record import Event, Span


@dataclass(frozen=True, kw_only=True)
class Matching:
    """What became of a recording's true events and alarms.

    Attributes:
        found: true events with the alarm that tells of each.
        missed: true events without one.
        unwatched: true events that nobody watched for as long as the rule demands; they count neither way.
        false: alarms of nothing.
        repeated: alarms of an event that another has told of.
        unjudged: alarms of which annotators say too little; they count neither way.
    """

    found: tuple[tuple[TrueEvent, Event], ...]
    missed: tuple[TrueEvent, ...]
    unwatched: tuple[TrueEvent, ...]
    false: tuple[Event, ...]
    repeated: tuple[Event, ...]
    unjudged: tuple[Event, ...]


def match_events(
    alarms: Sequence[Event], truth: Truth, watched: Sequence[Span], *, event_s: float, alarm_s: float
) -> Matching:
    """Return which alarms tell of which true events, one of one: as many as can be, then those that overlap longest.

    An alarm can tell of an event that it overlaps in time, unless it was decided before that began: then something else
    raised it. It is false if it tells of none, and lasted long enough for an alarm in a time in which annotators saw
    nothing of the kind.

    Args:
        alarms: a rule's events that were raised, and ended, in one recording.
        truth: what annotators say of it.
        watched: what was watched of it.
        event_s: how long a true event lasts at least, seconds; it must have been watched for so long.
        alarm_s: how long a condition must hold for an alarm.
    """
    events = [event for event in truth.events if _is_within(event.began_ms, event.ended_ms, watched, 1000 * event_s)]
    unwatched = [event for event in truth.events if event not in events]
    pairs = _assign(alarms, events)
    matched = {alarm for _, alarm in pairs}
    free = _subtract(truth.annotated, (*truth.events, *truth.undecided))
    false, repeated, unjudged = [], [], []
    for place, alarm in enumerate(alarms):
        if place in matched:
            continue
        if any(_can_tell(alarm, event) for event in events):
            repeated.append(alarm)
        elif _is_within(alarm.began_ms, alarm.held_ms, free, 1000 * alarm_s):
            false.append(alarm)
        else:
            unjudged.append(alarm)
    found = {event for event, _ in pairs}
    return Matching(
        found=tuple((events[event], alarms[alarm]) for event, alarm in pairs),
        missed=tuple(event for place, event in enumerate(events) if place not in found),
        unwatched=tuple(unwatched),
        false=tuple(false),
        repeated=tuple(repeated),
        unjudged=tuple(unjudged),
    )


def measure_common(first: Sequence[Span], second: Sequence[Span]) -> int:
    """Return how many ms lie in a span of both; those of each do not overlap one another."""
    return sum(max(0, find_overlap(*one, *other)) for one in first for other in second)


def find_overlap(began_ms: int, ended_ms: int, start_ms: int, end_ms: int) -> int:
    """Return how long two times overlap, ms; 0 where they touch, less where they do not."""
    return min(ended_ms, end_ms) - max(began_ms, start_ms)


def _assign(alarms: Sequence[Event], events: Sequence[TrueEvent]) -> list[tuple[int, int]]:
    """Return the places (event, alarm) that belong together, in the order of the events."""
    overlaps = np.array(
        [
            [find_overlap(event.began_ms, event.ended_ms, alarm.began_ms, alarm.held_ms) for alarm in alarms]
            for event in events
        ],
        dtype=np.float64,
    ).reshape(len(events), len(alarms))
    can_tell = np.array([[_can_tell(alarm, event) for alarm in alarms] for event in events], dtype=np.bool_)
    can_tell = can_tell.reshape(overlaps.shape)
    # One pair more is worth more than all overlaps together.
    worth = np.where(can_tell, overlaps + 1 + np.abs(overlaps).sum(), 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(row, column) for row, column in zip(rows.tolist(), columns.tolist(), strict=True) if can_tell[row, column]]


def _can_tell(alarm: Event, event: TrueEvent) -> bool:
    overlaps = find_overlap(event.began_ms, event.ended_ms, alarm.began_ms, alarm.held_ms) >= 0
    # Of an event that goes back to where annotations begin nobody knows when it began.
    is_early = event.begins_annotated and alarm.decided_ms is not None and alarm.decided_ms < event.began_ms
    return overlaps and not is_early


def _subtract(spans: Sequence[Span], events: Sequence[TrueEvent]) -> list[Span]:
    """Return what is left of the spans without the events, each of which lies in one of them."""
    left = []
    for span in spans:
        inside = [event for event in events if span.start_ms <= event.began_ms <= span.end_ms]
        start_ms = span.start_ms
        for event in sorted(inside, key=lambda event: event.began_ms):
            left.append(Span(start_ms, event.began_ms))
            start_ms = event.ended_ms
        left.append(Span(start_ms, span.end_ms))
    return [span for span in left if span.end_ms > span.start_ms]


def _is_within(began_ms: int, ended_ms: int, spans: Sequence[Span], least_ms: float) -> bool:
    """Return whether enough of a time lies in one of the spans."""
    return any(find_overlap(began_ms, ended_ms, *span) >= least_ms for span in spans)
