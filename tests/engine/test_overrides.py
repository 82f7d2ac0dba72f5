from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config

from thermalctl.engine.overrides import apply_overrides, check_kept, check_overrides, parse_overrides
from thermalctl.errors import ConfigError


def refuse(cfg: Config, key: str, value: Any = 1) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        check_overrides(cfg, {key: value})
    return caught.value


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("a=3", 3),
        ("a=1e-3", 0.001),
        ("a=true", True),
        ("a=None", None),
        ("a=text", "text"),
        ("a=x=y", "x=y"),
        ("a=[1,2]", [1, 2]),
        ("a=(40,60)", (40, 60)),
        ("a=1,2", [1, 2]),
        ("a=[(1,2),[b,c]]", [(1, 2), ["b", "c"]]),
        ('a="quoted"', "quoted"),
        ("a=-1", -1),
        ("a=", ""),
    ],
)
def test_values_are_read_as_mmengine_reads_them(pair: str, value: Any) -> None:
    assert parse_overrides([pair]) == {"a": value}


def test_several_pairs_are_read_and_none_is_none() -> None:
    assert parse_overrides(["a.b=1", "c.0.d=2"]) == {"a.b": 1, "c.0.d": 2}
    assert parse_overrides([]) == {}


@pytest.mark.parametrize("pair", ["a", "=1", "", "--resume"])
def test_text_that_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(ConfigError, match="is not KEY=VALUE"):
        parse_overrides([pair])


def test_text_that_looks_like_an_option_is_a_pair_like_any_other() -> None:
    assert parse_overrides(["-x=1"]) == {"-x": 1}


def test_open_bracket_is_refused() -> None:
    with pytest.raises(ConfigError, match="Imbalanced brackets"):
        parse_overrides(["a=[1,(2]"])


#: Keys that the configuration lacks and something reads all the same.
READ_BY_SOMETHING = [
    "model.cls_head.init_std",
    "model.cls_head.label_smooth_eps",
    "model.cls_head.loss_cls.loss_weight",
    "model.backbone.slow_pathway.frozen_stages",
    "model.backbone.fast_pathway.norm_cfg",
    "model.backbone.slow_pathway.norm_cfg.eps",
    "model.test_cfg.max_testing_views",
    "model.data_preprocessor.augment.flip_vertical",
    "clip.quantize",
    "clip.window_s",
    "optim_wrapper.optimizer.nesterov",
    "optim_wrapper.accumulative_counts",
    "optim_wrapper.constructor",
    "optim_wrapper.clip_grad.error_if_nonfinite",
    "optim_wrapper.paramwise_cfg.norm_decay_mult",
    "optim_wrapper.paramwise_cfg.custom_keys.cls_head.decay_mult",
    "optim_wrapper.paramwise_cfg.custom_keys.anything_at_all.lr_mult",
    "train_dataloader.pin_memory",
    "train_dataloader.num_batch_per_epoch",
    "train_dataloader.sampler.round_up",
    "val_evaluator.metric_options.top_k_accuracy.topk",
    "val_evaluator.prefix",
    "default_hooks.checkpoint.save_last",
    "default_hooks.logger.log_metric_by_epoch",
    "custom_hooks.0.strict",
    "custom_hooks.0.patience",
    "param_scheduler.1.eta_min_ratio",
    "param_scheduler.1.convert_to_iter_based",
    "visualizer.vis_backends.0.save_dir",
    "log_processor.num_digits",
    "train_cfg.dynamic_intervals",
    "env_cfg.resource_limit",
    "env_cfg.dist_cfg.timeout",
    "randomness.diff_rank_seed",
    "auto_scale_lr.base_batch_size",
    "test_cfg.fp16",
    "launcher",
    "class_weights",
    "cpu_threads",
    "find_unused_parameters",
    "load_from",
]


@pytest.mark.parametrize("key", READ_BY_SOMETHING)
def test_key_that_something_reads_is_accepted(r50: Config, key: str) -> None:
    check_overrides(r50, {key: 1})


