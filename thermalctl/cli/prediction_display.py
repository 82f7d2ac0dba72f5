"""How `thermalctl predict` shows what was found: in recordings, in one clip, on a stream."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from thermalctl.cli import console

if TYPE_CHECKING:
    from thermalctl.events.record import Change, EndReason
    from thermalctl.prediction.live import LivePrediction
    from thermalctl.prediction.many import ManyPredicted
    from thermalctl.prediction.options import PredictOptions
    from thermalctl.prediction.recording import PredictedRecording
    from thermalctl.prediction.single import SingleAnswer
    from thermalctl.streams.answers import WindowAnswer
    from thermalctl.streams.arriving import ArrivingFrames
    from thermalctl.streams.frames import Interruption

#: So many stretches of a recording are listed, and so many classes of one clip.
_MOST_STRETCHES, _MOST_CLASSES = 20, 5
#: Why an event ended, in words.
_ENDS: dict[EndReason, str] = {
    "over": "it was over",
    "unsure": "nobody could tell",
    "lost sight": "frames were interrupted",
    "finished": "the recording ended",
}


def show_many(result: ManyPredicted, options: PredictOptions) -> None:
    """Print what became of recordings: of one its timeline, of several a line each."""
    if len(result.predicted) == 1 and not result.skipped:
        _show_recording(result.predicted[0], options)
    elif result.predicted:
        _show_table(result.predicted, options)
    if result.skipped:
        finished = console.count(len(result.skipped), "recording")
        console.print_note(f"{finished} finished before, with the same options; --force predicts anew")
    for problem in result.problems:
        console.print_unwrapped(f"failed: {problem.message}")
        if problem.hint:
            console.print_unwrapped(f"        {problem.hint}")


def _show_recording(found: PredictedRecording, options: PredictOptions) -> None:
    console.print_line(f"{found.recording}  {_describe_length(found)}", style="bold")
    for remark in _list_remarks(found):
        console.print_line(remark, style="dim")
    console.print_line()
    with_people = any(stretch.person is not None for stretch in found.stretches)
    numbers = ("from", "to", "windows", "probability")
    table = console.plain_table(
        "from", "to", *(("person",) if with_people else ()), "class", *numbers[2:], right=numbers
    )
    origin_ms = found.start_ms
    for stretch in found.stretches[:_MOST_STRETCHES]:
        person = "whole frame" if stretch.person is None else str(stretch.person)
        table.add_row(
            format_time(stretch.start_ms - origin_ms),
            format_time(stretch.end_ms - origin_ms),
            *((person,) if with_people else ()),
            Text(stretch.class_name or "no complete frame", style="" if stretch.class_name else "dim"),
            str(stretch.num_windows),
            f"{stretch.probability:.2f}" if stretch.class_name else "-",
        )
    console.print_table(table)
    if len(found.stretches) > _MOST_STRETCHES:
        console.print_line(f"and {len(found.stretches) - _MOST_STRETCHES:,} more; --output DIR writes all", style="dim")
    if options.events is not None:
        console.print_line()
        _show_events(found)
    if found.files:
        console.print_line()
        for path in found.files:
            console.print_unwrapped(str(path))


def _show_events(found: PredictedRecording) -> None:
    raised = [event for event in found.events if event.raised_ms is not None]
    if not raised:
        console.print_line("no event", style="bold")
    if raised:
        numbers = ("began", "raised", "ended")
        table = console.plain_table("event", "person", *numbers, "because", right=numbers)
        for event in raised:
            person = "-" if event.person is None else str(event.person)
            times_ms = (event.began_ms, event.raised_ms, event.held_ms)
            times = [format_time(time_ms - found.start_ms) for time_ms in times_ms if time_ms is not None]
            table.add_row(Text(event.rule, style="bold red"), person, *times, _ENDS[event.end or "over"])
        console.print_table(table)
    if len(found.events) > len(raised):
        short = console.count(len(found.events) - len(raised), "time")
        console.print_line(f"{short} it began, but no alarm was raised: too short, or in a cool-down", style="dim")


def _show_table(predicted: Sequence[PredictedRecording], options: PredictOptions) -> None:
    with_events = options.events is not None
    numbers = ("length", "windows", "gaps", *(("alarms",) if with_events else ()))
    table = console.plain_table("recording", *numbers, "mostly", right=numbers)
    for found in predicted:
        counts: dict[str, int] = {}
        for stretch in found.stretches:
            name = stretch.class_name or "no complete frame"
            counts[name] = counts.get(name, 0) + stretch.num_windows
        mostly = "too short for an answer"
        if counts:
            name, number = max(counts.items(), key=lambda item: item[1])
            mostly = f"{name} {100 * number / sum(counts.values()):.0f} %"
        table.add_row(
            Text(found.recording),
            format_time(round(1000 * found.seconds)),
            f"{found.num_windows:,}",
            str(found.num_interruptions),
            *((str(sum(event.raised_ms is not None for event in found.events)),) if with_events else ()),
            Text(mostly),
        )
    console.print_table(table)
    for found in predicted:
        for remark in _list_remarks(found):
            console.print_line(f"{found.recording}: {remark}", style="dim")
    folders = {str(file.parent) for found in predicted for file in found.files}
    for folder in sorted(folders):
        console.print_unwrapped(f"{sum(len(found.files) for found in predicted)} files in {folder}")
    if with_events and folders:
        console.print_unwrapped(f"next: thermalctl report --events {shlex.quote(min(folders))} --data DATASET")


def _describe_length(found: PredictedRecording) -> str:
    return (
        f"{format_time(round(1000 * found.seconds))}, {found.num_frames:,} frames, "
        f"{console.count(found.num_windows, 'window')}"
    )


def _list_remarks(found: PredictedRecording) -> Iterator[str]:
    if found.num_incomplete:
        share = 100 * found.num_incomplete / found.num_frames
        yield f"{found.num_incomplete:,} frames ({share:.1f} %) are incomplete"
    for why, number in found.num_refused.items():
        yield f"{console.count(number, 'frame')} refused: {why}"
    if found.num_interruptions:
        first = found.interruptions[0]
        seconds = abs(first.end_ms - first.start_ms) / 1000
        yield f"{console.count(found.num_interruptions, 'interruption')}, the first of {seconds:,.1f} s ({first.cause})"
    if found.num_unjudged:
        yield f"{console.count(found.num_unjudged, 'frame')} in stretches too short to be judged"
    if found.num_unanswered:
        yield f"{console.count(found.num_unanswered, 'window')} without a complete frame: no answer"
    if found.num_trained:
        seen = "all" if found.num_trained == found.num_frames else f"{found.num_trained:,}"
        yield f"{seen} of its frames were trained on: this is no test of the model"
    if found.num_whole_frame:
        yield f"in {console.count(found.num_whole_frame, 'window')} nobody was found: judged as a whole frame"


def show_single(answer: SingleAnswer) -> None:
    """Print what a model says of one clip."""
    person = "" if answer.person is None else f", person {answer.person}"
    console.print_line(f"{answer.class_name}  {answer.probability:.3f}", style="bold")
    where = f"{answer.recording}, frame {answer.keyframe}{person}; {len(answer.clip_c)} frames, {answer.seconds:.1f} s"
    if answer.num_incomplete:
        where += f", {answer.num_incomplete} of them incomplete"
    console.print_line(where, style="dim")
    if answer.label is not None:
        says = "the same" if answer.label == answer.class_name else answer.label
        console.print_line(f"annotators say: {says}", style="dim")
    console.print_line()
    table = console.plain_table("class", "probability", right=("probability",))
    for class_id in answer.probabilities.argsort()[::-1][:_MOST_CLASSES]:
        table.add_row(Text(answer.classes[class_id]), f"{answer.probabilities[class_id]:.3f}")
    console.print_table(table)


def print_record(found: WindowAnswer | Interruption | Change, classes: Sequence[str]) -> None:
    """Print what a stream brought as one line of JSON, at once."""
    from thermalctl.events.files import describe_event
    from thermalctl.events.record import Change
    from thermalctl.prediction.answer_files import describe_answer
    from thermalctl.streams.frames import Interruption

    record: dict[str, Any]
    if isinstance(found, Change):
        record = {"type": "event", "kind": found.kind, **describe_event(found.event)}
    elif isinstance(found, Interruption):
        record = {"type": "interruption", "cause": found.cause, "start_ms": found.start_ms, "end_ms": found.end_ms}
    else:
        record = {"type": "answer", **describe_answer(found, classes)}
    sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def describe_stream(live: LivePrediction, frames: ArrivingFrames) -> Iterator[str]:
    """Yield what is to be said of a stream that has ended."""
    gate = live.gate
    yield f"the stream ended: {console.count(gate.num_frames, 'frame')}, {console.count(live.num_answers, 'answer')}"
    if gate.num_incomplete:
        yield f"{console.count(gate.num_incomplete, 'frame')} incomplete"
    for why, number in gate.refused.items():
        yield f"{console.count(number, 'frame')} refused: {why}"
    for cause, number in frames.unreadable.items():
        yield f"{console.count(number, 'line')} passed over: {cause}"
    if live.num_unjudged:
        yield f"{console.count(live.num_unjudged, 'frame')} in stretches too short to be judged"


def format_time(milliseconds: int) -> str:
    """Return a length of time as 0:05.3, minutes and seconds, or from an hour on as 1:02:30."""
    tenths = round(abs(milliseconds) / 100)
    if tenths < 36_000:
        return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"
    whole = round(tenths / 10)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
