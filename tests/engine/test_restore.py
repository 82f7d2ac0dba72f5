from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.config import load_config
from thermalctl.engine.restore import describe_selection, find_checkpoint, restore_model
from thermalctl.engine.trust import load_checkpoint_safely
from thermalctl.errors import CheckpointError, ConfigError, RequestError
from thermalctl.evaluation.runs import FoundRun


def edit(source: Path, target: Path, **meta: Any) -> Path:
    """Copy a checkpoint with other entries in its `meta`; None removes one."""
    checkpoint = load_checkpoint_safely(source)
    changed = checkpoint["meta"] | meta
    checkpoint["meta"] = {key: value for key, value in changed.items() if value is not None}
    torch.save(checkpoint, target)
    return target


def test_own_checkpoint_says_it_all(trained_run: Path, dataset: ThermalDataset, tiny: Config) -> None:
    path = trained_run / "epoch_1.pth"
    restored = restore_model(path)
    assert restored.is_own
    assert restored.classes == dataset.classes
    assert restored.clip_spec == ClipSpec(
        classes=dataset.classes,
        num_frames=8,
        input_size=(16, 24),
        channels="fold",
        mean=tiny.clip.mean,
        std=tiny.clip.std,
    )
    assert (restored.path, restored.epoch) == (path, 1)
    assert restored.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert restored.trained_ids == tuple(sample.sample_id for sample in dataset.samples("train"))
    assert (restored.selection, restored.selection_split) == ("last epoch", None)


def test_model_comes_back_as_it_was_trained(trained_run: Path) -> None:
    restored = restore_model(trained_run / "epoch_1.pth")
    assert not restored.model.training
    saved = load_checkpoint_safely(trained_run / "epoch_1.pth")["state_dict"]
    held = restored.model.state_dict()
    assert held.keys() == saved.keys()
    assert all(torch.equal(held[name], saved[name]) for name in saved)


def test_checkpoint_chosen_on_validation_says_so(trained_run: Path) -> None:
    restored = restore_model(trained_run / "best_acc_top1_epoch_1.pth")
    assert (restored.selection, restored.selection_split) == ("best acc/top1 on val", "val")
    stopped = load_config("slowfast-r50")
    assert describe_selection(Path("epoch_40.pth"), stopped) == ("last epoch, stopped early on acc/top1 of val", "val")


def test_folder_alone_is_enough_wherever_it_lies(trained_run: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(trained_run, tmp_path / "moved"))
    found = find_checkpoint(FoundRun(folder=moved, how="as named"), last=True)
    assert restore_model(found).path == moved / "epoch_1.pth"


@pytest.mark.parametrize(
    "text",
    [
        "__import__('pathlib').Path('{flag}').touch()",
        "model = dict(type=exec(\"open('{flag}', 'w')\"))",
        "import pathlib\npathlib.Path('{flag}').touch()\nmodel = dict()",
        "model = [open('{flag}', 'w') for _ in (1,)]",
        "model = dict(type='os.system', command='touch {flag}')",
        "model = dict(type='subprocess.run', args=['touch', '{flag}'])",
        "custom_imports = dict(imports=['evil'])\nmodel = dict(type='thermalctl.files.os.system', args='touch {flag}')",
    ],
)
def test_configuration_of_a_checkpoint_runs_nothing(trained_run: Path, tmp_path: Path, text: str) -> None:
    flag = tmp_path / "flag"
    evil = edit(trained_run / "epoch_1.pth", tmp_path / "evil.pth", cfg=text.replace("{flag}", str(flag)))
    with pytest.raises(CheckpointError, match=r"evil\.pth: the (checkpoint's config|config text)"):
        restore_model(evil)
    assert not flag.exists()


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"cfg": None}, "does not say which configuration it was trained with"),
        ({"cfg": 5}, "does not say which configuration it was trained with"),
        ({"cfg": "a = 1"}, "its configuration describes no model"),
        ({"cfg": "model = 3"}, "its configuration describes no model"),
    ],
)
def test_checkpoint_that_says_too_little_is_refused(
    trained_run: Path, tmp_path: Path, meta: dict[str, Any], message: str
) -> None:
    path = edit(trained_run / "epoch_1.pth", tmp_path / "poor.pth", **({"cfg": None} | meta))
    with pytest.raises(CheckpointError, match=message):
        restore_model(path)


