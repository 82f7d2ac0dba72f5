"""What a model has already seen of the clips that it is to be judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.frame_hashes import hash_clips
from thermalctl.dataset.leakage import describe_protocol
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.restore import RestoredModel
from thermalctl.errors import NotHeldError
from thermalctl.evaluation.protocol import ProtocolRecord


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How the clips of a split relate to those that a model was trained on.

    Attributes:
        num_clips: judged.
        split_rule: how the dataset was split.
        num_trained: of them, those that were trained on, by id or by content; None where the checkpoint does not say.
        num_overlapping: of them, those that share a frame with a training clip.
        sessions_in_train: sessions that were trained on; where the model knows another dataset, of the judged ones.
    """

    num_clips: int
    split_rule: str
    num_trained: int | None
    num_overlapping: int
    sessions_in_train: tuple[str, ...]

    def check_unseen(self, split: str) -> None:
        """Check that no clip was trained on.

        Raises:
            NotHeldError: if one was.
        """
        if self.num_trained:
            raise NotHeldError(
                f"{self.num_trained} of the {self.num_clips} clips of {split} were trained on: this is no test of the "
                "model",
                hint="score another split or dataset, or add --allow-seen to see how well it remembers",
            )


def find_exposure(
    restored: RestoredModel, dataset: ThermalDataset, split: str, *, num_frames: int, window_s: float | None
) -> Exposure:
    """Return what a model has seen of a split.

    Where it was trained on this very dataset, overlap is counted by arrival times, so that a frame between two that
    were shown counts too. Where it was trained on another, which may be a part of this one under other names, frames
    are recognised by their content.

    Args:
        restored: the model.
        dataset: where the split is.
        split: what is judged.
        num_frames: T, frames in a clip.
        window_s: length of a uniformly sampled clip, seconds; None for consecutive frames.

    Raises:
        DatasetError: if there is no such split.
    """
    target = restored.clip_spec.target if restored.clip_spec else "frame"
    samples = dataset.samples(split, target)
    protocol = describe_protocol(dataset, num_frames, window_s=window_s, split=split, target=target)
    num_overlapping, sessions = protocol.num_overlapping, protocol.sessions_in_train
    ids = set(restored.trained_ids)
    known = np.array([sample.sample_id in ids for sample in samples], dtype=np.bool_)
    if len(restored.trained_clips) and isinstance(restored.clip_spec, ClipSpec):
        hashes = hash_clips(dataset, samples, restored.clip_spec)
        if target == "frame":  # two people share their clip, and only one of them may have been trained on
            known |= np.isin(hashes.clips, restored.trained_clips)
        if restored.trained_dataset != dataset.fingerprint():
            overlapping = np.flatnonzero(np.isin(hashes.frames, restored.trained_frames).any(axis=1))
            num_overlapping = len(overlapping)
            sessions = tuple(sorted({samples[index].session for index in overlapping}))
    return Exposure(
        num_clips=len(samples),
        split_rule=protocol.split_rule,
        num_trained=int(known.sum()) if restored.trained_ids else None,
        num_overlapping=num_overlapping,
        sessions_in_train=sessions,
    )


def record_protocol(restored: RestoredModel, exposure: Exposure, split: str) -> ProtocolRecord:
    """Return what stands beside every score."""
    return ProtocolRecord(
        split=split,
        split_rule=exposure.split_rule,
        selection=restored.selection,
        selection_split=restored.selection_split,
        num_overlapping=exposure.num_overlapping,
        num_trained=exposure.num_trained,
        sessions_in_train=exposure.sessions_in_train,
        target=restored.clip_spec.target if restored.clip_spec else "frame",
    )
