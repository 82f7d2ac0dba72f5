from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.dataset import RepeatDataset
from mmengine.optim import build_optim_wrapper
from torch import nn

from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.config import list_shipped_configs, load_config
from thermalctl.errors import ConfigError
from thermalctl.pipeline.thermal_hdf5 import get_class_weights

prepare_mmaction()

from mmengine.registry import DATASETS  # noqa: E402

Complete = Callable[..., Config]
Compare = Callable[[Config, Config], dict[str, Any]]


def test_shipped_configurations_are_listed_and_read() -> None:
    names = list_shipped_configs()
    assert names == sorted(names)
    assert {"slowfast-r50", "slowfast-tiny", "slowfast-small"} < set(names)
    for name in list_shipped_configs():
        assert load_config(name).model.type in ("Recognizer2D", "Recognizer3D")


@pytest.mark.parametrize("name", ["slowfast-r50", "slowfast-tiny", "thermal-small"])
def test_shipped_schedule_fills_the_training(name: str) -> None:
    cfg = load_config(name)
    warmup, decay = cfg.param_scheduler
    assert (warmup.begin, warmup.end, decay.end) == (0, decay.begin, cfg.train_cfg.max_epochs)
    assert decay.T_max == decay.end - decay.begin


def test_unknown_configuration_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="--config slowfast-r5: no such configuration or file") as caught:
        load_config("slowfast-r5")
    assert str(caught.value.hint).startswith("is slowfast-r50 meant?")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("model = dict(", "SyntaxError"),
        ("model = nothing", "NameError"),
        ('_base_ = "absent.py"', "FileNotFoundError"),
        ('custom_imports = dict(imports=["no_such_module"], allow_failed_imports=False)', "ImportError"),
    ],
)
def test_file_that_cannot_be_read_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"own\.py: cannot be read \({fault}"):
        load_config(str(path))


def test_guides_recipe_is_what_runs(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    cfg = complete(r50, dataset)
    assert cfg.optim_wrapper.optimizer == {"type": "SGD", "lr": 0.005, "momentum": 0.9, "weight_decay": 1e-4}
    assert cfg.optim_wrapper.clip_grad == {"max_norm": 40, "norm_type": 2}
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys == {"backbone": {"lr_mult": 0.1}}
    warmup, decay = cfg.param_scheduler
    assert (warmup.type, warmup.start_factor, warmup.begin, warmup.end) == ("LinearLR", 0.01, 0, 10)
    assert (decay.type, decay.eta_min, decay.begin, decay.end) == ("CosineAnnealingLR", 1e-4, 10, 100)
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.val_interval, cfg.train_cfg.val_begin) == (100, 1, 1)
    assert (cfg.train_dataloader.batch_size, cfg.auto_scale_lr.base_batch_size) == (4, 16)
    assert (cfg.model.cls_head.dropout_ratio, cfg.model.cls_head.loss_cls.type) == (
        0.8,
        "thermalctl.models.losses.CrossEntropy",
    )
    assert cfg.model.data_preprocessor.augment == {
        "crop_area": (0.7, 1.0),
        "crop_aspect": (0.85, 1.15),
        "flip": 0.5,
        "brightness": 0.3,
        "contrast": 0.3,
        "erase": 0.25,
        "erase_area": (0.02, 0.2),
        "erase_fill": (128.0, 64.0),
    }
    checkpoint = cfg.default_hooks.checkpoint
    assert (checkpoint.interval, checkpoint.max_keep_ckpts, checkpoint.save_best) == (5, 5, "acc/top1")
    assert cfg.custom_hooks == [
        {"type": "EarlyStoppingHook", "monitor": "acc/top1", "rule": "greater", "patience": 20, "min_delta": 0.001}
    ]
    assert cfg.visualizer.vis_backends == [{"type": "TensorboardVisBackend", "save_dir": "work_dirs/run/tf_logs"}]
    assert (cfg.randomness.seed, cfg.env_cfg.cudnn_benchmark) == (42, True)
    spec = cfg.model.data_preprocessor.clip_spec
    assert (spec.num_frames, spec.input_size, spec.temperature_range_c) == (64, [256, 384], [5.0, 45.0])
    assert (spec.mean, spec.std) == ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
    assert cfg.load_from == "slowfast_r50_4x16_kinetics400"


