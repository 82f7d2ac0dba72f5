"""Where a run comes from: the record in its folder and in each of its checkpoints."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from thermalctl.dataset.frame_hashes import hash_clips
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.engine.config import iterate_datasets
from thermalctl.engine.runner import ThermalRunner
from thermalctl.pipeline.clip_dataset import ClipDataset, find_innermost
from thermalctl.version import __version__

#: What of the record is large, and only in checkpoints.
SAMPLES = ("train_sample_ids", "train_clip_hashes", "train_keyframe_hashes", "train_frame_hashes")

_PACKAGES = ("torch", "mmaction2", "mmengine", "mmcv-lite", "numpy", "h5py")


def list_versions() -> dict[str, str]:
    """Return the version of each package that a result may depend on."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def find_trained_dataset(cfg: Config) -> ThermalDataset | None:
    """Return the dataset that a complete configuration trains on; None where its files are not a dataset folder."""
    for _, leaf in iterate_datasets(cfg):
        if "clip_spec" in leaf:
            return load_dataset(DatasetLayout(Path(leaf.data_root)))
        if leaf.get("ann_file"):
            annotations = Path(leaf.get("data_root") or "", leaf.ann_file)
            layout = DatasetLayout(annotations.parent.parent)
            is_its_own = annotations == layout.annotation_file("train") and layout.is_dataset()
            return load_dataset(layout) if is_its_own else None
    return None


def record_run(runner: ThermalRunner, dataset: ThermalDataset | None, command: Sequence[str]) -> dict[str, Any]:
    """Return where a run comes from, as plain JSON values."""
    preprocessor = runner.cfg.model.get("data_preprocessor", {})
    clip_spec = preprocessor.get("clip_spec")
    return {
        "thermalctl_version": __version__,
        "command": list(command),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "versions": list_versions(),
        "seed": runner.seed,
        "weights": runner.cfg.get("load_from"),
        "dataset": str(dataset.layout.root.resolve()) if dataset else None,
        "dataset_fingerprint": dataset.fingerprint() if dataset else None,
        "clip_spec": clip_spec.to_dict() if clip_spec else None,
        "train_sample_ids": list_sample_ids(runner),
        **_hash_trained(runner, dataset),
    }


def _hash_trained(runner: ThermalRunner, dataset: ThermalDataset | None) -> dict[str, Tensor]:
    """Return hashes of the training clips, their keyframes and their frames; nothing where they are unknown.

    A model is no judge of what it was trained on, under whatever name it meets it again.
    """
    trained = find_innermost(runner.train_dataloader.dataset)
    if dataset is None or not isinstance(trained, ClipDataset):
        return {}
    hashes = hash_clips(dataset, trained.samples, trained.indices, num_frames=trained.spec.num_frames)
    return {
        "train_clip_hashes": torch.from_numpy(np.unique(hashes.clips)),
        "train_keyframe_hashes": torch.from_numpy(np.setdiff1d(hashes.keyframes, [0])),
        "train_frame_hashes": torch.from_numpy(hashes.frames),
    }


def list_sample_ids(runner: ThermalRunner) -> list[str]:
    """Return the ids of the training samples, in order; empty for a dataset that has none."""
    return list(getattr(find_innermost(runner.train_dataloader.dataset), "sample_ids", []))
