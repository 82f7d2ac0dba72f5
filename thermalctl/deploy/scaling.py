"""A temperature for an exported model, so that its probabilities mean what they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thermalctl.deploy.metadata import FittedTemperature
from thermalctl.errors import RequestError
from thermalctl.evaluation.calibration import calibrate
from thermalctl.evaluation.predictions import Predictions


def fit_scaling(predictions: Predictions) -> FittedTemperature:
    """Return the temperature that suits a model's answers best, with what it does to clips that it was not fitted on.

    Source: temperature scaling, Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.

    Raises:
        RequestError: if none is best, as for a model without a mistake, or clips are too few to leave some out.
    """
    found = calibrate(predictions)
    if found.temperature is None or found.log_loss_scaled is None or found.ece_scaled is None:
        raise RequestError(
            f"--temperature fit: no temperature is best on the {predictions.num_samples} clips of "
            f"{predictions.protocol.split}, or on a part of them",
            hint="--temperature none; a model that is right (or wrong) on all clips of a part has no best one",
        )
    return FittedTemperature(
        temperature=found.temperature,
        split=predictions.protocol.split,
        num_clips=predictions.num_samples,
        by_session=found.by_session,
        log_loss=found.log_loss,
        log_loss_scaled=found.log_loss_scaled,
        ece=found.ece,
        ece_scaled=found.ece_scaled,
    )


def scale_probabilities(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return the probabilities, (N, K), that the same logits give when they are divided by a temperature.

    A softmax forgets a constant that was added to its logits, so logarithms of its probabilities serve as well.
    """
    if temperature == 1:
        return probabilities
    powers = probabilities.astype(np.float64) ** (1 / temperature)
    scaled: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return scaled