def test_dataset_decides_classes_and_their_weights(
    r50: Config, dataset: ThermalDataset, complete: Complete, simulated_dataset: Path
) -> None:
    cfg = complete(r50, dataset)
    assert cfg.model.cls_head.num_classes == len(dataset.classes) == 14
    expected = get_class_weights(simulated_dataset / "annotations" / "train.json")
    assert cfg.model.cls_head.loss_cls.class_weight == expected
    # Labels of the 12 training keyframes: five of class 2, four of 4, two of 12, one of 6; the others count as 1.
    assert [expected[label] for label in (2, 4, 12, 6, 0)] == pytest.approx(
        [12 / (14 * 5), 12 / (14 * 4), 12 / (14 * 2), 12 / 14, 12 / 14]
    )
    for split, loader in (("train", cfg.train_dataloader), ("val", cfg.val_dataloader), ("val", cfg.test_dataloader)):
        assert (loader.dataset.data_root, loader.dataset.split) == (str(simulated_dataset), split)
        assert loader.dataset.clip_spec == cfg.model.data_preprocessor.clip_spec
        assert tuple(loader.dataset.clip_spec.classes) == dataset.classes


def test_person_target_counts_people(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    people = [sample.label for sample in dataset.samples("train", "person")]
    weights = complete(r50, dataset, overrides={"clip.target": "person"}).model.cls_head.loss_cls.class_weight
    assert weights[2] == pytest.approx(len(people) / (14 * people.count(2)))


def test_every_clip_counts_the_same_without_class_weights(
    r50: Config, tiny: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    for cfg, overrides in ((r50, {"class_weights": "none"}), (tiny, {})):
        assert complete(cfg, dataset, overrides=overrides).model.cls_head.loss_cls.class_weight is None


def test_weights_of_a_finished_run_do_not_outlive_class_weights_none(
    r50: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    finished = complete(r50, dataset)
    again = complete(finished, dataset, overrides={"class_weights": "none"})
    assert again.model.cls_head.loss_cls.class_weight is None


def test_own_class_weights_are_taken(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    own = {"class_weights": "none", "model.cls_head.loss_cls.class_weight": [1.0] * 13 + [2.0]}
    assert complete(r50, dataset, overrides=own).model.cls_head.loss_cls.class_weight == [1.0] * 13 + [2.0]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"class_weights": "balanced"}, "class_weights is 'balanced', expected none, inverse, effective or weights"),
        ({"clip.repair": "nearst"}, "clip.repair is 'nearst', expected nearest or none"),
        ({"clip.time_sampling": "uniform"}, "clip.window_s is None, expected seconds"),
        ({"clip.temperature_range_c": [45.0, 5.0]}, r"clip.temperature_range_c is \(45.0, 5.0\)"),
        ({"clip.input_size": 256}, "clip.input_size is 256, expected"),
        ({"clip.channels": "fold"}, r"clip.mean is \(123.675, 116.28, 103.53\), expected one value"),
        ({"clip.num_frames": 0}, "clip.num_frames is 0"),
        ({"clip.std": [1.0, 0.0, 1.0]}, "clip.std is .* more than 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_impossible_values_are_refused(
    r50: Config, dataset: ThermalDataset, complete: Complete, overrides: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        complete(r50, dataset, overrides=overrides)


def test_unknown_field_of_a_clip_in_a_file_is_refused(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    cfg = Config(r50.to_dict())
    cfg.clip.colour = "red"
    with pytest.raises(ConfigError, match="clip has no 'colour'"):
        complete(cfg, dataset)


@pytest.mark.parametrize(
    "key", ["model.cls_head.num_classes", "model.cls_head.loss_cls.class_weight", "train_dataloader.dataset.data_root"]
)
def test_key_that_the_dataset_decides_is_refused(
    r50: Config, dataset: ThermalDataset, complete: Complete, key: str
) -> None:
    with pytest.raises(ConfigError, match=f"--cfg-options {key}=3: the dataset or a flag decides this key"):
        complete(r50, dataset, overrides={key: 3})


def test_flag_that_contradicts_a_key_is_told(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    with pytest.raises(ConfigError, match=r"train_cfg\.max_epochs=5: .* makes it 9"):
        complete(r50, dataset, epochs=9, overrides={"train_cfg.max_epochs": 5})


def test_keys_inside_lists_are_reached(
    r50: Config, dataset: ThermalDataset, complete: Complete, compare: Compare
) -> None:
    edits = {"custom_hooks.0.patience": 7, "custom_hooks.0.strict": True}
    assert compare(complete(r50, dataset), complete(r50, dataset, overrides=edits)) == edits


def test_folded_stem_takes_one_channel(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    gray = {"clip.channels": "fold", "clip.mean": [114.495], "clip.std": [57.63]}
    backbone = complete(r50, dataset, overrides=gray).model.backbone
    assert (backbone.slow_pathway.in_channels, backbone.fast_pathway.in_channels) == (1, 1)


def test_configuration_that_leaves_preprocessor_and_loss_out_gets_them(
    r50: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    cfg = Config(r50.to_dict())
    cfg.model.pop("data_preprocessor")
    cfg.model.cls_head.pop("loss_cls")
    model = complete(cfg, dataset).model
    assert model.data_preprocessor.type == "thermalctl.pipeline.preprocessor.ThermalDataPreprocessor"
    assert model.data_preprocessor.clip_spec.num_frames == 64
    assert (model.cls_head.loss_cls.type, len(model.cls_head.loss_cls.class_weight)) == ("CrossEntropyLoss", 14)


def test_backbone_without_that_parameter_keeps_its_three_channels(
    r50: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    cfg = Config(r50.to_dict())
    cfg.model.backbone = {"type": "C3D"}
    assert complete(cfg, dataset).model.backbone == {"type": "C3D"}


def test_own_configuration_without_a_dataset_is_refused(r50: Config, complete: Complete) -> None:
    with pytest.raises(ConfigError, match="filled in from a dataset, and none is given"):
        complete(r50, None)


class StandIn(nn.Module):
    """As small as a model with a backbone and a head can be."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(2, 3)
        self.cls_head = nn.Linear(3, 2)


def list_optimizer_rates(cfg: Config) -> dict[str, float]:
    model = StandIn()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    return {name_of[id(p)]: group["lr"] for group in optimizer.param_groups for p in group["params"]}


def test_backbone_learns_at_a_tenth_of_the_heads_rate(r50: Config, dataset: ThermalDataset, complete: Complete) -> None:
    rates = list_optimizer_rates(complete(r50, dataset))
    assert rates == pytest.approx(
        {"backbone.weight": 0.0005, "backbone.bias": 0.0005, "cls_head.weight": 0.005, "cls_head.bias": 0.005}
    )
    rates = list_optimizer_rates(complete(r50, dataset, lr=0.02, backbone_lr_mult=0.25))
    assert (rates["backbone.weight"], rates["cls_head.weight"]) == pytest.approx((0.005, 0.02))


def test_users_configuration_is_left_as_it_is(users_config: Path, complete: Complete, compare: Compare) -> None:
    cfg = load_config(str(users_config))
    assert compare(cfg, complete(cfg, None)) == {
        "work_dir": "work_dirs/run",
        "device": "cpu",
        "val_evaluator.type": "thermalctl.engine.accuracy.ClassAccuracy",
        "test_evaluator.type": "thermalctl.engine.accuracy.ClassAccuracy",
    }


def test_users_configuration_reads_the_dataset_that_is_named(
    users_config: Path, dataset: ThermalDataset, complete: Complete
) -> None:
    cfg = load_config(str(users_config))
    for split in ("train", "val"):
        leaf = cfg[f"{split}_dataloader"].dataset
        leaf.update(type="mmaction.ThermalHDF5Dataset", data_root="/elsewhere", ann_file="a.json", data_prefix={})
    cfg.train_dataloader.dataset = {"type": "RepeatDataset", "times": 2, "dataset": cfg.train_dataloader.dataset}
    completed = complete(cfg, dataset)
    assert len(completed.train_dataloader.dataset.dataset.pipeline) == 7
    for split, leaf in (
        ("train", completed.train_dataloader.dataset.dataset),
        ("val", completed.val_dataloader.dataset),
    ):
        assert leaf.ann_file == str(dataset.layout.annotation_file(split))
        assert leaf.data_prefix == {"hdf5": str(dataset.layout.frames_dir)}
        assert "data_root" not in leaf
    prepare = completed.train_dataloader.dataset.to_dict()
    prepare["dataset"]["pipeline"] = []
    assert isinstance(DATASETS.build(prepare), RepeatDataset)


def test_users_configuration_of_other_classes_is_refused(
    users_config: Path, dataset: ThermalDataset, complete: Complete
) -> None:
    cfg = load_config(str(users_config))
    cfg.model.cls_head.num_classes = 400
    with pytest.raises(ConfigError, match=r"model\.cls_head\.num_classes is 400, but .* has 14 classes"):
        complete(cfg, dataset)


def test_users_configuration_that_reads_videos_is_not_pointed_at_recordings(
    users_config: Path, dataset: ThermalDataset, complete: Complete
) -> None:
    cfg = load_config(str(users_config))
    for split in ("train", "val", "test"):
        cfg[f"{split}_dataloader"].dataset.type = "VideoDataset"
    with pytest.raises(ConfigError, match="the configuration reads VideoDataset, and so not the dataset folder"):
        complete(cfg, dataset)


def test_completed_configuration_survives_its_own_text(
    tiny: Config, dataset: ThermalDataset, complete: Complete, compare: Compare, tmp_path: Path
) -> None:
    completed = complete(tiny, dataset)
    path = tmp_path / "copy.py"
    completed.dump(path)
    assert compare(completed, load_config(str(path))) == {}
    assert compare(completed, complete(load_config(str(path)), dataset)) == {}


@pytest.mark.slow
def test_users_configuration_is_read_by_a_fresh_process(users_config: Path) -> None:
    """Its `_base_` and `custom_imports` need the cures of `thermalctl.compat`."""
    script = (
        "import sys; from thermalctl.engine.config import load_config; print(load_config(sys.argv[1]).default_scope)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(users_config)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "mmaction\n", done.stderr


@pytest.mark.slow
def test_users_own_class_of_the_guides_name_keeps_it(tmp_path: Path) -> None:
    """A fork of MMAction2 has a class of that name; it is registered while its configuration is read."""
    (tmp_path / "their_fork.py").write_text(
        "from mmaction.registry import DATASETS\n@DATASETS.register_module()\nclass ThermalHDF5Dataset:\n    pass\n"
    )
    (tmp_path / "own.py").write_text('custom_imports = dict(imports=["their_fork"], allow_failed_imports=False)\n')
    script = (
        "import thermalctl.engine.plan, thermalctl.engine.dry_run, thermalctl.engine.testing\n"
        "from thermalctl.engine.config import load_config\n"
        "from thermalctl.engine.runner import register_guide_dataset\n"
        "load_config('own.py')\n"
        "register_guide_dataset()\n"
        "from mmaction.registry import DATASETS\n"
        "print(DATASETS.get('ThermalHDF5Dataset').__module__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}
    )
    assert done.stdout == "their_fork\n", done.stderr
