from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from thermalctl.clip_spec import ClipSpec
from thermalctl.pipeline.regions import find_regions

CLIP = torch.zeros(3, 40, 60)


def make_spec(**options: Any) -> ClipSpec:
    return ClipSpec(classes=("a", "b"), num_frames=3, **options)


def make_sample() -> Any:
    """A person who walks to the right and lies down; in the keyframe, the second of three, they stand."""
    track = [[0.4, 0.5, 0.1, 0.1], [0.5, 0.5, 0.1, 0.1], [0.6, 0.75, 0.2, 0.1]]
    return SimpleNamespace(metainfo={"boxes": [(0.5, 0.5, 0.1, 0.1)], "track": track})


def test_whole_frame_needs_no_sample() -> None:
    assert find_regions(CLIP, None, make_spec()).tolist() == [0, 0, 60, 40]


def test_fixed_region_is_the_square_around_the_keyframes_box() -> None:
    # A box of 6x4 pixels around (30, 20): 1.5 * 6 = 9.
    regions = find_regions(CLIP, make_sample(), make_spec(target="person", person_crop="fixed"))
    assert regions.dtype == torch.float32
    assert regions.tolist() == pytest.approx([25.5, 15.5, 9, 9])


def test_following_region_goes_with_the_person_and_keeps_its_side() -> None:
    # The longest side is that of the person lying, 12 pixels: 1.5 * 12 = 18.
    regions = find_regions(CLIP, make_sample(), make_spec(target="person"))
    expected = torch.tensor([[15.0, 11.0, 18.0, 18.0], [21.0, 11.0, 18.0, 18.0], [27.0, 21.0, 18.0, 18.0]])
    torch.testing.assert_close(regions, expected)


def test_margin_decides_how_much_is_seen_around_the_person() -> None:
    regions = find_regions(CLIP, make_sample(), make_spec(target="person", person_margin=2.0))
    assert regions[:, 2:].unique().tolist() == pytest.approx([24.0])
    torch.testing.assert_close(regions[:, :2] + 12, torch.tensor([[24.0, 20.0], [30.0, 20.0], [36.0, 30.0]]))
