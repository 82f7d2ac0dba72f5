"""The clips around keyframes: where they lie in their recording, how long they last, and how much moves in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import ThermalDataset, clip_indices, find_clip
from thermalctl.recordings.scan import RecordingScan
from thermalctl.recordings.timing import ClipSpan


def find_clip_spans(keyframes: Sequence[int], window_frames: int, num_frames: int) -> NDArray[np.intp]:
    """Return the first frame of each keyframe's clip and the one after its last, (K, 2) int.

    Args:
        keyframes: (K) annotated frames of a recording, indices from 0.
        window_frames: T, frames in a clip.
        num_frames: frames in the recording.
    """
    clips = [clip_indices(keyframe, window_frames, num_frames) for keyframe in keyframes]
    return np.array([(clip[0], clip[-1] + 1) for clip in clips], dtype=np.intp).reshape(-1, 2)


def measure_clip_lengths(dataset: ThermalDataset, split: str, window_frames: int) -> ClipSpan:
    """Return how long a split's clips last, from their first frame's arrival to their last one's.

    Raises:
        DatasetError: if there is no such split.
    """
    lengths_s = []
    for sample in dataset.samples(split):
        timestamps_ms = dataset.recordings[sample.recording].timestamps_ms
        clip = clip_indices(sample.keyframe, window_frames, len(timestamps_ms))
        lengths_s.append(int(timestamps_ms[clip[-1]] - timestamps_ms[clip[0]]) / 1000.0)
    return ClipSpan(median_s=float(np.median(lengths_s)), min_s=min(lengths_s), max_s=max(lengths_s))


def count_repeating_clips(dataset: ThermalDataset, split: str, spec: ClipSpec) -> int:
    """Return in how many of a split's clips fewer than half of the frames are different ones.

    So it is where a clip lasts much longer than its recording, whose first and last frames are repeated, and where its
    frames are wanted faster than the sensor sent them.

    Raises:
        DatasetError: if there is no such split.
    """
    clips = [find_clip(sample, dataset, spec) for sample in dataset.samples(split, spec.target)]
    return sum(2 * len(np.unique(clip)) < len(clip) for clip in clips)


def measure_clip_motion(scan: RecordingScan, clips: NDArray[np.intp]) -> list[float | None]:
    """Return the mean absolute change per pixel within each clip, (K) deg C; None where too few frames are complete.

    Args:
        scan: what was seen of the recording.
        clips: (K, 2) int, the first frame of each clip and the one after its last.
    """
    motions: list[float | None] = []
    for first, stop in clips.tolist():
        inside_c = scan.changes_c[first + 1 : stop]  # the first frame's change is from a frame outside
        known_c = inside_c[np.isfinite(inside_c)]
        motions.append(float(known_c.mean()) if known_c.size else None)
    return motions
