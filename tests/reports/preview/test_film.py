from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from thermalctl.errors import RequestError
from thermalctl.reports.preview.animation import Animation
from thermalctl.reports.preview.clips import PreviewClip
from thermalctl.reports.preview.colours import Scale, make_scale
from thermalctl.reports.preview.film import choose_frame_seconds, write_gif, write_mp4

MakeClip = Callable[..., PreviewClip]
CLASSES = ("standing", "lying on the floor")
TEMPERATURES_C = [11.0, 14.0, 17.0, 23.0, 26.0, 29.0]


@pytest.fixture(scope="module")
def scale() -> Scale:
    return make_scale([], range_c=(10.0, 30.0))


@pytest.fixture
def animation(make_clip: MakeClip, scale: Scale) -> Animation:
    """Six frames, one each second, drawn five times a second: 26 pictures of 5 seconds."""
    frames_c = np.float32(TEMPERATURES_C).reshape(-1, 1, 1) * np.ones((1, 8, 12), dtype=np.float32)
    clip = make_clip(frames_c, times_s=np.arange(-3, 3))
    return Animation([clip], scale, CLASSES, title="known", frame_s=0.2)


def middle(picture: Any) -> Any:
    """Return the colour in the picture's lower middle, which is the clip's."""
    return np.asarray(picture)[-100, picture.shape[1] // 2 - 100].astype(int)


def test_gif_plays_as_long_as_the_clip_lasted_and_repeats(animation: Animation, scale: Scale, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_gif(
        tmp_path / "a.gif", animation, scale, frame_s=0.2, on_progress=lambda done, total: told.append((done, total))
    )
    with Image.open(tmp_path / "a.gif") as film:
        assert film.size == animation.size
        assert film.info["loop"] == 0
        duration_ms, colours = 0, {}
        for number in range(film.n_frames):
            film.seek(number)
            colours[duration_ms] = middle(np.asarray(film.convert("RGB")))
            duration_ms += film.info["duration"]
    assert duration_ms == 26 * 200
    assert told[-1] == (26, 26)
    for second, temperature_c in enumerate(TEMPERATURES_C):
        if temperature_c == 23.0:
            continue  # the keyframe's box may lie there
        expected = scale.paint(np.float32([[temperature_c]]))[0, 0]
        np.testing.assert_allclose(colours[1000 * second], expected, atol=6)  # 200 levels of 256


def test_mp4_plays_back_picture_by_picture(animation: Animation, scale: Scale, tmp_path: Path) -> None:
    write_mp4(tmp_path / "a.mp4", animation, frame_s=0.2)
    film = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(5.0)
    pictures = []
    while True:
        is_there, picture = film.read()
        if not is_there:
            break
        pictures.append(picture[..., ::-1])
    film.release()
    assert len(pictures) == 26
    assert pictures[0].shape[1::-1] == animation.size
    for number, temperature_c in ((1, 11.0), (6, 14.0), (24, 26.0)):
        np.testing.assert_allclose(middle(pictures[number]), scale.paint(np.float32([[temperature_c]]))[0, 0], atol=25)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_mp4_without_opencv_is_refused(animation: Animation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(RequestError, match="MP4 needs OpenCV") as raised:
        write_mp4(tmp_path / "a.mp4", animation, frame_s=0.2)
    assert raised.value.hint == "--format gif"


def test_mp4_that_was_cut_short_is_refused_and_not_left_behind(
    animation: Animation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Animation, "__len__", lambda self: 27)
    with pytest.raises(RequestError, match="26 of 27 pictures were written"):
        write_mp4(tmp_path / "a.mp4", animation, frame_s=0.2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("rate_hz", "seconds"), [(10, 0.1), (12, 0.08), (30, 0.03), (50, 0.02), (1, 1.0)])
def test_gif_shows_pictures_for_whole_hundredths_of_a_second(rate_hz: float, seconds: float) -> None:
    assert choose_frame_seconds(rate_hz, is_gif=True) == pytest.approx(seconds)


def test_mp4_has_the_rate_that_was_asked_for() -> None:
    assert choose_frame_seconds(30, is_gif=False) == pytest.approx(1 / 30)
