from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from thermalctl.pipeline.repair import find_incomplete, repair_clips
from thermalctl.recordings.health import find_incomplete_frames, repair_incomplete_frames


def make_clip(incomplete: list[bool]) -> np.ndarray:
    """A clip (T, 2, 3) whose frame t is t degrees; of incomplete frames the last row is 0 K."""
    clip = np.broadcast_to(np.arange(len(incomplete), dtype=np.float32)[:, None, None], (len(incomplete), 2, 3)).copy()
    clip[incomplete, 1] = -273.2
    return clip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=70).filter(lambda pattern: not all(pattern)))
def test_repair_equals_the_rule_for_recordings(incomplete: list[bool]) -> None:
    clip = make_clip(incomplete)
    expected = repair_incomplete_frames(clip, np.array(incomplete))
    assert np.array_equal(repair_clips(torch.from_numpy(clip)[None])[0].numpy(), expected)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([20.0, -49.9, -50.0, -50.1, -273.2, np.nan, 60.0]), min_size=6, max_size=6))
def test_incomplete_frames_are_those_of_the_rule_for_recordings(pixels: list[float]) -> None:
    clip = np.full((6, 2, 2), 21, dtype=np.float32)
    clip[:, 0, 1] = pixels
    found = find_incomplete(torch.from_numpy(clip)[None])
    assert found.shape == (1, 6)
    assert found[0].tolist() == find_incomplete_frames(clip).tolist()


def test_of_two_equally_near_the_earlier_is_taken() -> None:
    repaired = repair_clips(torch.from_numpy(make_clip([False, True, False, True, True, True, False]))[None])
    assert repaired[0, :, 0, 0].tolist() == [0, 0, 2, 2, 2, 6, 6]


def test_clips_of_a_batch_do_not_mix() -> None:
    first, second = make_clip([False, True, True]), make_clip([True, True, False])
    repaired = repair_clips(torch.from_numpy(np.stack([first, second])))
    assert repaired[:, :, 1, 2].tolist() == [[0, 0, 0], [2, 2, 2]]


def test_clip_without_a_complete_frame_comes_back_as_it_is() -> None:
    clip = make_clip([True, True, True])
    assert np.array_equal(repair_clips(torch.from_numpy(clip)[None])[0].numpy(), clip)


def test_complete_clip_is_unchanged() -> None:
    clip = torch.from_numpy(make_clip([False] * 5))[None]
    assert torch.equal(repair_clips(clip), clip)
