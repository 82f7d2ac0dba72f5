from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from thermalctl.pipeline.augment import Augmentation
from thermalctl.pipeline.time_augment import count_context_frames, draw_times

NUM_DRAWS = 4000

AUGMENTATIONS = st.builds(
    Augmentation,
    temporal_jitter=st.floats(0, 40),
    temporal_crop=st.floats(0.05, 1),
    speed=st.floats(0, 3),
    frame_dropout=st.floats(0, 1),
)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def draw(num_frames: int = 64, **options: Any) -> Tensor:
    """Return draws as places relative to the keyframe, (NUM_DRAWS, T)."""
    augmentation = Augmentation(**options)
    context = count_context_frames(augmentation, num_frames)
    return draw_times(NUM_DRAWS, num_frames, context, augmentation) - context - num_frames // 2


@pytest.mark.parametrize("num_frames", [1, 7, 64])
@pytest.mark.parametrize("context_frames", [0, 5])
def test_without_augmentation_the_clip_is_the_delivered_ones_middle_and_nothing_is_drawn(
    num_frames: int, context_frames: int
) -> None:
    before = torch.get_rng_state()
    times = draw_times(3, num_frames, context_frames, Augmentation(flip=0.5))
    assert times.dtype == torch.int64
    assert times.tolist() == [list(range(context_frames, context_frames + num_frames))] * 3
    assert torch.equal(torch.get_rng_state(), before)


@given(AUGMENTATIONS, st.integers(1, 80), st.integers(0, 2**32))
def test_every_draw_lies_within_the_context_and_goes_forwards_around_the_keyframe(
    augmentation: Augmentation, num_frames: int, seed: int
) -> None:
    context = count_context_frames(augmentation, num_frames)
    torch.manual_seed(seed)
    # Far more context than needed: nothing is clipped then.
    times = draw_times(20, num_frames, 1000, augmentation) - 1000 + context
    assert times.shape == (20, num_frames)
    assert times.min() >= 0
    assert times.max() < num_frames + 2 * context
    assert (times.diff(dim=1) >= 0).all()
    assert (times[:, 0] <= context + num_frames // 2).all()
    if not augmentation.frame_dropout:
        assert (times[:, -1] >= context + num_frames // 2).all()


@given(AUGMENTATIONS, st.integers(1, 80), st.integers(0, 30))
def test_too_little_context_repeats_the_outermost_frame(
    augmentation: Augmentation, num_frames: int, context: int
) -> None:
    times = draw_times(20, num_frames, context, augmentation)
    assert times.min() >= 0
    assert times.max() < num_frames + 2 * context


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 0),
        ({"frame_dropout": 0.5, "temporal_crop": 0.5}, 0),
        ({"temporal_jitter": 4}, 4),
        ({"temporal_jitter": 0.4}, 0),
        ({"temporal_jitter": 0.6}, 1),
        ({"speed": 0.25}, 8),  # 1.25 * 32 frames before the keyframe
        ({"speed": 0.25, "temporal_jitter": 4}, 12),
        ({"speed": 0.25, "temporal_jitter": 4, "temporal_crop": 0.9}, 12),
        (
            {"temporal_jitter": 1000},
            32,
        ),  # the keyframe stays inside: 63 frames after the first one, of which 31 are own
        ({"temporal_jitter": 1000, "temporal_crop": 0.5}, 1),  # 0.5 * 63 = 31.5 after the keyframe
    ],
)
def test_context_is_what_the_furthest_draw_needs(options: dict[str, Any], expected: int) -> None:
    assert count_context_frames(Augmentation(**options), 64) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"temporal_jitter": 4},
        {"speed": 0.25},
        {"speed": 1.0, "temporal_jitter": 3},
        {"temporal_jitter": 1000, "temporal_crop": 0.8},
    ],
)
@pytest.mark.parametrize("num_frames", [9, 16])
def test_context_is_not_more_than_some_draw_needs(options: dict[str, Any], num_frames: int) -> None:
    augmentation = Augmentation(**options)
    context = count_context_frames(augmentation, num_frames)
    times = draw_times(200_000, num_frames, context, augmentation)
    assert times.min() == 0 or times.max() == num_frames + 2 * context - 1


def test_jitter_moves_the_clip_evenly_to_both_sides() -> None:
    times = draw(temporal_jitter=2.0)
    assert (times.diff(dim=1) == 1).all()
    shifts = times[:, 32]
    # Evenly from -2 to 2, rounded: -1, 0 and 1 have a quarter each, the outermost an eighth.
    shares = [float((shifts == shift).float().mean()) for shift in range(-2, 3)]
    assert shares == pytest.approx([1 / 8, 1 / 4, 1 / 4, 1 / 4, 1 / 8], abs=0.03)


