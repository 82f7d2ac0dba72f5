"""The baseline that knows nothing of actions: the label of the training clip that looks most alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from thermalctl.dataset.samples import Sample, ThermalDataset, clip_indices
from thermalctl.recordings.health import find_incomplete_frames, repair_incomplete_frames
from thermalctl.recordings.pool import RecordingPool


def predict_nearest_clip(
    dataset: ThermalDataset, train: list[Sample], judged: list[Sample], *, num_frames: int
) -> NDArray[np.int64]:
    """Return for each judged sample the label of the training clip with the most similar mean picture, (N,) int64.

    A clip's mean picture is its frames' average, repaired, less its own median temperature, so that a warmer room does
    not count as a difference. Nearness is Euclidean.

    Args:
        dataset: where the clips lie.
        train: samples with labels to copy.
        judged: samples to find the nearest for.
        num_frames: length of a clip.

    Raises:
        RecordingError: if a clip holds no complete frame.
    """
    neighbours = KNeighborsClassifier(n_neighbors=1)
    neighbours.fit(_picture(dataset, train, num_frames), [sample.label for sample in train])
    labels: NDArray[np.int64] = neighbours.predict(_picture(dataset, judged, num_frames)).astype(np.int64)
    return labels


def _picture(dataset: ThermalDataset, samples: list[Sample], num_frames: int) -> NDArray[np.float32]:
    """Return the samples' mean pictures, (N, H * W) float32, deg C above each one's median."""
    recordings = RecordingPool(dataset.layout.frames_dir)
    pictures = []
    for sample in samples:
        length = dataset.recordings[sample.recording].num_frames
        clip_c = recordings.read(sample.recording, clip_indices(sample.keyframe, num_frames, length))
        mean_c = repair_incomplete_frames(clip_c, find_incomplete_frames(clip_c)).mean(axis=0)
        pictures.append((mean_c - np.median(mean_c)).ravel())
    recordings.close()
    return np.stack(pictures)