def test_entries_of_another_kind_are_no_surprise(trained_run: Path, tmp_path: Path) -> None:
    path = edit(trained_run / "epoch_1.pth", tmp_path / "odd.pth", thermalctl=[1], dataset_meta="classes")
    assert restore_model(path).trained_ids == ()
    checkpoint = load_checkpoint_safely(trained_run / "epoch_1.pth")
    torch.save(checkpoint | {"meta": "nothing"}, tmp_path / "odder.pth")
    with pytest.raises(CheckpointError, match="does not say which configuration"):
        restore_model(tmp_path / "odder.pth")


def test_configuration_is_named_for_a_checkpoint_without_one(
    trained_run: Path, tmp_path: Path, dataset: ThermalDataset
) -> None:
    weights = tmp_path / "weights.pth"
    torch.save(load_checkpoint_safely(trained_run / "epoch_1.pth")["state_dict"], weights)
    restored = restore_model(weights, config=str(trained_run / "slowfast_tiny.py"))
    assert restored.is_own
    assert (restored.classes, restored.epoch, restored.trained_ids) == (dataset.classes, None, ())


def test_shipped_configuration_needs_a_dataset_for_its_classes(trained_run: Path, dataset: ThermalDataset) -> None:
    with pytest.raises(RequestError, match="--config slowfast-tiny: needs a dataset to name its classes"):
        restore_model(trained_run / "epoch_1.pth", config="slowfast-tiny")
    with pytest.raises(CheckpointError, match=r"has shape .* the model's has"):  # the run's model is much smaller
        restore_model(trained_run / "epoch_1.pth", config="slowfast-tiny", dataset=dataset)
    with pytest.raises(ConfigError, match="no such configuration or file"):
        restore_model(trained_run / "epoch_1.pth", config="slowfast-tny", dataset=dataset)


def test_damaged_and_missing_checkpoints_are_refused(trained_run: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.pth").write_bytes((trained_run / "epoch_1.pth").read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"cut\.pth: is no checkpoint, or is damaged"):
        restore_model(tmp_path / "cut.pth")
    with pytest.raises(CheckpointError, match=r"absent\.pth: no such file"):
        restore_model(tmp_path / "absent.pth")


def make_run(folder: Path, *names: str) -> FoundRun:
    for age, name in enumerate(names):
        (folder / name).write_text("")
        os.utime(folder / name, (1000 + age, 1000 + age))
    return FoundRun(folder=folder, how="as named")


def test_best_checkpoint_comes_before_the_last(tmp_path: Path) -> None:
    run = make_run(tmp_path, "best_acc_top1_epoch_3.pth", "epoch_5.pth", "epoch_10.pth")
    assert find_checkpoint(run).name == "best_acc_top1_epoch_3.pth"
    assert find_checkpoint(run, last=True).name == "epoch_10.pth"


def test_checkpoint_that_is_named_is_taken(tmp_path: Path) -> None:
    make_run(tmp_path, "best_acc_top1_epoch_3.pth", "epoch_5.pth")
    named = FoundRun(folder=tmp_path, how="as named", file=tmp_path / "epoch_5.pth")
    assert find_checkpoint(named) == tmp_path / "epoch_5.pth"
    predictions = FoundRun(folder=tmp_path, how="as named", file=tmp_path / "predictions_val.npz")
    assert find_checkpoint(predictions).name == "best_acc_top1_epoch_3.pth"


def test_run_without_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="holds no checkpoint"):
        find_checkpoint(make_run(tmp_path, "predictions_val.npz"))
