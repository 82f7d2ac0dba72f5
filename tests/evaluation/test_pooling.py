from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from thermalctl.errors import PredictionsError
from thermalctl.evaluation.metrics import compute_metrics
from thermalctl.evaluation.pooling import pool_predictions
from thermalctl.evaluation.predictions import Predictions

MakeFold = Callable[..., Predictions]


@pytest.fixture
def make_fold(make_predictions: Callable[..., Predictions]) -> MakeFold:
    """A function from (name, labels, predicted) to predictions of three classes, 0.8 for the predicted one."""

    def make(name: str, labels: list[int], predicted: list[int], **fields: Any) -> Predictions:
        scores = np.full((len(labels), 3), 0.1)
        scores[np.arange(len(labels)), predicted] = 0.8
        fields = {
            "sample_ids": tuple(f"{name}{index}" for index in range(len(labels))),
            "sessions": (name,) * len(labels),
            "train_counts": np.array([5, 5, 5]),
        } | fields
        made = make_predictions(labels, scores, **fields)
        provenance = dataclasses.replace(made.provenance, checkpoint=f"{name}.pth")
        protocol = dataclasses.replace(made.protocol, num_overlapping=0, sessions_in_train=("other",))
        return dataclasses.replace(made, provenance=provenance, protocol=fields.get("protocol", protocol))

    return make


def test_every_clip_counts_once_whatever_fold_it_was_in(make_fold: MakeFold) -> None:
    """By hand: 4 of 6 right. Recalls: sitting 2/3, standing 1/1, walking 1/2, so the mean is 13/18.

    The mean of the folds' own would be (3/4 + 1/2) / 2 = 0.625 and ((2/3 + 1) / 2 + 1/2) / 2 = 0.667.
    """
    first = make_fold("a", [0, 0, 0, 1], [0, 0, 2, 1])
    second = make_fold("b", [2, 2], [2, 0])
    pooled = pool_predictions([first, second])
    metrics = compute_metrics(pooled)
    assert pooled.sample_ids == ("a0", "a1", "a2", "a3", "b0", "b1")
    assert pooled.sessions == ("a",) * 4 + ("b",) * 2
    assert metrics.top1 == pytest.approx(4 / 6)
    assert metrics.mean_class_accuracy == pytest.approx(13 / 18)


def test_what_is_true_of_one_fold_only_is_left_out(make_fold: MakeFold) -> None:
    pooled = pool_predictions([make_fold("a", [0], [0]), make_fold("b", [1], [1])])
    assert pooled.train_counts is None
    # Clips and sessions count as trained on if they were by the model that judged them.
    assert (pooled.protocol.num_overlapping, pooled.protocol.sessions_in_train) == (0, ())
    assert (pooled.protocol.split_rule, pooled.protocol.selection) == ("session", "last epoch")


def test_scores_before_softmax_are_kept_where_all_have_them(make_fold: MakeFold) -> None:
    logits = np.array([[1.0, 2.0, 3.0]])
    with_logits = make_fold("a", [0], [0], logits=logits)
    both = pool_predictions([with_logits, make_fold("b", [1], [1], logits=logits + 1)])
    assert np.array_equal(both.logits, np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]))
    assert pool_predictions([with_logits, make_fold("b", [1], [1])]).logits is None


def test_clip_that_was_judged_twice_is_named(make_fold: MakeFold) -> None:
    with pytest.raises(PredictionsError, match='sample id "a0" is there 2 times'):
        pool_predictions([make_fold("a", [0], [0]), make_fold("a", [0], [1])])


def test_folds_of_other_classes_or_another_target_are_refused(make_fold: MakeFold) -> None:
    first, second = make_fold("a", [0], [0]), make_fold("b", [0], [0])
    other = make_fold("b", [0], [0], classes=("sitting", "standing", "walking"))
    people = make_fold("b", [0], [0], protocol=dataclasses.replace(second.protocol, target="person"))
    for wrong in (other, people):
        with pytest.raises(PredictionsError, match=r"b\.pth and a\.pth do not answer the same question"):
            pool_predictions([first, wrong])


def test_nothing_cannot_be_pooled() -> None:
    with pytest.raises(PredictionsError, match="no predictions"):
        pool_predictions([])
