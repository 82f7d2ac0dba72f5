from __future__ import annotations

import math
from typing import Any

import pytest
from mmengine.config import Config

from thermalctl.errors import ConfigError
from thermalctl.pipeline.augment import PRESETS, Augmentation


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"flip": 1.5}, r"augment\.flip is 1\.5, expected a number from 0 to 1"),
        ({"quarter_turns": 2}, r"augment\.quarter_turns is 2, expected a number from 0 to 1"),
        ({"erase": -0.1}, r"augment\.erase is -0\.1"),
        ({"brightness": "strong"}, r"augment\.brightness is 'strong'"),
        ({"contrast": math.nan}, r"augment\.contrast is nan"),
        ({"gain": 1.1}, r"augment\.gain is 1\.1, expected a number from 0 to 1"),
        ({"row_dropout": True}, r"augment\.row_dropout is True"),
        ({"frame_dropout": -1}, r"augment\.frame_dropout is -1"),
        ({"offset_c": -1}, r"augment\.offset_c is -1, expected a number from 0"),
        ({"noise_c": math.inf}, r"augment\.noise_c is inf"),
        ({"temporal_jitter": math.nan}, r"augment\.temporal_jitter is nan"),
        ({"speed": None}, r"augment\.speed is None"),
        ({"temporal_crop": 0}, r"augment\.temporal_crop is 0, expected more than 0, at most 1"),
        ({"temporal_crop": 1.1}, r"augment\.temporal_crop is 1\.1"),
        ({"crop_area": 0.7}, r"augment\.crop_area is 0\.7, expected two numbers"),
        ({"crop_area": [0.7, 0.8, 0.9]}, r"augment\.crop_area is \(0\.7, 0\.8, 0\.9\), expected two numbers"),
        ({"crop_area": (1.0, 0.7)}, r"augment\.crop_area is \(1\.0, 0\.7\), expected 0 < least <= most <= 1"),
        ({"crop_area": (0.7, 1.3)}, r"augment\.crop_area is \(0\.7, 1\.3\)"),
        ({"crop_aspect": (0, 1)}, r"augment\.crop_aspect is \(0, 1\)"),
        ({"erase_mode": "circle"}, r"augment\.erase_mode is 'circle', expected rectangle or cuboid"),
        ({"erase_area": (0.02, 2)}, r"augment\.erase_area is \(0\.02, 2\)"),
        ({"erase_fill": (128, -1)}, r"augment\.erase_fill is \(128, -1\)"),
        ({"flp": 0.5}, r"augment has no 'flp'"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Augmentation.from_config(values)


def test_lists_of_a_configuration_are_pairs() -> None:
    assert Augmentation.from_config({"crop_area": [0.7, 1.0]}) == Augmentation(crop_area=(0.7, 1.0))


def test_nothing_is_varied_by_default_and_by_the_preset_of_that_name() -> None:
    assert Augmentation.from_config(PRESETS["none"]) == Augmentation()
    assert not Augmentation().varies_time


@pytest.mark.parametrize(
    "values", [{"temporal_jitter": 1}, {"temporal_crop": 0.9}, {"speed": 0.1}, {"frame_dropout": 0.1}], ids=str
)
def test_what_varies_time_is_known(values: dict[str, float]) -> None:
    assert Augmentation.from_config(values).varies_time


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_possible(name: str) -> None:
    Augmentation.from_config(PRESETS[name])


def test_preset_of_the_guide_is_what_the_shipped_slowfast_varies() -> None:
    from thermalctl.configs import slowfast_r50

    config = Config.fromfile(str(slowfast_r50.__file__))
    assert config.model.data_preprocessor.augment == PRESETS["guide"]
