from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from thermalctl.pipeline.augment import Augmentation
from thermalctl.pipeline.augment_space import Placement, draw_placements, place_regions, show_placed

NUM_DRAWS = 2000
FRAME = torch.tensor([0.0, 0.0, 60.0, 40.0])
WHOLE = torch.tensor([[0.0, 0.0, 1.0, 1.0]])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def draw_frames(num: int = NUM_DRAWS, **options: Any) -> Tensor:
    return place_regions(FRAME.repeat(num, 1), draw_placements(num, Augmentation(**options))).regions


def make_images(*size: int) -> Tensor:
    return 255 * torch.rand(size, generator=torch.Generator().manual_seed(1))


def show_all_turns(images: Tensor, regions: Tensor, output_size: tuple[int, int]) -> set[int]:
    """Return how many quarter turns were drawn for a repeated clip, each checked against `torch.rot90`."""
    num = 40
    placement = draw_placements(num, Augmentation(quarter_turns=1.0))
    placed = place_regions(regions.repeat(num, *(1,) * (regions.dim() - 1)), placement)
    shown = show_placed(images.repeat(num, 1, 1, 1, 1), placed, output_size)
    still = Placement(crops=WHOLE, turned=torch.tensor([False]))
    [plain] = show_placed(images, place_regions(regions, still), output_size)
    found = set()
    for clip in shown:
        matches = [k for k in range(4) if torch.allclose(clip, torch.rot90(plain, k, (-2, -1)), atol=1e-3)]
        assert len(matches) == 1
        found.add(matches[0])
    return found


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
    placement = draw_placements(500, Augmentation(crop_area=(0.3, 0.5)))
    x, y, width, height = place_regions(region, placement).regions.unbind(1)
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
    [plain] = draw_frames(1, crop_area=(0.5, 0.6))
    torch.manual_seed(5)
    [mirrored] = draw_frames(1, crop_area=(0.5, 0.6), flip=1.0)
    assert mirrored.tolist() == pytest.approx(
        [float(plain[0] + plain[2]), float(plain[1]), -float(plain[2]), float(plain[3])]
    )


def test_region_that_moves_is_cropped_alike_in_every_frame() -> None:
    moving = torch.tensor([[[10.0, 0.0, 20.0, 20.0], [14.0, 3.0, 20.0, 20.0]]])
    crop = Placement(crops=torch.tensor([[0.25, 0.75, 0.5, -0.5]]), turned=torch.tensor([False]))
    # A quarter of 20 to the right; from three quarters upwards, half of it mirrored.
    assert place_regions(moving, crop).regions.tolist() == [[[15.0, 15.0, 10.0, -10.0], [19.0, 18.0, 10.0, -10.0]]]


@pytest.mark.parametrize(("probability", "expected"), [(0.75, [0.25] * 4), (0.3, [0.7, 0.1, 0.1, 0.1])])
def test_quarter_turns_are_as_frequent_as_asked_and_equally_so(probability: float, expected: list[float]) -> None:
    placement = draw_placements(NUM_DRAWS, Augmentation(quarter_turns=probability))
    mirrored = placement.crops[:, 2:] < 0
    # Mirrored left-right, both ways and up-down: what one, two and three turns against the clock begin with.
    turns = [
        ~placement.turned & ~mirrored.any(1),
        placement.turned & mirrored[:, 0] & ~mirrored[:, 1],
        ~placement.turned & mirrored.all(1),
        placement.turned & ~mirrored[:, 0] & mirrored[:, 1],
    ]
    assert [float(turn.float().mean()) for turn in turns] == pytest.approx(expected, abs=0.04)


def test_square_region_is_turned_whole() -> None:
    images, region = make_images(1, 3, 2, 40, 60), torch.tensor([[21.0, 7.0, 20.0, 20.0]])
    assert show_all_turns(images, region, (20, 20)) == {1, 2, 3}


def test_square_region_that_moves_beyond_the_frame_is_turned_with_its_repeated_edge() -> None:
    images = make_images(1, 1, 2, 40, 60)
    regions = torch.tensor([[[-8.0, 7.0, 20.0, 20.0], [45.0, 30.0, 20.0, 20.0]]])
    assert show_all_turns(images, regions, (12, 12)) == {1, 2, 3}


