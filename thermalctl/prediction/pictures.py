"""The pictures of a prediction: from what was found to what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from thermalctl.deploy.clip_models import ClipModel
from thermalctl.events.record import Event
from thermalctl.prediction.options import PredictOptions
from thermalctl.prediction.single import SingleAnswer
from thermalctl.recordings.health import INCOMPLETE_BELOW_C
from thermalctl.reports.answer_picture import JudgedClip, save_answer_picture
from thermalctl.reports.answered_film import FRAME_RATE_HZ, AnsweredFilm
from thermalctl.reports.preview.colours import Scale, make_scale
from thermalctl.reports.preview.film import write_gif
from thermalctl.reports.timeline import Span, Timeline, save_timeline
from thermalctl.streams.frames import Interruption
from thermalctl.streams.recorded import RecordedFrames
from thermalctl.streams.track import AnswerTrack

#: The colours of a film are made from so many frames.
_FRAMES_FOR_SCALE = 256


def draw_pictures(
    folder: Path,
    name: str,
    model: ClipModel,
    options: PredictOptions,
    frames: RecordedFrames,
    track: AnswerTrack,
    *,
    span_ms: tuple[int, int],
    window_s: float,
    interruptions: Sequence[Interruption] = (),
    events: Sequence[Event] = (),
) -> list[Path]:
    """Write the pictures that are asked for of one recording, and return where.

    Args:
        folder: where to.
        name: of the recording.
        model: what answered.
        options: which pictures.
        frames: the recording.
        track: the answers.
        span_ms: when its first and its last frame arrived.
        window_s: how long a window is, on average.
        interruptions: where frames stop following one another.
        events: what was told of the answers.
    """
    written = []
    start_ms, end_ms = span_ms
    title = f"{name}, answered by {model.path.name}"
    if "timeline" in options.pictures:
        stretches = track.find_stretches(model.classes)
        num_windows = len(np.unique(track.times_ms))
        timeline = Timeline(
            title=title,
            start_ms=start_ms,
            end_ms=end_ms,
            window_s=window_s,
            stride_ms=float(np.median(np.diff(np.unique(track.times_ms)))) if num_windows > 1 else 1000 * window_s,
            stretches=stretches,
            classes=model.classes,
            interruptions=interruptions,
            events=[_make_span(event) for event in events if event.raised_ms is not None],
        )
        written.append(folder / f"{name}.timeline.png")
        save_timeline(written[-1], timeline)
    if "animation" in options.pictures:
        scale = _make_scale(frames)
        film = AnsweredFilm(
            lambda: frames,
            track,
            model.classes,
            scale,
            frame_size=frames.frame_size,
            title=title,
            start_ms=start_ms,
            end_ms=end_ms,
        )
        written.append(folder / f"{name}.gif")
        write_gif(written[-1], film, scale, frame_s=1 / FRAME_RATE_HZ)
    return written


def _make_span(event: Event) -> Span:
    return Span(
        name=event.rule if event.person is None else f"{event.rule} ({event.person})",
        start_ms=event.began_ms,
        end_ms=event.held_ms,
        raised_ms=event.raised_ms,
    )


def save_answers(path: Path, answers: Sequence[SingleAnswer]) -> None:
    """Write what a model says of one clip, or of each person in it, as a picture."""
    save_answer_picture(
        path,
        [
            JudgedClip(
                title=f"{answer.sample_id}: {answer.class_name}",
                clip_c=answer.clip_c,
                classes=answer.classes,
                probabilities=answer.probabilities,
                label=answer.label,
                box=answer.box,
            )
            for answer in answers
        ],
    )


def _make_scale(frames: RecordedFrames) -> Scale:
    step = max(1, frames.num_frames // _FRAMES_FOR_SCALE)
    chosen = [frame.frame_c for number, frame in enumerate(frames) if number % step == 0]
    complete = [frame_c for frame_c in chosen if bool((frame_c >= INCOMPLETE_BELOW_C).all())]
    return make_scale(complete or chosen, range_c=None)
