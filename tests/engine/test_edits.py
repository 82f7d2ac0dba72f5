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

#: Of a rate of 0.005: no part of the model is to rise to another's lowest.
RELATIVE_FLOOR: dict[str, Any] = {"param_scheduler.1.eta_min": "gone", "param_scheduler.1.eta_min_ratio": 0.02}
#: A flag, and all that it changes in the shipped SlowFast R50.
FLAGS = [
    (
        {"epochs": 20},
        {
            "train_cfg.max_epochs": 20,
            "param_scheduler.0.end": 2,
            "param_scheduler.1.begin": 2,
            "param_scheduler.1.end": 20,
            "param_scheduler.1.T_max": 18,
        },
    ),
    ({"epochs": 100}, {}),
    ({"batch_size": 2}, {"train_dataloader.batch_size": 2}),
    (
        {"num_workers": 1},
        {f"{split}_dataloader.num_workers": 1 for split in ("train", "val", "test")},
    ),
    (
        {"num_workers": 0},
        {f"{split}_dataloader.num_workers": 0 for split in ("train", "val", "test")}
        | {f"{split}_dataloader.persistent_workers": False for split in ("train", "val", "test")},
    ),
    ({"lr": 0.02}, {"optim_wrapper.optimizer.lr": 0.02, "param_scheduler.1.eta_min": pytest.approx(4e-4)}),
    (
        {"backbone_lr_mult": 0.5},
        {"optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult": 0.5} | RELATIVE_FLOOR,
    ),
    ({"amp": True}, {"optim_wrapper.type": "thermalctl.engine.autocast.AutocastOptimWrapper"}),
    ({"dropout": 0.0}, {"model.cls_head.dropout_ratio": 0.0}),
    ({"auto_scale_lr": True}, {"auto_scale_lr.enable": True} | RELATIVE_FLOOR),
    ({"seed": 7}, {"randomness.seed": 7}),
    ({"deterministic": True}, {"randomness.deterministic": True, "env_cfg.cudnn_benchmark": False}),
    ({"cudnn_benchmark": True}, {}),
    ({"cudnn_benchmark": False}, {"env_cfg.cudnn_benchmark": False}),
    ({"load_from": "none"}, {"load_from": None}),
    ({"load_from": "somewhere.pth"}, {"load_from": "somewhere.pth"}),
    ({"resume": True}, {"resume": True, "load_from": None}),
    ({"resume": True, "load_from": "epoch_5.pth"}, {"resume": True, "load_from": "epoch_5.pth"}),
    (
        {"warmup_epochs": 4},
        {"param_scheduler.0.end": 4, "param_scheduler.1.begin": 4, "param_scheduler.1.T_max": 96},
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


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"target": "person"}, {"clip.target": "person", "clip.input_size": (256, 256)}),
        ({"frames": 32}, {"clip.num_frames": 32}),
        ({"time": "uniform", "seconds": 8.0}, {"clip.time_sampling": "uniform", "clip.window_s": 8.0}),
        ({"time": "consecutive"}, {}),
    ],
)
def test_flag_for_clips_does_what_its_keys_do(
    r50: Config,
    dataset: ThermalDataset,
    complete: Complete,
    compare: Compare,
    options: dict[str, Any],
    keys: dict[str, Any],
) -> None:
    """They reach the model, the datasets and the class weights."""
    flagged = complete(r50, dataset, **options)
    assert compare(complete(r50, dataset, overrides=keys), flagged) == {}
    assert bool(compare(complete(r50, dataset), flagged)) == bool(keys)


