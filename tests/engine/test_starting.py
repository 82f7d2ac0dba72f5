from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from thermalctl.engine.starting import find_head_classes, find_start, suggest_for_size
from thermalctl.engine.trust import load_checkpoint_safely
from thermalctl.errors import ConfigError, RequestError, WeightsError
from thermalctl.models.head_classes import HeadClasses


def make_config(work_dir: Path, **values: Any) -> Config:
    plain = {"work_dir": str(work_dir), "resume": False, "train_cfg": {"max_epochs": 1}, "custom_hooks": []}
    return Config(plain | values)


def test_folder_of_a_run_means_its_best_checkpoint_else_its_last(trained_run: Path, tmp_path: Path) -> None:
    cfg = make_config(tmp_path / "new", load_from=str(trained_run))
    assert find_start(cfg) == str(trained_run / "best_acc_top1_epoch_1.pth")
    unselected = Path(shutil.copytree(trained_run, tmp_path / "unselected"))
    (unselected / "best_acc_top1_epoch_1.pth").unlink()
    cfg.load_from = str(unselected)
    assert find_start(cfg) == str(unselected / "epoch_1.pth")


def test_folder_of_a_run_is_resumed_from_its_last_checkpoint(trained_run: Path, tmp_path: Path) -> None:
    cfg = make_config(tmp_path / "new", load_from=str(trained_run), resume=True)
    assert find_start(cfg) == str(trained_run / "epoch_1.pth")


def test_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="the folder holds no checkpoint"):
        find_start(make_config(tmp_path / "new", load_from=str(tmp_path)))
    with pytest.raises(WeightsError, match="no such file"):
        find_start(make_config(tmp_path / "new", load_from=str(tmp_path / "absent")))


def test_average_of_the_weights_is_neither_begun_nor_dropped_on_the_way(trained_run: Path, tmp_path: Path) -> None:
    averaging = [{"type": "thermalctl.engine.averaging.AveragingHook", "decay": 0.9}]
    cfg = make_config(trained_run, resume=True)
    assert find_start(cfg) == str(trained_run / "epoch_1.pth")
    cfg.custom_hooks = averaging
    with pytest.raises(ConfigError, match="belongs to a run that began without --ema, and is resumed with it"):
        find_start(cfg)

    checkpoint = load_checkpoint_safely(trained_run / "epoch_1.pth")
    torch.save(checkpoint | {"ema_state_dict": {}}, tmp_path / "epoch_1.pth")
    cfg.work_dir = str(tmp_path)
    assert find_start(cfg) == str(tmp_path / "epoch_1.pth")
    cfg.custom_hooks = [{"type": "EMAHook"}]  # MMEngine's own
    assert find_start(cfg) == str(tmp_path / "epoch_1.pth")
    cfg.custom_hooks = []
    with pytest.raises(ConfigError, match="belongs to a run that began with --ema, and is resumed without it"):
        find_start(cfg)


def test_classes_of_both_heads_are_found_by_name() -> None:
    checkpoint = {"meta": {"dataset_meta": {"classes": ["a", "b"]}}}
    assert find_head_classes(checkpoint, {"classes": ("b", "c")}) == HeadClasses(given=("a", "b"), wanted=("b", "c"))


@pytest.mark.parametrize(
    ("checkpoint", "dataset_meta"),
    [
        ({}, {"classes": ("a",)}),
        ({"meta": "nothing"}, {"classes": ("a",)}),
        ({"meta": {"dataset_meta": None}}, {"classes": ("a",)}),
        ({"meta": {"dataset_meta": {"classes": "ab"}}}, {"classes": ("a",)}),
        ({"meta": {"dataset_meta": {"classes": ("a",)}}}, {}),
    ],
)
def test_heads_without_names_are_not_compared(checkpoint: dict[str, Any], dataset_meta: dict[str, Any]) -> None:
    assert find_head_classes(checkpoint, dataset_meta) is None


def make_recipe(dropout: float | None, epochs: int) -> Config:
    head = {} if dropout is None else {"dropout_ratio": dropout}
    return Config({"model": {"cls_head": head}, "train_cfg": {"max_epochs": epochs}})


@pytest.mark.parametrize(
    ("num_train", "dropout", "epochs", "expected"),
    [
        (1000, 0.8, 100, []),
        (1240, 0.5, 150, []),
        (1240, 0.2, 200, []),
        (1240, None, 200, []),
        (
            1240,
            0.8,
            100,
            ["clips: 1,240 to train on; past 1,000, try --dropout 0.5 (here 0.8) and --epochs 150 (here 100)"],
        ),
        (1240, 0.5, 100, ["clips: 1,240 to train on; past 1,000, try --epochs 150 (here 100)"]),
        (1240, 0.8, 150, ["clips: 1,240 to train on; past 1,000, try --dropout 0.5 (here 0.8)"]),
    ],
)
def test_many_clips_are_told_of_the_guides_values_that_differ(
    num_train: int, dropout: float | None, epochs: int, expected: list[str]
) -> None:
    assert suggest_for_size(num_train, make_recipe(dropout, epochs)) == expected
