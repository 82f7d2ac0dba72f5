"""What can be learned from a dataset without a network: simple baselines, on its own split and with sessions held out.

A model's score on a split means little until it stands beside these. On a split whose clips overlap, copying the
nearest keyframe's label or a few hundred trees score as high as a network; with sessions held out the same trees show
what carries over to a recording that nobody has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.clip_spec import Target
from thermalctl.dataset.leakage import nearest_keyframe_labels
from thermalctl.dataset.samples import ALL_SPLITS, ThermalDataset
from thermalctl.evaluation.features import extract_features
from thermalctl.evaluation.metrics import count_confusion, rank_classes
from thermalctl.evaluation.nearest import copy_nearest
from thermalctl.evaluation.trees import BALANCED, NUM_TREES, Ensemble, predict_trees
from thermalctl.evaluation.trials import Baseline, Terms, Trial, explain_gaps, plan_trials


@dataclass(frozen=True, kw_only=True)
class BaselineResult:
    """What one baseline scores on one set of samples; rates in 0..1.

    The baselines are:
        majority: the most frequent label, of train where the split is given; where sessions are held out, of all
            sessions together, which is the best that one answer for all can do.
        training majority: where sessions are held out, the most frequent label of the sessions trained on.
        nearest keyframe: the label of the training keyframe nearest in time, where the split is given.
        nearest clip: the label of the training clip with the most similar mean picture.
        trees: a tree ensemble on the pictures of a clip.
        trees, as recorded: the same on whole frames that are neither repaired nor taken relative to the room; measured
            only where there is something to repair.

    Attributes:
        target: what one sample is.
        terms: "given split": trained on train, judged on `split`; "session held out": each session judged by what the
            others taught, the answers of all sessions pooled.
        split: the judged split; "all" where sessions are held out.
        baseline: one of those below.
        num_judged: samples.
        top1: share of them answered rightly; for trees the mean over the seeds.
        mean_class: mean recall over the classes with a sample; for trees the mean over the seeds.
        macro_f1: mean F1 over the classes with a sample; for trees the mean over the seeds.
        top1_spread: standard deviation of `top1` over the seeds; None for one seed and for what has none.
        mean_class_spread: the same of `mean_class`.
    """

    target: Target
    terms: Terms
    split: str
    baseline: Baseline
    num_judged: int
    top1: float
    mean_class: float
    macro_f1: float
    top1_spread: float | None
    mean_class_spread: float | None


@dataclass(frozen=True, kw_only=True)
class Learnability:
    """What the baselines score.

    Attributes:
        num_frames: T, frames in a clip.
        seeds: of the trees.
        results: target by target; in each the given splits first, then the sessions held out.
        remarks: why results that a reader may miss are not there, a sentence each.
    """

    num_frames: int
    seeds: tuple[int, ...]
    results: tuple[BaselineResult, ...]
    remarks: tuple[str, ...]

    def find(self, target: Target, terms: Terms, baseline: Baseline) -> BaselineResult | None:
        """Return a result, of several judged splits the first; None where it was not measured."""
        for result in self.results:
            if (result.target, result.terms, result.baseline) == (target, terms, baseline):
                return result
        return None


def measure_learnability(
    dataset: ThermalDataset,
    *,
    targets: Sequence[Target] = ("frame", "person"),
    num_frames: int = 64,
    seeds: Sequence[int] = (0, 1, 2),
    num_trees: int = NUM_TREES,
    n_jobs: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Learnability:
    """Return what the baselines score on the dataset's own split and with each session held out.

    Args:
        dataset: from `load_dataset`.
        targets: what a sample is taken to be.
        num_frames: T, frames in a clip; recordings may be shorter.
        seeds: of the trees, which are grown once for each.
        num_trees: trees of an ensemble.
        n_jobs: processes to use; the results are the same.
        on_progress: called with (ensembles grown, ensembles in all) after each.

    Raises:
        RecordingError: if a recording is damaged.
    """
    trials: list[Trial] = []
    remarks: list[str] = []
    for target in targets:
        samples = dataset.samples(ALL_SPLITS, target)
        features = extract_features(dataset, samples, target=target, num_frames=num_frames)
        trials += plan_trials(dataset, target, features, num_frames)
        remarks += explain_gaps(dataset, target, features)
    ensembles = [
        Ensemble(
            rows=rows,
            labels=trial.features.labels,
            trained=trained,
            judged=judged,
            seed=seed,
            balanced=BALANCED[trial.target],
        )
        for trial in trials
        for rows in trial.rows.values()
        for seed in seeds
        for trained, judged in trial.folds
    ]
    answers = _answer(ensembles, dataset.num_classes, num_trees, n_jobs, on_progress)
    results: list[BaselineResult] = []
    for trial in trials:
        for baseline, simple in _answer_without_trees(trial).items():
            results.append(_judge(trial, baseline, [simple], dataset.num_classes))
        for baseline in trial.rows:
            by_seed = [np.concatenate([next(answers) for _ in trial.folds]) for _ in seeds]
            results.append(_judge(trial, baseline, by_seed, dataset.num_classes))
    return Learnability(
        num_frames=num_frames, seeds=tuple(seeds), results=tuple(results), remarks=tuple(dict.fromkeys(remarks))
    )


def _answer(
    ensembles: Sequence[Ensemble],
    num_classes: int,
    num_trees: int,
    n_jobs: int,
    on_progress: Callable[[int, int], None] | None,
) -> Iterator[NDArray[np.int64]]:
    """Yield what each ensemble answers, (n,) class ids, in the order given."""
    grown = predict_trees(ensembles, num_classes=num_classes, num_trees=num_trees, n_jobs=n_jobs)
    for done, probabilities in enumerate(grown, start=1):
        if on_progress:
            on_progress(done, len(ensembles))
        yield rank_classes(probabilities)[:, 0]


def _answer_without_trees(trial: Trial) -> dict[Baseline, NDArray[np.int64]]:
    """Return what the baselines that learn nothing answer, fold after fold, (n,) each."""
    features = trial.features
    usual, copied = [], []
    for trained, judged in trial.folds:
        usual.append(np.full(len(judged), _find_most_frequent(features.labels[trained])))
        copied.append(copy_nearest(features, trained, judged))
    answers: dict[Baseline, NDArray[np.int64]] = {}
    if trial.terms == "session held out":  # no keyframe of its recordings is there to be copied
        answers["majority"] = np.full(len(trial.labels), _find_most_frequent(trial.labels))
        answers["training majority"] = np.concatenate(usual)
    else:
        ((trained, judged),) = trial.folds
        answers["majority"] = np.concatenate(usual)
        answers["nearest keyframe"] = nearest_keyframe_labels(
            [features.samples[place] for place in trained], [features.samples[place] for place in judged]
        )
    answers["nearest clip"] = np.concatenate(copied)
    return answers


def _find_most_frequent(labels: NDArray[np.int64]) -> int:
    """Return the most frequent class; of equals the lowest id."""
    return int(np.bincount(labels).argmax())


def _judge(trial: Trial, baseline: Baseline, answers: Sequence[NDArray[np.int64]], num_classes: int) -> BaselineResult:
    """Return how a baseline fared; `answers` are (n,) class ids, once for each seed."""
    scores = np.array([score_answers(trial.labels, each, num_classes) for each in answers])
    top1, mean_class, macro_f1 = scores.mean(axis=0).tolist()
    spread = scores.std(axis=0, ddof=1).tolist() if len(scores) > 1 else [None] * 3
    return BaselineResult(
        target=trial.target,
        terms=trial.terms,
        split=trial.split,
        baseline=baseline,
        num_judged=len(trial.labels),
        top1=top1,
        mean_class=mean_class,
        macro_f1=macro_f1,
        top1_spread=spread[0],
        mean_class_spread=spread[1],
    )


def score_answers(
    labels: NDArray[np.int64], answers: NDArray[np.int64], num_classes: int
) -> tuple[float, float, float]:
    """Return (top-1, mean class accuracy, macro F1), 0..1, as `metrics.compute_metrics` defines them.

    Args:
        labels: (n,) true class ids.
        answers: (n,) predicted class ids.
        num_classes: K.
    """
    confusion = count_confusion(labels, answers, num_classes)
    hits, num_true, num_answered = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    there = num_true > 0
    recalls = hits[there] / num_true[there]
    f1s = 2 * hits[there] / (num_true[there] + num_answered[there])
    return float(hits.sum() / len(labels)), float(recalls.mean()), float(f1s.mean())
