"""What a model has already seen of the clips that it is to be judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.frame_hashes import hash_clips
from thermalctl.dataset.leakage import describe_protocol
from thermalctl.dataset.samples import Sample, ThermalDataset, find_clip
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
        num_overlapping: of them, those that share a frame with a training clip; None where that is not known.
        sessions_in_train: sessions that were trained on, of another dataset those judged here; None where they are not
            known.
    """

    num_clips: int
    split_rule: str
    num_trained: int | None
    num_overlapping: int | None
    sessions_in_train: tuple[str, ...] | None

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
    restored: RestoredModel,
    dataset: ThermalDataset,
    split: str,
    *,
    num_frames: int,
    window_s: float | None,
    judges_frames: bool = False,
) -> Exposure:
    """Return what a model has seen of a split.

    Of the dataset that it was trained on, samples are known by their ids and overlap by arrival times. Of another,
    which may be the same recordings under other names, clips, keyframes and frames are recognised by their content. A
    checkpoint that says nothing is taken for one that was trained on this train split, if the two splits overlap.

    Args:
        restored: the model.
        dataset: where the split is.
        split: what is judged.
        num_frames: T, frames in a clip.
        window_s: length of a uniformly sampled clip, seconds; None for consecutive frames.
        judges_frames: whether a model of people judges whole keyframes, by everyone in them.

    Raises:
        DatasetError: if there is no such split.
    """
    target = restored.clip_spec.target if restored.clip_spec and not judges_frames else "frame"
    samples = dataset.samples(split, target)
    protocol = describe_protocol(dataset, num_frames, window_s=window_s, split=split, target=target)
    if len(restored.trained_clips) and restored.trained_dataset != dataset.fingerprint():
        return _recognise(restored, dataset, samples, protocol.split_rule)
    # A person's id begins with that of their keyframe.
    ids = {trained.partition("#")[0] if judges_frames else trained for trained in restored.trained_ids}
    is_known = bool(ids) or protocol.num_overlapping > 0
    return Exposure(
        num_clips=len(samples),
        split_rule=protocol.split_rule,
        num_trained=sum(sample.sample_id in ids for sample in samples) if ids else None,
        num_overlapping=protocol.num_overlapping if is_known else None,
        sessions_in_train=protocol.sessions_in_train if is_known else None,
    )


def _recognise(
    restored: RestoredModel, dataset: ThermalDataset, samples: Sequence[Sample], split_rule: str
) -> Exposure:
    """Return what is known again of a dataset that the model was not trained on, or not under these names."""
    assert isinstance(restored.clip_spec, ClipSpec)
    spec = restored.clip_spec
    indices = [find_clip(sample, dataset, spec) for sample in samples]
    hashes = hash_clips(dataset, samples, indices, num_frames=spec.num_frames, known=restored.trained_frames)
    trained = np.isin(hashes.clips, restored.trained_clips)
    trained |= np.isin(hashes.keyframes, restored.trained_keyframes) & (hashes.keyframes != 0)
    return Exposure(
        num_clips=len(samples),
        split_rule=split_rule,
        num_trained=int(trained.sum()),
        num_overlapping=int((hashes.overlaps | trained).sum()),
        sessions_in_train=tuple(sorted({dataset.sessions[name] for name in hashes.recordings})),
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
