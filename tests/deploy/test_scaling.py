from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from thermalctl.deploy.scaling import fit_scaling, scale_probabilities
from thermalctl.errors import RequestError
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.protocol import ProtocolRecord, Provenance


def make_predictions(logits: np.ndarray, labels: np.ndarray, **changes: Any) -> Predictions:
    number = len(labels)
    values: dict[str, Any] = {
        "sample_ids": tuple(f"s{index}" for index in range(number)),
        "labels": labels,
        "scores": softmax(logits, axis=1),
        "logits": logits,
        "sessions": tuple(f"day {index % 4}" for index in range(number)),
        "recordings": ("R1",) * number,
        "keyframes": np.arange(number),
        "timestamps_ms": np.arange(number),
        "classes": ("a", "b", "c"),
        "protocol": ProtocolRecord(split="val", split_rule="session", selection="last epoch"),
        "provenance": Provenance(
            checkpoint="c.pth", checkpoint_sha256="ab", epoch=1, dataset="d", dataset_fingerprint="f",
            thermalctl_version="0", created="now",
        ),
    }  # fmt: skip
    return Predictions(**(values | changes))


def make_too_sure(number: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (N, 3) that are three times too large, and labels drawn from what they should say."""
    rng = np.random.default_rng(0)
    honest = rng.normal(scale=1.5, size=(number, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(honest, axis=1)])
    return 3 * honest, labels


def test_temperature_of_a_model_that_is_three_times_too_sure_is_about_three() -> None:
    logits, labels = make_too_sure()
    fit = fit_scaling(make_predictions(logits, labels))
    best = minimize_scalar(
        lambda temperature: -log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean(),
        bounds=(1, 9), method="bounded",
    ).x  # fmt: skip
    assert fit.temperature == pytest.approx(best, rel=1e-3)
    assert 2.5 < fit.temperature < 3.5
    assert (fit.split, fit.num_clips, fit.by_session) == ("val", 400, True)
    assert fit.log_loss_scaled < fit.log_loss
    assert fit.ece_scaled < fit.ece


def test_model_without_a_mistake_has_no_best_temperature() -> None:
    labels = np.arange(12) % 3
    with pytest.raises(RequestError, match="no temperature is best on the 12 clips of val") as caught:
        fit_scaling(make_predictions(5 * np.eye(3)[labels], labels))
    assert "--temperature none" in str(caught.value.hint)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_probabilities_are_scaled_as_their_logits_would_be(temperature: float) -> None:
    logits = np.random.default_rng(1).normal(scale=3, size=(20, 3))
    logits[:, 2] = -1e4  # a class that was left out of the softmax stays out
    expected = softmax(logits / temperature, axis=1)
    found = scale_probabilities(softmax(logits, axis=1).astype(np.float32), temperature)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (found[:, 2] == 0).all()
