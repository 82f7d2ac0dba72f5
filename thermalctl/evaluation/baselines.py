"""Answers that need no model, in closed form: what a model's numbers must stand beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.evaluation.metrics import count_confusion


@dataclass(frozen=True, kw_only=True)
class BaselineScore:
    """What a baseline scores; rates in 0..1.

    Attributes:
        name: the baseline, as a row of a table.
        top1: its top-1 accuracy.
        mean_class: its mean recall over the classes with a clip.
        macro_f1: its mean F1 over the classes with a clip; None where it has no closed form.
        note: what a reader must know about it; None where there is nothing.
    """

    name: str
    top1: float
    mean_class: float
    macro_f1: float | None
    note: str | None = None


def majority_baseline(
    train_counts: NDArray[np.int64], labels: NDArray[np.int64], classes: Sequence[str]
) -> BaselineScore:
    """Return the score of always answering the class that is most frequent in training; of equals the lowest id.

    Args:
        train_counts: (K,) training samples of each class.
        labels: (N,) true class ids.
        classes: K class names.
    """
    answer = int(train_counts.argmax())
    counts = np.bincount(labels, minlength=len(classes))
    confusion = count_confusion(labels, np.full_like(labels, answer), len(classes))
    num_true = int((counts > 0).sum())
    hits = int(confusion[answer, answer])
    most = int(counts.argmax())
    note = None
    if counts[most] > counts[answer]:
        note = (
            f'"{classes[answer]}" is the most frequent class in training; '
            f'here it is "{classes[most]}" ({counts[most]} of {len(labels)} clips)'
        )
    return BaselineScore(
        name="always the majority",
        top1=hits / len(labels),
        mean_class=float(counts[answer] > 0) / num_true,
        macro_f1=2 * hits / (int(counts[answer]) + len(labels)) / num_true,
        note=note,
    )


def random_baseline(
    train_counts: NDArray[np.int64], labels: NDArray[np.int64], classes: Sequence[str]
) -> BaselineScore:
    """Return the expected score of drawing each answer from the training frequencies p.

    With q the frequencies of the judged clips, top-1 is expected at the sum of p_k q_k, and the recall of class k at
    p_k. The expected F1 has no closed form.

    Args:
        train_counts: (K,) training samples of each class.
        labels: (N,) true class ids.
        classes: K class names.
    """
    return _draw_from(train_counts / train_counts.sum(), labels, classes, name="drawn as in training")


def uniform_baseline(labels: NDArray[np.int64], classes: Sequence[str]) -> BaselineScore:
    """Return the expected score of drawing each answer evenly from all K classes: 1/K.

    Args:
        labels: (N,) true class ids.
        classes: K class names.
    """
    return _draw_from(np.full(len(classes), 1 / len(classes)), labels, classes, name="drawn evenly")


def _draw_from(
    chances: NDArray[np.float64], labels: NDArray[np.int64], classes: Sequence[str], *, name: str
) -> BaselineScore:
    counts = np.bincount(labels, minlength=len(classes))
    return BaselineScore(
        name=name,
        top1=float(chances @ (counts / len(labels))),
        mean_class=float(chances[counts > 0].mean()),
        macro_f1=None,
    )
