"""One recording predicted: its frames in, answers, events and pictures out."""

from __future__ import annotations

import glob
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from thermalctl.deploy.clip_models import ClipModel, check_frame_size
from thermalctl.events.files import SUFFIX, TABLE_SUFFIX, write_event_table, write_events
from thermalctl.events.record import Event, EventRecord
from thermalctl.events.rules import EventRule
from thermalctl.events.watcher import EventWatcher
from thermalctl.prediction.answer_files import SUFFIXES, AnswerFile
from thermalctl.prediction.answering import Answerer
from thermalctl.prediction.coco_file import SUFFIX as COCO_SUFFIX
from thermalctl.prediction.coco_file import CocoFile
from thermalctl.prediction.options import PredictOptions
from thermalctl.prediction.people import find_target, make_finder
from thermalctl.prediction.pictures import draw_pictures
from thermalctl.prediction.tally import Tally
from thermalctl.recordings.names import name_recording
from thermalctl.reports.answered_film import check_length
from thermalctl.streams.answers import WindowAnswer
from thermalctl.streams.frames import Interruption, Item
from thermalctl.streams.gate import FrameGate
from thermalctl.streams.recorded import RecordedFrames
from thermalctl.streams.track import Stretch

OnProgress = Callable[[int, int], None]
_PROGRESS_EVERY = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictedRecording:
    """What became of one recording.

    Attributes:
        recording: its name.
        path: its file.
        num_frames: how many frames it holds.
        start_ms: when the first one arrived, ms since 1970.
        seconds: from the first to the last.
        num_incomplete: of the frames that were let through, the incomplete ones.
        num_refused: of the others, how many by why; see `FrameGate`.
        num_unjudged: frames in stretches too short for a window.
        interruptions: where frames stop following one another, the first hundred.
        num_interruptions: how many there are.
        num_trained: how many frames the model was trained on; None where it does not say, as an ONNX file.
        num_windows: how many windows were cut.
        num_answers: how many answers there are; several people in a window have one each.
        num_whole_frame: of them, those of a model of people that saw nobody, and looked at the whole frame.
        num_unanswered: windows without a complete frame.
        stretches: times through which the answer stays the same, of each person.
        events: what happened, by the rules.
        files: what was written.
        wall_s: how long it took.
    """

    recording: str
    path: Path
    num_frames: int
    start_ms: int
    seconds: float
    num_incomplete: int
    num_refused: Mapping[str, int]
    num_unjudged: int
    interruptions: tuple[Interruption, ...]
    num_interruptions: int
    num_trained: int | None
    num_windows: int
    num_answers: int
    num_whole_frame: int
    num_unanswered: int
    stretches: tuple[Stretch, ...]
    events: tuple[Event, ...]
    files: tuple[Path, ...]
    wall_s: float


