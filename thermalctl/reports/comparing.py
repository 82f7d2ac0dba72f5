"""Two models on the same clips, in numbers and in a plain sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thermalctl.errors import PredictionsError
from thermalctl.evaluation.metrics import rank_classes
from thermalctl.evaluation.paired import SIGNIFICANT, Comparison, McNemar, compare_answers, find_mcnemar
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.resampling import Interval, number_groups
from thermalctl.reports.judged import format_p
from thermalctl.reports.sentences import count, name_model


@dataclass(frozen=True, kw_only=True)
class ClassComparison:
    """How two models fare on a class.

    Attributes:
        name: the class.
        num_clips: of it.
        first: recall of the first model, 0..1.
        second: recall of the second.
        mcnemar: the clips on which they differ, and the exact test.
    """

    name: str
    num_clips: int
    first: float
    second: float
    mcnemar: McNemar


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """Two models on the same clips.

    Attributes:
        first: the one, by its checkpoint.
        second: the other.
        num_clips: that both judged.
        num_sessions: of them.
        first_top1: top-1 of the first, 0..1.
        second_top1: of the second.
        first_mean_class: mean class accuracy of the first.
        second_mean_class: of the second.
        overall: the first less the second.
        classes: with a clip, those on which they differ most first.
        sentence: what it comes to.
    """

    first: str
    second: str
    num_clips: int
    num_sessions: int
    first_top1: float
    second_top1: float
    first_mean_class: float
    second_mean_class: float
    overall: Comparison
    classes: tuple[ClassComparison, ...]
    sentence: str


def compare_models(first: Predictions, second: Predictions) -> ModelComparison:
    """Return how the first model compares with the second.

    Raises:
        PredictionsError: if they judged different clips, or know different classes.
    """
    order = _match(first, second)
    labels = first.labels
    ours = rank_classes(first.scores)[:, 0].astype(np.int64)
    theirs = rank_classes(second.scores)[order, 0].astype(np.int64)
    sessions = number_groups(first.sessions)
    overall = compare_answers(labels, ours, theirs, sessions, first.num_classes)
    classes = []
    for index, name in enumerate(first.classes):
        there = labels == index
        if there.any():
            right, other = ours[there] == index, theirs[there] == index
            classes.append(
                ClassComparison(
                    name=name,
                    num_clips=int(there.sum()),
                    first=float(right.mean()),
                    second=float(other.mean()),
                    mcnemar=find_mcnemar(right, other),
                )
            )
    means = [float(np.mean([getattr(one, side) for one in classes])) for side in ("first", "second")]
    classes.sort(key=lambda one: (-abs(one.mcnemar.num_first - one.mcnemar.num_second), -one.num_clips))
    return ModelComparison(
        first=name_model(first.provenance),
        second=name_model(second.provenance),
        num_clips=first.num_samples,
        num_sessions=int(sessions.max()) + 1,
        first_top1=float((ours == labels).mean()),
        second_top1=float((theirs == labels).mean()),
        first_mean_class=means[0],
        second_mean_class=means[1],
        overall=overall,
        classes=tuple(classes),
        sentence=_say(overall, first.num_samples, int(((ours == labels) & (theirs == labels)).sum())),
    )


def _match(first: Predictions, second: Predictions) -> list[int]:
    """Return where each of the first's clips is among the second's."""
    if first.classes != second.classes:
        raise PredictionsError(
            f"{first.provenance.checkpoint} and {second.provenance.checkpoint} know different classes",
            hint="only models of the same classes can be compared",
        )
    place_of = {sample_id: place for place, sample_id in enumerate(second.sample_ids)}
    shared = sum(sample_id in place_of for sample_id in first.sample_ids)
    order = [place_of.get(sample_id, -1) for sample_id in first.sample_ids]
    if shared < first.num_samples or second.num_samples != first.num_samples:
        raise PredictionsError(
            f"{first.provenance.checkpoint} judged {first.num_samples} clips, {second.provenance.checkpoint} "
            f"{second.num_samples}, and they share {shared}",
            hint="test both on the same split of the same dataset, for the same target",
        )
    if (second.labels[order] != first.labels).any():
        raise PredictionsError(
            "the same clips have different labels in the two files", hint="test both again on the same dataset"
        )
    return order


def _say(overall: Comparison, num_clips: int, num_both: int) -> str:
    """Return what a comparison comes to, in a sentence that needs no statistics.

    Args:
        overall: the comparison.
        num_clips: judged.
        num_both: on which both are right.
    """
    found, points = overall.mcnemar, 100 * abs(overall.top1)
    differ = found.num_first + found.num_second
    if not differ:
        return f"Both are right on the same {num_both} of {count(num_clips, 'clip')}: top-1 does not tell them apart."
    if overall.top1 == 0:
        return f"On {count(differ, 'clip')} of {num_clips} one alone is right, each on half of them."
    better = "first" if overall.top1 > 0 else "second"
    alone = f"{max(found.num_first, found.num_second)} against {min(found.num_first, found.num_second)} clips"
    interval = overall.top1_by_session
    is_steady = interval is None or interval.low > 0 or interval.high < 0
    if found.p < SIGNIFICANT and not is_steady:
        return (
            f"The {better} is ahead by {points:.1f} points of top-1: it alone is right on {alone}, which is more than "
            f"chance on these clips ({format_p(found.p)}), but not the same from session to session."
        )
    if found.p < SIGNIFICANT:
        return (
            f"The {better} is better by {points:.1f} points of top-1: it alone is right on {alone}, which chance would "
            f"hardly do ({format_p(found.p)})."
        )
    return (
        f"The {better} is ahead by {points:.1f} points of top-1, but it alone is right on only {alone}: so much may "
        f"well be chance ({format_p(found.p)})."
    )


def format_difference(value: float, interval: Interval | None) -> str:
    """Return a difference in points with its interval: "+5.5 [-1.4, 12.3]"."""
    shown = f"{100 * value:+.1f}"
    return shown if interval is None else f"{shown} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
