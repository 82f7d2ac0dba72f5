"""On which clips an exported model is compared with PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from thermalctl.dataset.layout import find_dataset
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.errors import DatasetError
from thermalctl.evaluation.runs import FoundRun, find_trained_dataset_folder


def choose_split(dataset: ThermalDataset | None) -> str:
    """Return the split to compare on: val, or where there is none, train."""
    return "val" if dataset is None or "val" in dataset.splits else "train"


def choose_dataset(
    data: Path | None, run: FoundRun, *, may_lack: bool, on_note: Callable[[str], None]
) -> ThermalDataset | None:
    """Return the dataset to compare on; None where there is none and none is needed.

    Args:
        data: the one that the user names; None for what the run was trained on, or else the one that is found.
        run: the run.
        may_lack: whether the export does without.
        on_note: told what was chosen.

    Raises:
        DatasetError: if there is none.
    """
    try:
        found = find_dataset(data, trained_on=find_trained_dataset_folder(run.folder))
    except DatasetError as error:
        if may_lack and data is None:
            on_note(f"dataset: none ({error.message})")
            return None
        hint = f"{error.hint}; or name the sensor's --frame-size and leave the file unchecked" if data is None else None
        raise DatasetError(error.message, hint=hint or error.hint) from error
    on_note(f"dataset: {found.layout.root} ({found.how})")
    return load_dataset(found.layout)
