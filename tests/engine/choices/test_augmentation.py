from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.config import Config

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.choices.augmentation import AugmentationChoices, apply_augmentation, check_augmentation
from thermalctl.engine.restore import build_model
from thermalctl.errors import ConfigError, RequestError
from thermalctl.models.pretrained import fit_pretrained
from thermalctl.pipeline.augment import PRESETS

Compare = Callable[[Config, Config], dict[str, Any]]

AUGMENT = "model.data_preprocessor.augment"
MIXING = "model.data_preprocessor.mixing"
#: What the shipped SlowFast R50 varies, which every preset takes the place of.
GUIDE = tuple(PRESETS["guide"])

#: Flags, and all that they change in the shipped SlowFast R50.
FLAGS = [
    ({"augment": "guide"}, {}),
    ({"augment": "none"}, {f"{AUGMENT}.{key}": "gone" for key in GUIDE}),
    (
        {"augment": "light"},
        {f"{AUGMENT}.{key}": "gone" for key in GUIDE if key != "flip"}
        | {f"{AUGMENT}.offset_c": 0.5, f"{AUGMENT}.noise_c": 0.1},
    ),
    (
        {"augment": "overhead", "flip": 0.3, "temporal_crop": 0.9},
        {f"{AUGMENT}.{key}": "gone" for key in GUIDE if key not in PRESETS["overhead"]}
        | {f"{AUGMENT}.{key}": value for key, value in PRESETS["overhead"].items()}
        | {f"{AUGMENT}.flip": 0.3, f"{AUGMENT}.temporal_crop": 0.9},
    ),
    ({"crop_area": 0.5}, {f"{AUGMENT}.crop_area": (0.5, 1.0)}),
    ({"flip": 0.0}, {f"{AUGMENT}.flip": 0.0}),
    ({"flip_vertical": 0.5}, {f"{AUGMENT}.flip_vertical": 0.5}),
    ({"quarter_turns": 0.75}, {f"{AUGMENT}.quarter_turns": 0.75}),
    ({"gain": 0.1}, {f"{AUGMENT}.gain": 0.1}),
    ({"offset_c": 2.0}, {f"{AUGMENT}.offset_c": 2.0}),
    ({"noise_c": 0.25}, {f"{AUGMENT}.noise_c": 0.25}),
    ({"row_dropout": 0.1}, {f"{AUGMENT}.row_dropout": 0.1}),
    ({"erase": 0.5}, {f"{AUGMENT}.erase": 0.5}),
    ({"erase_mode": "cuboid"}, {f"{AUGMENT}.erase_mode": "cuboid"}),
    ({"temporal_jitter": 4.0}, {f"{AUGMENT}.temporal_jitter": 4.0}),
    ({"temporal_crop": 0.9}, {f"{AUGMENT}.temporal_crop": 0.9}),
    ({"speed": 0.2}, {f"{AUGMENT}.speed": 0.2}),
    ({"frame_dropout": 0.1}, {f"{AUGMENT}.frame_dropout": 0.1}),
    ({"mix": "none"}, {}),
    ({"mix": "mixup"}, {f"{MIXING}.mode": "mixup", f"{MIXING}.mixup_alpha": 0.2, f"{MIXING}.probability": 0.5}),
    (
        {"mix": "cuboid", "cutmix_alpha": 0.5, "mix_probability": 1.0},
        {f"{MIXING}.mode": "cuboid", f"{MIXING}.cutmix_alpha": 0.5, f"{MIXING}.probability": 1.0},
    ),
    (
        {"mix": "mixup+cutmix"},
        {
            f"{MIXING}.mode": "mixup+cutmix",
            f"{MIXING}.mixup_alpha": 0.2,
            f"{MIXING}.cutmix_alpha": 1.0,
            f"{MIXING}.probability": 0.5,
        },
    ),
    ({"input_size": "64x96"}, {"clip.input_size": (64, 96)}),
    ({"channels": "copy"}, {}),
    ({"channels": "fold"}, {"clip.channels": "fold", "clip.mean": (114.495,), "clip.std": (57.63,)}),
    (
        {"channels": "motion"},
        {"clip.channels": "motion", "clip.mean": (123.675, 127.5, 127.5), "clip.std": (58.395, 25.5, 25.5)},
    ),
]


def change(cfg: Config, **options: Any) -> Config:
    changed, choices = copy.deepcopy(cfg), AugmentationChoices(**options)
    check_augmentation(choices)
    apply_augmentation(changed, choices)
    return changed


