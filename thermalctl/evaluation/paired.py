"""Two models that answered the same clips: by how much one is better, and whether that may be chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from thermalctl.evaluation.resampling import Interval, bootstrap, find_interval
from thermalctl.evaluation.weighing import Values, weigh_answers

#: Random swaps of a test; its smallest p is 1 / (NUM_SWAPS + 1).
NUM_SWAPS = 9999
#: From here on a difference is taken for more than chance.
SIGNIFICANT = 0.05
#: Sums that differ by rounding only are equal.
TOLERANCE = 1e-12


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """The clips on which two models differ.

    Attributes:
        num_first: only the first was right.
        num_second: only the second was right.
        p: two-sided, of so uneven a division if both were as good.
    """

    num_first: int
    num_second: int
    p: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How far the first model is above the second; scores in 0..1.

    Attributes:
        top1: difference of top-1.
        top1_interval: of it, clips drawn anew.
        top1_by_session: of it, sessions drawn anew; None for a single session.
        mean_class: difference of mean class accuracy.
        mean_class_interval: of it, clips drawn anew.
        mean_class_by_session: of it, sessions drawn anew; None for a single session.
        mcnemar: the exact test of top-1.
        mean_class_p: of the mean class accuracy, by random swaps of the two models' answers.
    """

    top1: float
    top1_interval: Interval | None
    top1_by_session: Interval | None
    mean_class: float
    mean_class_interval: Interval | None
    mean_class_by_session: Interval | None
    mcnemar: McNemar
    mean_class_p: float


def compare_answers(
    labels: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    sessions: NDArray[np.intp],
    num_classes: int,
) -> Comparison:
    """Return how two models' answers compare, clip by clip.

    Args:
        labels: (N,) true class ids.
        first: (N,) answers of the one.
        second: (N,) answers of the other.
        sessions: (N,) number of each clip's session.
        num_classes: K.
    """

    def measure(weights: Values) -> dict[str, Values]:
        ours, theirs = (weigh_answers(labels, answers, num_classes, weights) for answers in (first, second))
        return {"top1": ours.top1 - theirs.top1, "mean_class": ours.mean_class - theirs.mean_class}

    once = measure(np.ones((1, len(labels))))
    by_clip = bootstrap(measure, np.arange(len(labels)))
    by_session = bootstrap(measure, sessions) if sessions.max() > 0 else None
    right_first, right_second = first == labels, second == labels
    differences = (right_first.astype(float) - right_second) * weigh_by_class(labels)
    return Comparison(
        top1=float(once["top1"][0]),
        top1_interval=find_interval(by_clip["top1"]),
        top1_by_session=find_interval(by_session["top1"]) if by_session else None,
        mean_class=float(once["mean_class"][0]),
        mean_class_interval=find_interval(by_clip["mean_class"]),
        mean_class_by_session=find_interval(by_session["mean_class"]) if by_session else None,
        mcnemar=find_mcnemar(right_first, right_second),
        mean_class_p=find_p(differences),
    )


def find_mcnemar(right_first: NDArray[np.bool_], right_second: NDArray[np.bool_]) -> McNemar:
    """Return McNemar's exact test: of the clips that one model alone got right, each is either's by a coin's toss.

    Source: McNemar 1947; the exact binomial form, as statsmodels' `mcnemar(exact=True)`.

    Args:
        right_first: (N,) whether the first is right.
        right_second: (N,) whether the second is.
    """
    num_first = int((right_first & ~right_second).sum())
    num_second = int((right_second & ~right_first).sum())
    total = num_first + num_second
    p = float(binomtest(num_first, total, 0.5).pvalue) if total else 1.0
    return McNemar(num_first=num_first, num_second=num_second, p=p)


def weigh_by_class(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what each clip (N,) counts for in the mean class accuracy."""
    _, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1 / (len(counts) * counts[index.reshape(-1)])
    return weights


def find_p(differences: NDArray[np.float64], *, num_swaps: int = NUM_SWAPS) -> float:
    """Return how often a sum of differences (N,) is as far from 0 where each may as well be the other way round.

    Fisher's randomisation test, two-sided, by random swaps; for hits of one seed it is McNemar's exact test.
    """
    differing = differences[differences != 0]
    if not len(differing):
        return 1.0
    rng = np.random.default_rng(0)
    num_as_far = 0
    at_once = max(1, 10_000_000 // len(differing))
    for done in range(0, num_swaps, at_once):
        signs = rng.choice([-1.0, 1.0], size=(min(at_once, num_swaps - done), len(differing)))
        num_as_far += int((np.abs(signs @ differing) >= abs(differing.sum()) - TOLERANCE).sum())
    return (1 + num_as_far) / (1 + num_swaps)
