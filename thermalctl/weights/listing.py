"""What the catalog offers and what of it is on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from thermalctl.errors import WeightsError
from thermalctl.weights import catalog
from thermalctl.weights.catalog import PretrainedWeights
from thermalctl.weights.store import find_weights, verify_weights


@dataclass(frozen=True, kw_only=True)
class ListedWeights:
    """One entry of the catalog and where it lies.

    Attributes:
        entry: the catalog's entry.
        status: "verified" on this machine, "damaged" there, or "absent".
        path: the file, None where it is absent.
    """

    entry: PretrainedWeights
    status: Literal["verified", "damaged", "absent"]
    path: Path | None


def list_weights(*, current_folder: Path = Path()) -> list[ListedWeights]:
    """Return every entry of the catalog, the file of each looked for and verified."""
    return [look_up(entry, current_folder=current_folder) for entry in catalog.CATALOG]


def look_up(entry: PretrainedWeights, *, current_folder: Path = Path()) -> ListedWeights:
    """Return whether an entry's file is on this machine, and whole."""
    path = find_weights(entry.name, current_folder=current_folder)
    if path is None:
        return ListedWeights(entry=entry, status="absent", path=None)
    try:
        verify_weights(path, entry)
    except WeightsError:
        return ListedWeights(entry=entry, status="damaged", path=path)
    return ListedWeights(entry=entry, status="verified", path=path)
