from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.accuracy import ClassAccuracy
from thermalctl.engine.choices.stopping import list_metrics
from thermalctl.engine.restore import describe_selection
from thermalctl.errors import ConfigError, RequestError

Complete = Callable[..., Config]
Compare = Callable[[Config, Config], dict[str, Any]]

#: A flag, and all that it changes in the shipped SlowFast R50, which stops early and selects on acc/top1.
FLAGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"early_stopping": 5}, {"custom_hooks.0.patience": 5}),
    ({"monitor": "acc/mean1"}, {"custom_hooks.0.monitor": "acc/mean1"}),
    ({"min_delta": 0.01}, {"custom_hooks.0.min_delta": 0.01}),
    (
        {"select_on": "acc/mean1"},
        {"default_hooks.checkpoint.save_best": "acc/mean1", "custom_hooks.0.monitor": "acc/mean1"},
    ),
    (
        {"select_on": "acc/mean_class", "monitor": "acc/top3", "early_stopping": 7},
        {
            "default_hooks.checkpoint.save_best": "acc/mean_class",
            "custom_hooks.0.monitor": "acc/top3",
            "custom_hooks.0.patience": 7,
        },
    ),
    ({"select_on": "none"}, {"default_hooks.checkpoint.save_best": None, "default_hooks.checkpoint.rule": None}),
    ({"select_on": "acc/top1"}, {}),
]


@pytest.mark.parametrize(("options", "changed"), FLAGS, ids=lambda value: "-".join(map(str, value)))
def test_flag_changes_what_it_should_and_nothing_else(
    r50: Config,
    dataset: ThermalDataset,
    complete: Complete,
    compare: Compare,
    options: dict[str, Any],
    changed: dict[str, Any],
) -> None:
    assert compare(complete(r50, dataset), complete(r50, dataset, **options)) == changed


