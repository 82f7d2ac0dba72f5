from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from thermalctl.errors import RecordingError
from thermalctl.recordings.importing import collect_frames
from thermalctl.recordings.units import Unit

MakeScene = Callable[..., np.ndarray]
NINE = datetime(2025, 1, 6, 9, tzinfo=timezone.utc)
NINE_MS = 1_736_154_000_000


def test_frames_of_an_iterator_become_a_recording(make_scene: MakeScene) -> None:
    times = [NINE_MS, np.int64(NINE_MS + 165), NINE + timedelta(milliseconds=330), NINE_MS + 500, NINE_MS + 660]
    frames = (frame.tolist() for frame in make_scene() + 273.15)
    recording = collect_frames(zip(times, frames, strict=True), sensor_id="hall", mac_address="02", unit=Unit.KELVIN)
    assert (recording.sensor_id, recording.mac_address) == ("hall", "02")
    assert recording.timestamps_ms.tolist() == [NINE_MS + after for after in (0, 165, 330, 500, 660)]
    np.testing.assert_allclose(recording.frames_c, make_scene(), atol=1e-4)
    assert recording.frames_c.dtype == np.float32


def test_a_buffer_that_is_filled_again_is_copied(make_scene: MakeScene) -> None:
    buffer = np.empty((8, 8), np.float32)

    def read() -> Any:
        for place, frame in enumerate(make_scene()):
            buffer[:] = frame
            yield NINE_MS + place, buffer

    np.testing.assert_array_equal(collect_frames(read(), sensor_id="hall").frames_c, make_scene())


@pytest.mark.parametrize(
    "time", [1.5, "2025-01-06", None, True, -1, 10**14, float("nan"), NINE.replace(tzinfo=None)], ids=str
)
def test_what_is_no_time_is_refused_with_the_frames_number(make_scene: MakeScene, time: Any) -> None:
    frames = make_scene()
    with pytest.raises(RecordingError, match=r"recording hall: frame 1 has the time .*expected .*with a time zone"):
        collect_frames([(NINE_MS, frames[0]), (time, frames[1])], sensor_id="hall")


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        (np.zeros((8, 7)), "frame 1 is 8x7, expected 8x8 as the first"),
        (np.zeros(64), "frame 1 is 64, expected 2 dimensions: height, width"),
        (21.5, "frame 1 is a single value, expected 2 dimensions"),
        ([[1.0, 2.0], [3.0]], "frame 1 is no array of numbers"),
        ([["a", "b"]], "frame 1: frames are <U1, expected real numbers"),
        (None, "frame 1 is a single value, expected 2 dimensions"),
        (np.full((8, 8), np.nan), r"frame 1: frame 0, row 0, column 0 is nan"),
        (np.zeros((0, 8)), "frame 1: frames are 1 x 0 x 8: no frame or no pixel"),
        (np.zeros((8, 8), complex), "frame 1: frames are complex128, expected real numbers"),
    ],
    ids=["size", "flat", "number", "ragged", "texts", "nothing", "nan", "no pixel", "complex"],
)
def test_what_is_no_frame_is_refused_with_its_number(make_scene: MakeScene, spoiled: Any, message: str) -> None:
    with pytest.raises(RecordingError, match=f"recording hall: {message}"):
        collect_frames([(NINE_MS, make_scene()[0]), (NINE_MS + 1, spoiled)], sensor_id="hall")


@pytest.mark.parametrize(
    "sensor_id", ["", "../hall", "a/b", "a\\b", "C:hall", "..", " hall", "hall\n", "\ud800", "x" * 201]
)
def test_name_that_is_no_file_name_is_refused(make_scene: MakeScene, sensor_id: str) -> None:
    with pytest.raises(RecordingError, match="expected a plain file name"):
        collect_frames([(NINE_MS, make_scene()[0])], sensor_id=sensor_id)


def test_no_frame_at_all_is_refused() -> None:
    with pytest.raises(RecordingError, match="recording hall: no frame came"):
        collect_frames([], sensor_id="hall")


def test_one_time_for_all_frames_is_refused(make_scene: MakeScene) -> None:
    with pytest.raises(RecordingError, match="recording hall: all 5 frames have the same time"):
        collect_frames([(NINE_MS, frame) for frame in make_scene()], sensor_id="hall")
