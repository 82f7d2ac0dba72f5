from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.annotations.coco import Box
from thermalctl.people.history import BoxHistory


def remember(*frames: int) -> BoxHistory:
    """A history in which the box's centre is at a thousandth of the frame's number."""
    history = BoxHistory()
    for frame in frames:
        history.append(frame, Box(frame / 1000, 0.5, 0.1, 0.2))
    return history


def test_presence_is_the_share_of_frames_from_the_first_to_the_last_sighting() -> None:
    history = remember(10, 12, 19)
    assert history.measure_presence(np.arange(0, 20)) == pytest.approx(0.5)
    assert history.measure_presence(np.array([5, 10, 11, 30])) == pytest.approx(0.5)
    assert history.measure_presence(np.arange(20, 30)) == 0.0


def test_sightings_between_two_frames_include_both() -> None:
    history = remember(10, 20)
    assert history.is_seen_between(20, 25)
    assert history.is_seen_between(5, 10)
    assert not history.is_seen_between(11, 19)
    assert not history.is_seen_between(21, 99)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=30, unique=True).map(sorted), st.integers(-10, 310))
def test_what_is_forgotten_changes_nothing_from_that_frame_on(frames: list[int], first: int) -> None:
    whole, cut = remember(*frames), remember(*frames)
    cut.forget_before(first)
    asked = np.arange(first, 320)
    np.testing.assert_array_equal(cut.to_track().locate(asked), whole.to_track().locate(asked))
    assert len(cut) <= 1 + sum(frame >= first for frame in frames)
