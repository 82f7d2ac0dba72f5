"""On what terms the baselines are judged: on the splits as given, and with each session held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thermalctl.clip_spec import Target
from thermalctl.dataset.samples import ALL_SPLITS, ThermalDataset
from thermalctl.evaluation.features import ClipFeatures, extract_features

Terms = Literal["given split", "session held out"]
Baseline = Literal["majority", "training majority", "nearest keyframe", "nearest clip", "trees", "trees, as recorded"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """Samples of one target to judge.

    Attributes:
        target: what one sample is.
        terms: how those trained on relate to those judged.
        split: the judged split, "all" where sessions are held out.
        folds: places in `features`, (m,) trained on and (n,) judged.
        features: what is seen of all samples.
        rows: (N, F) float32 by baseline, what the trees of that name see of all samples.
    """

    target: Target
    terms: Terms
    split: str
    folds: tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]
    features: ClipFeatures
    rows: Mapping[Baseline, NDArray[np.float32]]

    @property
    def labels(self) -> NDArray[np.int64]:
        """The judged samples' class ids, fold after fold, as all answers are."""
        return np.concatenate([self.features.labels[judged] for _, judged in self.folds])


def plan_trials(dataset: ThermalDataset, target: Target, features: ClipFeatures, num_frames: int) -> list[Trial]:
    """Return what can be judged for a target: each split but train, and all sessions, each held out in turn.

    Args:
        dataset: where the samples are from.
        target: what one sample is.
        features: of the samples of all splits.
        num_frames: length of a clip.

    Raises:
        RecordingError: if a recording is damaged.
    """
    rows: dict[Baseline, NDArray[np.float32]] = {"trees": features.rows}
    if target == "frame" and features.num_repaired:
        recorded = extract_features(dataset, features.samples, target=target, num_frames=num_frames, as_recorded=True)
        rows["trees, as recorded"] = recorded.rows
    place_of = {sample.sample_id: place for place, sample in enumerate(features.samples)}
    places = {
        split: np.array(
            [place_of[sample.sample_id] for sample in dataset.samples(split, target) if sample.sample_id in place_of],
            dtype=np.intp,
        )
        for split in dataset.splits
    }
    trials = [
        Trial(
            target=target,
            terms="given split",
            split=split,
            folds=((places["train"], judged),),
            features=features,
            rows=rows,
        )
        for split, judged in places.items()
        if split != "train" and len(judged) and len(places["train"])
    ]
    sessions = np.array([sample.session for sample in features.samples])
    folds = tuple((np.flatnonzero(sessions != held), np.flatnonzero(sessions == held)) for held in np.unique(sessions))
    if len(folds) > 1:
        trials.append(
            Trial(target=target, terms="session held out", split=ALL_SPLITS, folds=folds, features=features, rows=rows)
        )
    return trials


def explain_gaps(dataset: ThermalDataset, target: Target, features: ClipFeatures) -> list[str]:
    """Return why trials that a reader may miss are not there, and which samples are not in them, a sentence each."""
    remarks = []
    if set(dataset.splits) == {"train"}:
        remarks.append("there is no split but train: nothing is judged on a given split")
    sessions = {sample.session for sample in features.samples}
    if len(sessions) == 1:
        remarks.append(f"all samples are of one session, {sessions.pop()}: none can be held out")
    if len(set(features.labels.tolist())) == 1:
        remarks.append(f'every {target} is "{dataset.classes[features.labels[0]]}": there is nothing to tell apart')
    if features.lost:
        remarks.append(f"left out of {target} samples: {len(features.lost)}, no frame of whose clip is complete")
    return remarks
