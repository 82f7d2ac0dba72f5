from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from thermalctl.errors import PredictionsError
from thermalctl.evaluation.ensembling import average_predictions
from thermalctl.evaluation.predictions import Predictions

LABELS = [0, 1, 1]
FIRST = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
SECOND = np.array([[0.4, 0.6], [0.1, 0.9], [0.3, 0.7]])


def make(make_predictions: Any, scores: Any, checkpoint: str, **protocol: Any) -> Predictions:
    made: Predictions = make_predictions(LABELS, scores, classes=("a", "b"))
    return dataclasses.replace(
        made,
        protocol=dataclasses.replace(made.protocol, **protocol),
        provenance=dataclasses.replace(made.provenance, checkpoint=checkpoint),
    )


def test_probabilities_are_averaged_and_every_member_is_named(make_predictions: Any) -> None:
    members = [
        make(make_predictions, FIRST, "one.pth", selection="last epoch", selection_split=None, num_trained=1),
        make(make_predictions, SECOND, "two.pth", selection="best acc/top1 on val", selection_split="val"),
    ]
    found = average_predictions(members)
    assert found.scores == pytest.approx(np.array([[0.65, 0.35], [0.35, 0.65], [0.25, 0.75]]))
    assert np.exp(found.logits) == pytest.approx(found.scores)
    assert found.provenance.checkpoint == "one.pth"
    assert found.provenance.others == (f"two.pth {members[1].provenance.checkpoint_sha256}",)
    assert found.protocol.selection == "2 models, last epoch; best acc/top1 on val"
    # Of one member it is not known what it was trained on, so of the ensemble neither.
    assert (found.protocol.selection_split, found.protocol.num_trained) == ("val", None)


def test_sessions_of_every_member_were_trained_on(make_predictions: Any) -> None:
    one = make(make_predictions, FIRST, "one.pth", sessions_in_train=("a",), num_trained=0, num_overlapping=2)
    two = make(make_predictions, SECOND, "two.pth", sessions_in_train=("b",), num_trained=1, num_overlapping=0)
    protocol = average_predictions([one, two]).protocol
    assert (protocol.sessions_in_train, protocol.num_trained, protocol.num_overlapping) == (("a", "b"), 1, 2)


def test_models_of_other_clips_are_no_ensemble(make_predictions: Any) -> None:
    first = make(make_predictions, FIRST, "one.pth")
    other = dataclasses.replace(first, sample_ids=("x", "y", "z"))
    with pytest.raises(PredictionsError, match="do not answer the same question"):
        average_predictions([first, other])
