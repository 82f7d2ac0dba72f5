"""Keyframes from segments: at an even pace through each recording, with everybody who is acting at that moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.keyframes import AnnotatedKeyframe, AnnotatedPerson, AnnotationSource, Skipped
from thermalctl.annotations.segments import Segment
from thermalctl.errors import DatasetError, RequestError

KIND = "segment table"
#: Why a segment gave no keyframe.
NO_FRAME = "segment without a frame in it"
PAST_END = "segment that ends after its recording, cut there"
#: A segment may end with the last frame's own time, or a little after it.
_MOST_PAST_MS = 1000
NO_RECORDING = "segment of a recording that is not given"

#: People are told apart by whole numbers that fit into int64.
_MAX_ID_DIGITS = 18


def expand_segments(
    segments: Sequence[Segment], timestamps_ms: Mapping[str, NDArray[np.int64]], *, step_s: float
) -> AnnotationSource:
    """Return keyframes from one table's segments, at frames that the recordings have.

    A recording is cut into steps from its first frame on, and the frame nearest to the middle of each step is a
    keyframe if anybody acts in it. So that short actions are not lost, a segment between two such frames adds the frame
    in its own middle. A keyframe holds everybody whose segment covers it; boxes are not known.

    Args:
        segments: of one table, at least one.
        timestamps_ms: (N,) int64 by recording, ms since 1970.
        step_s: time from one keyframe to the next, in seconds.

    Raises:
        RequestError: if `step_s` is not more than 0.
        DatasetError: if no segment fits any recording.
    """
    if not 0 < step_s < float("inf"):
        raise RequestError(f"the step between keyframes is {step_s:g} s, expected more than 0")
    numbers = _number_people(segments)
    keyframes: list[AnnotatedKeyframe] = []
    skipped: list[Skipped] = []
    for recording in dict.fromkeys(segment.recording for segment in segments):
        theirs = [segment for segment in segments if segment.recording == recording]
        times_ms = timestamps_ms.get(recording)
        if times_ms is None:
            skipped += [Skipped(where=segment.where, reason=NO_RECORDING) for segment in theirs]
            continue
        acting, without = _find_acting(theirs, times_ms, _find_paced_frames(times_ms, step_s))
        skipped += [Skipped(where=segment.where, reason=NO_FRAME) for segment in without]
        skipped += [
            Skipped(where=segment.where, reason=PAST_END)
            for segment in theirs
            if segment not in without and _ends_past(segment, times_ms)
        ]
        keyframes += [
            AnnotatedKeyframe(
                where=people[0].where,
                recording=recording,
                timestamp_ms=int(times_ms[frame]),
                frame_idx=frame,
                people=tuple(
                    AnnotatedPerson(action=segment.action, object_id=numbers.get(segment.person)) for segment in people
                ),
            )
            for frame, people in sorted(acting.items())
        ]
    if not keyframes:
        raise _refuse(segments, timestamps_ms)
    return AnnotationSource(path=segments[0].path, kind=KIND, keyframes=tuple(keyframes), skipped=tuple(skipped))


def _find_paced_frames(times_ms: NDArray[np.int64], step_s: float) -> NDArray[np.intp]:
    """Return the frames (K,) nearest to the middles of steps from the first frame's time; none where none is near."""
    order = np.argsort(times_ms, kind="stable")
    elapsed_s = (times_ms[order] - times_ms[0]) / 1000.0
    # The middles that have a frame within half a step are those of the steps that frames lie in.
    middles_s = (np.unique(np.floor(elapsed_s / step_s)) + 0.5) * step_s
    after = np.searchsorted(elapsed_s, middles_s)
    before, after = np.maximum(after - 1, 0), np.minimum(after, len(order) - 1)
    nearest = np.where(middles_s - elapsed_s[before] <= elapsed_s[after] - middles_s, before, after)
    paced: NDArray[np.intp] = np.unique(order[nearest])
    return paced


def _find_acting(
    segments: Sequence[Segment], times_ms: NDArray[np.int64], paced: NDArray[np.intp]
) -> tuple[dict[int, list[Segment]], list[Segment]]:
    """Return the segments at each keyframe of a recording, in the table's order, and those that have no frame."""
    chosen = set(paced.tolist())
    without = []
    for segment in segments:
        covered = _find_covered(segment, times_ms)
        if covered.size == 0:
            without.append(segment)
        elif not np.isin(paced, covered).any():
            chosen.add(int(covered[covered.size // 2]))
    keyframes = np.array(sorted(chosen), dtype=np.intp)
    acting: dict[int, list[Segment]] = {}
    for segment in segments:
        for frame in np.intersect1d(keyframes, _find_covered(segment, times_ms)):
            acting.setdefault(int(frame), []).append(segment)
    return acting, without


def _find_covered(segment: Segment, times_ms: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return which frames lie in a segment, its end not among them."""
    moments, scale = _count_moments(segment, times_ms)
    # Rounded: 4.35 s may be 4349.999 ms in binary.
    return np.flatnonzero((moments >= round(segment.start * scale)) & (moments < round(segment.end * scale)))


def _ends_past(segment: Segment, times_ms: NDArray[np.int64]) -> bool:
    """Return whether a segment goes on after the recording's last frame."""
    moments, scale = _count_moments(segment, times_ms)
    most_past = 1 if segment.clock == "frames" else _MOST_PAST_MS
    return bool(segment.end * scale > moments.max() + most_past)


def _count_moments(segment: Segment, times_ms: NDArray[np.int64]) -> tuple[NDArray[np.int64], float]:
    """Return each frame's moment (N,) by a segment's clock, and by what the segment's own times are multiplied."""
    if segment.clock == "frames":
        return np.arange(len(times_ms), dtype=np.int64), 1.0
    if segment.clock == "epoch_ms":
        return times_ms, 1.0
    return times_ms - times_ms[0], 1000.0


def _number_people(segments: Sequence[Segment]) -> dict[str, int]:
    """Return a number for each named person: their own if all have one, else in the order in which they appear."""
    names = list(dict.fromkeys(segment.person for segment in segments if segment.person))
    if all(name.isascii() and name.isdecimal() and len(name) <= _MAX_ID_DIGITS for name in names):
        return {name: int(name) for name in names}
    return {name: number for number, name in enumerate(names)}


def _refuse(segments: Sequence[Segment], timestamps_ms: Mapping[str, NDArray[np.int64]]) -> DatasetError:
    known = [segment for segment in segments if segment.recording in timestamps_ms]
    if not known:
        shown = ", ".join(list(timestamps_ms)[:8]) or "none"
        return DatasetError(
            f'{segments[0].where} has "file": "{segments[0].recording}", and no line names a recording that is given; '
            f"given are: {shown}",
            hint="a table names recordings by their files' names; the ending may be left out",
        )
    first = known[0]
    times_ms = timestamps_ms[first.recording]
    span = {
        "seconds": f"0 to {(times_ms.max() - times_ms[0]) / 1000:g} s",
        "epoch_ms": f"{times_ms.min()} to {times_ms.max()} ms",
        "frames": f"frames 0 to {len(times_ms) - 1}",
    }[first.clock]
    return DatasetError(
        f"{first.where} goes from {first.start:.16g} to {first.end:.16g}, and no segment has a frame in it; "
        f"{first.recording} has {span}",
        hint="columns start_ms and end_ms are ms since 1970, start and end seconds from the recording's first frame",
    )
