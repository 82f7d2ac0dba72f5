"""How good a model is on its clips, how sure that is, and whether it beats what needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from thermalctl.evaluation.metrics import rank_classes
from thermalctl.evaluation.paired import SIGNIFICANT, Comparison, compare_answers
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.resampling import (
    Interval,
    bootstrap,
    find_interval,
    number_groups,
    simulate_coverage,
)
from thermalctl.evaluation.weighing import Values, weigh_answers, weigh_scores

#: With fewer sessions than this, intervals of clips are shown beside those of sessions.
FEW_SESSIONS = 5
#: A class with fewer clips is shown, but marked: one clip more or less is 20 points of its recall.
FEW_CLIPS = 5
#: Shares of clips that were right.
SHARES = frozenset({"top1", "top3", "top5"})
#: Lower is better.
ERRORS = frozenset({"log_loss", "brier", "ece"})


@dataclass(frozen=True, kw_only=True)
class Number:
    """A measured number and how sure it is.

    Attributes:
        name: "top1", "mean_class", "macro_f1", "top3", "top5", "mean_average_precision", "log_loss", "brier" or "ece".
        value: of these clips; None where it is undefined.
        by_clip: its 95 % interval, clips drawn anew.
        by_session: the same, whole sessions drawn anew; None for a single session.
    """

    name: str
    value: float | None
    by_clip: Interval | None
    by_session: Interval | None


@dataclass(frozen=True, kw_only=True)
class ClassSureness:
    """How sure a class's numbers are, and its average precision; see `Number` for which interval is which.

    Attributes:
        name: the class.
        average_precision: one class against the others; None without a clip.
        average_precision_interval: of it.
        recall: 95 % interval, by session where there are enough of them, else by clip; None where it is undefined.
        precision: the same of its precision.
        f1: the same of its F1.
        is_few: whether it has too few clips to say much.
    """

    name: str
    average_precision: float | None
    average_precision_interval: Interval | None
    recall: Interval | None
    precision: Interval | None
    f1: Interval | None
    is_few: bool


@dataclass(frozen=True, kw_only=True)
class JudgedReference:
    """A baseline fitted on the same training clips, and how the model compares with it.

    Attributes:
        name: the baseline.
        top1: its top-1, 0..1.
        mean_class: its mean class accuracy.
        macro_f1: its mean F1.
        top1_interval: of its top-1, clips drawn anew.
        mean_class_interval: of its mean class accuracy, clips drawn anew.
        comparison: how far the model is above it.
    """

    name: str
    top1: float
    mean_class: float
    macro_f1: float
    top1_interval: Interval | None
    mean_class_interval: Interval | None
    comparison: Comparison


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """All of it.

    Attributes:
        numbers: by name.
        classes: in id order.
        references: the best top-1 first.
        num_sessions: judged sessions.
        coverage_by_clip: how often an interval of clips holds the truth where sessions are as many and as large as
            here and differ from each other; simulated.
        coverage_by_session: the same of an interval of sessions; None for a single session.
    """

    numbers: dict[str, Number]
    classes: tuple[ClassSureness, ...]
    references: tuple[JudgedReference, ...]
    num_sessions: int
    coverage_by_clip: float
    coverage_by_session: float | None

    @property
    def unbeaten(self) -> tuple[JudgedReference, ...]:
        """The baselines that the model does not beat, on top-1 or mean class accuracy, by a paired test."""
        return tuple(one for one in self.references if not is_beaten(one.comparison))


def judge(predictions: Predictions) -> Judgement:
    """Return how good the predictions are."""
    labels, scores, num_classes = predictions.labels, predictions.scores, predictions.num_classes
    ranked = rank_classes(scores)
    answers = ranked[:, 0].astype(np.int64)
    sessions = number_groups(predictions.sessions)

    def measure(weights: Values) -> dict[str, Values]:
        return vars(weigh_answers(labels, answers, num_classes, weights)) | vars(
            weigh_scores(labels, scores, ranked, weights)
        )

    once = {name: values[0] for name, values in measure(np.ones((1, len(labels)))).items()}
    by_clip = bootstrap(measure, np.arange(len(labels)))
    has_sessions = sessions.max() > 0
    by_session = bootstrap(measure, sessions) if has_sessions else None
    sizes = np.bincount(sessions).tolist()
    return Judgement(
        numbers={
            name: Number(
                name=name,
                value=_to_float(value),
                by_clip=_widen(find_interval(by_clip[name]), value, len(labels) if name in SHARES else 0),
                by_session=_widen(find_interval(by_session[name]), value, 0) if by_session else None,
            )
            for name, value in once.items()
            if value.ndim == 0
        },
        classes=_judge_classes(predictions, once, by_clip, by_session),
        references=_judge_references(predictions, answers, sessions),
        num_sessions=len(sizes),
        coverage_by_clip=simulate_coverage(sizes, float(once["top1"]), by_group=False),
        coverage_by_session=simulate_coverage(sizes, float(once["top1"]), by_group=True) if has_sessions else None,
    )


def is_beaten(comparison: Comparison) -> bool:
    """Return whether the first model is better by more than chance, on top-1 and on mean class accuracy.

    The tests take clips for independent. Those of a session are not, so it has to be better with sessions drawn anew
    too.
    """
    beats_top1 = comparison.top1 > 0 and comparison.mcnemar.p < SIGNIFICANT
    beats_mean = comparison.mean_class > 0 and comparison.mean_class_p < SIGNIFICANT
    by_session = (comparison.top1_by_session, comparison.mean_class_by_session)
    return beats_top1 and beats_mean and all(interval is None or interval.low > 0 for interval in by_session)


def _judge_classes(
    predictions: Predictions, once: dict[str, Values], by_clip: dict[str, Values], by_session: dict[str, Values] | None
) -> tuple[ClassSureness, ...]:
    sessions = np.array(predictions.sessions)
    judged = []
    for index, name in enumerate(predictions.classes):
        there = predictions.labels == index
        has_sessions = by_session is not None and len(np.unique(sessions[there])) >= FEW_SESSIONS
        drawn = by_session if has_sessions and by_session is not None else by_clip
        num_clips = int(there.sum())
        recall = find_interval(drawn["recall"][:, index])
        judged.append(
            ClassSureness(
                name=name,
                average_precision=_to_float(once["average_precision"][index]),
                average_precision_interval=_widen(
                    find_interval(drawn["average_precision"][:, index]), once["average_precision"][index], 0
                ),
                recall=_widen(recall, once["recall"][index], num_clips) if num_clips else None,
                precision=_widen(find_interval(drawn["precision"][:, index]), once["precision"][index], 0),
                f1=_widen(find_interval(drawn["f1"][:, index]), once["f1"][index], 0),
                is_few=num_clips < FEW_CLIPS,
            )
        )
    return tuple(judged)


def _widen(interval: Interval | None, value: NDArray[np.float64], num_clips: int) -> Interval | None:
    """Return an interval that has a width: where nothing varies, drawing anew shows no doubt, but there is some.

    Args:
        interval: from resamples.
        value: what it is of.
        num_clips: of which the value is the share that was right, for the exact interval of Clopper and Pearson 1934; 0
            where it is no such share, and nothing better than none can be told.
    """
    if interval is None or interval.high > interval.low:
        return interval
    if not num_clips or np.isnan(value):
        return None
    exact = binomtest(round(float(value) * num_clips), num_clips).proportion_ci(method="exact")
    return Interval(low=float(exact.low), high=float(exact.high))


def _judge_references(
    predictions: Predictions, answers: NDArray[np.int64], sessions: NDArray[np.intp]
) -> tuple[JudgedReference, ...]:
    labels, num_classes = predictions.labels, predictions.num_classes
    judged: list[JudgedReference] = []
    for name, theirs in predictions.references.items():
        once, top1, mean_class = _measure_reference(labels, theirs, num_classes)
        judged.append(
            JudgedReference(
                name=name,
                top1=once[0],
                mean_class=once[1],
                macro_f1=once[2],
                top1_interval=top1,
                mean_class_interval=mean_class,
                comparison=compare_answers(labels, answers, theirs, sessions, num_classes),
            )
        )
    return tuple(sorted(judged, key=lambda one: (-one.top1, -one.mean_class)))


def _measure_reference(
    labels: NDArray[np.int64], answers: NDArray[np.int64], num_classes: int
) -> tuple[Sequence[float], Interval | None, Interval | None]:
    def measure(weights: Values) -> dict[str, Values]:
        return vars(weigh_answers(labels, answers, num_classes, weights))

    once = measure(np.ones((1, len(labels))))
    drawn = bootstrap(measure, np.arange(len(labels)))
    values = [float(once[name][0]) for name in ("top1", "mean_class", "macro_f1")]
    return values, find_interval(drawn["top1"]), find_interval(drawn["mean_class"])


def _to_float(value: NDArray[np.float64]) -> float | None:
    return None if np.isnan(value) else float(value)
