from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from mmengine.config import Config

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.errors import ConfigError, RequestError

Complete = Callable[..., Config]
Compare = Callable[[Config, Config], dict[str, Any]]

FREEZE = "thermalctl.engine.freezing.FreezeHook"
#: A flag, and all that it changes in the shipped SlowFast R50, which has one hook of its own.
FLAGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"freeze_backbone": 10},
        {"custom_hooks.1.type": FREEZE, "custom_hooks.1.epochs": 10, "find_unused_parameters": True},
    ),
    (
        {"freeze_backbone": 5, "freeze_stages": 2, "unfreeze_every": 3},
        {
            "custom_hooks.1.type": FREEZE,
            "custom_hooks.1.epochs": 5,
            "custom_hooks.1.stages": 2,
            "custom_hooks.1.unfreeze_every": 3,
            "find_unused_parameters": True,
        },
    ),
    ({"freeze_backbone": 0}, {}),
    ({"freeze_bn": True}, {"custom_hooks.1.type": "thermalctl.engine.freezing.FreezeNormHook"}),
    (
        {"layer_decay": 0.5},
        {
            "optim_wrapper.constructor": "thermalctl.engine.layer_decay.LayerDecayConstructor",
            "optim_wrapper.paramwise_cfg.layer_decay": 0.5,
            "param_scheduler.1.eta_min": "gone",
            "param_scheduler.1.eta_min_ratio": pytest.approx(1e-4 / 0.005),
        },
    ),
    (
        {"ema": 0.999},
        {"custom_hooks.1.type": "thermalctl.engine.averaging.AveragingHook", "custom_hooks.1.decay": 0.999},
    ),
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