@pytest.mark.parametrize(("options", "changed"), FLAGS, ids=lambda value: "-".join(map(str, value)))
def test_flag_changes_what_it_should_and_nothing_else(
    r50: Config, compare: Compare, options: dict[str, Any], changed: dict[str, Any]
) -> None:
    found = compare(r50, change(r50, **options))
    found.pop(AUGMENT, None)  # an empty group, once all in it is gone
    assert found == changed


def test_every_flag_is_among_them() -> None:
    tested = {name for options, _ in FLAGS for name in options} | {"mixup_alpha"}
    assert tested == set(AugmentationChoices.__dataclass_fields__)


def test_flags_reach_the_model_and_the_datasets(
    r50: Config, dataset: ThermalDataset, complete: Callable[..., Config]
) -> None:
    cfg = complete(
        r50, dataset, channels="motion", input_size="64x96", mix="mixup", mixup_alpha=0.4, augment="overhead"
    )
    preprocessor = cfg.model.data_preprocessor
    assert preprocessor.clip_spec.channels == cfg.train_dataloader.dataset.clip_spec.channels == "motion"
    assert preprocessor.clip_spec.input_size == [64, 96]
    assert preprocessor.mixing == {"mode": "mixup", "mixup_alpha": 0.4, "probability": 0.5}
    assert preprocessor.augment == PRESETS["overhead"]
    assert 'channels="motion"' in cfg.pretty_text.replace("'", '"')


def test_small_model_gets_the_stem_that_its_channels_need(
    tiny: Config, dataset: ThermalDataset, complete: Callable[..., Config]
) -> None:
    motion = complete(tiny, dataset, channels="motion")
    assert "in_channels" not in motion.model.backbone.slow_pathway  # MMAction2's default is 3
    assert motion.clip.mean == (110.0, 127.5, 127.5)
    back = complete(motion, dataset, channels="fold")
    assert (back.clip.mean, back.clip.std) == ((110.0,), (30.0,))
    assert back.model.backbone.slow_pathway.in_channels == 1


def test_pretrained_rgb_stem_is_taken_over_unchanged_for_motion(
    tiny: Config, dataset: ThermalDataset, complete: Callable[..., Config], small: dict[str, Any]
) -> None:
    rgb, motion = (
        build_model(complete(tiny, dataset, channels=channels, overrides=small)) for channels in ("copy", "motion")
    )
    fitted = fit_pretrained(motion, rgb.state_dict())
    assert not fitted.adapted
    stem = "backbone.slow_path.conv1.conv.weight"
    assert stem in fitted.loaded
    assert torch.equal(motion.state_dict()[stem], rgb.state_dict()[stem])


def test_channels_that_the_configuration_has_keep_its_own_statistics(r50: Config) -> None:
    own = change(r50, channels="motion")
    own.clip.std = (50.0, 10.0, 10.0)
    assert change(own, channels="motion").clip.std == (50.0, 10.0, 10.0)


def test_mix_keeps_what_the_configuration_says_of_it_and_can_be_taken_back(r50: Config) -> None:
    mixed = change(r50, mix="cutmix", cutmix_alpha=0.3, mix_probability=0.9)
    assert change(mixed, mix="cuboid").model.data_preprocessor.mixing == {
        "mode": "cuboid",
        "cutmix_alpha": 0.3,
        "probability": 0.9,
    }
    assert change(mixed, cutmix_alpha=2.0).model.data_preprocessor.mixing.cutmix_alpha == 2.0
    assert "mixing" not in change(mixed, mix="none").model.data_preprocessor


