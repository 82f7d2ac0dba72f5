"""What the catalog offers and what of it is on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from thermalctl.errors import WeightsError
from thermalctl.weights import catalog
from thermalctl.weights.catalog import PretrainedWeights
from thermalctl.weights.store import CHECKPOINTS_FOLDER, find_weights, verify_weights


@dataclass(frozen=True, kw_only=True)
class ListedWeights:
    """One entry of the catalog and where it lies.

    Attributes:
        entry: the catalog's entry.
        status: "verified" on this machine, "damaged" there, or "absent".
        path: the file, None where it is absent.
        place: which of the two folders it lies in, None where it is absent.
        num_bytes: its size, None where it is absent.
        approximate_num_bytes: about what its size should be, estimated from the number of parameters.
    """

    entry: PretrainedWeights
    status: Literal["verified", "damaged", "absent"]
    path: Path | None
    place: Literal["checkpoints", "cache"] | None
    num_bytes: int | None
    approximate_num_bytes: int


def list_weights(*, current_folder: Path = Path()) -> list[ListedWeights]:
    """Return every entry of the catalog, the file of each looked for and verified."""
    return [look_up(entry, current_folder=current_folder) for entry in catalog.CATALOG]


def look_up(entry: PretrainedWeights, *, current_folder: Path = Path()) -> ListedWeights:
    """Return whether an entry's file is on this machine, and whole."""
    path = find_weights(entry.name, current_folder=current_folder)
    return ListedWeights(
        entry=entry,
        status=_judge(path, entry),
        path=path,
        place=_find_place(path, current_folder),
        num_bytes=path.stat().st_size if path else None,
        approximate_num_bytes=entry.approximate_size,
    )


def _judge(path: Path | None, entry: PretrainedWeights) -> Literal["verified", "damaged", "absent"]:
    if path is None:
        return "absent"
    try:
        verify_weights(path, entry)
    except WeightsError:
        return "damaged"
    return "verified"


def _find_place(path: Path | None, current_folder: Path) -> Literal["checkpoints", "cache"] | None:
    if path is None:
        return None
    return "checkpoints" if path.parent == current_folder / CHECKPOINTS_FOLDER else "cache"
