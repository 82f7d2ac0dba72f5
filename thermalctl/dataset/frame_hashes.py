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

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import Sample, ThermalDataset, find_clip
from thermalctl.recordings.health import find_incomplete_frames
from thermalctl.recordings.pool import RecordingPool

#: 64 bits: among a million frames two that differ are equal by chance once in 37 million datasets.
_NUM_BYTES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipHashes:
    """What N clips consist of.

    Attributes:
        frames: (N, T) int64, a hash of each frame's temperatures and size; 0 for an incomplete one, which may look
            like any other.
        clips: (N,) int64, a hash of each clip's frames in their order.
    """

    frames: NDArray[np.int64]
    clips: NDArray[np.int64]


def hash_clips(dataset: ThermalDataset, samples: Sequence[Sample], spec: ClipSpec) -> ClipHashes:
    """Return the hashes of samples' clips; each frame is read once.

    Args:
        dataset: where they lie.
        samples: N of them.
        spec: which frames make a clip.

    Raises:
        RecordingError: if a recording is damaged.
    """
    frames = np.zeros((len(samples), spec.num_frames), dtype=np.int64)
    of_recording: dict[str, NDArray[np.int64]] = {}
    with closing(RecordingPool(dataset.layout.frames_dir)) as recordings:
        for row, sample in enumerate(samples):
            name = sample.recording
            if name not in of_recording:
                of_recording[name] = _hash_frames(recordings.read_all(name))
            frames[row] = of_recording[name][find_clip(sample, dataset, spec)]
    return ClipHashes(frames=frames, clips=np.array([_hash(row) for row in frames], dtype=np.int64))


def _hash_frames(frames_c: NDArray[np.float32]) -> NDArray[np.int64]:
    hashes = np.array([_hash(frame) for frame in frames_c], dtype=np.int64)
    hashes[find_incomplete_frames(frames_c)] = 0
    return hashes


def _hash(values: NDArray[np.generic]) -> int:
    digest = hashlib.blake2b(repr(values.shape).encode(), digest_size=_NUM_BYTES)
    digest.update(np.ascontiguousarray(values).data)
    return int.from_bytes(digest.digest(), "little", signed=True)