def test_crop_keeps_its_share_of_the_clip_from_anywhere_in_it() -> None:
    times = draw(temporal_crop=0.6)
    lengths = times[:, -1] - times[:, 0]
    assert set(lengths.tolist()) == {37, 38}  # 0.6 * 63 = 37.8 frames apart, rounded
    assert (times.min().item(), times.max().item()) == (-32, 31)
    # The first frame's place is even over what is left, 25.2 frames: mean and standard deviation of such a draw.
    first = times[:, 0].double()
    assert first.mean() == pytest.approx(-32 + 25.2 / 2, abs=0.5)
    assert first.std() == pytest.approx(25.2 / math.sqrt(12), rel=0.03)


def test_short_crop_is_drawn_evenly_from_the_places_that_hold_the_keyframe() -> None:
    times = draw(temporal_crop=0.3)  # 18.9 frames apart, the first 0 to 18.9 frames before the keyframe
    assert (times[:, 0].max().item(), times[:, -1].min().item()) == (0, 0)
    first = times[:, 0].double()
    assert first.mean() == pytest.approx(-0.3 * 32 - 0.15, abs=0.6)
    assert first.std() == pytest.approx(18.9 / math.sqrt(12), rel=0.05)


def test_crop_spreads_what_it_keeps_evenly() -> None:
    steps = draw(temporal_crop=0.5).diff(dim=1)
    assert set(steps.flatten().tolist()) == {0, 1}
    assert steps.double().mean() == pytest.approx(0.5, abs=0.01)


def test_speed_is_doubled_as_often_as_halved() -> None:
    times = draw(speed=1.0)
    rates = (times[:, -1] - times[:, 0]).double() / 63
    assert (rates.min().item(), rates.max().item()) == pytest.approx((0.5, 2.0), abs=0.03)
    logs = rates.log2()
    # Even from -1 to 1.
    assert np.histogram(logs, bins=4, range=(-1.02, 1.02))[0] / NUM_DRAWS == pytest.approx([0.25] * 4, abs=0.04)
    assert (times[:, 32] == 0).all()  # around the keyframe


def test_lost_frame_shows_the_one_before_it() -> None:
    times = draw(num_frames=16, frame_dropout=0.3)
    assert (times[:, 0] == -8).all()
    lost = times != torch.arange(-8, 8)
    assert lost[:, 1:].double().mean() == pytest.approx(0.3, abs=0.01)
    repeated = times[:, 1:] == times[:, :-1]
    assert torch.equal(lost[:, 1:], repeated)


def test_every_frame_lost_leaves_the_first() -> None:
    assert (draw(num_frames=16, frame_dropout=1.0) == -8).all()


def by_hand(augmentation: Augmentation, num_frames: int, context: int, shares: list[float]) -> list[int]:
    """One clip's times in plain floats; `shares` in 0..1 for speed, crop and jitter, in the order of the draws."""
    before = num_frames // 2
    speed, crop, jitter = shares
    rate = (1 + augmentation.speed) ** (2 * speed - 1)
    step = rate * augmentation.temporal_crop
    # In the whole clip at this rate, the cropped part may begin at any place where it still fits.
    room = rate * (num_frames - 1) - step * (num_frames - 1)
    first = -rate * before + crop * room + augmentation.temporal_jitter * (2 * jitter - 1)
    first = min(max(first, -step * (num_frames - 1)), 0.0)  # the keyframe, at 0, stays inside
    return [math.floor(first + step * place + 0.5) + before + context for place in range(num_frames)]


@pytest.mark.parametrize("num_frames", [9, 16, 64])
def test_all_of_it_together_is_the_sum_of_its_parts(num_frames: int) -> None:
    augmentation = Augmentation(temporal_jitter=3.0, temporal_crop=0.8, speed=0.5)
    context = count_context_frames(augmentation, num_frames)
    torch.manual_seed(5)
    times = draw_times(50, num_frames, context, augmentation)
    torch.manual_seed(5)
    shares = torch.stack([torch.rand(50, dtype=torch.float64) for _ in range(3)], dim=1)
    assert times.tolist() == [by_hand(augmentation, num_frames, context, row) for row in shares.tolist()]


@pytest.mark.parametrize(
    "change", [lambda: torch.manual_seed(1), lambda: torch.rand(1)], ids=["another seed", "another state"]
)
def test_draws_follow_from_the_seed(change: Callable[[], object]) -> None:
    augmentation = Augmentation(temporal_jitter=3.0, temporal_crop=0.8, speed=0.5, frame_dropout=0.1)
    first = draw_times(8, 16, 12, augmentation)
    torch.manual_seed(0)
    assert torch.equal(draw_times(8, 16, 12, augmentation), first)
    torch.manual_seed(0)
    change()
    assert not torch.equal(draw_times(8, 16, 12, augmentation), first)
