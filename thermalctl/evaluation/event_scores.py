"""How good alarms are: events found, how late, and false alarms per hour, beside what so few of them can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from thermalctl.errors import RequestError
from thermalctl.evaluation.event_counts import EventCounts, EventRates, add_counts, count_matching, find_rates
from thermalctl.evaluation.event_matching import match_events, measure_common
from thermalctl.evaluation.event_truth import AnnotatedRecording, TrueEvent, Truth, find_truth
from thermalctl.events.record import Event, EventRecord
from thermalctl.events.rules import EventRule

_MS_PER_HOUR = 3_600_000


@dataclass(frozen=True, kw_only=True)
class JudgedEvent:
    """A true event and what became of it.

    Attributes:
        event: as annotated.
        alarm: that tells of it; None if it was missed.
        delay_s: from when the rule could have told at the earliest, `for_s` after it began, to the alarm; less than 0
            where the alarm's event began before. None if missed, or where nobody knows when it began.
    """

    event: TrueEvent
    alarm: Event | None
    delay_s: float | None


@dataclass(frozen=True, kw_only=True)
class RecordingEvents:
    """A rule in one recording.

    Attributes:
        recording: its name.
        session: the group of recordings that it belongs to.
        counts: of it.
        events: the true ones, in the order of time.
        false: alarms of nothing.
        was_trained_on: whether the model was; None if the file of events does not say.
    """

    recording: str
    session: str
    counts: EventCounts
    events: tuple[JudgedEvent, ...]
    false: tuple[Event, ...]
    was_trained_on: bool | None


@dataclass(frozen=True, kw_only=True)
class RuleScore:
    """A rule in all recordings.

    Attributes:
        rule: by which true events were found.
        counts: of all recordings.
        rates: what they come to.
        sessions: counts by session.
        recordings: one by one.
    """

    rule: EventRule
    counts: EventCounts
    rates: EventRates
    sessions: Mapping[str, EventCounts]
    recordings: tuple[RecordingEvents, ...]


@dataclass(frozen=True, kw_only=True)
class EventScores:
    """What alarms are worth.

    Attributes:
        rules: one by one.
        not_annotated: recordings without a keyframe, which cannot be judged.
    """

    rules: tuple[RuleScore, ...]
    not_annotated: tuple[str, ...]


def score_events(
    records: Sequence[EventRecord],
    annotated: Mapping[str, AnnotatedRecording],
    classes: Sequence[str],
    *,
    rules: Sequence[EventRule] | None = None,
) -> EventScores:
    """Return what the alarms of recordings are worth.

    Args:
        records: a recording each.
        annotated: what annotators say of recordings, by name.
        classes: the dataset's class names in id order.
        rules: by which true events are found; None: those that the alarms were raised by.

    Raises:
        RequestError: if a recording is there twice, none is annotated, rules of a name differ, no alarms were raised by
            a rule, or one names a class that the dataset does not have.
    """
    known = [record for record in records if record.recording in annotated]
    _check_recordings(records, known)
    chosen = list(rules or ()) or list(_collect_rules(known).values())
    _check_rules(chosen, known, classes)
    scores = []
    for rule in chosen:
        parts = []
        for record in known:
            raised_by = next((each for each in record.rules if each.name == rule.name), None)
            if raised_by is not None:
                recording = annotated[record.recording]
                truth = find_truth(recording, rule, classes)
                parts.append(_judge(record, rule, raised_by, truth, recording.session))
        scores.append(_sum_up(rule, parts))
    return EventScores(
        rules=tuple(scores),
        not_annotated=tuple(record.recording for record in records if record.recording not in annotated),
    )


def _check_recordings(records: Sequence[EventRecord], known: Sequence[EventRecord]) -> None:
    names = [record.recording for record in records]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise RequestError(f"two files of events are of {repeated}", hint="name the files that are meant")
    if not known:
        raise RequestError(
            f"no recording with events is annotated in the dataset: {', '.join(names)}",
            hint="name the dataset that they are of with --data",
        )


def _collect_rules(records: Sequence[EventRecord]) -> dict[str, EventRule]:
    rules: dict[str, tuple[EventRule, str]] = {}
    for record in records:
        for rule in record.rules:
            first, recording = rules.setdefault(rule.name, (rule, record.recording))
            if first != rule:
                raise RequestError(
                    f'rule "{rule.name}" of {record.recording} is not that of {recording}',
                    hint="predict both with the same rules, or say with --rules which true events count",
                )
    return {name: rule for name, (rule, _) in rules.items()}


def _check_rules(rules: Sequence[EventRule], records: Sequence[EventRecord], classes: Sequence[str]) -> None:
    used = sorted({rule.name for record in records for rule in record.rules})
    for rule in rules:
        if rule.name not in used:
            raise RequestError(
                f'no alarm was raised by a rule "{rule.name}"', hint=f"the events are of the rules {', '.join(used)}"
            )
        missing = next((name for name in rule.classes if name not in classes), None)
        if missing is not None:
            raise RequestError(
                f'rule "{rule.name}" is about "{missing}", which is no class of the dataset',
                hint=f"its classes are: {', '.join(classes)}",
            )


def _sum_up(rule: EventRule, parts: Sequence[RecordingEvents]) -> RuleScore:
    by_session: dict[str, list[EventCounts]] = {}
    for part in parts:
        by_session.setdefault(part.session, []).append(part.counts)
    counts = add_counts([part.counts for part in parts])
    delays_s = [one.delay_s for part in parts for one in part.events if one.delay_s is not None]
    return RuleScore(
        rule=rule,
        counts=counts,
        rates=find_rates(counts, delays_s),
        sessions={name: add_counts(by_session[name]) for name in sorted(by_session)},
        recordings=tuple(parts),
    )


def _judge(record: EventRecord, rule: EventRule, raised_by: EventRule, truth: Truth, session: str) -> RecordingEvents:
    own = [event for event in record.events if event.rule == rule.name]
    alarms = [event for event in own if event.raised_ms is not None]
    matching = match_events(alarms, truth, record.watched, event_s=rule.for_s, alarm_s=raised_by.for_s)
    judged = [_judge_event(event, alarm, rule) for event, alarm in matching.found]
    judged += [JudgedEvent(event=event, alarm=None, delay_s=None) for event in matching.missed]
    hours = measure_common(record.watched, truth.annotated) / _MS_PER_HOUR
    return RecordingEvents(
        recording=record.recording,
        session=session,
        counts=count_matching(matching, num_not_raised=len(own) - len(alarms), hours=hours),
        events=tuple(sorted(judged, key=lambda one: one.event.began_ms)),
        false=matching.false,
        was_trained_on=_was_trained_on(record),
    )


def _judge_event(event: TrueEvent, alarm: Event, rule: EventRule) -> JudgedEvent:
    delay_s = None
    if event.begins_annotated and alarm.raised_ms is not None:
        delay_s = (alarm.raised_ms - event.began_ms) / 1000 - rule.for_s
    return JudgedEvent(event=event, alarm=alarm, delay_s=delay_s)


def _was_trained_on(record: EventRecord) -> bool | None:
    """Return what a record says of it: by a list of recordings, or by how many of its frames were trained on."""
    trained_on, num_frames = record.about.get("trained_on"), record.about.get("num_trained_frames")
    if isinstance(trained_on, (list, tuple)):
        return record.recording in trained_on
    return num_frames > 0 if isinstance(num_frames, int) else None
