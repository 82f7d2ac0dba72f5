"""What a training run starts from: pretrained weights and a dataset."""

from __future__ import annotations

import os
from pathlib import Path

from thermalctl.environment.diagnosis import Check
from thermalctl.errors import DatasetError


def check_weights(current_folder: Path, *, needed: bool) -> Check:
    """Return whether the weights of the guide's configuration are here and whole.

    Args:
        current_folder: where `checkpoints/` is looked for.
        needed: whether `train` starts from them unless told otherwise, as it does where there is a GPU.
    """
    from thermalctl.weights.catalog import DEFAULT_WEIGHTS, get_entry
    from thermalctl.weights.listing import look_up

    listed = look_up(get_entry(DEFAULT_WEIGHTS), current_folder=current_folder)
    command = f"thermalctl download-weights {DEFAULT_WEIGHTS}"
    if listed.status == "absent":
        return Check(
            name="weights",
            status="failed" if needed else "warning",
            found=f"{DEFAULT_WEIGHTS} is not here",
            why="train starts from it unless told --load-from none" if needed else "slowfast-r50 starts from it",
            fix=command,
        )
    if listed.status == "damaged":
        return Check(
            name="weights",
            status="failed",
            found=f"{listed.path} is damaged",
            why="its SHA-256 is not the published one",
            fix=f"{command} --force",
        )
    return Check(name="weights", status="ok", found=f"{DEFAULT_WEIGHTS}, verified")


def check_dataset(data: Path | None, current_folder: Path) -> Check:
    """Return whether a dataset is there and holds together.

    Args:
        data: the folder that the user named, if any.
        current_folder: where one is looked for otherwise.
    """
    try:
        from thermalctl.dataset.layout import DATA_VARIABLE, find_dataset, search_datasets
        from thermalctl.dataset.samples import load_dataset
    except ImportError as error:  # h5py or numpy: their own check says more
        return Check(name="dataset", status="skipped", found=f"not looked at: {error}")
    is_named = data is not None or bool(os.environ.get(DATA_VARIABLE))
    if not is_named and next(search_datasets(current_folder), None) is None:
        return Check(
            name="dataset",
            status="skipped",
            found="none at or below the current folder",
            why="look at one with doctor --data DIR; thermalctl demo makes one to try",
        )
    try:
        found = find_dataset(data, current_folder=current_folder)
    except DatasetError as error:
        return Check(name="dataset", status="failed" if is_named else "warning", found=error.message, fix=error.hint)
    root = found.layout.root
    try:
        dataset = load_dataset(found.layout)
    except DatasetError as error:
        first = error.message.splitlines()[0]
        fix = f"thermalctl inspect-dataset --data {root}"
        return Check(name="dataset", status="failed", found=first, fix=fix)
    keyframes = ", ".join(f"{len(annotated.images):,} {split}" for split, annotated in dataset.splits.items())
    return Check(
        name="dataset",
        status="ok",
        found=f"{root.resolve().name}, {found.how}; recordings: {len(dataset.recordings):,}; "
        f"keyframes: {keyframes}; classes: {dataset.num_classes}",
        why="more: thermalctl inspect-dataset",
    )
