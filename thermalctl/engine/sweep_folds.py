"""The folds of a sweep: those that were prepared, or those that it deals itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from thermalctl.dataset.layout import DatasetLayout, find_dataset
from thermalctl.dataset.resplit import list_keyframes, resplit_into_folds
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.dataset.splitting import SplitRule, deal_folds, list_splittable
from thermalctl.errors import RequestError

#: Where a sweep keeps the folds that it dealt itself.
FOLDS_FOLDER = "folds"
#: Of the dealing, as in `split-dataset`: all seeds of a sweep are trained on the same folds.
FOLDS_SEED = 42


@dataclass(frozen=True, kw_only=True)
class NewFolds:
    """Folds that are dealt when the sweep begins.

    Attributes:
        source: the dataset; every keyframe of every split of it is dealt.
        rule: what is never divided.
        num_folds: K.
    """

    source: ThermalDataset
    rule: SplitRule
    num_folds: int


def parse_folds(text: str) -> int | Path:
    """Return how many folds to deal, from a number, or else the folder of prepared ones."""
    return int(text) if re.fullmatch(r"\d+", text) else Path(text)


def find_folds(folder: Path) -> dict[int, Path]:
    """Return the datasets fold_1, fold_2, ... in a folder, by number.

    Raises:
        RequestError: if there are fewer than two.
    """
    if not folder.is_dir():
        raise RequestError(
            f"--folds {folder}: no such folder, and no number",
            hint="--folds 2 deals the dataset; a folder is what split-dataset --folds wrote",
        )
    found = {
        int(match[1]): path
        for path in folder.iterdir()
        if (match := re.fullmatch(r"fold_(\d+)", path.name)) and DatasetLayout(path).is_dataset()
    }
    if len(found) < 2:
        raise RequestError(
            f"--folds {folder}: holds {len(found)} folds, expected the datasets fold_1, fold_2, ...",
            hint=f"thermalctl split-dataset --folds 2 --output {folder}  writes them; or deal them here: --folds 2",
        )
    return dict(sorted(found.items()))


def plan_new_folds(data: Path | None, rule: SplitRule, num_folds: int) -> NewFolds:
    """Return the folds to be dealt of a dataset; None for the one that is found.

    Raises:
        RequestError: if there are fewer groups than folds.
        DatasetError: if there is no dataset, or it is damaged.
    """
    dataset = load_dataset(find_dataset(data).layout)
    items = list_splittable(list(list_keyframes(dataset).values()), dataset.sessions)
    deal_folds(items, rule, num_folds=num_folds, seed=FOLDS_SEED)  # refuses what cannot be dealt
    return NewFolds(source=dataset, rule=rule, num_folds=num_folds)


def deal_new_folds(folds: NewFolds, output: Path, *, window_frames: int) -> None:
    """Write the folds as datasets whose recordings are linked, not copied."""
    resplit_into_folds(
        folds.source, output, folds.rule, num_folds=folds.num_folds, seed=FOLDS_SEED, window_frames=window_frames
    )