def test_square_region_beyond_the_frame_is_turned_with_its_repeated_edge_when_it_is_cropped_too() -> None:
    images = torch.zeros(1, 1, 1, 40, 60)
    images[..., 0] = 200.0  # a warm wall at the left edge, beside which a person stands
    regions = torch.tensor([[-18.0, 10.0, 20.0, 20.0]]).repeat(50, 1)
    placed = place_regions(regions, draw_placements(50, Augmentation(quarter_turns=1.0, crop_area=(0.8, 1.0))))
    assert not placed.barred.any()
    assert (placed.regions[:, 2] != placed.regions[:, 3]).any()
    shown = show_placed(images.expand(50, -1, -1, -1, -1), placed, (20, 20))
    assert (shown > 100).float().mean(dim=(1, 2, 3, 4)).min() > 0.8  # 18.5 of 20 columns show the wall


def test_square_region_in_an_oblong_input_is_turned_before_it_is_stretched() -> None:
    images = make_images(1, 1, 1, 20, 20)
    turn = Placement(crops=torch.tensor([[1.0, 0.0, -1.0, 1.0]]), turned=torch.tensor([True]))
    placed = place_regions(torch.tensor([[0.0, 0.0, 20.0, 20.0]]), turn)
    turned_before = torch.rot90(images, 1, (-2, -1))
    still = Placement(crops=WHOLE, turned=torch.tensor([False]))
    region = place_regions(torch.tensor([[0.0, 0.0, 20.0, 20.0]]), still)
    torch.testing.assert_close(
        show_placed(images, placed, (20, 40)),
        show_placed(turned_before, region, (20, 40)),
        rtol=0,
        atol=1e-3,
    )


def test_whole_frame_is_turned_smaller_between_bars_of_its_median() -> None:
    images = make_images(1, 2, 3, 40, 60)
    turn = Placement(crops=torch.tensor([[1.0, 0.0, -1.0, 1.0]]), turned=torch.tensor([True]))
    shown = show_placed(images, place_regions(FRAME[None], turn), (80, 120))
    # A frame 60 wide and 40 high is 40 wide and 60 high when turned; in 80x120 it is 80 high, so 53.33 wide, from 33.33
    # to 86.67.
    medians = images.flatten(2).median(2).values[0]
    for picture, median in zip(shown[0], medians, strict=True):
        assert (picture[..., :33] == median).all()
        assert (picture[..., 87:] == median).all()
        assert not (picture[..., 34:86] == median).all(-2).any()
    turned = torch.rot90(images[0], 1, (-2, -1))  # (2, 3, 60, 40)
    # Output column 60 has its centre at 60.5 * 0.75 - 25 = 20.375, between those of columns 19 (19.5) and 20 (20.5).
    rows = torch.nn.functional.interpolate(turned, size=(80, 40), mode="bilinear")
    by_hand = rows[..., 19] * 0.125 + rows[..., 20] * 0.875
    torch.testing.assert_close(shown[0, ..., 60], by_hand, rtol=0, atol=1e-2)


def test_clips_that_are_not_turned_keep_their_place_in_the_batch() -> None:
    images = make_images(3, 1, 2, 20, 20)
    placement = Placement(
        crops=torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, -1.0], [0.0, 0.0, 1.0, 1.0]]),
        turned=torch.tensor([False, True, False]),
    )
    region = torch.tensor([[0.0, 0.0, 20.0, 20.0]]).repeat(3, 1)
    shown = show_placed(images, place_regions(region, placement), (20, 20))
    assert torch.equal(shown[0], images[0])
    assert torch.equal(shown[2], images[2])
    torch.testing.assert_close(shown[1], torch.rot90(images[1], 3, (-2, -1)), rtol=0, atol=1e-3)


def test_nothing_asked_is_the_very_region() -> None:
    placement = draw_placements(4, Augmentation())
    assert not placement.turned.any()
    regions = 60 * torch.rand(4, 5, 4)
    assert torch.equal(place_regions(regions, placement).regions, regions)
