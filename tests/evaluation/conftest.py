"""Predictions made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.protocol import ProtocolRecord, Provenance

MakePredictions = Callable[..., Predictions]


@pytest.fixture
def make_predictions() -> MakePredictions:
    """A function from (labels, scores) to predictions; every other field can be given too."""

    def make(labels: Sequence[int], scores: Any, **fields: Any) -> Predictions:
        scores = np.asarray(scores, dtype=np.float64)
        num_samples, num_classes = scores.shape
        values: dict[str, Any] = {
            "sample_ids": tuple(f"sample {index}" for index in range(num_samples)),
            "labels": np.asarray(labels, dtype=np.int64),
            "scores": scores,
            "sessions": ("SL14",) * num_samples,
            "recordings": ("SL14_R1",) * num_samples,
            "keyframes": np.arange(num_samples) * 10,
            "timestamps_ms": 1_760_482_283_426 + np.arange(num_samples) * 1000,
            "classes": tuple(f"class {index}" for index in range(num_classes)),
            "protocol": ProtocolRecord(split="val", split_rule="session", selection="last epoch"),
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
