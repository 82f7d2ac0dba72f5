"""The baseline that knows nothing of actions: the label of the training clip that looks most alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_argmin

from thermalctl.dataset.samples import Sample, ThermalDataset
from thermalctl.errors import RecordingError
from thermalctl.evaluation.features import ClipFeatures, extract_features


def predict_nearest_clip(
    dataset: ThermalDataset, train: Sequence[Sample], judged: Sequence[Sample], *, num_frames: int
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
    features = extract_features(dataset, [*train, *judged], target="frame", num_frames=num_frames)
    if features.lost:
        raise RecordingError(
            f'none of the {num_frames} frames around "{features.lost[0]}" is complete',
            hint="take the keyframe out of the annotations; nothing can repair its clip",
        )
    return copy_nearest(features, np.arange(len(train)), np.arange(len(train), len(features.samples)))


def copy_nearest(features: ClipFeatures, train: NDArray[np.intp], judged: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return for each judged sample the label of the training sample with the most similar mean picture, (n,) int64.

    Args:
        features: of all these samples.
        train: (m,) places in `features` of the samples to copy from.
        judged: (n,) places of the samples to find the nearest for.
    """
    means = features.pictures[:, 0].reshape(len(features.pictures), -1)
    nearest = pairwise_distances_argmin(means[judged], means[train])
    labels: NDArray[np.int64] = features.labels[train][nearest]
    return labels
