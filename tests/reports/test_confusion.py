from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from thermalctl.evaluation.metrics import Metrics, compute_metrics
from thermalctl.reports.confusion import draw_confusion, format_share, shorten_name, write_confusion_picture

#: The 14 classes of the real recordings: names as long as they come.
NAMES = (
    "sitting",
    "standing",
    "walking",
    "lying down-lying with risk",
    "lying down-lying on the bed/couch",
    "leaning",
    "transition-normal transition",
    "transition-lying with risk transition",
    "transition-lying on the bed transition",
    "lower position-other",
    "lower position-kneeling",
    "lower position-bending",
    "lower position-crouching",
    "other",
)
CASES = {
    2: ("person", "no person"),
    5: ("sitting", "$a$ fall", "lying on the bed", "x" * 200, "other"),
    14: NAMES,
    40: tuple(f"class of medium length {index}" + " and more" * (index % 5 * 5) for index in range(40)),
}


@pytest.fixture(params=CASES, scope="module")
def num_classes(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def judge(answer: Any) -> Callable[..., Metrics]:
    """A function from a number of classes to metrics: most answers right, the last class without a clip."""

    def make(num_classes: int, num_samples: int = 400) -> Metrics:
        rng = np.random.default_rng(num_classes)
        labels = rng.integers(0, num_classes - 1 if num_classes > 2 else 2, size=num_samples)
        predicted = np.where(rng.random(num_samples) < 0.7, labels, rng.integers(0, num_classes, size=num_samples))
        return compute_metrics(answer(labels, predicted, CASES[num_classes]))

    return make


@pytest.fixture(scope="module")
def figure(judge: Callable[..., Metrics], num_classes: int) -> Figure:
    """The laid-out picture; tests leave it as it is."""
    drawn = draw_confusion(judge(num_classes), split="val")
    drawn.draw_without_rendering()
    return drawn


def extent(text: Text, figure: Figure) -> Bbox:
    return text.get_window_extent(figure.canvas.get_renderer())  # type: ignore[attr-defined]


def overlaps(first: Bbox, second: Bbox) -> bool:
    return bool(
        min(first.x1, second.x1) > max(first.x0, second.x0) and min(first.y1, second.y1) > max(first.y0, second.y0)
    )


def test_row_labels_do_not_overlap(figure: Figure) -> None:
    boxes = [extent(label, figure) for label in figure.axes[0].get_yticklabels()]
    assert not any(overlaps(first, second) for first, second in itertools.pairwise(boxes))
    matrix = figure.axes[0].get_window_extent()
    assert all(box.x1 <= matrix.x0 for box in boxes)


def test_slanted_column_labels_do_not_overlap(figure: Figure) -> None:
    labels = figure.axes[0].get_xticklabels()
    assert {label.get_rotation() for label in labels} == {45.0}
    for label in labels:
        label.set_rotation(0)
    heights = [extent(label, figure).height for label in labels]
    for label in labels:
        label.set_rotation(45)
    # Parallel lines at 45 degrees are apart by their horizontal distance divided by the square root of 2.
    (left, _), (right, _) = figure.axes[0].transData.transform([(0, 0), (1, 0)])
    assert max(heights) < (right - left) / np.sqrt(2)


def test_numbers_stay_in_their_cells(figure: Figure) -> None:
    axes = figure.axes[0]
    texts = [text for text in axes.texts if text.get_text()]
    assert len(texts) > 4
    for text in texts:
        column, row = (round(value) for value in text.get_position())
        (x0, y0), (x1, y1) = axes.transData.transform([(column - 0.5, row + 0.5), (column + 0.5, row - 0.5)])
        box = extent(text, figure)
        assert x0 < box.x0 < box.x1 < x1, text.get_text()
        assert y0 < box.y0 < box.y1 < y1, text.get_text()


def test_numbers_in_a_cell_do_not_overlap(figure: Figure) -> None:
    cells: dict[tuple[int, int], list[Bbox]] = {}
    for text in figure.axes[0].texts:
        column, row = (round(value) for value in text.get_position())
        cells.setdefault((row, column), []).append(extent(text, figure))
    pairs = [boxes for boxes in cells.values() if len(boxes) == 2]
    assert pairs
    # The renderer's box of a line of digits has room below for letters that go under the line; 15 % of it is air.
    for above, below in pairs:
        assert above.y0 + 0.15 * above.height >= below.y1 - 0.15 * below.height


def test_title_and_axis_names_are_clear_of_the_labels(figure: Figure) -> None:
    axes, bar = figure.axes[0], figure.axes[0].child_axes[0]
    others = [axes.xaxis.label, axes.yaxis.label, axes._left_title, bar.yaxis.label]  # type: ignore[attr-defined]
    labels = [*axes.get_yticklabels(), *bar.get_yticklabels()]
    for other, label in itertools.product(others, labels):
        assert not overlaps(extent(other, figure), extent(label, figure)), (other, label)


def test_every_clip_is_in_the_picture(judge: Callable[..., Metrics], num_classes: int) -> None:
    metrics = judge(num_classes)
    axes = draw_confusion(metrics, split="val").axes[0]
    counts = [int(text.get_text()) for text in axes.texts if text.get_text().isdigit()]
    assert sum(counts) == metrics.num_samples
    title = axes.get_title(loc="left")
    assert title.startswith(f"val, 400 clips\ntop-1 {100 * metrics.top1:.1f} %")
    assert f"mean class {100 * metrics.mean_class_accuracy:.1f} %" in title


def test_classes_without_a_clip_are_grey_and_say_so(judge: Callable[..., Metrics]) -> None:
    axes = draw_confusion(judge(14), split="val").axes[0]
    rows, columns = axes.get_yticklabels(), axes.get_xticklabels()
    assert rows[-1].get_text() == "other  (no clip)"
    assert "(no clip)" not in "".join(label.get_text() for label in rows[:-1])
    for labels in (rows, columns):
        assert labels[-1].get_color() != labels[0].get_color()
        assert len({label.get_color() for label in labels[:-1]}) == 1
    assert not [text for text in axes.texts if round(text.get_position()[1]) == 13]


def test_share_of_the_row_is_the_colour_and_the_text_stands_out(answer: Any) -> None:
    metrics = compute_metrics(answer([0] * 10 + [1] * 100, [0] * 9 + [1] + [1] * 20 + [0] * 80, ("a", "b")))
    axes = draw_confusion(metrics, split="val").axes[0]
    np.testing.assert_allclose(axes.collections[0].get_array(), [[0.9, 0.1], [0.8, 0.2]])
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    assert colours["90%"] == colours["9"] == colours["80%"] == "white"
    assert colours["10%"] == colours["1"] == colours["20%"] != "white"


def test_dollar_sign_in_a_class_name_is_shown_as_it_is(judge: Callable[..., Metrics]) -> None:
    labels = draw_confusion(judge(5), split="val").axes[0].get_xticklabels()
    assert labels[1].get_text() == "$a$ fall"
    assert not labels[1].get_parse_math()


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (0.004, "<1%"), (0.005, "<1%"), (0.25, "25%"), (0.994, "99%"), (0.995, ">99%"), (1.0, "100%")],
)
def test_only_none_is_0_percent_and_only_all_is_100(share: float, text: str) -> None:
    assert format_share(share) == text