def test_configuration_that_varies_nothing_can_be_given_something(r50: Config) -> None:
    bare = copy.deepcopy(r50)
    bare.model.data_preprocessor.augment = None
    assert change(bare, flip=0.5).model.data_preprocessor.augment == {"flip": 0.5}
    del bare.model["data_preprocessor"]
    assert change(bare, augment="light").model.data_preprocessor.augment == PRESETS["light"]
    assert "data_preprocessor" not in change(bare, input_size="8x8").model


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flip": 1.5}, r"--flip is 1\.5, expected 0 to 1"),
        ({"flip_vertical": -0.1}, r"--flip-vertical is -0\.1"),
        ({"quarter_turns": 2.0}, r"--quarter-turns is 2\.0, expected 0 to 1"),
        ({"gain": 1.01}, r"--gain is 1\.01"),
        ({"offset_c": -1.0}, r"--offset-c is -1\.0, expected 0 or more"),
        ({"noise_c": float("inf")}, r"--noise-c is inf"),
        ({"row_dropout": float("nan")}, r"--row-dropout is nan"),
        ({"erase": 3.0}, r"--erase is 3\.0"),
        ({"frame_dropout": 1.5}, r"--frame-dropout is 1\.5"),
        ({"temporal_jitter": -1.0}, r"--temporal-jitter is -1\.0"),
        ({"speed": -0.5}, r"--speed is -0\.5"),
        ({"temporal_crop": 0.0}, r"--temporal-crop is 0\.0, expected more than 0, at most 1"),
        ({"crop_area": 1.5}, r"--crop-area is 1\.5, expected more than 0, at most 1"),
        ({"mix": "mixup", "mixup_alpha": 0.0}, r"--mixup-alpha is 0\.0, expected more than 0"),
        ({"mix": "mixup", "mix_probability": 1.5}, r"--mix-probability is 1\.5, expected 0 to 1"),
        ({"mix": "cutmix", "mixup_alpha": 0.2}, "--mixup-alpha 0.2 and --mix cutmix contradict each other"),
        ({"mix": "mixup", "cutmix_alpha": 1.0}, "--cutmix-alpha 1 and --mix mixup contradict each other"),
        ({"mix": "none", "mix_probability": 0.5}, "--mix-probability 0.5 and --mix none contradict each other"),
        ({"erase": 0.0, "erase_mode": "cuboid"}, "--erase-mode cuboid and --erase 0 contradict each other"),
        ({"input_size": "64"}, "--input-size 64: expected HEIGHTxWIDTH"),
        ({"input_size": "0x8"}, "--input-size 0x8"),
        ({"input_size": "64x96x3"}, "--input-size 64x96x3"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_impossible_and_contradictory_flags_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        check_augmentation(AugmentationChoices(**options))


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ({"mixup_alpha": 0.4}, {}, "--mixup-alpha: the mix is none, and does not use it"),
        ({"mix_probability": 0.4}, {}, "--mix-probability: the mix is none"),
        ({"cutmix_alpha": 0.4}, {f"{MIXING}.mode": "mixup"}, "--cutmix-alpha: the mix is mixup"),
        ({"mix": "mixup"}, {"train_dataloader.batch_size": 1}, "--mix: a batch is one clip"),
        ({"augment": "light", "erase_mode": "cuboid"}, {}, "--erase-mode cuboid: nothing is erased"),
        (
            {"flip": 0.5},
            {"model.data_preprocessor.type": "ActionDataPreprocessor"},
            "--flip: model.data_preprocessor is ActionDataPreprocessor, expected thermalctl",
        ),
    ],
    ids=str,
)
def test_flags_that_do_not_fit_the_configuration_are_refused(
    r50: Config, options: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    cfg = copy.deepcopy(r50)
    cfg.merge_from_dict(changes)
    with pytest.raises(ConfigError, match=message):
        change(cfg, **options)


@pytest.mark.parametrize("options", [{"augment": "none"}, {"mix": "none"}, {"input_size": "8x8"}, {"channels": "copy"}])
def test_users_own_configuration_is_left_alone(options: dict[str, Any]) -> None:
    cfg = Config({"model": {"type": "Recognizer3D"}})
    with pytest.raises(ConfigError, match=f"--{next(iter(options)).replace('_', '-')}: this configuration is your own"):
        change(cfg, **options)
    assert change(cfg).to_dict() == cfg.to_dict()


def test_motion_of_a_single_frame_is_refused(
    tiny: Config, dataset: ThermalDataset, complete: Callable[..., Config]
) -> None:
    with pytest.raises(ConfigError, match=r"clip\.num_frames is 1, expected 2 or more"):
        complete(tiny, dataset, channels="motion", frames=1)


def test_motion_by_key_alone_says_what_is_missing(
    tiny: Config, dataset: ThermalDataset, complete: Callable[..., Config]
) -> None:
    with pytest.raises(ConfigError, match=r"clip\.mean is \(110\.0,\), expected three values"):
        complete(tiny, dataset, overrides={"clip.channels": "motion"})


def test_key_that_a_preset_would_undo_is_not_dropped_silently(
    r50: Config, dataset: ThermalDataset, complete: Callable[..., Config]
) -> None:
    with pytest.raises(ConfigError, match="brightness"):
        complete(r50, dataset, augment="overhead", overrides={f"{AUGMENT}.brightness": 0.1})
