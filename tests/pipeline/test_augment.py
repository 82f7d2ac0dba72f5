from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from thermalctl.errors import ConfigError
from thermalctl.pipeline.augment import Augmentation, draw_regions, erase_rectangles, jitter_temperatures

NUM_DRAWS = 2000
FRAME = torch.tensor([0.0, 0.0, 60.0, 40.0])
RANGE_C = (5.0, 45.0)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def draw_frames(**options: Any) -> Tensor:
    return draw_regions(FRAME.repeat(NUM_DRAWS, 1), Augmentation(**options))


def make_clips(num: int = 4) -> Tensor:
    """Clips (num, 5, 8, 12) of 12 to 32 deg C."""
    return 12 + 20 * torch.rand(num, 5, 8, 12, generator=torch.Generator().manual_seed(1))


def test_crop_keeps_its_area_aspect_and_place() -> None:
    x, y, width, height = draw_frames(crop_area=(0.7, 1.0), crop_aspect=(0.85, 1.15)).double().unbind(1)
    area, aspect = width * height / 2400, width / height / 1.5
    assert (0.7 - 1e-6 <= area.min() < 0.71) and (0.97 < area.max() <= 1 + 1e-6)
    assert (0.85 - 1e-6 <= aspect.min() < 0.87) and (1.12 < aspect.max() <= 1.15 + 1e-6)
    assert min(x.min(), y.min()) >= 0
    assert (x + width).max() <= 60 + 1e-4
    assert (y + height).max() <= 40 + 1e-4
    # Places are uniform: what is left of the crop is on average half of what is free.
    assert float((x / (60 - width)).mean()) == pytest.approx(0.5, abs=0.03)
    assert float((y / (40 - height)).mean()) == pytest.approx(0.5, abs=0.03)


def test_crop_stays_in_a_region_that_is_not_the_frame() -> None:
    region = torch.tensor([[-5.0, 10.0, 20.0, 20.0]]).repeat(500, 1)
    x, y, width, height = draw_regions(region, Augmentation(crop_area=(0.3, 0.5))).unbind(1)
    assert (x.min() >= -5) and (y.min() >= 10)
    assert ((x + width).max() <= 15 + 1e-4) and ((y + height).max() <= 30 + 1e-4)


def test_crop_that_never_fits_is_the_whole_region() -> None:
    assert torch.equal(draw_frames(crop_area=(1.0, 1.0), crop_aspect=(1.2, 1.3)), FRAME.repeat(NUM_DRAWS, 1))


@pytest.mark.parametrize(("name", "start", "size"), [("flip", 0, 2), ("flip_vertical", 1, 3)])
def test_flip_mirrors_one_axis_as_often_as_asked(name: str, start: int, size: int) -> None:
    drawn = draw_frames(**{name: 0.3})
    flipped = drawn[:, size] < 0
    assert float(flipped.float().mean()) == pytest.approx(0.3, abs=0.04)
    expected = FRAME.repeat(NUM_DRAWS, 1)
    expected[flipped, start], expected[flipped, size] = FRAME[size], -FRAME[size]
    assert torch.equal(drawn, expected)


def test_certain_flip_mirrors_a_crop_in_place() -> None:
    torch.manual_seed(5)
    plain = draw_regions(FRAME[None], Augmentation(crop_area=(0.5, 0.6)))
    torch.manual_seed(5)
    mirrored = draw_regions(FRAME[None], Augmentation(crop_area=(0.5, 0.6), flip=1.0))
    assert mirrored[0].tolist() == pytest.approx(
        [float(plain[0, 0] + plain[0, 2]), float(plain[0, 1]), -float(plain[0, 2]), float(plain[0, 3])]
    )


def test_brightness_multiplies_what_lies_above_the_lower_end() -> None:
    clips = make_clips(500)
    bright = jitter_temperatures(clips, Augmentation(brightness=0.3), RANGE_C)
    factors = (bright.double() - 5) / (clips.double() - 5)
    per_clip = factors.mean(dim=(1, 2, 3))
    assert (factors - per_clip[:, None, None, None]).abs().max() < 1e-5
    assert (0.7 <= per_clip.min() < 0.71) and (1.29 < per_clip.max() <= 1.3)
    assert float(per_clip.mean()) == pytest.approx(1, abs=0.03)


def test_contrast_multiplies_differences_from_the_clips_mean() -> None:
    clips = make_clips(500)
    changed = jitter_temperatures(clips, Augmentation(contrast=0.3), RANGE_C).double()
    mean = clips.double().mean(dim=(1, 2, 3), keepdim=True)
    torch.testing.assert_close(changed.mean(dim=(1, 2, 3), keepdim=True), mean, rtol=0, atol=1e-4)
    scale = changed.std(dim=(1, 2, 3)) / clips.double().std(dim=(1, 2, 3))
    expected = mean + (clips.double() - mean) * scale[:, None, None, None]
    torch.testing.assert_close(changed, expected, rtol=0, atol=1e-4)
    assert (0.7 <= scale.min() < 0.71) and (1.29 < scale.max() <= 1.3 + 1e-6)


def test_brightness_comes_before_contrast() -> None:
    clips = make_clips(1)
    torch.manual_seed(9)
    changed = jitter_temperatures(clips, Augmentation(brightness=0.3, contrast=0.2), RANGE_C)
    torch.manual_seed(9)
    brightness, contrast = (2 * torch.rand(2, 1).double().numpy() - 1).ravel() * (0.3, 0.2) + 1
    brighter = 5 + (clips.double().numpy() - 5) * brightness
    expected = brighter.mean() + (brighter - brighter.mean()) * contrast
    np.testing.assert_allclose(changed.numpy(), expected, atol=1e-4)