def test_flag_edits_what_the_configuration_has_and_doubles_nothing(
    r50: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    options: dict[str, Any] = {"freeze_bn": True, "layer_decay": 0.5, "ema": 0.9}
    first = complete(r50, dataset, freeze_backbone=10, freeze_stages=2, **options)
    second = complete(first, dataset, freeze_backbone=20, **options)
    assert second.custom_hooks == [
        *r50.custom_hooks,
        {"type": FREEZE, "epochs": 20, "stages": 2},
        {"type": "thermalctl.engine.freezing.FreezeNormHook"},
        {"type": "thermalctl.engine.averaging.AveragingHook", "decay": 0.9},
    ]
    assert second.optim_wrapper == first.optim_wrapper
    assert complete(first, dataset, unfreeze_every=4).custom_hooks[1].unfreeze_every == 4
    assert complete(first, dataset, freeze_backbone=0).custom_hooks == [*r50.custom_hooks, *first.custom_hooks[2:]]


def test_distributed_training_is_told_not_to_wait_for_what_is_frozen(
    r50: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    cfg = copy.deepcopy(r50)
    cfg.model_wrapper_cfg = {"type": "MMDistributedDataParallel"}
    assert complete(cfg, dataset, freeze_backbone=3).model_wrapper_cfg.find_unused_parameters is True
    assert "find_unused_parameters" not in complete(cfg, dataset).model_wrapper_cfg


def test_lowest_rate_of_a_given_rate_is_a_share_of_it(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    cfg = complete(r50, dataset, layer_decay=0.5, lr=0.02)
    assert cfg.param_scheduler[1].eta_min_ratio == pytest.approx(1e-4 / 0.005)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze_backbone": -1}, "--freeze-backbone is -1, expected a number of epochs"),
        ({"freeze_backbone": 1, "freeze_stages": 0}, "--freeze-stages is 0, expected 1 to 4"),
        ({"freeze_backbone": 1, "freeze_stages": 5}, "--freeze-stages is 5, expected 1 to 4"),
        ({"freeze_backbone": 1, "unfreeze_every": 0}, "--unfreeze-every is 0, expected a number of epochs from 1"),
        ({"freeze_backbone": 0, "unfreeze_every": 2}, "--unfreeze-every 2 and --freeze-backbone 0 contradict"),
        ({"freeze_backbone": 0, "freeze_stages": 2}, "--freeze-stages 2 and --freeze-backbone 0 contradict"),
        ({"layer_decay": 0.0}, "--layer-decay is 0.0, expected more than 0, at most 1"),
        ({"layer_decay": 1.1}, "--layer-decay is 1.1, expected more than 0, at most 1"),
        ({"ema": 1.0}, "--ema is 1.0, expected more than 0 and less than 1"),
        ({"ema": 0.0}, "--ema is 0.0, expected more than 0 and less than 1"),
        ({"ema": float("nan")}, "--ema is nan, expected more than 0 and less than 1"),
    ],
)
def test_impossible_and_contradictory_flags_are_refused(
    r50: Config, dataset: ThermalDataset, complete: Complete, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        complete(r50, dataset, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze_stages": 2}, "--freeze-stages 2: nothing is frozen"),
        ({"unfreeze_every": 2}, "--unfreeze-every 2: nothing is frozen"),
        ({"freeze_backbone": 100}, "--freeze-backbone is 100 of 100 epochs: the backbone never learns"),
        ({"freeze_backbone": 5, "epochs": 5}, "--freeze-backbone is 5 of 5 epochs"),
        (
            {"freeze_backbone": 4, "unfreeze_every": 4, "epochs": 20},
            "the stem would begin to learn after epoch 20 of 20",
        ),
        ({"freeze_backbone": 5, "load_from": "none"}, "--freeze-backbone: the model starts from random weights"),
        ({"freeze_bn": True, "load_from": "none"}, "--freeze-bn: the model starts from random weights"),
    ],
)
def test_flags_that_do_not_fit_the_configuration_are_refused(
    r50: Config, dataset: ThermalDataset, complete: Complete, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        complete(r50, dataset, **options)


def test_stages_that_are_frozen_alone_are_unfrozen_sooner(
    r50: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    """The stem is the third to be unfrozen, not the fifth."""
    options: dict[str, Any] = {"freeze_backbone": 4, "unfreeze_every": 4, "epochs": 20, "freeze_stages": 2}
    assert complete(r50, dataset, **options).custom_hooks[1].stages == 2


def test_random_weights_may_be_frozen_where_they_come_from_elsewhere(
    tiny: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    with pytest.raises(ConfigError, match="the model starts from random weights"):
        complete(tiny, dataset, freeze_backbone=3)
    assert complete(tiny, dataset, freeze_backbone=3, load_from="run").load_from == "run"
    assert complete(tiny, dataset, freeze_backbone=3, resume=True).resume
    cfg = copy.deepcopy(tiny)
    cfg.model.backbone.slow_pathway.pretrained = "torchvision://resnet18"
    assert complete(cfg, dataset, freeze_bn=True).load_from is None
    cfg.model.backbone.slow_pathway.pretrained = None
    cfg.model.backbone.init_cfg = {"type": "Pretrained", "checkpoint": "x.pth"}
    assert complete(cfg, dataset, freeze_bn=True).load_from is None


def test_configuration_that_already_freezes_is_held_to_the_same(
    tiny: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    frozen = complete(tiny, dataset, freeze_backbone=3, load_from="run")
    with pytest.raises(ConfigError, match="the model starts from random weights"):
        complete(frozen, dataset, load_from="none")
    with pytest.raises(ConfigError, match="--freeze-backbone is 3 of 2 epochs"):
        complete(frozen, dataset, epochs=2)


def write_config(**values: Any) -> Config:
    plain: dict[str, Any] = {"model": {"type": "Recognizer3D"}, "load_from": "x.pth", "train_cfg": {"max_epochs": 10}}
    return Config(plain | {"optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}}} | values)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (
            {"optim_wrapper": {"optimizer": {"lr": 0.1}, "constructor": "TSMOptimWrapperConstructor"}},
            {"layer_decay": 0.5},
            "--layer-decay 0.5: this configuration gives out rates with TSMOptimWrapperConstructor already",
        ),
        (
            {"optim_wrapper": {"optimizer": {"type": "Adadelta"}}},
            {"layer_decay": 0.5},
            r"--layer-decay 0.5: this configuration has no optim_wrapper\.optimizer\.lr",
        ),
        (
            {"custom_hooks": [{"type": "EMAHook"}]},
            {"ema": 0.5},
            "--ema 0.5: this configuration averages its weights already, with MMEngine's EMAHook",
        ),
        (
            {"train_cfg": {"type": "IterBasedTrainLoop", "max_iters": 100}},
            {"freeze_backbone": 2},
            "--freeze-backbone: this configuration does not count in epochs",
        ),
    ],
)
def test_flag_that_clashes_with_a_users_configuration_is_refused(
    complete: Complete, values: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        complete(write_config(**values), None, **options)


def test_single_scheduler_and_none_are_understood(complete: Complete) -> None:
    cosine = {"type": "CosineAnnealingLR", "T_max": 10, "eta_min": 0.01}
    cfg = complete(write_config(param_scheduler=cosine), None, layer_decay=0.5)
    assert cfg.param_scheduler == {"type": "CosineAnnealingLR", "T_max": 10, "eta_min_ratio": pytest.approx(0.1)}
    assert "param_scheduler" not in complete(write_config(), None, layer_decay=0.5)


def test_decay_is_a_key_that_can_be_given(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    constructor = "thermalctl.engine.layer_decay.LayerDecayConstructor"
    keys = {"optim_wrapper.constructor": constructor, "optim_wrapper.paramwise_cfg.layer_decay": 0.7}
    assert complete(r50, dataset, overrides=keys).optim_wrapper.paramwise_cfg.layer_decay == 0.7


def test_pathways_may_have_rates_of_their_own(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    key = "optim_wrapper.paramwise_cfg.custom_keys.fast_path.lr_mult"
    cfg = complete(r50, dataset, overrides={key: 0.5})
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys == {"backbone": {"lr_mult": 0.1}, "fast_path": {"lr_mult": 0.5}}
