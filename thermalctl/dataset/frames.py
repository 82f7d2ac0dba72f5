"""All frames of a dataset looked at once: what each recording holds, and what each clip shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.dataset.clips import find_clip_spans, measure_clip_motion
from thermalctl.dataset.samples import Sample, ThermalDataset
from thermalctl.dataset.statistics import RecordingStatistics, summarise_recording
from thermalctl.recordings.scan import ScanRequest, scan_recordings


@dataclass(frozen=True, kw_only=True)
class Frames:
    """What was seen of all frames of a dataset.

    Attributes:
        recordings: what each holds and has wrong with it, in the dataset's order.
        digests: (N,) uint64 by recording, equal where frames are equal to the last bit.
        motion_c: mean absolute change per pixel within a clip, deg C, by sample id; clips too incomplete left out.
        pictures_c: (h, w) mean picture of a clip by sample id, deg C; NaN where none of its frames is complete.
    """

    recordings: list[RecordingStatistics]
    digests: dict[str, NDArray[np.uint64]]
    motion_c: dict[str, float]
    pictures_c: dict[str, NDArray[np.float32]]


def look_at_frames(
    dataset: ThermalDataset,
    samples: Sequence[Sample],
    *,
    window_frames: int,
    temperature_range_c: tuple[float, float],
    on_progress: Callable[[int, int], None] | None = None,
) -> Frames:
    """Return what is to be seen of all frames, each read once.

    Args:
        dataset: from `load_dataset`.
        samples: whole keyframes, whose clips are looked at.
        window_frames: T, frames in a clip.
        temperature_range_c: (low, high) deg C, the range that a model is given.
        on_progress: called with (recordings done, recordings in all) after each.

    Raises:
        RecordingError: if a recording's frames are damaged.
    """
    annotated: dict[str, list[Sample]] = {name: [] for name in dataset.recordings}
    for sample in samples:
        annotated[sample.recording].append(sample)
    clips = {
        name: find_clip_spans([sample.keyframe for sample in annotated[name]], window_frames, recording.num_frames)
        for name, recording in dataset.recordings.items()
    }
    requests = [
        ScanRequest(path=recording.path, frame_size=recording.frame_size, clips=clips[name])
        for name, recording in dataset.recordings.items()
    ]
    frames = Frames(recordings=[], digests={}, motion_c={}, pictures_c={})
    scans = scan_recordings(requests, temperature_range_c=temperature_range_c)
    for (name, recording), scan in zip(dataset.recordings.items(), scans, strict=True):
        frames.recordings.append(
            summarise_recording(
                name,
                recording,
                scan,
                session=dataset.sessions[name],
                clips=clips[name],
                window_frames=window_frames,
            )
        )
        frames.digests[name] = scan.digests
        motions_c = measure_clip_motion(scan, clips[name])
        for sample, picture_c, motion_c in zip(annotated[name], scan.clip_pictures_c, motions_c, strict=True):
            frames.pictures_c[sample.sample_id] = picture_c
            if motion_c is not None:
                frames.motion_c[sample.sample_id] = motion_c
        if on_progress:
            on_progress(len(frames.recordings), len(dataset.recordings))
    return frames