def predict_recording(
    model: ClipModel,
    path: Path,
    options: PredictOptions,
    *,
    rules: Sequence[EventRule] = (),
    output: Path | None = None,
    about: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
) -> PredictedRecording:
    """Return what a model answers to a recording, window after window; memory does not grow with its length.

    Args:
        model: what answers.
        path: the recording, of any known format.
        options: how.
        rules: of events to watch for; from `PredictOptions.read_rules`.
        output: the folder to write files into; None for none.
        about: what files say of themselves besides.
        on_progress: told (frames read, frames in all).

    Raises:
        RecordingError: if the recording cannot be read, or is of another frame size.
        RequestError: if it is too long to be drawn moving.
    """
    started = time.perf_counter()
    name = name_recording(path)
    frames = RecordedFrames(path, options.imports)
    check_frame_size(model, frames.frame_size, where=str(path))
    if "animation" in options.pictures:
        check_length(frames.seconds, where=str(path))
    gate = FrameGate(frames.frame_size, max_gap_s=options.max_gap_s)
    answerer = Answerer(
        model,
        name,
        stride=options.stride,
        batch_size=options.batch_size,
        people=make_finder(model.clip_spec, options.people),
    )
    tally = Tally(trained_frames=model.trained_frames)
    watcher = EventWatcher(rules, model.classes, target=find_target(model.clip_spec, options.people))
    if output is not None:
        clear_leftovers(output, name)
    with ExitStack() as stack:
        files = [] if output is None else _open_files(stack, output, name, model, options, about or {}, frames)
        for found in answerer.answer(tally.watch(_let_through(frames, gate, on_progress))):
            tally.count(found)
            if isinstance(found, Interruption):
                watcher.interrupt(found.start_ms)
                continue
            watcher.update(found)
            for file in files:
                file.write(found)
    watcher.finish()
    num_trained = None if model.trained_frames is None else tally.num_trained
    written = [file.path for file in files]
    if rules and output is not None:
        record = watcher.record(about={**(about or {}), "num_trained_frames": num_trained})
        written += _write_events(output, replace(record, recording=name))  # where no window was, it knows no name
    stretches = tuple(tally.track.find_stretches(model.classes))
    predicted = PredictedRecording(
        recording=name,
        path=path,
        num_frames=frames.num_frames,
        start_ms=tally.start_ms or 0,
        seconds=tally.seconds,
        num_incomplete=gate.num_incomplete,
        num_refused={str(why): number for why, number in gate.refused.items()},
        num_unjudged=answerer.num_unjudged,
        interruptions=tuple(tally.interruptions),
        num_interruptions=tally.num_interruptions,
        num_trained=num_trained,
        num_windows=tally.num_windows,
        num_answers=len(tally.track) - tally.num_unanswered,
        num_whole_frame=tally.num_whole_frame if model.clip_spec.target == "person" else 0,
        num_unanswered=tally.num_unanswered,
        stretches=stretches,
        events=watcher.events,
        files=tuple(written),
        wall_s=time.perf_counter() - started,
    )
    if output is None or not options.pictures:
        return predicted
    drawn = draw_pictures(
        output,
        name,
        model,
        options,
        frames,
        tally.track,
        span_ms=(tally.start_ms or 0, tally.end_ms),
        window_s=tally.window_ms / 1000 / max(1, tally.num_windows),
        interruptions=tally.interruptions,
        events=watcher.events,
    )
    return replace(predicted, files=(*predicted.files, *drawn))


class AnswerSink(Protocol):
    """A file that is given answers as they come."""

    @property
    def path(self) -> Path:
        """Where it is."""

    def write(self, answer: WindowAnswer) -> None:
        """Write the next answer."""


def _let_through(frames: RecordedFrames, gate: FrameGate, on_progress: OnProgress | None) -> Iterator[Item]:
    for number, frame in enumerate(frames, start=1):
        yield from gate.accept(frame.frame_c, frame.timestamp_ms)
        if on_progress and (number % _PROGRESS_EVERY == 0 or number == frames.num_frames):
            on_progress(number, frames.num_frames)


def clear_leftovers(folder: Path, name: str) -> None:
    """Remove what a process that was killed has left behind of a recording's files, as `replace_file` names them."""
    for suffix in (*SUFFIXES.values(), COCO_SUFFIX, SUFFIX, TABLE_SUFFIX, ".timeline.png", ".gif"):
        for leftover in folder.glob(f".{glob.escape(name)}{suffix}.*"):  # not of another one, whose name begins so
            leftover.unlink(missing_ok=True)


def _write_events(folder: Path, record: EventRecord) -> list[Path]:
    paths = [folder / f"{record.recording}{suffix}" for suffix in (SUFFIX, TABLE_SUFFIX)]
    write_events(paths[0], record)
    write_event_table(paths[1], record)
    return paths


def _open_files(
    stack: ExitStack,
    output: Path,
    name: str,
    model: ClipModel,
    options: PredictOptions,
    about: Mapping[str, Any],
    frames: RecordedFrames,
) -> list[AnswerSink]:
    files: list[AnswerSink] = []
    for wanted in options.formats:
        if wanted == "coco":
            coco = CocoFile(
                output / f"{name}{COCO_SUFFIX}",
                model.classes,
                frame_size=frames.frame_size,
                mac_address=frames.mac_address,
                title=f"Predictions of {model.path.name} for {name}",
            )
            files.append(stack.enter_context(coco))
        else:
            path = output / f"{name}{SUFFIXES[wanted]}"
            files.append(stack.enter_context(AnswerFile(path, model.classes, dict(about))))
    return files
