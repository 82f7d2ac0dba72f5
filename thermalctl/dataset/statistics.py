"""What can be counted in a dataset: classes by split, and each recording's temperatures, losses and timing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import AnnotationFile
from thermalctl.dataset.checks import RecordingInfo
from thermalctl.dataset.samples import ThermalDataset, class_weights, clip_indices, count_classes
from thermalctl.recordings.hdf5 import RecordingFile
from thermalctl.recordings.health import find_incomplete_frames
from thermalctl.recordings.timing import Timing, summarise_timing

#: Frames read at a time: 10 MB at 40x60, whatever the recording's length.
BLOCK_FRAMES = 1024


@dataclass(frozen=True, kw_only=True)
class ClassStatistics:
    """How often a class occurs.

    Attributes:
        class_id: from 0.
        name: the class.
        keyframes: whole-frame samples of it, by split.
        people: people with it, by split.
        weight: its loss weight for whole frames, total / (classes * count) over the training split.
    """

    class_id: int
    name: str
    keyframes: Mapping[str, int]
    people: Mapping[str, int]
    weight: float


@dataclass(frozen=True, kw_only=True)
class TemperatureStatistics:
    """Temperatures over all pixels of a recording's complete frames, deg C.

    Attributes:
        min_c: the coldest.
        max_c: the warmest.
        mean_c: the mean.
        std_c: the standard deviation.
        share_clipped: share of pixels outside the range that a model is given, 0 to 1.
    """

    min_c: float
    max_c: float
    mean_c: float
    std_c: float
    share_clipped: float


@dataclass(frozen=True, kw_only=True)
class RecordingStatistics:
    """What one recording holds.

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


def summarise_classes(dataset: ThermalDataset) -> tuple[ClassStatistics, ...]:
    """Return how often each class occurs in each split, in id order."""
    keyframes = {split: count_classes(dataset.samples(split), dataset.num_classes) for split in dataset.splits}
    people = {split: count_classes(dataset.samples(split, "person"), dataset.num_classes) for split in dataset.splits}
    weights = class_weights(keyframes["train"])
    return tuple(
        ClassStatistics(
            class_id=class_id,
            name=name,
            keyframes={split: int(counts[class_id]) for split, counts in keyframes.items()},
            people={split: int(counts[class_id]) for split, counts in people.items()},
            weight=float(weights[class_id]),
        )
        for class_id, name in enumerate(dataset.classes)
    )


def count_conflicting_keyframes(annotations: AnnotationFile) -> int:
    """Return how many keyframes show people with different labels, so that one label per frame is ambiguous."""
    return sum(len({person.category_id for person in people}) > 1 for people in annotations.group_by_image().values())


def summarise_recording(
    name: str,
    recording: RecordingInfo,
    *,
    session: str,
    keyframes: Sequence[int],
    window_frames: int,
    temperature_range_c: tuple[float, float],
) -> RecordingStatistics:
    """Return what one recording holds; its frames are read block by block.

    Args:
        name: the recording's name.
        recording: where it lies.
        session: the recordings that share frames with it.
        keyframes: its annotated frames, indices from 0.
        window_frames: T, frames in a clip.
        temperature_range_c: (low, high) deg C, the range that a model is given.

    Raises:
        RecordingError: if the file is damaged.
    """
    incomplete = np.zeros(recording.num_frames, dtype=bool)
    pixels = _PixelSums(temperature_range_c)
    with RecordingFile(recording.path) as file:
        for start in range(0, recording.num_frames, BLOCK_FRAMES):
            block = file.read(range(start, min(start + BLOCK_FRAMES, recording.num_frames)))
            lost = find_incomplete_frames(block)
            incomplete[start : start + len(block)] = lost
            pixels.add(block[~lost])
    clips = (clip_indices(keyframe, window_frames, recording.num_frames) for keyframe in keyframes)
    return RecordingStatistics(
        recording=name,
        session=session,
        num_frames=recording.num_frames,
        num_keyframes=len(keyframes),
        num_bytes=recording.num_bytes,
        num_incomplete=int(incomplete.sum()),
        num_lost_clips=sum(bool(incomplete[clip].all()) for clip in clips),
        temperatures=pixels.summarise(),
        timing=_summarise_timing(recording, window_frames),
    )


def _summarise_timing(recording: RecordingInfo, window_frames: int) -> Timing | None:
    if recording.num_frames < 2:  # one frame has no pace
        return None
    return summarise_timing(recording.timestamps_ms, window_frames=window_frames)


class _PixelSums:
    """Sums over pixels, block by block, from which the statistics follow."""

    def __init__(self, temperature_range_c: tuple[float, float]) -> None:
        self._low, self._high = temperature_range_c
        self._count = 0
        self._num_clipped = 0
        self._sum = 0.0
        self._sum_of_squares = 0.0
        self._min = np.inf
        self._max = -np.inf

    def add(self, frames_c: NDArray[np.float32]) -> None:
        if not frames_c.size:
            return
        values = frames_c.astype(np.float64)
        self._count += values.size
        self._num_clipped += int(np.count_nonzero((values < self._low) | (values > self._high)))
        self._sum += float(values.sum())
        self._sum_of_squares += float(np.square(values).sum())
        self._min = min(self._min, float(values.min()))
        self._max = max(self._max, float(values.max()))

    def summarise(self) -> TemperatureStatistics | None:
        if not self._count:
            return None
        mean = self._sum / self._count
        return TemperatureStatistics(
            min_c=self._min,
            max_c=self._max,
            mean_c=mean,
            std_c=float(np.sqrt(max(0.0, self._sum_of_squares / self._count - mean**2))),
            share_clipped=self._num_clipped / self._count,
        )
