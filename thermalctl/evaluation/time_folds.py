"""Cross-validation over time: every sample judged by what its own clip had no part in.

Clips overlap their neighbours, and those the next, so that all clips of a session hang together: the only folds that
split no pair are whole sessions, and of those there are often two. What carries over between two sessions is too
little to tell a wrong label from a strange room. So a session is cut into blocks of time, several times as long as a
clip, that are dealt to the folds in turn, and what is trained on for a fold is purged of every clip that shares a frame
with a judged one, in whichever file that frame is. No clip then lies on both sides, and the room is known.

Source: purged k-fold cross-validation, Lopez de Prado, Advances in Financial Machine Learning (2018), section 7.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.dataset.leakage import find_overlapping
from thermalctl.dataset.samples import Sample, ThermalDataset

NUM_FOLDS = 5
#: Length of a block in clips. Purging takes up to a clip on either side of it: shorter blocks leave too little to train
#: on, longer ones hold a whole action and its only examples. On the real recordings 61 % of the samples are left.
BLOCK_CLIPS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeFold:
    """One fold: places of samples; no clip of the one kind shares a frame with a clip of the other.

    Attributes:
        trained: (m,) int, what to train on.
        judged: (n,) int, what to judge.
    """

    trained: NDArray[np.intp]
    judged: NDArray[np.intp]


def split_by_time(
    dataset: ThermalDataset,
    samples: Sequence[Sample],
    *,
    num_frames: int,
    num_folds: int = NUM_FOLDS,
    block_clips: int = BLOCK_CLIPS,
) -> list[TimeFold]:
    """Return folds that judge each sample at most once; folds without anything to train on are left out.

    Args:
        dataset: where the clips lie.
        samples: of any splits; the places in the folds are theirs.
        num_frames: length of a clip.
        num_folds: how many folds at most; fewer where the recordings are short.
        block_clips: length of a block of time, in clips.
    """
    fold_of = _number_blocks(dataset, samples, block_frames=block_clips * num_frames) % num_folds
    folds = []
    for fold in np.unique(fold_of):
        judged, others = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        overlapping = find_overlapping(
            dataset,
            [samples[place] for place in judged.tolist()],
            [samples[place] for place in others.tolist()],
            window_frames=num_frames,
        )
        if not overlapping.all():
            folds.append(TimeFold(trained=others[~overlapping], judged=judged))
    return folds


def _number_blocks(dataset: ThermalDataset, samples: Sequence[Sample], *, block_frames: int) -> NDArray[np.intp]:
    """Return each sample's block of time, (N,), numbered through session after session."""
    recordings_of: dict[str, list[str]] = {}
    for name, session in dataset.sessions.items():
        recordings_of.setdefault(session, []).append(name)
    # A frame's rank in its session: what two files hold of the same instant has the same.
    times_of = {
        session: np.unique(np.concatenate([dataset.recordings[name].timestamps_ms for name in names]))
        for session, names in recordings_of.items()
    }
    num_before, first_of = 0, {}
    for session, times in times_of.items():
        first_of[session] = num_before
        num_before += -(-len(times) // block_frames)
    return np.array(
        [
            first_of[sample.session]
            + np.searchsorted(
                times_of[sample.session], dataset.recordings[sample.recording].timestamps_ms[sample.keyframe]
            )
            // block_frames
            for sample in samples
        ],
        dtype=np.intp,
    )
