"""Predictions made by hand, from true and predicted classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.protocol import ProtocolRecord, Provenance


@pytest.fixture(scope="session")
def answer() -> Callable[..., Predictions]:
    """A function from (true classes, predicted classes, class names) to predictions; other fields can be given too."""

    def make(labels: Sequence[int], predicted: Sequence[int], classes: Sequence[str], **fields: Any) -> Predictions:
        num_samples, num_classes = len(labels), len(classes)
        scores = np.tile(np.linspace(0.1, 0.2, num_classes), (num_samples, 1))
        scores[np.arange(num_samples), predicted] += 1
        values: dict[str, Any] = {
            "sample_ids": tuple(f"sample {index}" for index in range(num_samples)),
            "labels": np.asarray(labels, dtype=np.int64),
            "scores": scores / scores.sum(axis=1, keepdims=True),
            "sessions": ("SL14",) * num_samples,
            "recordings": ("SL14_R1",) * num_samples,
            "keyframes": np.arange(num_samples),
            "timestamps_ms": np.arange(num_samples),
            "classes": tuple(classes),
            "protocol": ProtocolRecord(
                split="val",
                split_rule="session",
                selection="last epoch",
                num_overlapping=0,
                sessions_in_train=("SL18",),
            ),
            "provenance": Provenance(
                checkpoint="work_dirs/a/epoch_3.pth",
                checkpoint_sha256="0123456789abcdef" * 4,
                epoch=3,
                dataset="thermal_action_dataset",
                dataset_fingerprint="f00d",
                thermalctl_version="0.1.0",
                created="2026-01-02T03:04:05+00:00",
            ),
        }
        return Predictions(**(values | fields))

    return make
