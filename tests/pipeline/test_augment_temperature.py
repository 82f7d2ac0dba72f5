from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from thermalctl.clip_spec import ClipSpec
from thermalctl.pipeline.augment import Augmentation
from thermalctl.pipeline.augment_temperature import drop_rows, jitter_temperatures

SPEC = ClipSpec(classes=("a", "b"), temperature_range_c=(5.0, 45.0))
ABOVE_ROOM = ClipSpec(classes=("a", "b"), temperatures="relative", temperature_range_c=(-15.0, 25.0))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def make_clips(num: int = 4, num_frames: int = 5) -> Tensor:
    """Clips (num, T, 8, 12) of 12 to 32 deg C."""
    return 12 + 20 * torch.rand(num, num_frames, 8, 12, generator=torch.Generator().manual_seed(1))


def jitter(clips_c: Tensor, **options: Any) -> Tensor:
    return jitter_temperatures(clips_c, Augmentation(**options), SPEC)


def test_brightness_multiplies_what_lies_above_the_lower_end() -> None:
    clips = make_clips(500)
    bright = jitter(clips, brightness=0.3)
    factors = (bright.double() - 5) / (clips.double() - 5)
    per_clip = factors.mean(dim=(1, 2, 3))
    assert (factors - per_clip[:, None, None, None]).abs().max() < 1e-5
    assert (0.7 <= per_clip.min() < 0.71) and (1.29 < per_clip.max() <= 1.3)
    assert float(per_clip.mean()) == pytest.approx(1, abs=0.03)


def test_brightness_of_relative_temperatures_does_not_depend_on_the_room() -> None:
    clips, options = make_clips(), Augmentation(brightness=0.3, contrast=0.2)
    torch.manual_seed(9)
    changed = jitter_temperatures(clips, options, ABOVE_ROOM)
    torch.manual_seed(9)
    torch.testing.assert_close(jitter_temperatures(clips + 9, options, ABOVE_ROOM), changed + 9, rtol=0, atol=1e-4)
    torch.manual_seed(9)
    assert (jitter_temperatures(clips + 9, options, SPEC) - changed - 9).abs().max() > 0.5


def test_contrast_multiplies_differences_from_the_clips_mean() -> None:
    clips = make_clips(500)
    changed = jitter(clips, contrast=0.3).double()
    mean = clips.double().mean(dim=(1, 2, 3), keepdim=True)
    torch.testing.assert_close(changed.mean(dim=(1, 2, 3), keepdim=True), mean, rtol=0, atol=1e-4)
    scale = changed.std(dim=(1, 2, 3)) / clips.double().std(dim=(1, 2, 3))
    expected = mean + (clips.double() - mean) * scale[:, None, None, None]
    torch.testing.assert_close(changed, expected, rtol=0, atol=1e-4)
    assert (0.7 <= scale.min() < 0.71) and (1.29 < scale.max() <= 1.3 + 1e-6)


def test_brightness_comes_before_contrast() -> None:
    clips = make_clips(1)
    torch.manual_seed(9)
    changed = jitter(clips, brightness=0.3, contrast=0.2)
    torch.manual_seed(9)
    brightness, contrast = (2 * torch.rand(2, 1).double().numpy() - 1).ravel() * (0.3, 0.2) + 1
    brighter = 5 + (clips.double().numpy() - 5) * brightness
    expected = brighter.mean() + (brighter - brighter.mean()) * contrast
    np.testing.assert_allclose(changed.numpy(), expected, atol=1e-4)


def test_unrepaired_pixels_do_not_move_the_mean() -> None:
    clips = torch.full((200, 2, 4, 4), 25.0)
    clips[:, 0, 2:] = -273.2  # a quarter of the clip
    changed = jitter(clips, contrast=0.3)
    # Within the range the mean is (3 * 25 + 5) / 4 = 20 deg C, so that 25 deg C stays within 20 + 5 * (0.7 to 1.3).
    assert (changed[:, 1].min() >= 23.5) and (changed[:, 1].max() <= 26.5)


def test_gain_multiplies_differences_from_the_clips_median() -> None:
    clips = make_clips(500).double()
    clips[:, :, 0, 0] = 300.0  # a kettle, which would move the mean by 3 deg C
    changed = jitter(clips, gain=0.2)
    # An odd number of pixels more on one side of it would be needed for another median: 480 pixels, the lower middle.
    medians = np.sort(clips.reshape(500, -1).numpy())[:, 239, None, None, None]
    factors = (changed.numpy() - medians)[:, 0, 0, 0] / (300 - medians)[:, 0, 0, 0]
    np.testing.assert_allclose(changed.numpy(), medians + (clips.numpy() - medians) * factors[:, None, None, None])
    assert (0.8 <= factors.min() < 0.81) and (1.19 < factors.max() <= 1.2)


def test_offset_moves_all_temperatures_of_a_clip_alike() -> None:
    clips = make_clips(500)
    offsets = jitter(clips, offset_c=2.0).double() - clips.double()
    per_clip = offsets.mean(dim=(1, 2, 3))
    assert (offsets - per_clip[:, None, None, None]).abs().max() < 1e-5
    assert (-2 <= per_clip.min() < -1.95) and (1.95 < per_clip.max() <= 2)
    assert float(per_clip.mean()) == pytest.approx(0, abs=0.15)


def test_noise_is_gaussian_and_independent_of_pixel_frame_and_clip() -> None:
    clips = make_clips(100)
    noise = (jitter(clips, noise_c=0.25) - clips).double().numpy()
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(0.25, rel=0.01)
    assert np.mean(np.abs(noise) < 0.25) == pytest.approx(0.6827, abs=0.01)
    for one, other in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1]), (noise[..., 1:], noise[..., :-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_temperatures_are_left_as_they_are_bit_by_bit_without_any_of_it() -> None:
    clips = make_clips()
    assert jitter(clips) is clips
    assert drop_rows(clips, Augmentation()) is clips


def test_lost_rows_show_the_nearest_that_arrived() -> None:
    clips = torch.arange(40.0)[:, None].expand(2000, 1, 40, 3)  # each row holds its number
    shown = drop_rows(clips, Augmentation(row_dropout=1.0))[:, 0, :, 0].long().numpy()
    heights = []
    for rows in shown:
        lost = np.flatnonzero(rows != np.arange(40))
        heights.append(len(lost))
        assert np.array_equal(lost, np.arange(lost[0], lost[-1] + 1))
        arrived = np.setdiff1d(np.arange(40), lost)
        # Of two equally near the upper one, which argmin finds first.
        assert rows[lost].tolist() == [arrived[np.abs(arrived - row).argmin()] for row in lost]
    # An eighth of 40 rows is 5; each height from 1 is equally likely, at every place.
    assert np.bincount(heights, minlength=6)[1:].tolist() == pytest.approx([400] * 5, abs=70)


def test_share_of_frames_that_lose_rows() -> None:
    clips = make_clips(200, 10)
    changed = (drop_rows(clips, Augmentation(row_dropout=0.3)) != clips).flatten(2).any(2)
    assert float(changed.float().mean()) == pytest.approx(0.3, abs=0.03)


def test_frame_of_few_rows_loses_one_and_never_all() -> None:
    clips = torch.arange(3.0)[:, None].expand(50, 2, 3, 4)
    changed = (drop_rows(clips, Augmentation(row_dropout=1.0)) != clips)[..., 0].sum(2)
    assert (changed == 1).all()
    single = torch.ones(2, 2, 1, 4)
    assert torch.equal(drop_rows(single, Augmentation(row_dropout=1.0)), single)