def test_long_names_are_broken_and_very_long_ones_cut_in_the_middle() -> None:
    assert shorten_name("lying down-lying on the bed/couch") == "lying down-lying on the bed/couch"
    assert shorten_name("a" * 30 + " " + "b" * 30) == "a" * 30 + "\n" + "b" * 30
    assert shorten_name("a" * 60 + " " + "b" * 100) == "a" * 39 + "...\n" + "b" * 42


#: Widest and highest page in pixels: at 300 dots an inch, about 5, 9, 13 and 22 inches.
@pytest.mark.parametrize(
    ("count", "limits"),
    [(2, (900, 1800)), (5, (1500, 3600)), (14, (2700, 4200)), pytest.param(40, (4500, 7000), marks=pytest.mark.slow)],
)
def test_picture_is_300_dots_an_inch_and_of_a_size_to_look_at(
    tmp_path: Path, judge: Callable[..., Metrics], count: int, limits: tuple[int, int]
) -> None:
    path = tmp_path / "deep" / "confusion.png"
    write_confusion_picture(path, judge(count), split="val")
    assert [entry.name for entry in path.parent.iterdir()] == ["confusion.png"]
    assert read_dots_per_metre(path) == pytest.approx(300 / 0.0254, abs=1)
    height, width = imread(path).shape[:2]
    assert limits[0] <= min(height, width) <= max(height, width) <= limits[1]


def test_nothing_is_cut_off_at_the_edge_of_the_page(tmp_path: Path, judge: Callable[..., Metrics]) -> None:
    write_confusion_picture(tmp_path / "confusion.png", judge(14), split="val")
    pixels = imread(tmp_path / "confusion.png")[:, :, :3]
    margin = 20  # of 45 pixels
    edges = (pixels[:margin], pixels[-margin:], pixels[:, :margin], pixels[:, -margin:])
    assert all((edge == 1).all() for edge in edges)
    assert not (pixels[margin + 40 : -margin - 40] == 1).all()


def test_pyplots_state_is_left_alone(judge: Callable[..., Metrics]) -> None:
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    draw_confusion(judge(2), split="val")
    assert pyplot.get_fignums() == before


def read_dots_per_metre(path: Path) -> int:
    """Return the resolution that the PNG's pHYs chunk states."""
    data = path.read_bytes()
    place = data.index(b"pHYs") + 4
    assert data[place + 8] == 1  # the unit is the metre
    return int.from_bytes(data[place : place + 4], "big")
