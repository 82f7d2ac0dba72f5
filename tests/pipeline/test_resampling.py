from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from thermalctl.pipeline.resampling import bilinear_weights, resample_clips

SIZES = [
    ((40, 60), (256, 384)),
    ((40, 60), (224, 224)),
    ((40, 60), (17, 23)),
    ((40, 60), (40, 60)),
    ((16, 16), (33, 15)),
    ((80, 60), (20, 90)),
    ((1, 5), (3, 4)),
]


def make_images(height: int, width: int, num: int = 3) -> Tensor:
    """Images on the 0..255 scale, neither constant nor smooth: (1, num, H, W)."""
    generator = torch.Generator().manual_seed(height * 1000 + width)
    return 255 * torch.rand(1, num, height, width, generator=generator)


def resize_with_cv2(images: Tensor, size: tuple[int, int]) -> Tensor:
    resized = [cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR) for image in images[0].numpy()]
    return torch.from_numpy(np.stack(resized))[None]


def regions(*values: float) -> Tensor:
    return torch.tensor([values], dtype=torch.float32)


@pytest.mark.parametrize(("source", "output"), SIZES)
def test_whole_frame_equals_opencv(source: tuple[int, int], output: tuple[int, int]) -> None:
    images = make_images(*source)
    resized = resample_clips(images, regions(0, 0, source[1], source[0]), output)
    assert resized.shape == (1, 3, *output)
    torch.testing.assert_close(resized, resize_with_cv2(images, output), rtol=0, atol=1e-3)


def test_size_that_is_kept_keeps_every_bit() -> None:
    images = make_images(40, 60)
    assert torch.equal(resample_clips(images, regions(0, 0, 60, 40), (40, 60)), images)


@pytest.mark.parametrize("output", [(96, 160), (11, 13)])
def test_crop_equals_opencv_away_from_its_edge(output: tuple[int, int]) -> None:
    images = make_images(40, 60)
    left, top, width, height = 7, 5, 40, 24
    ours = resample_clips(images, regions(left, top, width, height), output)
    theirs = resize_with_cv2(images[..., top : top + height, left : left + width].contiguous(), output)
    # OpenCV sees nothing beyond the cut; the outermost half source pixel is where that matters.
    border = [int(np.ceil(0.5 * o / s)) for o, s in zip(output, (height, width), strict=True)]
    inside = (..., slice(border[0], -border[0]), slice(border[1], -border[1]))
    torch.testing.assert_close(ours[inside], theirs[inside], rtol=0, atol=1e-3)


def test_crop_uses_the_frame_beyond_its_edge() -> None:
    row = torch.tensor([[[[10.0, 20.0, 30.0, 40.0]]]])
    # Columns 1 and 2 to four pixels: their centres lie at 1.25, 1.75, 2.25 and 2.75 from the left, less the half pixel.
    doubled = resample_clips(row, regions(1, 0, 2, 1), (1, 4))
    assert doubled.flatten().tolist() == [17.5, 22.5, 27.5, 32.5]


def test_frame_edge_is_repeated_beyond_the_frame() -> None:
    row = torch.tensor([[[[10.0, 20.0, 30.0]]]])
    assert resample_clips(row, regions(-2, 0, 7, 1), (1, 7)).flatten().tolist() == [10, 10, 10, 20, 30, 30, 30]
    assert resample_clips(row, regions(-9, 0, 3, 1), (1, 3)).flatten().tolist() == [10, 10, 10]


def test_negative_width_mirrors_the_columns() -> None:
    images = make_images(40, 60)
    assert torch.equal(resample_clips(images, regions(60, 0, -60, 40), (40, 60)), images.flip(-1))
    plain = resample_clips(images, regions(6, 4, 30, 20), (64, 96))
    mirrored = resample_clips(images, regions(36, 4, -30, 20), (64, 96))
    torch.testing.assert_close(mirrored, plain.flip(-1), rtol=0, atol=1e-3)


def test_negative_height_mirrors_the_rows() -> None:
    images = make_images(40, 60)
    assert torch.equal(resample_clips(images, regions(0, 40, 60, -40), (40, 60)), images.flip(-2))


def test_each_clip_has_its_own_region() -> None:
    images = torch.cat([make_images(40, 60), make_images(40, 60) / 2])
    where = torch.tensor([[0.0, 0.0, 60.0, 40.0], [10.0, 8.0, 20.0, 20.0]])
    both = resample_clips(images, where, (30, 30))
    for index in range(2):
        alone = resample_clips(images[index : index + 1], where[index : index + 1], (30, 30))
        torch.testing.assert_close(both[index : index + 1], alone, rtol=0, atol=1e-4)


def test_each_frame_may_have_its_own_region() -> None:
    images = torch.cat([make_images(40, 60), make_images(40, 60).flip(-1)])
    where = torch.tensor([[10.0, 8.0, 20.0, 20.0], [12.5, 8.25, 20.0, 20.0], [32.0, -4.0, -20.0, 30.0]])
    where = torch.stack([where, where.roll(1, 0)])
    moving = resample_clips(images, where, (30, 24))
    assert moving.shape == (2, 3, 30, 24)
    for clip in range(2):
        for frame in range(3):
            alone = resample_clips(images[clip : clip + 1, frame : frame + 1], where[clip : clip + 1, frame], (30, 24))
            torch.testing.assert_close(moving[clip, frame], alone[0, 0], rtol=0, atol=1e-4)


def test_region_that_stays_is_that_of_the_clip() -> None:
    images = make_images(40, 60)
    still = regions(10, 8, 20, 20)
    assert torch.equal(
        resample_clips(images, still[:, None].repeat(1, 3, 1), (30, 30)), resample_clips(images, still, (30, 30))
    )


def test_crop_that_moves_with_a_spot_holds_it_still() -> None:
    frames = torch.zeros(1, 5, 12, 20)
    for frame in range(5):
        frames[0, frame, 3 + frame, 4 + 2 * frame] = 255.0
    steps = torch.arange(5.0)
    where = torch.stack([2.0 + 2 * steps, 1.0 + steps, torch.full((5,), 5.0), torch.full((5,), 5.0)], dim=1)
    shown = resample_clips(frames, where[None], (5, 5))
    expected = torch.zeros(5, 5)
    expected[2, 2] = 255.0
    assert torch.equal(shown[0], expected.expand(5, 5, 5))


def test_weights_of_every_output_pixel_sum_to_one() -> None:
    weights = bilinear_weights(torch.tensor([-3.7, 11.2]), torch.tensor([55.1, -20.3]), 40, 96)
    assert weights.shape == (2, 96, 40)
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 96), rtol=0, atol=1e-5)
    assert weights.min() >= 0
