"""What baselines look at: a clip summed up in a few small pictures, whole or around one person.

Pictures are in deg C above the median of the clip's own mean picture, so that a warmer room is not a difference, and
are made of repaired frames. Larger sensors' pictures are averaged down to about the pixels that 40x60 gives: more cost
memory and time, and add nothing that a baseline could use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box
from thermalctl.clip_spec import Target
from thermalctl.dataset.samples import Sample, ThermalDataset, clip_indices, uniform_clip_indices
from thermalctl.recordings.health import find_incomplete_frames, repair_incomplete_frames
from thermalctl.recordings.pool import RecordingPool

#: Which pictures describe a sample, in order; the mean picture is the first of both. A whole frame has six times the
#: pixels of a person's square, and gains nothing from two pictures more.
PICTURES: Mapping[Target, tuple[str, ...]] = {
    "frame": ("mean", "deviation", "keyframe"),
    "person": ("mean", "deviation", "keyframe", "motion", "background"),
}
#: Pixels of one picture: a 60x80 sensor's whole frame, and 20x20 around a person.
MAX_PIXELS: Mapping[Target, int] = {"frame": 4800, "person": 400}

#: No scene is colder or warmer, deg C; what is not a number counts as absolute zero, as lost pixels do.
_COLDEST_C, _WARMEST_C = -273.15, 3000.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipFeatures:
    """N samples and what a baseline sees of them.

    Attributes:
        samples: those that could be described, in the order given.
        pictures: (N, P, h, w) float32, deg C: the P pictures that `PICTURES` names for the target.
        num_repaired: of the N clips, those with an incomplete frame.
        lost: ids of the samples left out, because no frame of their clip is complete.
    """

    samples: tuple[Sample, ...]
    pictures: NDArray[np.float32]
    num_repaired: int
    lost: tuple[str, ...]

    @property
    def rows(self) -> NDArray[np.float32]:
        """The pictures of each sample as one row, (N, P * h * w) float32."""
        return self.pictures.reshape(len(self.pictures), math.prod(self.pictures.shape[1:]))

    @property
    def labels(self) -> NDArray[np.int64]:
        """The samples' class ids, (N,) int64."""
        return np.array([sample.label for sample in self.samples], dtype=np.int64)


def extract_features(
    dataset: ThermalDataset,
    samples: Sequence[Sample],
    *,
    target: Target,
    num_frames: int,
    window_s: float | None = None,
    as_recorded: bool = False,
) -> ClipFeatures:
    """Return the pictures that describe each sample; each keyframe's clip is read once, whoever is in it.

    Args:
        dataset: where the clips lie.
        samples: of the target; of people, each with their own box.
        target: "frame" for whole pictures, "person" for a square around the box's centre, half as long as the frame's
            shorter side (20 of 40 pixels); beyond the frame its edge is repeated.
        num_frames: length of a clip.
        window_s: over how many seconds its frames are spread evenly; None for consecutive ones.
        as_recorded: leave frames unrepaired and temperatures absolute, as a script that knows of neither does. Nothing
            is lost then.

    Raises:
        RecordingError: if a recording is damaged.
    """
    members: dict[tuple[str, int], list[int]] = {}
    for place, sample in enumerate(samples):
        members.setdefault((sample.recording, sample.keyframe), []).append(place)
    pictures: list[NDArray[np.float32] | None] = [None] * len(samples)
    num_repaired = 0
    with closing(RecordingPool(dataset.layout.frames_dir)) as recordings:
        # In the order of time, so that a chunk that neighbouring clips share is decompressed once.
        for (name, keyframe), places in sorted(members.items()):
            recording = dataset.recordings[name]
            if window_s is None:
                indices = clip_indices(keyframe, num_frames, recording.num_frames)
            else:
                indices = uniform_clip_indices(keyframe, num_frames, window_s, recording.timestamps_ms)
            clip_c = np.fmin(np.fmax(recordings.read(name, indices), _COLDEST_C), _WARMEST_C)
            incomplete = find_incomplete_frames(clip_c)
            if incomplete.any() and not as_recorded:
                if incomplete.all():
                    continue
                clip_c = repair_incomplete_frames(clip_c, incomplete)
                num_repaired += len(places)
            seen = _describe_clip(clip_c, PICTURES[target], relative=not as_recorded)
            for place in places:
                around = seen if target == "frame" else _crop(seen, samples[place].boxes[0])
                pictures[place] = _shrink(around, MAX_PIXELS[target])
    described = [(sample, picture) for sample, picture in zip(samples, pictures, strict=True) if picture is not None]
    return ClipFeatures(
        samples=tuple(sample for sample, _ in described),
        pictures=np.stack([picture for _, picture in described])
        if described
        else np.zeros((0, len(PICTURES[target]), 1, 1), dtype=np.float32),
        num_repaired=num_repaired,
        lost=tuple(sample.sample_id for sample, picture in zip(samples, pictures, strict=True) if picture is None),
    )


def _describe_clip(clip_c: NDArray[np.float32], names: Sequence[str], *, relative: bool) -> NDArray[np.float32]:
    """Return the named pictures of a clip (T, H, W), (P, H, W)."""
    mean_c = clip_c.mean(axis=0)
    room_c = np.median(mean_c) if relative else np.float32(0)
    pictures: dict[str, Callable[[], NDArray[np.float32]]] = {
        "mean": lambda: mean_c - room_c,
        "deviation": lambda: clip_c.std(axis=0),
        "keyframe": lambda: clip_c[len(clip_c) // 2] - room_c,
        "motion": lambda: _measure_motion(clip_c),
        "background": lambda: np.median(clip_c, axis=0) - room_c,
    }
    return np.stack([pictures[name]() for name in names]).astype(np.float32, copy=False)


def _measure_motion(clip_c: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each pixel's mean absolute change from frame to frame, (H, W); 0 for a single frame."""
    if len(clip_c) < 2:
        return np.zeros_like(clip_c[0])
    motion: NDArray[np.float32] = np.abs(np.diff(clip_c, axis=0)).mean(axis=0)
    return motion


def _crop(pictures: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
    """Return the square around a box's centre, (P, side, side)."""
    height, width = pictures.shape[1:]
    side = max(1, min(height, width) // 2)
    padded = np.pad(pictures, ((0, 0), (side, side), (side, side)), mode="edge")
    top = round(box.cy * height) - side // 2 + side
    left = round(box.cx * width) - side // 2 + side
    return padded[:, top : top + side, left : left + side]


def _shrink(pictures: NDArray[np.float32], max_pixels: int) -> NDArray[np.float32]:
    """Return the pictures averaged over squares just so large that about `max_pixels` are left."""
    num_pictures, height, width = pictures.shape
    factor = math.ceil(math.sqrt(height * width / max_pixels))
    if factor <= 1:
        return pictures
    padded = np.pad(pictures, ((0, 0), (0, -height % factor), (0, -width % factor)), mode="edge")
    squares = padded.reshape(num_pictures, padded.shape[1] // factor, factor, padded.shape[2] // factor, factor)
    shrunk: NDArray[np.float32] = squares.mean(axis=(2, 4))
    return shrunk
