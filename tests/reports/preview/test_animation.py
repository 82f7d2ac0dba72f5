from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from thermalctl.errors import RequestError
from thermalctl.reports.preview.animation import BAR_PX, MARGIN, Animation
from thermalctl.reports.preview.canvas import ALARM, GREY
from thermalctl.reports.preview.clips import PreviewClip
from thermalctl.reports.preview.colours import MISSING, Scale, choose_class_colour, make_scale

MakeClip = Callable[..., PreviewClip]
CLASSES = ("standing", "lying on the floor")


@pytest.fixture(scope="module")
def scale() -> Scale:
    return make_scale([], range_c=(10.0, 30.0))


def animate(clips: list[PreviewClip], scale: Scale, *, frame_s: float = 0.1) -> Animation:
    return Animation(clips, scale, CLASSES, title="known", frame_s=frame_s)


def ramp(temperatures_c: list[float], shape: tuple[int, int] = (8, 12)) -> Any:
    return np.float32(temperatures_c).reshape(-1, 1, 1) * np.ones((1, *shape), dtype=np.float32)


def shown(animation: Animation, scale: Scale, tick_s: float, temperatures_c: list[float]) -> list[float]:
    """Return which of the temperatures fill a large part of the picture at a time."""
    image = np.asarray(animation.draw(tick_s))
    colours = {value: scale.paint(np.float32([[value]]))[0, 0] for value in temperatures_c}
    return [value for value, colour in colours.items() if (image == colour).all(axis=-1).mean() > 0.1]


def test_at_any_time_the_frame_that_arrived_last_is_shown(make_clip: MakeClip, scale: Scale) -> None:
    values = [12.0, 16.0, 24.0, 28.0]
    # Bursts: two frames within 0.1 s, then nothing for a second.
    animation = animate([make_clip(ramp(values), times_s=[-1.1, -1.0, 0.0, 0.1])], scale)
    expected = [(-9, 12), (-1.1, 12), (-1.05, 12), (-1.0, 16), (-0.1, 16), (0.0, 24), (0.05, 24), (0.1, 28), (5.0, 28)]
    assert [shown(animation, scale, tick_s, values) for tick_s, _ in expected] == [[value] for _, value in expected]


def test_ticks_cover_every_clip_in_equal_steps_with_the_keyframe_on_one(make_clip: MakeClip, scale: Scale) -> None:
    short = make_clip(ramp([12, 16, 24]), times_s=[-0.31, 0.0, 0.2])
    long = make_clip(ramp([12, 16, 24]), times_s=[-0.1, 0.0, 1.25])
    animation = animate([short, long], scale)
    np.testing.assert_allclose(animation.ticks_s, np.arange(-4, 14) * 0.1, atol=1e-9)
    assert len(animation) == len(list(animation)) == 18


def test_clock_that_was_set_back_is_played_in_order_of_time(make_clip: MakeClip, scale: Scale) -> None:
    values = [12.0, 16.0, 24.0]
    animation = animate([make_clip(ramp(values), times_s=[0.2, 0.0, -0.2])], scale)
    assert [shown(animation, scale, tick, values) for tick in (-0.2, 0.0, 0.2)] == [[24.0], [16.0], [12.0]]


@pytest.mark.parametrize("shape", [(16, 16), (40, 60), (61, 41), (120, 160)])
@pytest.mark.parametrize("number", [1, 2, 3, 5, 36])
def test_pictures_have_even_sides_and_clips_do_not_overlap(
    make_clip: MakeClip, scale: Scale, shape: tuple[int, int], number: int
) -> None:
    clips = [make_clip(ramp([float("nan")] * 2, shape), label_name="c " * 60) for _ in range(number)]
    animation = animate(clips, scale)
    width, height = animation.size
    assert width % 2 == height % 2 == 0
    image = np.asarray(animation.draw(-0.7))
    assert image.shape == (height, width, 3)
    painted = int((image == MISSING).all(axis=-1).sum())  # as many whole frames as there are clips
    assert painted % number == 0
    assert 100 <= (painted / number / (shape[0] * shape[1])) ** 0.5 * max(shape) <= 480
    assert (image[:, :MARGIN] == 255).all() and (image[:, width - MARGIN + 2 :] == 255).all()


def test_boxes_are_shown_around_the_keyframe_only(make_clip: MakeClip, scale: Scale) -> None:
    animation = animate([make_clip(ramp([20] * 30), labels=(0, 1), times_s=np.arange(-15, 15) * 0.1)], scale)

    def count(tick_s: float) -> int:
        colour = choose_class_colour(1)
        return int((np.asarray(animation.draw(tick_s)) == colour).all(axis=-1).sum())

    assert count(-0.6) == count(0.6) == 0
    assert min(count(-0.5), count(0.0), count(0.5)) > 500
    assert animation.list_labels() == [0, 1]


def test_incomplete_frame_is_marked_while_it_is_shown(make_clip: MakeClip, scale: Scale) -> None:
    animation = animate([make_clip(ramp([20] * 4), incomplete=[1])], scale)
    marked = [(np.asarray(image) == ALARM).all(axis=-1).sum() > 500 for image in animation]
    assert marked == [False, True, False, False]  # ticks at -0.2, -0.1, 0 and 0.1 s


def test_progress_bar_grows_to_the_end(make_clip: MakeClip, scale: Scale) -> None:
    animation = animate([make_clip(ramp([20] * 11))], scale)
    lengths = []
    for image in animation:
        bar = np.asarray(image)[-MARGIN - BAR_PX // 2 - 1]
        lengths.append(int((bar == GREY).all(axis=-1).sum()))
    assert lengths == sorted(lengths)
    assert lengths[0] <= 2 and lengths[-1] >= animation.size[0] - 2 * MARGIN - 8


def test_draws_play_beside_the_recorded_clip(make_clip: MakeClip, scale: Scale) -> None:
    clip = make_clip(ramp([12, 14]), draws_c=np.stack([ramp([18, 20], (6, 6)), ramp([24, 26], (6, 6))]))
    animation = animate([clip], scale)
    image = np.asarray(animation.draw(0.0))
    lefts = []
    for value in (14, 20, 26):
        places = np.argwhere((image == scale.paint(np.float32([[value]]))[0, 0]).all(axis=-1))
        lefts.append(int(np.median(places[places[:, 0] > 100][:, 1])))
    assert lefts == sorted(lefts) and len(set(lefts)) == 3


def test_too_many_clips_and_a_break_in_time_are_refused(make_clip: MakeClip, scale: Scale) -> None:
    clip = make_clip(ramp([12, 16]))
    with pytest.raises(RequestError, match="37 moving pictures at once, expected at most 36"):
        animate([clip] * 37, scale)
    with pytest.raises(RequestError, match='"broken" is the longest, last 3,600 s, expected at most 120 s'):
        animate([clip, make_clip(ramp([12, 16]), times_s=[-3600, 0], sample_id="broken")], scale)
