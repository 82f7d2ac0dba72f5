from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from thermalctl.errors import RequestError
from thermalctl.reports.preview import contact_sheet
from thermalctl.reports.preview.canvas import ALARM, INK
from thermalctl.reports.preview.clips import PreviewClip
from thermalctl.reports.preview.colours import MISSING, Scale, make_scale
from thermalctl.reports.preview.contact_sheet import MARGIN, MIN_PAGE, draw_contact_sheet, write_contact_sheet

MakeClip = Callable[..., PreviewClip]
CLASSES = ("standing", "lying on the floor", "c" * 60, "a class with a name of " + "many " * 30 + "words")


@pytest.fixture(scope="module")
def scale() -> Scale:
    return make_scale([], range_c=(10.0, 30.0))


def draw(clips: list[PreviewClip], scale: Scale, **texts: str) -> Any:
    return np.asarray(draw_contact_sheet(clips, scale, CLASSES, **({"title": "known"} | texts)))


def count(sheet: Any, colour: Any) -> int:
    return int((sheet == np.array(colour)).all(axis=-1).sum())


def flat(num_frames: int, shape: tuple[int, int], temperature_c: float = 20.0) -> Any:
    return np.full((num_frames, *shape), temperature_c, dtype=np.float32)


@pytest.mark.parametrize(("shape", "factor"), [((16, 16), 11), ((40, 60), 3), ((60, 40), 3), ((4, 6), 31)])
def test_each_sensor_pixel_is_a_square_of_its_temperatures_colour(
    make_clip: MakeClip, scale: Scale, shape: tuple[int, int], factor: int
) -> None:
    frames_c = flat(8, shape)
    frames_c[0, 0, 0] = 29.2  # a level of its own, and not one of the bar's ends
    sheet = draw([make_clip(frames_c, label_name="standing")], scale)
    colour = scale.paint(np.float32([[29.2]]))[0, 0]
    bar = count(sheet[: MARGIN + 110], colour)
    assert count(sheet, colour) - bar == factor**2


def test_frames_run_from_left_to_right(make_clip: MakeClip, scale: Scale) -> None:
    frames_c = flat(4, (10, 10)) + np.float32([-7, -3, 3, 7]).reshape(4, 1, 1)
    sheet = draw([make_clip(frames_c)], scale)
    columns = []
    for frame_c in frames_c:
        colour = scale.paint(frame_c)[0, 0]
        places = np.argwhere((sheet == colour).all(axis=-1))
        places = places[places[:, 0] > 200]  # below the heading's colour bar
        columns.append(float(np.median(places[:, 1])))
    assert columns == sorted(columns)
    assert len(set(columns)) == 4


def test_keyframe_is_framed_and_boxed(make_clip: MakeClip, scale: Scale) -> None:
    sheet = draw([make_clip(flat(4, (40, 60)))], scale)
    picture = np.argwhere((sheet == scale.paint(np.float32([[20]]))[0, 0]).all(axis=-1))
    height = int(picture[:, 0].max())
    row = sheet[height - 2]
    dark = np.flatnonzero((row == INK).all(axis=-1))
    assert len(dark) == 6  # a frame of three pixels left and right, around one of the four pictures
    assert dark[-1] - dark[0] == 360 + 5  # 60 pixels by six; and five of the frame's six


def test_incomplete_frames_are_marked_and_missing_pixels_explained(make_clip: MakeClip, scale: Scale) -> None:
    frames_c = flat(4, (8, 8))
    whole = draw([make_clip(frames_c)], scale)
    repaired = draw([make_clip(frames_c, incomplete=[1])], scale)
    assert count(whole, ALARM) == 0
    assert count(repaired, ALARM) > 1000
    assert count(repaired, MISSING) == 0
    frames_c[1, 4:] = -273.2
    raw = draw([make_clip(frames_c, incomplete=[1])], scale)
    # Half of a tile of 8 pixels by 48, and a patch of 14 by 14 in the heading that says what it means.
    assert count(raw, MISSING) == 384 * 384 // 2 + 14 * 14


def test_draws_stand_beside_the_recorded_frame_of_the_same_step(make_clip: MakeClip, scale: Scale) -> None:
    frames_c = flat(2, (8, 8), 12.0)
    draws_c = np.float32([15, 18, 22, 25]).reshape(2, 2, 1, 1) * np.ones((1, 1, 10, 6), dtype=np.float32)
    sheet = draw([make_clip(frames_c, draws_c=draws_c)], scale)

    def find(temperature_c: float) -> tuple[float, float]:
        places = np.argwhere((sheet == scale.paint(np.float32([[temperature_c]]))[0, 0]).all(axis=-1))
        places = places[places[:, 0] > 150]
        return float(places[:, 0].min()), float(places[:, 1].min())

    (top_1, left_1), (bottom_1, _), (top_2, left_2), (bottom_2, _) = map(find, (15, 18, 22, 25))
    assert top_1 == top_2 < bottom_1 == bottom_2
    assert MARGIN < left_1 < left_2


def test_each_clip_takes_the_same_height_and_nothing_leaves_the_page(make_clip: MakeClip, scale: Scale) -> None:
    clip = make_clip(flat(8, (40, 60)), label_name="standing")
    heights = {number: draw([clip] * number, scale).shape[0] for number in (1, 2, 29, 30)}
    assert heights[30] - heights[29] == heights[2] - heights[1] > 150


@pytest.mark.parametrize("shape", [(16, 16), (40, 60), (120, 160), (90, 20)])
@pytest.mark.parametrize("num_frames", [1, 8, 20])
def test_long_names_stay_inside_the_margins(
    make_clip: MakeClip, scale: Scale, shape: tuple[int, int], num_frames: int
) -> None:
    clip = make_clip(
        flat(num_frames, shape),
        labels=(3, 2),
        label_name=CLASSES[3],
        sample_id="sample with a long name " * 8,
        remark="pair 3: 1 frame apart, " * 9,
        incomplete=[num_frames // 2],
    )
    sheet = draw([clip, clip], scale, title="a dataset with a long name " * 20, remark="what is varied " * 40)
    assert sheet.shape[1] >= MIN_PAGE
    assert (sheet[:, : MARGIN - 4] == 255).all()
    assert (sheet[:, -MARGIN + 4 :] == 255).all()
    assert (sheet[:12] == 255).all()
    assert (sheet[-8:] == 255).all()


def test_sheet_that_opens_nowhere_is_refused(
    make_clip: MakeClip, scale: Scale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_sheet, "MAX_PIXELS", 1_000_000)
    with pytest.raises(RequestError, match=r"a sheet of 9 clips would be \d+x\d+ pixels, expected 1,000,000 pixels"):
        draw([make_clip(flat(8, (40, 60)))] * 9, scale)


def test_file_is_the_sheet(make_clip: MakeClip, scale: Scale, tmp_path: Path) -> None:
    clip = make_clip(flat(8, (16, 16)))
    write_contact_sheet(tmp_path / "sheet.png", [clip], scale, CLASSES, title="known")
    with Image.open(tmp_path / "sheet.png") as image:
        np.testing.assert_array_equal(np.asarray(image), draw([clip], scale))
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
