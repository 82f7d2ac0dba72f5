"""Frames and clips recognised by their content, whatever files they lie in and whatever they are called there.

A model remembers what it was trained on as such hashes. So it can be told that a clip is no test of it, although the
dataset was split anew, built again under other names, or merged with another since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.dataset.samples import Sample, ThermalDataset
from thermalctl.recordings.health import find_incomplete_frames
from thermalctl.recordings.pool import RecordingPool

#: 64 bits: among a million frames two that differ are equal by chance once in 37 million datasets.
_NUM_BYTES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipHashes:
    """What N clips consist of.

    Attributes:
        frames: each frame that they show, once, (F,) int64 in ascending order. Left out are frames that say little of
            where they are from: incomplete ones, those of one temperature, those that a recording has twice.
        clips: (N,) int64, of each clip's frames in their order.
        keyframes: (N,) int64, of the annotated frame; 0 where it says little.
        overlaps: (N,) bool, whether a frame from the clip's first to its last is among those that were asked for.
        recordings: those that hold a frame that was asked for.
    """

    frames: NDArray[np.int64]
    clips: NDArray[np.int64]
    keyframes: NDArray[np.int64]
    overlaps: NDArray[np.bool_]
    recordings: frozenset[str]


def hash_clips(
    dataset: ThermalDataset,
    samples: Sequence[Sample],
    indices: Sequence[NDArray[np.intp]],
    *,
    num_frames: int,
    known: NDArray[np.int64] | None = None,
) -> ClipHashes:
    """Return the hashes of samples' clips; each recording is read once.

    Args:
        dataset: where they lie.
        samples: N of them.
        indices: (T + 2E,) of the frames that each is shown: its clip, and E more on each side.
        num_frames: T.
        known: frames to look for; None for none.

    Raises:
        RecordingError: if a recording is damaged.
    """
    hashes: dict[str, NDArray[np.int64]] = {}
    telling: dict[str, NDArray[np.int64]] = {}
    with closing(RecordingPool(dataset.layout.frames_dir)) as recordings:
        for name in dict.fromkeys(sample.recording for sample in samples):
            frames_c = recordings.read_all(name)
            hashes[name] = np.array([hash_values(frame) for frame in frames_c], dtype=np.int64)
            telling[name] = _keep_telling(hashes[name], frames_c)
    found = {name: np.isin(values, [] if known is None else known) & (values != 0) for name, values in telling.items()}
    shown, clips, keyframes, overlaps = [np.zeros(0, dtype=np.int64)], [], [], []
    for sample, every in zip(samples, indices, strict=True):
        name = sample.recording
        context = (len(every) - num_frames) // 2
        own = every[context : context + num_frames]
        shown.append(telling[name][every])
        clips.append(hash_values(hashes[name][own]))
        keyframes.append(int(telling[name][sample.keyframe]))
        overlaps.append(bool(found[name][int(own.min()) : int(own.max()) + 1].any()))
    return ClipHashes(
        frames=np.setdiff1d(np.concatenate(shown), [0]),
        clips=np.array(clips, dtype=np.int64),
        keyframes=np.array(keyframes, dtype=np.int64),
        overlaps=np.array(overlaps, dtype=np.bool_),
        recordings=frozenset(name for name, there in found.items() if there.any()),
    )


def _keep_telling(hashes: NDArray[np.int64], frames_c: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the hashes with 0 for frames that say little of where they are from."""
    _, places, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    flat = frames_c.reshape(len(frames_c), -1)
    says_little = find_incomplete_frames(frames_c) | (counts[places.reshape(-1)] > 1)
    return np.where(says_little | (flat.min(axis=1) == flat.max(axis=1)), 0, hashes)


def hash_values(values: NDArray[np.generic]) -> int:
    """Return the hash of a frame, (H, W) float32 deg C, or of a row of hashes."""
    digest = hashlib.blake2b(repr(values.shape).encode(), digest_size=_NUM_BYTES)
    digest.update(np.ascontiguousarray(values).data)
    return int.from_bytes(digest.digest(), "little", signed=True)
