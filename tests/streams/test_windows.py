from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import clip_indices, load_dataset, uniform_clip_indices
from thermalctl.errors import RequestError
from thermalctl.streams.frames import Frame, Interruption
from thermalctl.streams.gate import FrameGate
from thermalctl.streams.recorded import RecordedFrames
from thermalctl.streams.windows import MOST_KEPT, Stride, Window, WindowSlider

MakeFrames = Callable[..., list[Frame]]


def make_spec(num_frames: int, window_s: float | None = None) -> ClipSpec:
    sampling = "consecutive" if window_s is None else "uniform"
    return ClipSpec(classes=("a", "b"), num_frames=num_frames, time_sampling=sampling, window_s=window_s)


def slide(spec: ClipSpec, stride: Stride, items: list[Frame | Interruption]) -> list[Window]:
    return [found for found in WindowSlider(spec, stride).slide(items) if isinstance(found, Window)]


def test_windows_of_consecutive_frames_are_a_stride_apart(make_frames: MakeFrames) -> None:
    windows = slide(make_spec(4), Stride(frames=3), make_frames(list(range(0, 1000, 100))))
    # Ten frames: 0-3, 3-6, 6-9; the keyframe is at index T // 2.
    assert [window.frames.tolist() for window in windows] == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert [window.keyframe for window in windows] == [2, 5, 8]
    assert windows[1].clip_c[:, 0, 0].tolist() == [3, 4, 5, 6]


def test_last_window_ends_with_the_last_frame(make_frames: MakeFrames) -> None:
    windows = slide(make_spec(4), Stride(frames=3), make_frames(list(range(0, 900, 100))))
    assert [window.frames.tolist() for window in windows] == [[0, 1, 2, 3], [3, 4, 5, 6], [5, 6, 7, 8]]


def test_window_comes_as_soon_as_its_last_frame_is_there(make_frames: MakeFrames) -> None:
    slider = WindowSlider(make_spec(4), Stride(frames=1))
    came = [len(list(slider.push(frame))) for frame in make_frames([0, 100, 200, 300, 400])]
    assert came == [0, 0, 0, 1, 1]


def test_stride_in_seconds_goes_by_arrival_times(make_frames: MakeFrames) -> None:
    # Two bursts: keyframes are the first frame at least a second after the last one.
    times_ms = [0, 10, 20, 30, 40, 50, 60, 2000, 2010, 2020, 2030]
    windows = slide(make_spec(4), Stride(seconds=1.0), make_frames(times_ms))
    assert [window.keyframe for window in windows] == [2, 7, 9]  # the last one ends with the recording


def test_no_window_bridges_an_interruption(make_frames: MakeFrames) -> None:
    items: list[Frame | Interruption] = [
        *make_frames([0, 100, 200, 300, 400]),
        Interruption(start_ms=400, end_ms=9000, cause="gap"),
        *make_frames([9000, 9100, 9200, 9300], first=5),
    ]
    windows = slide(make_spec(4), Stride(frames=4), items)
    assert [window.frames.tolist() for window in windows] == [[0, 1, 2, 3], [1, 2, 3, 4], [5, 6, 7, 8]]
    assert [window.segment for window in windows] == [0, 0, 1]


def test_short_stretch_repeats_its_ends_and_a_shorter_one_gets_no_window(make_frames: MakeFrames) -> None:
    spec = make_spec(8)
    [window] = slide(spec, Stride(frames=1), make_frames([0, 100, 200, 300]))
    assert window.frames.tolist() == [0, 0, 0, 1, 2, 3, 3, 3]
    slider = WindowSlider(spec, Stride(frames=1))
    assert not list(slider.slide(make_frames([0, 100, 200])))
    assert slider.num_unjudged == 3


def test_incomplete_frames_are_counted(make_frames: MakeFrames) -> None:
    windows = slide(make_spec(2), Stride(frames=2), make_frames([0, 100, 200, 300], incomplete=(1, 2, 3)))
    assert [(window.num_incomplete, window.is_lost) for window in windows] == [(1, False), (2, True)]


