"""Dealing keyframes to splits: whole groups at a time, and every class to every side as far as the groups allow.

What belongs together must stay together, or the split measures memory. A session is the honest group; recordings of
one session share frames, and single keyframes share most of their clips.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from thermalctl.annotations.coco_writing import LabelledKeyframe
from thermalctl.dataset.samples import choose_frame_label
from thermalctl.errors import RequestError

SplitRule = Literal["session", "recording", "random"]

#: A hold-out is put together from this many parts at most: its share is met to within half of one.
_NUM_PARTS = 20
#: How often groups are dealt anew to find the fairest hold-out; many small groups are dealt fairly at once.
_NUM_DEALS, _NUM_DEALS_OF_MANY, _MANY_GROUPS = 25, 3, 500


@dataclass(frozen=True, kw_only=True)
class Splittable:
    """What dealing needs to know of a keyframe.

    Attributes:
        keyframe: its id.
        recording: the recording that it lies in.
        session: the session of that.
        label: class id of the whole frame.
    """

    keyframe: str
    recording: str
    session: str
    label: int

    def group(self, rule: SplitRule) -> str:
        """Return what must not be divided."""
        return {"session": self.session, "recording": self.recording, "random": self.keyframe}[rule]


def list_splittable(keyframes: Sequence[LabelledKeyframe], sessions: Mapping[str, str]) -> list[Splittable]:
    """Return keyframes as what dealing needs to know of each.

    Args:
        keyframes: in any order.
        sessions: each recording's session.
    """
    return [
        Splittable(
            keyframe=keyframe.image.id,
            recording=keyframe.image.sensor_id,
            session=sessions[keyframe.image.sensor_id],
            label=choose_frame_label(keyframe.people),
        )
        for keyframe in keyframes
    ]


def hold_out(items: Sequence[Splittable], rule: SplitRule, *, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which keyframes are held out, (N,) bool: whole groups, near `share` of all and of each class.

    Groups are dealt many times over by scikit-learn's StratifiedGroupKFold; the fairest hold-out is kept.

    Args:
        items: the keyframes.
        rule: what must not be divided.
        share: how much to hold out, 0 to 1.
        seed: of the dealing.

    Raises:
        RequestError: if there is but one group, or the share is no share.
    """
    if not 0 < share < 1:
        raise RequestError(f"the share to hold out is {share:g}, expected more than 0 and less than 1")
    labels, groups = _encode(items, rule)
    num_groups = _expect_groups(groups, rule, items, at_least=2)
    num_parts = min(num_groups, _NUM_PARTS)
    num_held = min(num_parts - 1, max(1, round(share * num_parts)))
    num_deals = _NUM_DEALS if num_groups <= _MANY_GROUPS else _NUM_DEALS_OF_MANY
    deals = (_deal(labels, groups, num_parts, seed=seed * _NUM_DEALS + deal) for deal in range(num_deals))
    candidates = (
        np.logical_or.reduce([parts[(first + offset) % num_parts] for offset in range(num_held)])
        for parts in deals
        for first in range(num_parts)
    )
    return min(candidates, key=lambda held: _measure_unfairness(held, labels, share))


def deal_folds(items: Sequence[Splittable], rule: SplitRule, *, num_folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each keyframe, (N,) int64 from 0: whole groups, each class spread as evenly as they allow.

    Raises:
        RequestError: if there are fewer groups than folds.
    """
    if num_folds < 2:
        raise RequestError(f"{num_folds} folds, expected at least 2")
    labels, groups = _encode(items, rule)
    _expect_groups(groups, rule, items, at_least=num_folds)
    folds = np.zeros(len(items), dtype=np.int64)
    for number, held in enumerate(_deal(labels, groups, num_folds, seed=seed)):
        folds[held] = number
    return folds


def _encode(items: Sequence[Splittable], rule: SplitRule) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    _, groups = np.unique([item.group(rule) for item in items], return_inverse=True)
    return np.array([item.label for item in items]), groups.astype(np.int64)


def _expect_groups(groups: NDArray[np.int64], rule: SplitRule, items: Sequence[Splittable], *, at_least: int) -> int:
    num_groups = len(np.unique(groups))
    if num_groups >= at_least:
        return num_groups
    what = "keyframe" if rule == "random" else rule
    finer: tuple[SplitRule, ...] = ("recording", "random")
    others = [f"--split-by {other}" for other in finer if len({item.group(other) for item in items}) >= at_least]
    leaking = f"; or {' or '.join(others)}, which leaks where clips overlap" if others else ""
    raise RequestError(
        f"{num_groups} {what}{'' if num_groups == 1 else 's'} cannot be dealt to {at_least} parts",
        hint=f"record at least {at_least} {what}s{leaking}",
    )


def _deal(
    labels: NDArray[np.int64], groups: NDArray[np.int64], num_folds: int, *, seed: int
) -> list[NDArray[np.bool_]]:
    """Return the keyframes of each fold, (N,) bool each; none is empty."""
    can_stratify = np.bincount(labels).max() >= num_folds  # otherwise scikit-learn refuses
    is_single = len(np.unique(groups)) == len(groups)  # the same rule as for groups, and a hundred times as fast
    if is_single:
        kind = StratifiedKFold if can_stratify else KFold
    else:
        kind = StratifiedGroupKFold if can_stratify else GroupKFold
    splitter = kind(num_folds, shuffle=True, random_state=seed)
    folds = []
    with warnings.catch_warnings():
        # A class rarer than the folds cannot be in each; that is told by whoever counts the result.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for _, held in splitter.split(labels, labels, None if is_single else groups):
            fold = np.zeros(len(labels), dtype=np.bool_)
            fold[held] = True
            folds.append(fold)
    if all(fold.any() for fold in folds):
        return folds
    # Stratifying can leave a fold without a group where groups are few and unlike.
    by_group = np.random.default_rng(seed).permutation(len(np.unique(groups))) % num_folds
    return [by_group[groups] == number for number in range(num_folds)]


def _measure_unfairness(held: NDArray[np.bool_], labels: NDArray[np.int64], share: float) -> float:
    """Return how far a hold-out is from `share` of all and of each class; 0 is fair."""
    counts = np.bincount(labels)
    held_counts = np.bincount(labels[held], minlength=len(counts))
    present = counts > 0
    by_class = np.abs(held_counts[present] / counts[present] - share).mean()
    # A class that is on one side only is either never learned or never judged; the first is worse.
    never_learned = (held_counts[present] == counts[present]).mean()
    return float(abs(held.mean() - share) + by_class + never_learned)