def test_uniform_clips_go_back_to_consecutive_ones(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    uniform = {"clip.time_sampling": "uniform", "clip.window_s": 8.0}
    assert complete(r50, dataset, seconds=5.0, overrides={"clip.time_sampling": "uniform"}).clip.window_s == 5.0
    own = copy.deepcopy(r50)
    own.merge_from_dict(uniform)
    back = complete(own, dataset, time="consecutive").clip
    assert (back.time_sampling, back.window_s) == ("consecutive", None)


def test_flags_for_clips_that_contradict_each_other_are_refused(
    r50: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    with pytest.raises(ConfigError, match="--time uniform: over how many seconds"):
        complete(r50, dataset, time="uniform")
    with pytest.raises(ConfigError, match="--seconds 8: the frames of a clip are consecutive"):
        complete(r50, dataset, seconds=8.0)
    with pytest.raises(RequestError, match="--seconds 8 and --time consecutive contradict each other"):
        complete(r50, dataset, seconds=8.0, time="consecutive")


def test_no_flag_changes_the_configuration_that_was_read(
    r50: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    before = r50.pretty_text
    complete(r50, dataset, epochs=3, lr=0.1, amp=True, overrides={"custom_hooks.0.patience": 3, "clip.num_frames": 32})
    assert r50.pretty_text == before


def test_length_given_as_a_key_stretches_the_schedule_too(
    r50: Config, dataset: ThermalDataset, complete: Complete, compare: Compare
) -> None:
    by_key = complete(r50, dataset, overrides={"train_cfg.max_epochs": 20})
    assert compare(complete(r50, dataset, epochs=20), by_key) == {}


def test_schedule_that_was_edited_itself_is_left_alone(
    r50: Config, dataset: ThermalDataset, complete: Complete, compare: Compare
) -> None:
    edits = {"param_scheduler.1.eta_min": 2e-4, "param_scheduler.1.T_max": 30}
    changed = compare(complete(r50, dataset), complete(r50, dataset, epochs=40, lr=0.05, overrides=edits))
    assert changed == edits | {"train_cfg.max_epochs": 40, "optim_wrapper.optimizer.lr": 0.05}


def test_warmup_as_long_as_the_training_is_refused(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    with pytest.raises(ConfigError, match="--warmup-epochs is 100 of 100 epochs"):
        complete(r50, dataset, warmup_epochs=100)
    with pytest.raises(RequestError, match="--warmup-epochs is 5 of --epochs 5"):
        complete(r50, dataset, warmup_epochs=5, epochs=5)


def test_shorter_training_may_ask_for_its_own_warmup(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    linear, cosine = complete(r50, dataset, epochs=20, warmup_epochs=5).param_scheduler
    assert (linear.end, cosine.begin, cosine.end, cosine.T_max) == (5, 5, 20, 15)


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"num_workers": -1},
        {"frames": 0},
        {"seconds": 0.0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"backbone_lr_mult": float("inf")},
        {"dropout": 1.0},
        {"warmup_epochs": -1},
        {"seed": -1},
        {"deterministic": True, "cudnn_benchmark": True},
    ],
    ids=str,
)
def test_impossible_flag_is_refused(
    r50: Config, dataset: ThermalDataset, complete: Complete, options: dict[str, Any]
) -> None:
    flag = next(iter(options)).replace("_", "-")
    with pytest.raises(RequestError, match=f"--{flag}"):
        complete(r50, dataset, **options)


def write_config(**values: Any) -> Config:
    model = {"type": "Recognizer3D", "cls_head": {"type": "I3DHead"}}
    plain: dict[str, Any] = {"model": model, "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}}}
    return Config(plain | {"train_cfg": {"by_epoch": True, "max_epochs": 10}} | values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 0.5}, "--dropout: this configuration's head has no dropout_ratio"),
        ({"frames": 32}, "--frames: this configuration is your own"),
        ({"auto_scale_lr": True}, "--auto-scale-lr: the configuration does not say for which batch size"),
    ],
    ids=["dropout", "frames", "auto_scale_lr"],
)
def test_flag_that_finds_nothing_to_change_is_refused(
    complete: Complete, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        complete(write_config(), None, **options)


def test_hint_of_auto_scale_lr_is_accepted(complete: Complete) -> None:
    cfg = complete(write_config(), None, auto_scale_lr=True, overrides={"auto_scale_lr.base_batch_size": 16})
    assert cfg.auto_scale_lr == {"base_batch_size": 16, "enable": True}


def test_length_in_epochs_of_a_training_in_iterations_is_refused(complete: Complete) -> None:
    cfg = write_config(train_cfg={"type": "IterBasedTrainLoop", "max_iters": 100})
    with pytest.raises(ConfigError, match="--epochs: this configuration does not count in epochs"):
        complete(cfg, None, epochs=3)
    with pytest.raises(ConfigError, match="--warmup-epochs: this configuration does not count in epochs"):
        complete(cfg, None, warmup_epochs=3)


def test_configuration_without_a_rate_is_told(complete: Complete) -> None:
    with pytest.raises(ConfigError, match=r"--lr: this configuration has no optim_wrapper\.optimizer"):
        complete(write_config(optim_wrapper={"constructor": "Theirs"}), None, lr=0.1)


def test_single_scheduler_and_none_are_understood(complete: Complete) -> None:
    cosine = {"type": "CosineAnnealingLR", "T_max": 10, "eta_min": 0.01, "by_epoch": True, "begin": 0, "end": 10}
    cfg = complete(write_config(param_scheduler=cosine), None, epochs=20, lr=0.2, warmup_epochs=4)
    linear, decay = cfg.param_scheduler
    assert (linear.type, linear.end, linear.start_factor) == ("LinearLR", 4, 0.01)
    assert (decay.begin, decay.end, decay.T_max, decay.eta_min) == (4, 20, 16, pytest.approx(0.02))
    assert "param_scheduler" not in complete(write_config(), None, epochs=20)
    assert len(complete(write_config(), None, warmup_epochs=2).param_scheduler) == 1


def test_amp_takes_the_place_of_mmengines_own(complete: Complete) -> None:
    wrapper = {"type": "AmpOptimWrapper", "loss_scale": "dynamic", "dtype": None, "optimizer": {"type": "SGD", "lr": 1}}
    cfg = complete(write_config(optim_wrapper=wrapper), None, amp=True)
    assert cfg.optim_wrapper == {
        "type": "thermalctl.engine.autocast.AutocastOptimWrapper",
        "optimizer": {"type": "SGD", "lr": 1},
    }


def test_seed_is_set_where_a_configuration_has_none(complete: Complete) -> None:
    assert complete(write_config(randomness=None), None, seed=3).randomness == {"seed": 3}