def test_unrepaired_pixels_do_not_move_the_mean() -> None:
    clips = torch.full((200, 2, 4, 4), 25.0)
    clips[:, 0, 2:] = -273.2  # a quarter of the clip
    changed = jitter_temperatures(clips, Augmentation(contrast=0.3), RANGE_C)
    # Within the range the mean is (3 * 25 + 5) / 4 = 20 deg C, so that 25 deg C stays within 20 + 5 * (0.7 to 1.3).
    assert (changed[:, 1].min() >= 23.5) and (changed[:, 1].max() <= 26.5)


def test_erased_rectangle_hides_the_same_pixels_in_every_frame() -> None:
    images = torch.full((1, 6, 40, 60), -1.0)  # no noise is below 0
    hidden = erase_rectangles(images, Augmentation(erase=1.0)) >= 0
    assert torch.equal(hidden, hidden[:, :1].expand_as(hidden))
    rows, columns = (hidden[0, 0].any(dim=axis).nonzero().flatten() for axis in (1, 0))
    assert hidden[0, 0].sum() == len(rows) * len(columns) == (1 + rows[-1] - rows[0]) * (1 + columns[-1] - columns[0])


def test_erased_area_aspect_and_share_of_clips() -> None:
    images = torch.full((NUM_DRAWS, 1, 100, 150), -1.0)
    hidden = erase_rectangles(images, Augmentation(erase=0.25, erase_area=(0.02, 0.2)))[:, 0] >= 0
    is_erased = hidden.flatten(1).any(1)
    assert float(is_erased.float().mean()) == pytest.approx(0.25, abs=0.03)
    heights, widths = (hidden[is_erased].any(dim=axis).sum(1).double() for axis in (2, 1))
    area, aspect = heights * widths / 15000, widths / heights
    # Whole pixels: a side is rounded by up to half a pixel of the shortest possible, sqrt(0.02 * 15000 * 0.3) = 9.5.
    assert (0.02 * 0.94 <= area.min() < 0.03) and (0.17 < area.max() <= 0.2 * 1.06)
    assert (0.27 <= aspect.min() < 0.35) and (2.9 < aspect.max() <= 3.7)


def test_erased_pixels_are_noise_of_the_mean_and_std_asked_for() -> None:
    images = torch.full((400, 4, 40, 60), -1.0)
    erased = erase_rectangles(images, Augmentation(erase=1.0, erase_fill=(100.0, 20.0)))
    noise = erased[erased >= 0].double()
    assert float(noise.mean()) == pytest.approx(100, abs=0.2)
    assert float(noise.std()) == pytest.approx(20, abs=0.2)
    frames = erased[0][:, (erased[0, 0] >= 0)]
    assert not torch.equal(frames[0], frames[1])  # anew in each frame, as MMAction2's RandomErasing does


def test_noise_stays_on_the_scale_of_pictures() -> None:
    erased = erase_rectangles(torch.full((50, 2, 20, 30), -1.0), Augmentation(erase=1.0))
    noise = erased[erased >= 0]
    assert (noise.min(), noise.max()) == (0, 255)  # 128 +- 64 reaches both ends within two deviations


def test_what_is_not_hidden_stays_and_the_input_too() -> None:
    images = make_clips(8)
    before = images.clone()
    erased = erase_rectangles(images, Augmentation(erase=1.0))
    assert torch.equal(images, before)
    assert 0 < float((erased != images).float().mean()) < 0.4


def test_without_augmentation_nothing_changes() -> None:
    clips, none = make_clips(), Augmentation()
    assert torch.equal(draw_regions(FRAME.repeat(4, 1), none), FRAME.repeat(4, 1))
    assert torch.equal(jitter_temperatures(clips, none, RANGE_C), clips)
    assert torch.equal(erase_rectangles(clips, none), clips)


def test_seeded_draws_repeat_and_others_differ() -> None:
    augmentation = Augmentation(
        crop_area=(0.5, 1.0), crop_aspect=(0.8, 1.2), flip=0.5, brightness=0.2, contrast=0.2, erase=0.5
    )

    def draw(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        clips = make_clips(8)
        return [
            draw_regions(FRAME.repeat(8, 1), augmentation),
            jitter_temperatures(clips, augmentation, RANGE_C),
            erase_rectangles(clips, augmentation),
        ]

    assert all(torch.equal(one, again) for one, again in zip(draw(3), draw(3), strict=True))
    assert not any(torch.equal(one, other) for one, other in zip(draw(3), draw(4), strict=True))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"flip": 1.5}, r"augment\.flip is 1\.5, expected a number from 0 to 1"),
        ({"erase": -0.1}, r"augment\.erase is -0\.1"),
        ({"brightness": "strong"}, r"augment\.brightness is 'strong'"),
        ({"contrast": math.nan}, r"augment\.contrast is nan"),
        ({"crop_area": 0.7}, r"augment\.crop_area is 0\.7, expected two numbers"),
        ({"crop_area": [0.7, 0.8, 0.9]}, r"augment\.crop_area is \(0\.7, 0\.8, 0\.9\), expected two numbers"),
        ({"crop_area": (1.0, 0.7)}, r"augment\.crop_area is \(1\.0, 0\.7\), expected 0 < least <= most <= 1"),
        ({"crop_area": (0.7, 1.3)}, r"augment\.crop_area is \(0\.7, 1\.3\)"),
        ({"crop_aspect": (0, 1)}, r"augment\.crop_aspect is \(0, 1\)"),
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
