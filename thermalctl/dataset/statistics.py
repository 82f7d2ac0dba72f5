"""What can be counted in a dataset: classes by split, and what each recording holds and has wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import AnnotationFile
from thermalctl.dataset.checks import RecordingInfo
from thermalctl.dataset.class_balance import inverse_weights
from thermalctl.dataset.clips import measure_clip_motion
from thermalctl.dataset.samples import ALL_SPLITS, ThermalDataset, count_classes
from thermalctl.recordings.arrival import Arrival, summarise_arrival
from thermalctl.recordings.faults import RepeatedFrames, Trend, find_repeated_frames, find_trend
from thermalctl.recordings.pixels import FaultyPixel, HotSpot, count_noisy_pixels, find_faulty_pixels, find_hot_spots
from thermalctl.recordings.scan import RecordingScan
from thermalctl.recordings.temperatures import TemperatureStatistics
from thermalctl.recordings.timing import Timing, summarise_timing

#: A clip is still if its frames change by less than this many times what the recording's stillest twentieth do. In the
#: real recordings most clips of lying people come to 1.05, of walking ones to 1.12.
STILL_TIMES = 1.05
_STILLEST_PERCENT = 5.0


@dataclass(frozen=True, kw_only=True)
class ClassStatistics:
    """How often a class occurs, and how much moves in its clips.

    Attributes:
        class_id: from 0.
        name: the class.
        keyframes: whole-frame samples of it, by split.
        shares: share of a split's whole-frame samples, 0 to 1, by split.
        people: people with it, by split.
        weight: its loss weight for whole frames, total / (classes * count) over the training split.
        motion_c: median over its clips of the mean absolute change per pixel from frame to frame, deg C. A still room's
            is the sensor's noise: 0.28 at 0.25 deg C. None where the class does not occur or nothing was measured.
    """

    class_id: int
    name: str
    keyframes: Mapping[str, int]
    shares: Mapping[str, float]
    people: Mapping[str, int]
    weight: float
    motion_c: float | None


@dataclass(frozen=True, kw_only=True)
class RecordingStatistics:
    """What one recording holds and what is wrong with it.

    Attributes:
        recording: its name.
        session: the recordings that share frames with it.
        num_frames: N.
        num_keyframes: annotated frames in it, over all splits.
        num_bytes: size of the file.
        num_incomplete: frames with lost rows.
        num_lost_clips: annotated clips without a single complete frame; nothing can repair those.
        temperatures: None where no frame is complete.
        timing: None where there are fewer than two frames.
        arrival: gaps, bursts and disorder; None where there are fewer than two frames.
        motion_c: mean absolute change per pixel from one complete frame to the next, deg C, the sensor's noise
            included; None where no two frames are complete.
        share_still_clips: share of annotated clips in which next to nothing moves, 0 to 1; None where there are none.
        faulty_pixels: those that do not see the room.
        num_noisy_pixels: those far noisier than most.
        hot_spots: small places that are hot all the time.
        repeated: frames equal to others of the recording.
        glitches: single frames far from both neighbours although those agree.
        trend: drift and warm-up; None where too little is known.
    """

    recording: str
    session: str
    num_frames: int
    num_keyframes: int
    num_bytes: int
    num_incomplete: int
    num_lost_clips: int
    temperatures: TemperatureStatistics | None
    timing: Timing | None
    arrival: Arrival | None
    motion_c: float | None
    share_still_clips: float | None
    faulty_pixels: tuple[FaultyPixel, ...]
    num_noisy_pixels: int
    hot_spots: tuple[HotSpot, ...]
    repeated: RepeatedFrames
    glitches: tuple[int, ...]
    trend: Trend | None


def summarise_classes(
    dataset: ThermalDataset, motion_c: Mapping[str, float] | None = None
) -> tuple[ClassStatistics, ...]:
    """Return how often each class occurs in each split, in id order.

    Args:
        dataset: from `load_dataset`.
        motion_c: how much moves in each whole frame's clip, deg C, by sample id; None if that was not measured.
    """
    samples = {split: dataset.samples(split) for split in dataset.splits}
    keyframes = {split: count_classes(found, dataset.num_classes) for split, found in samples.items()}
    people = {split: count_classes(dataset.samples(split, "person"), dataset.num_classes) for split in dataset.splits}
    weights = inverse_weights(keyframes["train"])
    motions: dict[int, list[float]] = {}
    if motion_c is not None:
        for sample in dataset.samples(ALL_SPLITS):
            if sample.sample_id in motion_c:
                motions.setdefault(sample.label, []).append(motion_c[sample.sample_id])
    return tuple(
        ClassStatistics(
            class_id=class_id,
            name=name,
            keyframes={split: int(counts[class_id]) for split, counts in keyframes.items()},
            shares={split: int(counts[class_id]) / max(1, len(samples[split])) for split, counts in keyframes.items()},
            people={split: int(counts[class_id]) for split, counts in people.items()},
            weight=float(weights[class_id]),
            motion_c=float(np.median(motions[class_id])) if class_id in motions else None,
        )
        for class_id, name in enumerate(dataset.classes)
    )


def count_conflicting_keyframes(annotations: AnnotationFile) -> int:
    """Return how many keyframes show people with different labels, so that one label per frame is ambiguous."""
    return sum(len({person.category_id for person in people}) > 1 for people in annotations.group_by_image().values())


def summarise_recording(
    name: str,
    recording: RecordingInfo,
    scan: RecordingScan,
    *,
    session: str,
    clips: NDArray[np.intp],
    window_frames: int,
) -> RecordingStatistics:
    """Return what one recording holds and what is wrong with it.

    Args:
        name: the recording's name.
        recording: where it lies.
        scan: what was seen of it.
        session: the recordings that share frames with it.
        clips: (K, 2) int, the first frame of each annotated clip and the one after its last.
        window_frames: T, frames in a clip.
    """
    changes_c = scan.changes_c[np.isfinite(scan.changes_c)]
    faulty = find_faulty_pixels(scan.pixels) if scan.pixels else ()
    return RecordingStatistics(
        recording=name,
        session=session,
        num_frames=recording.num_frames,
        num_keyframes=len(clips),
        num_bytes=recording.num_bytes,
        num_incomplete=int(scan.incomplete.sum()),
        num_lost_clips=sum(bool(scan.incomplete[first:stop].all()) for first, stop in clips.tolist()),
        temperatures=scan.temperatures,
        timing=_summarise_timing(recording, window_frames),
        arrival=summarise_arrival(recording.timestamps_ms),
        motion_c=float(changes_c.mean()) if changes_c.size else None,
        share_still_clips=_measure_share_still(measure_clip_motion(scan, clips), changes_c),
        faulty_pixels=faulty,
        num_noisy_pixels=count_noisy_pixels(scan.pixels) if scan.pixels else 0,
        hot_spots=find_hot_spots(scan.pixels, faulty) if scan.pixels else (),
        repeated=find_repeated_frames(scan.digests),
        glitches=scan.glitches,
        trend=find_trend(recording.timestamps_ms[scan.level_frames] / 1000.0, scan.levels_c),
    )


def _measure_share_still(motions_c: Sequence[float | None], changes_c: NDArray[np.float32]) -> float | None:
    known_c = [motion_c for motion_c in motions_c if motion_c is not None]
    if not known_c:
        return None
    still_c = STILL_TIMES * float(np.percentile(changes_c, _STILLEST_PERCENT))
    return sum(motion_c < still_c for motion_c in known_c) / len(known_c)


def _summarise_timing(recording: RecordingInfo, window_frames: int) -> Timing | None:
    if recording.num_frames < 2:  # one frame has no pace
        return None
    return summarise_timing(recording.timestamps_ms, window_frames=window_frames)
