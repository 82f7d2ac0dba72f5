"""Where a model fails: session by session, in its surest mistakes, and between which classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from thermalctl.evaluation.metrics import count_confusion, rank_classes
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.weighing import weigh_answers


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionScore:
    """How a model fares in a session; rates in 0..1.

    Attributes:
        session: its name.
        num_clips: judged.
        num_classes: with a clip.
        top1: share of right answers.
        mean_class: mean recall over the classes with a clip.
        confusion: (K, K) int64, its clips of true class (row) predicted as class (column).
    """

    session: str
    num_clips: int
    num_classes: int
    top1: float
    mean_class: float
    confusion: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A clip that was answered wrongly.

    Attributes:
        sample_id: which.
        session: where.
        recording: in which.
        keyframe: index of its annotated frame.
        true: its class.
        answered: what it was taken for.
        confidence: of the answer, 0..1.
        of_true: probability of its class.
    """

    sample_id: str
    session: str
    recording: str
    keyframe: int
    true: str
    answered: str
    confidence: float
    of_true: float


def score_sessions(predictions: Predictions) -> tuple[SessionScore, ...]:
    """Return how a model fares in each session, the worst first."""
    answers = rank_classes(predictions.scores)[:, 0].astype(np.int64)
    sessions = np.array(predictions.sessions)
    scores = []
    for session in np.unique(sessions):
        there = sessions == session
        labels = predictions.labels[there]
        found = weigh_answers(labels, answers[there], predictions.num_classes, np.ones((1, len(labels))))
        scores.append(
            SessionScore(
                session=str(session),
                num_clips=len(labels),
                num_classes=len(np.unique(labels)),
                top1=float(found.top1[0]),
                mean_class=float(found.mean_class[0]),
                confusion=count_confusion(labels, answers[there], predictions.num_classes),
            )
        )
    return tuple(sorted(scores, key=lambda one: (one.top1, one.session)))


def list_mistakes(predictions: Predictions, most: int) -> tuple[Mistake, ...]:
    """Return the mistakes of which the model was surest, at most so many."""
    answers = rank_classes(predictions.scores)[:, 0]
    confidences = predictions.scores.max(axis=1)
    wrong = np.flatnonzero(answers != predictions.labels)
    surest = wrong[np.argsort(-confidences[wrong], kind="stable")][:most]
    return tuple(
        Mistake(
            sample_id=predictions.sample_ids[index],
            session=predictions.sessions[index],
            recording=predictions.recordings[index],
            keyframe=int(predictions.keyframes[index]),
            true=predictions.classes[predictions.labels[index]],
            answered=predictions.classes[answers[index]],
            confidence=float(confidences[index]),
            of_true=float(predictions.scores[index, predictions.labels[index]]),
        )
        for index in surest
    )


def order_by_similarity(confusion: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the class ids in an order that puts classes side by side which are taken for each other.

    Leaves of a tree by average linkage, where two classes are the nearer the larger the share of their clips that is
    confused between them. Classes without a clip and an answer come last.

    Args:
        confusion: (K, K) clips of true class (row) predicted as class (column).
    """
    there = np.flatnonzero(confusion.sum(axis=0) + confusion.sum(axis=1))
    absent = [index for index in range(len(confusion)) if index not in there]
    if len(there) < 3:
        return (*map(int, there), *absent)
    counts = confusion[np.ix_(there, there)].astype(np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    nearness = (shares + shares.T) / 2
    distances = 1 - nearness
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), method="average", optimal_ordering=True)
    return (*(int(there[leaf]) for leaf in leaves_list(tree)), *absent)
