from __future__ import annotations

import os
from pathlib import Path

from thermalctl.engine.checkpoints import find_best, find_last


def write(folder: Path, *names: str) -> None:
    """Write files, each newer than the one before."""
    for age, name in enumerate(names):
        (folder / name).write_text("")
        os.utime(folder / name, (1000 + age, 1000 + age))


def test_folder_without_checkpoints_has_none(tmp_path: Path) -> None:
    write(tmp_path, "notes.txt", "predictions_val.npz")
    assert find_best(tmp_path) is None
    assert find_last(tmp_path) is None
    assert find_last(tmp_path / "absent") is None


def test_newest_of_several_best_is_taken(tmp_path: Path) -> None:
    write(tmp_path, "best_acc_top1_epoch_9.pth", "best_acc_top1_epoch_12.pth", "epoch_15.pth")
    assert find_best(tmp_path) == tmp_path / "best_acc_top1_epoch_12.pth"


def test_last_is_the_one_that_is_pointed_to_although_the_run_was_moved(tmp_path: Path) -> None:
    write(tmp_path, "epoch_5.pth", "epoch_10.pth", "best_acc_top1_epoch_12.pth")
    (tmp_path / "last_checkpoint").write_text("/where/it/was/epoch_5.pth\n")
    assert find_last(tmp_path) == tmp_path / "epoch_5.pth"


def test_last_is_the_newest_where_the_pointer_leads_nowhere(tmp_path: Path) -> None:
    write(tmp_path, "epoch_10.pth", "epoch_5.pth")
    (tmp_path / "last_checkpoint").write_text("/where/it/was/epoch_20.pth")
    assert find_last(tmp_path) == tmp_path / "epoch_5.pth"
