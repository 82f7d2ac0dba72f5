"""What each choice of transfer and stopping does to the weights of a short training on the simulated dataset."""

from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from thermalctl.engine.averaging import AveragingHook, RampedAverage
from thermalctl.engine.config import load_config
from thermalctl.engine.restore import restore_model
from thermalctl.engine.trust import load_checkpoint_safely

Weights = dict[str, Tensor]
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
#: Which part of the model a parameter is in, by a part of its name; the laterals carry features out of their stage.
PARTS = {"conv1": "stem", "layer1": "stage 1", "layer2": "stage 2", "layer3": "stage 3", "layer4": "stage 4"}


@pytest.fixture(autouse=True)
def _keep_every_checkpoint(training: Any) -> None:
    # From the full rate at once, so that every step moves what it may.
    training.overrides |= {"default_hooks.checkpoint.max_keep_ckpts": -1, "param_scheduler": []}


def read_weights(path: Path) -> Weights:
    weights: Weights = load_checkpoint_safely(path)["state_dict"]
    return weights


def find_part(name: str) -> str:
    return PARTS[name.split(".")[2].removesuffix("_lateral")] if name.startswith("backbone.") else name.split(".")[0]


def find_moved(before: Weights, after: Weights) -> tuple[set[str], set[str]]:
    """Return the parts of a model that changed in any entry, and those that changed in every parameter."""
    same = {name: torch.equal(value, after[name]) for name, value in before.items()}
    parts: dict[str, list[bool]] = {}
    for name, is_same in same.items():
        if not name.startswith("data_preprocessor"):
            parts.setdefault(find_part(name), []).append(is_same)
    return {part for part, found in parts.items() if not all(found)}, {
        p for p, found in parts.items() if not any(found)
    }


def read_epochs(work_dir: Path, start: Path, epochs: int) -> list[Weights]:
    return [read_weights(start), *(read_weights(work_dir / f"epoch_{epoch}.pth") for epoch in range(1, epochs + 1))]


@pytest.fixture
def start(trained_run: Path) -> Path:
    return trained_run / "best_acc_top1_epoch_1.pth"


def test_frozen_backbone_stays_to_the_bit_and_then_learns(training: Any, trained_run: Path, start: Path) -> None:
    """Weight decay, clipping of gradients and the statistics of batch normalisation included."""
    cfg = training.prepare()
    assert cfg.optim_wrapper.optimizer.weight_decay > 0
    assert cfg.optim_wrapper.clip_grad
    training.run(epochs=3, load_from=str(trained_run), freeze_backbone=2)
    epochs = read_epochs(training.work_dir, start, 3)
    assert training.events[0].weights == str(start)
    first, second, third = (find_moved(before, after) for before, after in pairwise(epochs))
    assert first == second == ({"cls_head"}, {"cls_head"})
    assert third[1] == {"cls_head", *PARTS.values()}


def test_stages_begin_to_learn_one_by_one_from_the_top(training: Any, trained_run: Path, start: Path) -> None:
    training.run(epochs=4, load_from=str(trained_run), freeze_backbone=1, freeze_stages=2, unfreeze_every=1)
    epochs = read_epochs(training.work_dir, start, 4)
    moved = [find_moved(before, after) for before, after in pairwise(epochs)]
    learning = {"cls_head", "stage 4", "stage 3"}
    for (any_of_it, all_of_it), newly in zip(moved, ({}, {"stage 2"}, {"stage 1"}, {"stem"}), strict=True):
        learning |= set(newly)
        assert any_of_it == all_of_it == learning


def test_statistics_stay_while_everything_else_learns(training: Any, trained_run: Path, start: Path) -> None:
    training.run(load_from=str(trained_run), freeze_bn=True)
    before, after = read_epochs(training.work_dir, start, 1)
    same = {name for name, value in before.items() if torch.equal(value, after[name])}
    assert {name for name in same if not name.startswith("data_preprocessor")} == {
        name for name in before if name.endswith(STATISTICS)
    }


def test_rates_decay_from_the_head(training: Any) -> None:
    training.run(layer_decay=0.5)
    expected = [0.05 * 0.5**distance for distance in (5, 4, 3, 2, 1)]
    rates = training.events[0].rates
    assert [rates[f"backbone ({number})"] for number in range(1, 6)] == pytest.approx(expected)
    assert rates["cls_head"] == 0.05