@settings(max_examples=150, deadline=None)
@given(
    gaps_ms=st.lists(st.integers(0, 900), min_size=12, max_size=80),
    num_frames=st.integers(2, 9),
    window_s=st.one_of(st.none(), st.floats(0.3, 4)),
    stride=st.one_of(
        st.integers(1, 7).map(lambda number: Stride(frames=number)),
        st.floats(0.05, 3).map(lambda seconds: Stride(seconds=seconds)),
    ),
)
def test_windows_are_the_clips_of_training(
    gaps_ms: list[int], num_frames: int, window_s: float | None, stride: Stride
) -> None:
    times_ms = np.cumsum(gaps_ms).astype(np.int64)
    frames = [
        Frame(
            number=number,
            timestamp_ms=int(time_ms),
            frame_c=np.full((1, 1), number, dtype=np.float32),
            is_incomplete=False,
        )
        for number, time_ms in enumerate(times_ms)
    ]
    windows = slide(make_spec(num_frames, window_s), stride, list(frames))
    for window in windows:
        if window_s is None:
            expected = clip_indices(window.keyframe, num_frames, len(frames))
        else:
            expected = uniform_clip_indices(window.keyframe, num_frames, window_s, times_ms)
        np.testing.assert_array_equal(window.frames, expected)
        np.testing.assert_array_equal(window.clip_c[:, 0, 0], expected)
        np.testing.assert_array_equal(window.timestamps_ms, times_ms[expected])
    keyframes = [window.keyframe for window in windows]
    assert keyframes == sorted(set(keyframes))
    if window_s is None:
        assert windows[-1].frames[-1] == len(frames) - 1
    if stride.frames is not None:
        # All but the last, which ends with the recording.
        assert set(np.diff(keyframes[:-1])) <= {stride.frames}


def test_memory_is_that_of_a_window(make_frames: MakeFrames) -> None:
    for spec in (make_spec(8), make_spec(8, window_s=0.8)):
        slider = WindowSlider(spec, Stride(frames=3))
        held = []
        for frame in make_frames(list(range(0, 500_000, 100))):
            list(slider.push(frame))
            held.append(len(slider._frames))
        assert max(held) <= 8 + 4


def test_flood_is_cut_off(make_frames: MakeFrames) -> None:
    # A thousand frames in the same millisecond never fill a window of a second.
    spec = make_spec(4, window_s=1.0)
    found = list(WindowSlider(spec, Stride(frames=1)).slide(make_frames([0] * (3 * MOST_KEPT * 4))))
    assert [item.cause for item in found if isinstance(item, Interruption)] == ["flood", "flood"]


@pytest.mark.parametrize("values", [{}, {"frames": 3, "seconds": 1.0}, {"frames": 0}, {"seconds": float("inf")}])
def test_impossible_stride_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(RequestError, match="a stride of"):
        Stride(**values)  # type: ignore[arg-type]


@pytest.mark.real
@pytest.mark.parametrize("window_s", [None, 12.8])
def test_windows_of_the_real_recordings_are_the_clips_of_training(real_dataset: Path, window_s: float | None) -> None:
    dataset = load_dataset(DatasetLayout(real_dataset))
    spec = make_spec(64, window_s)
    for name, recording in dataset.recordings.items():
        frames = RecordedFrames(real_dataset / "frames" / f"{name}.h5")
        gate, slider = FrameGate(frames.frame_size), WindowSlider(spec, Stride(frames=8))
        items = (item for frame in frames for item in gate.accept(*frame))
        windows = [found for found in slider.slide(items) if isinstance(found, Window)]
        assert len(windows) > 50
        assert not gate.refused
        for window in windows:
            if window_s is None:
                expected = clip_indices(window.keyframe, 64, recording.num_frames)
            else:
                expected = uniform_clip_indices(window.keyframe, 64, window_s, recording.timestamps_ms)
            np.testing.assert_array_equal(window.frames, expected)
