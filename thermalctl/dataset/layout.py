"""Where things lie in a dataset folder, and which folder is meant when none is named.

frames/<sensor_id>.h5             recordings
annotations/<split>.json          train, val and any other split
annotations/class_mapping.json    class names in id order
statistics/*.json, dataset_info.json
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from thermalctl.errors import DatasetError

#: Names the dataset folder when `--data` does not.
DATA_VARIABLE = "THERMALCTL_DATA"
#: How deep below the current folder a dataset is looked for: `ThermalDataGen/thermal_action_dataset` is at 2.
SEARCH_DEPTH = 3
#: Folders that hold thousands of files and no dataset. Hidden folders are skipped as well.
SKIPPED_FOLDERS = frozenset(
    {"node_modules", "site-packages", "venv", "work_dirs", "folds", "__pycache__", "build", "dist"}
)

DATASET_HINT = "a dataset folder holds frames/*.h5 and annotations/train.json"
#: The splits that a dataset may have; "train" it must.
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class DatasetLayout:
    """The paths of a dataset folder; none need exist."""

    root: Path

    @property
    def frames_dir(self) -> Path:
        """The folder of recordings."""
        return self.root / "frames"

    @property
    def annotations_dir(self) -> Path:
        """The folder of annotation files."""
        return self.root / "annotations"

    @property
    def class_mapping_file(self) -> Path:
        """The class names in id order."""
        return self.annotations_dir / "class_mapping.json"

    @property
    def statistics_dir(self) -> Path:
        """The folder of what was counted when the dataset was built."""
        return self.root / "statistics"

    @property
    def sensor_info_file(self) -> Path:
        """What the recorder says of each recording."""
        return self.frames_dir / "sensor_info.json"

    @property
    def manifest_file(self) -> Path:
        """What the dataset was built from, with hashes."""
        return self.root / "manifest.json"

    @property
    def info_file(self) -> Path:
        """How and when the dataset was built."""
        return self.root / "dataset_info.json"

    def annotation_file(self, split: str) -> Path:
        """The annotation file of a split, `annotations/<split>.json`."""
        return self.annotations_dir / f"{split}.json"

    def recording_file(self, sensor_id: str) -> Path:
        """The file of a recording, `frames/<sensor_id>.h5`."""
        return self.frames_dir / f"{sensor_id}.h5"

    def find_splits(self) -> tuple[str, ...]:
        """Return those of train, val and test that there are annotation files for."""
        return tuple(split for split in SPLITS if self.annotation_file(split).is_file())

    def find_recordings(self) -> tuple[str, ...]:
        """Return the names of the recordings in `frames/`, sorted."""
        return tuple(sorted(path.stem for path in self.frames_dir.glob("*.h5")))

    def is_dataset(self) -> bool:
        """Return whether the folder holds `frames/*.h5` and `annotations/train.json`."""
        return self.annotation_file("train").is_file() and any(self.frames_dir.glob("*.h5"))


@dataclass(frozen=True, kw_only=True)
class FoundDataset:
    """A dataset folder and how it was chosen.

    Attributes:
        layout: the folder.
        how: a phrase to show beside it: "from --data", "what the run was trained on", "found below the current folder".
    """

    layout: DatasetLayout
    how: str


def find_dataset(data: Path | None, *, trained_on: Path | None = None, current_folder: Path = Path()) -> FoundDataset:
    """Return the dataset that is meant.

    It is `data`, else `trained_on` if it is still there, else `$THERMALCTL_DATA`, else the only one below the current
    folder.

    Args:
        data: the folder that the user named, if any.
        trained_on: what the run in question was trained on, if there is one and it says so.
        current_folder: where a search begins.

    Raises:
        DatasetError: if the named folder is no dataset, or if the search finds none or more than one.
    """
    if data is not None:
        return FoundDataset(layout=_expect_dataset(data), how="from --data")
    if trained_on is not None and DatasetLayout(trained_on).is_dataset():
        return FoundDataset(layout=DatasetLayout(trained_on), how="what the run was trained on")
    named = os.environ.get(DATA_VARIABLE)
    if named:
        return FoundDataset(layout=_expect_dataset(Path(named)), how=f"from ${DATA_VARIABLE}")
    found = list(search_datasets(current_folder))
    if not found:
        raise DatasetError(
            f"no dataset at or below {current_folder.resolve()}",
            hint=f"name one with --data DIR or ${DATA_VARIABLE}; {DATASET_HINT}",
        )
    if len(found) > 1:
        names = ", ".join(str(path) for path in found)
        raise DatasetError(
            f"{len(found)} datasets below {current_folder.resolve()}: {names}",
            hint=f"name the one that is meant, as in --data {found[0]}",
        )
    how = "the current folder" if found[0] == current_folder else "found below the current folder"
    return FoundDataset(layout=DatasetLayout(found[0]), how=how)


def search_datasets(folder: Path, depth: int = SEARCH_DEPTH) -> Iterator[Path]:
    """Yield the dataset folders at or below `folder`, sorted; nothing is looked for inside a dataset."""
    if DatasetLayout(folder).is_dataset():
        yield folder
    elif depth > 0:
        for below in _list_folders(folder):
            if not below.name.startswith(".") and below.name not in SKIPPED_FOLDERS:
                yield from search_datasets(below, depth - 1)


def _expect_dataset(root: Path) -> DatasetLayout:
    layout = DatasetLayout(root)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "no such folder"
        raise DatasetError(f"{root}: {what}.{_suggest_sibling(root)}", hint=DATASET_HINT)
    if layout.is_dataset():
        return layout
    inside = list(search_datasets(root))
    if len(inside) == 1:
        raise DatasetError(f"{root}: is not a dataset. Is {inside[0]} meant?", hint=DATASET_HINT)
    missing = [] if layout.annotation_file("train").is_file() else ["annotations/train.json"]
    if not layout.find_recordings():
        missing.append("frames/*.h5")
    raise DatasetError(f"{root}: is not a dataset: no {' and no '.join(missing)}", hint=DATASET_HINT)


def _suggest_sibling(root: Path) -> str:
    siblings = [folder.name for folder in _list_folders(root.parent)]
    close = difflib.get_close_matches(root.name, siblings, n=1)
    return f" Is {root.parent / close[0]} meant?" if close else ""


def _list_folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:  # unreadable, or gone: nothing of ours is in there
        return []