def test_average_is_validated_and_saved(training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, np.ndarray]] = []
    validated: list[Weights] = []
    update, swap = RampedAverage.update_parameters, AveragingHook.after_val_epoch

    def watch_step(average: RampedAverage, model: torch.nn.Module) -> None:
        seen.append({name: value.double().numpy().copy() for name, value in model.state_dict().items()})
        update(average, model)

    def watch_validation(hook: AveragingHook, runner: Any, metrics: Any) -> None:
        validated.append(copy.deepcopy(runner.recognizer.state_dict()))
        swap(hook, runner, metrics)

    monkeypatch.setattr(RampedAverage, "update_parameters", watch_step)
    monkeypatch.setattr(AveragingHook, "after_val_epoch", watch_validation)
    training.run(epochs=2, ema=0.4)

    assert len(seen) == 4
    expected = seen[0]
    for step in (1, 2, 3):  # decays 2/11, 3/12 and 4/13, all below 0.4
        kept = (1 + step) / (10 + step)
        expected = {name: kept * value + (1 - kept) * seen[step][name] for name, value in expected.items()}
    saved = load_checkpoint_safely(training.work_dir / "epoch_2.pth")
    for name, value in saved["state_dict"].items():
        if not name.endswith("num_batches_tracked"):
            np.testing.assert_allclose(value.double().numpy(), expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
        assert torch.equal(value, validated[1][name])
        np.testing.assert_array_equal(saved["ema_state_dict"][f"module.{name}"].double().numpy(), seen[3][name])
    head = "cls_head.fc_cls.weight"
    assert not torch.equal(saved["state_dict"][head], saved["ema_state_dict"][f"module.{head}"])
    restored = restore_model(training.work_dir / "epoch_2.pth").model.state_dict()
    assert torch.equal(restored[head], saved["state_dict"][head])


def test_resumed_run_goes_on_as_if_it_had_never_stopped(training: Any, trained_run: Path, tmp_path: Path) -> None:
    """With a backbone that is frozen before and not after, rates of their own, and an average."""
    options: dict[str, Any] = {"epochs": 3, "ema": 0.9, "layer_decay": 0.5, "seed": 3}
    begin = options | {"load_from": str(trained_run), "freeze_backbone": 1, "unfreeze_every": 1, "freeze_stages": 1}
    training.run(**begin)
    whole = load_checkpoint_safely(training.work_dir / "epoch_3.pth")

    training.work_dir = tmp_path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        training.run(**begin, stop_after=2)
    training.cfg = load_config(str(training.work_dir / "slowfast_tiny.py"))
    training.run(epochs=None, resume=True)
    resumed = load_checkpoint_safely(training.work_dir / "epoch_3.pth")
    for key in ("state_dict", "ema_state_dict"):
        assert resumed[key].keys() == whole[key].keys()
        assert all(torch.equal(value, whole[key][name]) for name, value in resumed[key].items())
    momenta = [checkpoint["optimizer"]["state"] for checkpoint in (whole, resumed)]
    assert momenta[0].keys() == momenta[1].keys()
    assert all(torch.equal(momenta[0][i]["momentum_buffer"], momenta[1][i]["momentum_buffer"]) for i in momenta[0])


def test_run_on_more_classes_goes_on_with_the_rows_it_has(training: Any, trained_run: Path, tmp_path: Path) -> None:
    """The run knew all classes but one, in the opposite order."""
    checkpoint = load_checkpoint_safely(trained_run / "epoch_1.pth")
    classes = tuple(checkpoint["meta"]["dataset_meta"]["classes"])
    weights = checkpoint["state_dict"]
    head = {name: weights[name].clone() for name in ("cls_head.fc_cls.weight", "cls_head.fc_cls.bias")}
    for name, rows in head.items():
        weights[name] = rows.flip(0)[1:] + 1.0  # the last class is not known; the rest are easily told from new rows
    checkpoint["meta"]["dataset_meta"]["classes"] = classes[::-1][1:]
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    torch.save(checkpoint, earlier / "epoch_1.pth")

    training.run(load_from=str(earlier), overrides={"optim_wrapper.optimizer.lr": 1e-9})
    fitted = training.events[0].fitted
    assert fitted.adapted == dict.fromkeys(sorted(head), "13 of 14 classes kept")
    assert fitted.remade == ()
    found = read_weights(training.work_dir / "epoch_1.pth")
    for name, rows in head.items():
        torch.testing.assert_close(found[name][:13], rows[:13] + 1.0, rtol=0, atol=1e-5)
        assert found[name][13].abs().max() < 0.1


def test_best_epoch_and_the_end_follow_the_chosen_metric(training: Any) -> None:
    result = training.run(epochs=6, select_on="acc/mean_class", early_stopping=1, min_delta=2.0)
    assert (result.stopped_early, result.epochs) == (True, 2)
    best = restore_model(training.work_dir / f"best_acc_mean_class_epoch_{result.best_epoch}.pth")
    assert (best.selection, best.selection_split) == ("best acc/mean_class on val", "val")
    last = restore_model(training.work_dir / "epoch_2.pth")
    assert last.selection == "last epoch, stopped early on acc/mean_class of val"


def test_no_best_epoch_is_kept_where_none_is_asked_for(training: Any) -> None:
    result = training.run(select_on="none")
    assert (result.best_checkpoint, result.best_epoch) == (None, None)
    assert sorted(path.name for path in training.work_dir.glob("*.pth")) == ["epoch_1.pth"]
