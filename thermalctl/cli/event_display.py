"""`thermalctl report --events`: what the alarms are worth that `predict` raised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from thermalctl.cli import console
from thermalctl.dataset.layout import find_dataset
from thermalctl.dataset.samples import load_dataset
from thermalctl.evaluation.event_counts import find_rate_interval, find_share_interval
from thermalctl.evaluation.event_gathering import judge_event_files
from thermalctl.evaluation.event_scores import EventScores, RecordingEvents, RuleScore
from thermalctl.evaluation.resampling import Interval
from thermalctl.events.rules import EventRule

#: With fewer true events it is said what they cannot show.
FEW_EVENTS = 30
#: So many missed events and false alarms are listed of each kind.
_MOST_LISTED = 10


def judge_events(paths: Sequence[Path], data: Path | None, rules: Path | None, *, as_json: bool = False) -> None:
    """Judge the events in files by a dataset's annotations, and print what they are worth.

    Args:
        paths: files of events, and folders of them.
        data: the dataset, if the user named it.
        rules: by which true events are found, if not those that the alarms were raised by.
        as_json: print the result as JSON.
    """
    found = find_dataset(data)
    console.print_note(f"{found.layout.root}  ({found.how})")
    scores = judge_event_files(paths, load_dataset(found.layout), rules=rules)
    if as_json:
        console.print_json(scores)
    else:
        show_events(scores)


def show_events(scores: EventScores) -> None:
    """Print what alarms are worth: first on what terms, then each rule."""
    for sentence in _describe_terms(scores):
        console.print_line(sentence)
    for score in scores.rules:
        console.print_line()
        console.print_line(_describe_rule(score.rule), style="bold")
        console.print_line()
        console.print_table(_table_rates(score))
        console.print_line()
        console.print_table(_table_recordings(score))
        for line in _list_mistakes(score):
            console.print_line(line)
        for sentence in _describe_others(score):
            console.print_line(sentence)
    console.print_remark(
        "In brackets: exact 95 % intervals. delay: from when the rule could have told at the earliest, so long after "
        "an event began as it demands, to the alarm; a model answers half a window late. repeated: alarms of an event "
        "that another told of."
    )


def _describe_terms(scores: EventScores) -> Iterator[str]:
    recordings = {part.recording: part for score in scores.rules for part in score.recordings}
    sessions = {part.session for part in recordings.values()}
    hours = sum(part.counts.hours for part in recordings.values())
    yield (
        f"{console.count(len(recordings), 'recording')} of {console.count(len(sessions), 'session')}, {60 * hours:.1f} "
        "minutes watched and annotated."
    )
    if len(recordings) > len(sessions):
        yield (
            "Recordings of a session show one scene, one after the other: their events are alike, and the intervals, "
            "which take events for independent, too narrow."
        )
    yield from _describe_training(list(recordings.values()))
    if scores.not_annotated:
        yield f"Not annotated, and left out: {', '.join(scores.not_annotated)}."


def _describe_training(recordings: list[RecordingEvents]) -> Iterator[str]:
    trained = [part.recording for part in recordings if part.was_trained_on]
    if trained:
        yield (
            f"The model was trained on {len(trained)} of them ({', '.join(trained)}): the numbers do not show what it "
            "does in a new room."
        )
    if any(part.was_trained_on is None for part in recordings):
        yield "Whether the model was trained on them the files of events do not say."


def _describe_rule(rule: EventRule) -> str:
    return f"{rule.name}: {', '.join(rule.classes)}, for {rule.for_s:g} s"


def _table_rates(score: RuleScore) -> Table:
    counts, rates = score.counts, score.rates
    table = console.plain_table("", "", "")
    found, right = f"{counts.num_found} of {counts.num_true}", f"{counts.num_found} of {counts.num_alarms}"
    table.add_row("events found (recall)", found, _format_share(rates.recall, rates.recall_interval))
    table.add_row("alarms right (precision)", right, _format_share(rates.precision, rates.precision_interval))
    per_hour = "-"
    if rates.false_per_hour is not None and rates.false_per_hour_interval is not None:
        low, high = rates.false_per_hour_interval.low, rates.false_per_hour_interval.high
        per_hour = f"{_format_rate(rates.false_per_hour)} per hour [{_format_rate(low)}, {_format_rate(high)}]"
    table.add_row("false alarms", str(counts.num_false), per_hour)
    delay = "-"
    if rates.median_delay_s is not None and rates.worst_delay_s is not None:
        delay = f"median {rates.median_delay_s:.1f} s, worst {rates.worst_delay_s:.1f} s"
    table.add_row("delay", "", delay)
    return table


def _table_recordings(score: RuleScore) -> Table:
    numbers = ("minutes", "events", "found", "false", "repeated", "worst delay")
    table = console.plain_table("session", "recording", *numbers, right=numbers)
    for part in sorted(score.recordings, key=lambda part: (part.session, part.recording)):
        counts = part.counts
        delays_s = [one.delay_s for one in part.events if one.delay_s is not None]
        table.add_row(
            part.session,
            part.recording,
            f"{60 * counts.hours:.1f}",
            *(str(number) for number in (counts.num_true, counts.num_found, counts.num_false, counts.num_repeated)),
            f"{max(delays_s):.1f} s" if delays_s else "-",
        )
    return table


def _list_mistakes(score: RuleScore) -> Iterator[str]:
    missed = [
        f"{part.recording}, frames {one.event.first_keyframe} to {one.event.last_keyframe}, "
        f"{(one.event.ended_ms - one.event.began_ms) / 1000:.1f} s"
        for part in score.recordings
        for one in part.events
        if one.alarm is None
    ]
    false = [
        f"{part.recording}, frames {alarm.first_keyframe} to {alarm.last_keyframe}, "
        f"{(alarm.held_ms - alarm.began_ms) / 1000:.1f} s"
        for part in score.recordings
        for alarm in part.false
    ]
    for name, found in (("missed", missed), ("false alarm", false)):
        if found:
            yield ""
        yield from (f"{name}: {line}" for line in found[:_MOST_LISTED])
        if len(found) > _MOST_LISTED:
            yield f"... and {len(found) - _MOST_LISTED} more"


def _describe_others(score: RuleScore) -> Iterator[str]:
    counts = score.counts
    yield ""
    if counts.num_unjudged:
        alarms = console.count(counts.num_unjudged, "alarm")
        yield f"{alarms} where annotations say too little, as before the first keyframe, count neither way."
    if counts.num_unwatched:
        yield f"{console.count(counts.num_unwatched, 'event')} that nobody watched long enough: left out."
    if counts.num_not_raised:
        events = console.count(counts.num_not_raised, "event")
        yield f"{events} without an alarm: held back by a cool-down, or sight was lost before it was due."
    all_found, no_false = find_share_interval(counts.num_true, counts.num_true), find_rate_interval(0, counts.hours)
    if counts.num_true < FEW_EVENTS and all_found and no_false:
        yield (
            f"{console.count(counts.num_true, 'event')} in {60 * counts.hours:.1f} minutes: very few. A model that "
            f"finds them all may still miss {100 * (1 - all_found.low):.0f} % of others, and one without a false alarm "
            f"may raise {_format_rate(no_false.high)} an hour."
        )


def _format_share(value: float | None, interval: Interval | None) -> str:
    if value is None or interval is None:
        return "-"
    return f"{100 * value:.0f} % [{100 * interval.low:.0f}, {100 * interval.high:.0f}]"


def _format_rate(per_hour: float) -> str:
    return f"{per_hour:,.0f}" if per_hour >= 10 else f"{per_hour:.2g}"
