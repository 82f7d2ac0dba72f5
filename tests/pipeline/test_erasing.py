from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from thermalctl.pipeline.augment import Augmentation
from thermalctl.pipeline.erasing import erase_blocks

NUM_DRAWS = 2000


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def make_images(num_clips: int = 1, size: tuple[int, ...] = (6, 40, 60), num_pictures: int = 1) -> Tensor:
    """Pictures below 0, where no noise is."""
    return torch.full((num_clips, num_pictures, *size), -1.0)


def erase(images: Tensor, **options: Any) -> Tensor:
    erased = images.clone()
    erase_blocks(erased, Augmentation(**({"erase": 1.0} | options)))
    return erased


def test_rectangle_hides_the_same_pixels_in_every_frame_and_picture() -> None:
    hidden = erase(make_images(num_pictures=3)) >= 0
    assert torch.equal(hidden, hidden[:, :1, :1].expand_as(hidden))
    first = hidden[0, 0, 0]
    rows, columns = (first.any(dim=axis).nonzero().flatten() for axis in (1, 0))
    assert first.sum() == len(rows) * len(columns) == (1 + rows[-1] - rows[0]) * (1 + columns[-1] - columns[0])


def test_area_aspect_and_share_of_clips() -> None:
    hidden = erase(make_images(NUM_DRAWS, (1, 100, 150)), erase=0.25, erase_area=(0.02, 0.2))[:, 0, 0] >= 0
    is_erased = hidden.flatten(1).any(1)
    assert float(is_erased.float().mean()) == pytest.approx(0.25, abs=0.03)
    heights, widths = (hidden[is_erased].any(dim=axis).sum(1).double() for axis in (2, 1))
    area, aspect = heights * widths / 15000, widths / heights
    # Whole pixels: a side is rounded by up to half a pixel of the shortest possible, sqrt(0.02 * 15000 * 0.3) = 9.5.
    assert (0.02 * 0.94 <= area.min() < 0.03) and (0.17 < area.max() <= 0.2 * 1.06)
    assert (0.27 <= aspect.min() < 0.35) and (2.9 < aspect.max() <= 3.7)


def test_noise_has_the_mean_and_std_asked_for_and_is_new_in_each_frame_and_picture() -> None:
    erased = erase(make_images(200, (4, 40, 60), 2), erase_fill=(100.0, 20.0))
    noise = erased[erased >= 0].double()
    assert float(noise.mean()) == pytest.approx(100, abs=0.2)
    assert float(noise.std()) == pytest.approx(20, abs=0.2)
    values = erased[0][:, :, erased[0, 0, 0] >= 0]
    assert not torch.equal(values[0, 0], values[0, 1])  # as MMAction2's RandomErasing does
    assert not torch.equal(values[0, 0], values[1, 0])


def test_noise_stays_on_the_scale_of_pictures() -> None:
    erased = erase(make_images(50, (2, 20, 30)))
    noise = erased[erased >= 0]
    assert (noise.min(), noise.max()) == (0, 255)  # 128 +- 64 reaches both ends within two deviations


def test_what_is_not_hidden_stays_and_the_input_too() -> None:
    images = 255 * torch.rand(8, 1, 5, 8, 12)
    before = images.clone()
    erased = erase(images)
    assert torch.equal(images, before)
    assert 0 < float((erased != images).float().mean()) < 0.4


def test_cuboid_hides_a_stretch_of_frames_of_any_length() -> None:
    hidden = (erase(make_images(NUM_DRAWS, (8, 10, 10)), erase_mode="cuboid") >= 0)[:, 0]
    is_erased = hidden.flatten(2).any(2)  # (N, T)
    lengths = is_erased.sum(1)
    assert torch.bincount(lengths, minlength=9)[1:].tolist() == pytest.approx([NUM_DRAWS / 8] * 8, abs=60)
    first, last = is_erased.int().argmax(1), 7 - is_erased.flip(1).int().argmax(1)
    assert torch.equal(last - first + 1, lengths)  # without a gap
    assert set(first[lengths == 4].tolist()) == set(range(5))
    # The same pixels in each of its frames.
    pixels = hidden.any(1, keepdim=True).expand_as(hidden)
    assert torch.equal(hidden, pixels & is_erased[:, :, None, None])


def test_without_erasing_the_pictures_come_back_as_they_are() -> None:
    images = make_images(3)
    assert torch.equal(erase(images, erase=0.0), images)
