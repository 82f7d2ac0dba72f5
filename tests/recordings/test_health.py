from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.errors import RecordingError
from thermalctl.recordings.hdf5 import RecordingFile
from thermalctl.recordings.health import find_incomplete_frames, find_nearest_complete, repair_incomplete_frames


def make_frames(num_frames: int) -> np.ndarray:
    """Frames of 3x4 pixels at 20 deg C, 21 deg C, ..."""
    return np.broadcast_to(20.0 + np.arange(num_frames)[:, None, None], (num_frames, 3, 4)).astype(np.float32)


def test_frame_with_lost_pixels_is_incomplete() -> None:
    frames_c = make_frames(5)
    frames_c[1, 2, 3] = np.float32(-273.2)
    frames_c[3, 1:] = np.float32(-273.2)
    assert find_incomplete_frames(frames_c).tolist() == [False, True, False, True, False]


def test_frame_with_a_pixel_that_is_no_number_is_incomplete() -> None:
    frames_c = make_frames(3)
    frames_c[2, 0, 0] = np.nan
    assert find_incomplete_frames(frames_c).tolist() == [False, False, True]


def test_frost_is_a_temperature() -> None:
    frames_c = make_frames(2)
    frames_c[0, 0, 0] = -40.0
    frames_c[1, 0, 0] = -50.0
    assert not find_incomplete_frames(frames_c).any()


@pytest.mark.parametrize(
    ("incomplete", "nearest"),
    [
        ([0, 0, 0], [0, 1, 2]),
        ([1, 0, 0], [1, 1, 2]),
        ([0, 0, 1], [0, 1, 1]),
        ([0, 1, 0], [0, 0, 2]),  # equally near: the earlier
        ([0, 1, 1, 0], [0, 0, 3, 3]),
        ([0, 1, 1, 1, 0], [0, 0, 0, 4, 4]),
        ([1, 1, 0, 1, 1], [2, 2, 2, 2, 2]),
    ],
)
def test_nearest_complete_frame_is_found(incomplete: list[int], nearest: list[int]) -> None:
    assert find_nearest_complete(np.array(incomplete, dtype=bool)).tolist() == nearest


@given(st.lists(st.booleans(), min_size=1, max_size=40).filter(lambda flags: not all(flags)))
def test_nearest_complete_frame_agrees_with_trying_all(flags: list[bool]) -> None:
    complete = [index for index, flag in enumerate(flags) if not flag]
    expected = [min(complete, key=lambda other: (abs(other - index), other)) for index in range(len(flags))]
    assert find_nearest_complete(np.array(flags)).tolist() == expected


def test_incomplete_frame_is_replaced_by_nearest_complete_one() -> None:
    frames_c = make_frames(4)
    frames_c[1:3, 2] = np.float32(-273.2)
    repaired_c = repair_incomplete_frames(frames_c, find_incomplete_frames(frames_c))
    assert repaired_c[:, 0, 0].tolist() == [20.0, 20.0, 23.0, 23.0]
    assert repaired_c.min() == 20.0
    assert frames_c[1, 2, 0] < -200.0, "the recording itself is left alone"


def test_recording_without_a_complete_frame_is_refused() -> None:
    with pytest.raises(RecordingError, match="none of 3 frames is complete"):
        repair_incomplete_frames(make_frames(3), np.ones(3, dtype=bool))


@pytest.mark.real
def test_real_recordings_have_the_known_shares_of_incomplete_frames(real_dataset: Path) -> None:
    incomplete, total, shares = 0, 0, {}
    for path in sorted((real_dataset / "frames").glob("*.h5")):
        with RecordingFile(path) as file:
            lost = find_incomplete_frames(file.read_all().frames_c)
        incomplete, total = incomplete + int(lost.sum()), total + len(lost)
        shares[path.stem] = round(100 * lost.mean(), 1)
    assert shares == {
        "SL14_R1": 7.8, "SL14_R2": 10.6, "SL14_R3": 11.2, "SL14_R4": 13.1,
        "SL18_R1": 0.0, "SL18_R2": 0.0, "SL18_R3": 0.0, "SL18_R4": 0.0,
    }  # fmt: skip
    assert (total, round(100 * incomplete / total, 1)) == (3976, 5.2)
