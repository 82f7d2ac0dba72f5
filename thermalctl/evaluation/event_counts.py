"""Counts of events and alarms, and how sure the shares and rates are that they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.stats import binomtest, chi2

from thermalctl.evaluation.event_matching import Matching
from thermalctl.evaluation.resampling import LEVEL, Interval


@dataclass(frozen=True, kw_only=True)
class EventCounts:
    """Counts of events and alarms.

    Attributes:
        num_true: true events that were watched.
        num_found: of them, those that an alarm tells of.
        num_alarms: that annotations can judge.
        num_false: of them, those of nothing.
        num_repeated: of them, those of an event that another told of.
        num_unjudged: alarms where annotators say too little.
        num_unwatched: true events that nobody watched.
        num_not_raised: events whose alarm was held back by a cool-down, or of which sight was lost too early.
        hours: watched and annotated.
    """

    num_true: int
    num_found: int
    num_alarms: int
    num_false: int
    num_repeated: int
    num_unjudged: int
    num_unwatched: int
    num_not_raised: int
    hours: float


@dataclass(frozen=True, kw_only=True)
class EventRates:
    """What counts come to.

    Attributes:
        recall: found of true events; None without one.
        recall_interval: exact binomial (Clopper and Pearson 1934), which takes events for independent.
        precision: alarms that are the first to tell of an event, of all that can be judged; None without one.
        precision_interval: exact binomial.
        false_per_hour: false alarms per hour that was watched and annotated; None without any.
        false_per_hour_interval: exact Poisson (Garwood 1936).
        median_delay_s: of the events found whose beginning is known; None without one.
        worst_delay_s: the longest.
    """

    recall: float | None
    recall_interval: Interval | None
    precision: float | None
    precision_interval: Interval | None
    false_per_hour: float | None
    false_per_hour_interval: Interval | None
    median_delay_s: float | None
    worst_delay_s: float | None


def count_matching(matching: Matching, *, num_not_raised: int, hours: float) -> EventCounts:
    """Return the counts of one recording.

    Args:
        matching: its true events and alarms.
        num_not_raised: events without an alarm.
        hours: watched and annotated.
    """
    num_found, num_false, num_repeated = len(matching.found), len(matching.false), len(matching.repeated)
    return EventCounts(
        num_true=num_found + len(matching.missed),
        num_found=num_found,
        num_alarms=num_found + num_false + num_repeated,
        num_false=num_false,
        num_repeated=num_repeated,
        num_unjudged=len(matching.unjudged),
        num_unwatched=len(matching.unwatched),
        num_not_raised=num_not_raised,
        hours=hours,
    )


def add_counts(parts: Sequence[EventCounts]) -> EventCounts:
    """Return the counts of several recordings together."""
    return EventCounts(
        **{field.name: sum(getattr(part, field.name) for part in parts) for field in fields(EventCounts)}
    )


def find_rates(counts: EventCounts, delays_s: Sequence[float]) -> EventRates:
    """Return what counts come to.

    Args:
        counts: of one recording or several.
        delays_s: of the events found.
    """
    return EventRates(
        recall=counts.num_found / counts.num_true if counts.num_true else None,
        recall_interval=find_share_interval(counts.num_found, counts.num_true),
        precision=counts.num_found / counts.num_alarms if counts.num_alarms else None,
        precision_interval=find_share_interval(counts.num_found, counts.num_alarms),
        false_per_hour=counts.num_false / counts.hours if counts.hours > 0 else None,
        false_per_hour_interval=find_rate_interval(counts.num_false, counts.hours),
        median_delay_s=float(np.median(delays_s)) if len(delays_s) else None,
        worst_delay_s=max(delays_s) if len(delays_s) else None,
    )


def find_share_interval(num: int, of: int) -> Interval | None:
    """Return the exact binomial interval of a share; None of nothing."""
    if not of:
        return None
    found = binomtest(num, of).proportion_ci(LEVEL, method="exact")
    return Interval(low=float(found.low), high=float(found.high))


def find_rate_interval(num: int, hours: float) -> Interval | None:
    """Return the exact Poisson interval of a rate per hour; None of no time."""
    if not hours > 0:
        return None
    tail = (1 - LEVEL) / 2
    low = float(chi2.ppf(tail, 2 * num)) / 2 if num else 0.0
    return Interval(low=low / hours, high=float(chi2.ppf(1 - tail, 2 * num + 2)) / 2 / hours)