def test_early_stopping_is_turned_off(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    assert complete(r50, dataset, early_stopping=0).custom_hooks == []
    off = complete(r50, dataset, early_stopping=0, select_on="acc/mean1")
    assert (off.custom_hooks, off.default_hooks.checkpoint.save_best) == ([], "acc/mean1")


@pytest.mark.parametrize(
    ("options", "monitor", "min_delta"),
    [
        ({}, "acc/top1", 0.001),
        ({"select_on": "acc/mean1"}, "acc/mean1", 0.001),
        ({"select_on": "none"}, "acc/top1", 0.001),
        ({"monitor": "acc/top3", "min_delta": 0.02}, "acc/top3", 0.02),
        ({"monitor": "acc/top3", "select_on": "acc/mean1"}, "acc/top3", 0.001),
    ],
)
def test_early_stopping_is_added_where_there_is_none(
    tiny: Config,
    dataset: ThermalDataset,
    complete: Complete,
    options: dict[str, Any],
    monitor: str,
    min_delta: float,
) -> None:
    hook = {"type": "EarlyStoppingHook", "patience": 4, "monitor": monitor, "rule": "greater", "min_delta": min_delta}
    assert complete(tiny, dataset, early_stopping=4, **options).custom_hooks == [hook]


def test_early_stopping_follows_what_the_configuration_selects_on(
    tiny: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    cfg = copy.deepcopy(tiny)
    cfg.default_hooks.checkpoint.save_best = "acc/mean_class"
    assert complete(cfg, dataset, early_stopping=4).custom_hooks[0].monitor == "acc/mean_class"
    for undecided in (["acc/top1", "acc/mean1"], "auto"):
        cfg.default_hooks.checkpoint.save_best = undecided
        assert complete(cfg, dataset, early_stopping=4).custom_hooks[0].monitor == "acc/top1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"early_stopping": -1}, "--early-stopping is -1, expected a number of validations"),
        ({"min_delta": 0.0}, "--min-delta is 0, expected more than 0: the same score again is no improvement"),
        ({"min_delta": float("nan")}, "--min-delta is nan, expected more than 0"),
        ({"early_stopping": 0, "monitor": "acc/top1"}, "--monitor acc/top1 and --early-stopping 0 contradict"),
        ({"early_stopping": 0, "min_delta": 0.1}, "--min-delta 0.1 and --early-stopping 0 contradict"),
    ],
)
def test_impossible_and_contradictory_flags_are_refused(
    r50: Config, dataset: ThermalDataset, complete: Complete, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        complete(r50, dataset, **options)


@pytest.mark.parametrize("flag", ["monitor", "select_on"])
def test_unknown_metric_is_refused_with_those_there_are(
    r50: Config, dataset: ThermalDataset, complete: Complete, flag: str
) -> None:
    message = (
        f"--{flag.replace('_', '-')} acc/mean_clas: validation gives no such metric, "
        "but acc/top1, acc/top5, acc/mean1, acc/top3, acc/mean_class"
    )
    with pytest.raises(ConfigError, match=message) as caught:
        complete(r50, dataset, **{flag: "acc/mean_clas"})
    assert caught.value.hint == "is acc/mean_class meant?"
    with pytest.raises(ConfigError, match="validation gives no such metric") as caught:
        complete(r50, dataset, **{flag: "f"})
    assert caught.value.hint == "name one of them, as acc/top1"


def test_metrics_that_are_listed_are_those_that_validation_gives(tiny: Config) -> None:
    given = ClassAccuracy().calculate([np.array([0.1, 0.9]), np.array([0.8, 0.2])], [0, 1])
    assert {f"acc/{name}" for name in given} == set(list_metrics(tiny) or ())


@pytest.mark.parametrize(
    ("evaluator", "metrics"),
    [
        ({"type": "AccMetric"}, ("acc/top1", "acc/top5", "acc/mean1", "acc/top3", "acc/mean_class", "acc/log_loss")),
        (
            [{"type": "mmaction.AccMetric", "metric_list": "top_k_accuracy", "prefix": "a",
              "metric_options": {"top_k_accuracy": {"topk": (2,)}}}],
            ("a/top2", "a/top3", "a/mean_class", "a/log_loss"),
        ),
        ({"type": "AccMetric", "metric_list": ("mean_average_precision",)},
         ("acc/mean_average_precision", "acc/top3", "acc/mean_class", "acc/log_loss")),
        ({"type": "AccMetric", "metric_options": {"top_k_accuracy": {"topk": 7}}},
         ("acc/top7", "acc/mean1", "acc/top3", "acc/mean_class", "acc/log_loss")),
        ([{"type": "AccMetric"}, {"type": "ConfusionMatrix"}], None),
        (None, ()),
    ],
)  # fmt: skip
def test_metrics_follow_from_the_evaluator(evaluator: Any, metrics: tuple[str, ...] | None) -> None:
    assert list_metrics(Config({"val_evaluator": evaluator})) == metrics


def write_config(**values: Any) -> Config:
    plain: dict[str, Any] = {"model": {"type": "Recognizer3D"}, "train_cfg": {"max_epochs": 10}}
    return Config(plain | {"optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}}} | values)


def test_users_configuration_without_such_hooks_is_given_them(complete: Complete) -> None:
    cfg = complete(write_config(val_evaluator={"type": "AccMetric"}), None, select_on="acc/mean1", early_stopping=3)
    expected = {"type": "CheckpointHook", "interval": 1, "save_best": "acc/mean1", "rule": "greater"}
    assert cfg.default_hooks.checkpoint == expected
    assert [hook.monitor for hook in cfg.custom_hooks] == ["acc/mean1"]


def test_metric_of_an_evaluator_that_tells_nothing_is_taken_as_it_is(complete: Complete) -> None:
    cfg = complete(write_config(val_evaluator={"type": "Theirs"}), None, select_on="val/loss", early_stopping=3)
    assert (cfg.default_hooks.checkpoint.rule, cfg.custom_hooks[0].rule) == ("less", "less")


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ({}, {"select_on": "acc/top1"}, "--select-on acc/top1: this configuration validates nothing"),
        ({}, {"early_stopping": 3}, "--early-stopping: this configuration validates nothing"),
        (
            {"val_evaluator": {"type": "AccMetric"}},
            {"monitor": "acc/top1"},
            "--monitor acc/top1: this configuration does not stop early",
        ),
        (
            {"val_evaluator": {"type": "AccMetric"}},
            {"min_delta": 0.1},
            "--min-delta 0.1: this configuration does not stop early",
        ),
        (
            {"val_evaluator": {"type": "AccMetric"}, "default_hooks": {"checkpoint": None}},
            {"select_on": "acc/top1"},
            "--select-on: this configuration saves no checkpoints",
        ),
    ],
)
def test_flag_that_finds_nothing_to_change_is_refused(
    complete: Complete, values: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        complete(write_config(**values), None, **options)


def test_checkpoint_says_by_what_it_was_selected(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    cfg = complete(r50, dataset, select_on="acc/mean_class", monitor="acc/top3")
    assert describe_selection(Path("best_acc_mean_class_epoch_7.pth"), cfg) == ("best acc/mean_class on val", "val")
    assert describe_selection(Path("epoch_40.pth"), cfg) == ("last epoch, stopped early on acc/top3 of val", "val")
    assert describe_selection(Path("epoch_100.pth"), cfg) == ("last epoch", None)
    cfg.default_hooks.checkpoint.save_best = ["acc/top1", "my_own_score"]
    assert describe_selection(Path("best_my_own_score_epoch_7.pth"), cfg) == ("best my_own_score on val", "val")
    assert describe_selection(Path("epoch_40.pth"), complete(r50, dataset, early_stopping=0)) == ("last epoch", None)