#: A slip, and what is meant.
SLIPS = [
    ("modle.backbone.type", "the configuration has no 'modle'", "is model meant?"),
    ("model.backbon.type", "model has no 'backbon'", "is model.backbone meant?"),
    ("model.cls_head.dropout", "model.cls_head has no 'dropout'", "is model.cls_head.dropout_ratio meant?"),
    ("optim_wrapper.optimizer.momentm", "optim_wrapper.optimizer has no 'momentm'", "momentum meant?"),
    ("optim_wrapper.lr", "optim_wrapper has no 'lr'", ""),
    ("train_cfg.max_epoch", "train_cfg has no 'max_epoch'", "is train_cfg.max_epochs meant?"),
    ("train_dataloader.batchsize", "train_dataloader has no 'batchsize'", "is train_dataloader.batch_size meant?"),
    ("default_hooks.checkpoint.max_keep", "default_hooks.checkpoint has no 'max_keep'", "max_keep_ckpts meant?"),
    ("custom_hooks.0.patiense", "custom_hooks.0 has no 'patiense'", "is custom_hooks.0.patience meant?"),
    ("custom_hooks.3.patience", "custom_hooks has no '3'", "it has 0"),
    ("param_scheduler.0.T_max", "param_scheduler.0 has no 'T_max'", ""),
    ("clip.num_frame", "clip has no 'num_frame'", "is clip.num_frames meant?"),
    ("clip.classes", "clip has no 'classes'", ""),
    ("model.data_preprocessor.augment.flp", "augment has no 'flp'", "augment.flip meant?"),
    ("model.data_preprocessor.augment.crop_area.0", "crop_area has no '0'", "it has no keys"),
    ("optim_wrapper.paramwise_cfg.custom_keys.backbone.lr", "custom_keys.backbone has no 'lr'", "lr_mult meant?"),
    ("env_cfg.cudnn", "env_cfg has no 'cudnn'", "is env_cfg.cudnn_benchmark meant?"),
    ("randomness.sed", "randomness has no 'sed'", "is randomness.seed meant?"),
    ("auto_scale_lr.batch_size", "auto_scale_lr has no 'batch_size'", "is auto_scale_lr.base_batch_size meant?"),
    ("train_cfg.max_epochs.value", "train_cfg.max_epochs has no 'value'", "it has no keys"),
    ("cfg", "the configuration has no 'cfg'", ""),
    ("type", "the configuration has no 'type'", ""),
]


@pytest.mark.parametrize(("key", "message", "hint"), SLIPS)
def test_key_that_nothing_reads_is_refused_with_the_nearest(r50: Config, key: str, message: str, hint: str) -> None:
    error = refuse(r50, key)
    assert error.message.startswith(f"--cfg-options {key}: ")
    assert message in error.message
    assert "nothing would read it" in error.message
    assert hint in str(error.hint)


@pytest.mark.parametrize("flag", ["dry_run", "epochs", "amp", "num_workers"])
def test_flag_given_as_a_key_is_named(r50: Config, flag: str) -> None:
    error = refuse(r50, flag, True)
    assert error.hint == f"meant is --{flag.replace('_', '-')}"


def test_value_does_not_take_the_place_of_a_group(r50: Config) -> None:
    error = refuse(r50, "auto_scale_lr", True)
    assert error.message == "--cfg-options auto_scale_lr=True: auto_scale_lr is a group of keys, not a value"
    assert error.hint == "it has base_batch_size, enable: auto_scale_lr.base_batch_size=..."
    assert "is a group of keys" in refuse(r50, "custom_hooks.0", 3).message
    check_overrides(r50, {"val_cfg": None})


def test_keys_of_a_class_that_is_named_in_the_same_call_are_known(r50: Config) -> None:
    check_overrides(r50, {"optim_wrapper.optimizer.type": "AdamW", "optim_wrapper.optimizer.betas": [0.9, 0.99]})
    assert "has no 'betas'" in refuse(r50, "optim_wrapper.optimizer.betas", [0.9, 0.99]).message


def test_groups_that_are_not_there_yet_are_checked_too(tiny: Config) -> None:
    bare = Config({"model": {"type": "Recognizer3D"}, "train_dataloader": {}})
    check_overrides(bare, {"auto_scale_lr.base_batch_size": 16, "env_cfg.cudnn_benchmark": True})
    check_overrides(tiny, {"optim_wrapper.paramwise_cfg.bias_lr_mult": 2.0})
    assert "has no 'batch'" in refuse(bare, "auto_scale_lr.batch", 16).message
    assert "has no 'bias'" in refuse(tiny, "optim_wrapper.paramwise_cfg.bias", 2).message


def test_users_dataset_class_is_known() -> None:
    cfg = Config({"train_dataloader": {"dataset": {"type": "ThermalHDF5Dataset", "ann_file": "x"}}})
    check_overrides(cfg, {"train_dataloader.dataset.frame_window": 32, "train_dataloader.dataset.indices": 10})
    assert "frame_window meant" in str(refuse(cfg, "train_dataloader.dataset.frame_windw", 32).hint)


def test_values_are_written_where_they_belong() -> None:
    cfg = Config({"a": {"b": 1, "none": None}, "hooks": [{"type": "x", "n": 1}, {"type": "y"}]})
    apply_overrides(cfg, {"a.b": 2, "a.none.new": 3, "new.group.key": 4, "hooks.1.n": 5, "top": 6})
    assert cfg.to_dict() == {
        "a": {"b": 2, "none": {"new": 3}},
        "hooks": [{"type": "x", "n": 1}, {"type": "y", "n": 5}],
        "new": {"group": {"key": 4}},
        "top": 6,
    }


def test_value_that_did_not_stand_is_told() -> None:
    cfg = Config({"a": {"b": 1}, "c": [{"d": (1, 2)}]})
    check_kept(cfg, {"a.b": 1, "c.0.d": (1, 2)})
    with pytest.raises(
        ConfigError, match=r"--cfg-options a\.b=2: the dataset or a flag decides this key, .* makes it 1"
    ):
        check_kept(cfg, {"a.b": 2})
