"""The dataset that training reads: clips as recorded, one channel of degrees Celsius.

Nothing is resized, normalised or copied here; the preprocessor does that on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from thermalctl.clip_spec import ClipSpec
from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.person_tracks import PersonTrack, find_person_tracks
from thermalctl.dataset.samples import find_clip, load_dataset
from thermalctl.errors import DatasetError, summarise_problems
from thermalctl.recordings.health import find_incomplete_frames
from thermalctl.recordings.pool import RecordingPool

prepare_mmaction()

from mmaction.structures import ActionDataSample  # noqa: E402

#: Memory for decoded recordings, by default: 28,000 frames of 40x60, 47 minutes at 10 frames a second.
FRAME_CACHE_MIB = 256


class ClipDataset(Dataset[dict[str, Any]]):
    """The clips of one split.

    An item is {"inputs": (T, H, W) float32 tensor, deg C; "data_samples": `ActionDataSample` with `gt_label`, the
    sample's identity, its `boxes` and, of a person who is to be followed, `track`: (T, 4) float64, their box in each
    frame}. Boxes are centre x, centre y, width, height in 0..1. Recordings are opened when first read, in each worker
    process anew.

    Args:
        data_root: the dataset folder.
        split: "train", "val", or another annotation file's name.
        clip_spec: a `ClipSpec` as a dict; its length, time sampling and target decide what a clip is.
        context_frames: E, frames to deliver beyond the clip's own on each side, as far apart: an item then has T + 2E,
            of which training takes T.
        frame_cache_mib: memory for decoded recordings, in MiB; 0 to decode each clip anew.

    Raises:
        DatasetError: if the folder is inconsistent, or, with repair, a clip holds no complete frame.
    """

    def __init__(
        self,
        data_root: str,
        split: str,
        clip_spec: Mapping[str, Any],
        context_frames: int = 0,
        frame_cache_mib: int = FRAME_CACHE_MIB,
    ) -> None:
        self.spec = ClipSpec.from_dict(clip_spec)
        self.dataset = load_dataset(DatasetLayout(Path(data_root)))
        self._recordings = RecordingPool(self.dataset.layout.frames_dir, held_bytes=frame_cache_mib * 2**20)
        self.samples = self.dataset.samples(split, self.spec.target)
        self.indices = [
            find_clip(sample, self.dataset, self.spec, context_frames=context_frames) for sample in self.samples
        ]
        is_followed = self.spec.target == "person" and self.spec.person_crop == "follow"
        self._tracks: dict[str, PersonTrack] = find_person_tracks(self.dataset) if is_followed else {}
        self.num_frames_seen, self.num_frames_incomplete = self._check_frames()

    @property
    def metainfo(self) -> dict[str, Any]:
        """What MMEngine saves of the dataset in a checkpoint."""
        return {"classes": list(self.spec.classes)}

    @property
    def sample_ids(self) -> list[str]:
        """The ids of the samples, in order."""
        return [sample.sample_id for sample in self.samples]

    def full_init(self) -> None:
        """Read nothing more; MMEngine's wrappers (`RepeatDataset`, `ClassBalancedDataset`) ask for it."""

    def get_cat_ids(self, index: int) -> list[int]:
        """Return the sample's class id in a list, as `ClassBalancedDataset` asks for it."""
        return [self.samples[index].label]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = self.samples[index]
        clip_c = self._recordings.read(sample.recording, self.indices[index])
        data_sample = ActionDataSample(
            metainfo={
                "sample_id": sample.sample_id,
                "session": sample.session,
                "boxes": [tuple(box) for box in sample.boxes],
            }
        )
        if self._tracks:
            track = self._tracks[sample.sample_id].locate(self.indices[index])
            data_sample.set_metainfo({"track": track})
        data_sample.set_gt_label(sample.label)
        return {"inputs": torch.from_numpy(np.ascontiguousarray(clip_c)), "data_samples": data_sample}

    def _check_frames(self) -> tuple[int, int]:
        """Return how many frames the clips draw on and how many of those are incomplete."""
        used: dict[str, NDArray[np.bool_]] = {}
        incomplete: dict[str, NDArray[np.bool_]] = {}
        problems = []
        for sample, indices in zip(self.samples, self.indices, strict=True):
            name = sample.recording
            if name not in used:
                incomplete[name] = find_incomplete_frames(self._recordings.read_all(name))
                used[name] = np.zeros_like(incomplete[name])
            used[name][indices] = True
            if self.spec.repair == "nearest" and incomplete[name][indices].all():
                problems.append(
                    f'sample "{sample.sample_id}": none of the {len(indices)} frames of its clip is complete'
                )
        if problems:
            raise DatasetError(
                summarise_problems(problems),
                hint="remove these keyframes, or widen the clip: --cfg-options clip.num_frames=...",
            )
        num_incomplete = sum(int((incomplete[name] & frames).sum()) for name, frames in used.items())
        return sum(int(frames.sum()) for frames in used.values()), num_incomplete


def find_innermost(dataset: Any) -> Any:
    """Return the dataset inside whatever wraps it, as `RepeatDataset` does."""
    while hasattr(dataset, "dataset") and not hasattr(dataset, "sample_ids"):
        dataset = dataset.dataset
    return dataset
