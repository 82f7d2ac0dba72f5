"""The confusion matrix as a picture: true classes in rows, predicted classes in columns."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from thermalctl.errors import RequestError
from thermalctl.evaluation.metrics import Metrics
from thermalctl.files import replace_file
from thermalctl.reports.sentences import count

DPI = 300

#: More classes than this make a picture of more than 100 million pixels, which nobody opens.
MAX_CLASSES = 80

#: Side of one cell in inches: large for a few classes, small for many, but never too small for its two numbers.
MATRIX_SIDE_IN, MAX_CELL_IN, MIN_CELL_IN = 8.0, 1.0, 0.4

#: Points to an inch, and how wide a digit of the default font is, in em.
POINTS, DIGIT_EM = 72, 0.64

_COLOURS = "Blues"
_ABOVE_GRID = 3
_INK, _GREY, _FAINT, _EMPTY = "#1b1b1b", "#8a8a8a", "#c4c4c4", "#f4f4f4"

#: A class name longer than this is broken into two lines, as many as a slanted column label has room for.
NAME_WIDTH = 42


def write_confusion_picture(path: Path, metrics: Metrics, *, split: str) -> None:
    """Write the picture to `path` as PNG of 300 dots an inch, whole or not at all.

    Raises:
        RequestError: if there are too many classes to draw.
    """
    figure = draw_confusion(metrics, split=split)
    with replace_file(path) as temporary:
        # The figure is the bare matrix; "tight" grows the page around labels of whatever length.
        figure.savefig(temporary, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.15)


def draw_confusion(metrics: Metrics, *, split: str) -> Figure:
    """Return the picture; its page is the matrix alone, with labels, title and colour bar around it.

    Args:
        metrics: the confusion matrix and the two accuracies of the title.
        split: name of the judged split, for the title.

    Raises:
        RequestError: if there are too many classes to draw.
    """
    num_classes = len(metrics.classes)
    if num_classes > MAX_CLASSES:
        raise RequestError(
            f"a confusion matrix of {num_classes} classes is too large to draw, expected at most {MAX_CLASSES}",
            hint="confusion.csv holds all of it; leave out --confusion",
        )
    cell_in = float(np.clip(MATRIX_SIDE_IN / num_classes, MIN_CELL_IN, MAX_CELL_IN))
    side_in = cell_in * num_classes
    scale = float(np.clip(side_in / MATRIX_SIDE_IN, 1.0, 1.5))
    figure = Figure(figsize=(side_in, side_in), dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    _draw_cells(axes, metrics, cell_in)
    _draw_labels(axes, metrics, cell_in, scale)
    _draw_title(axes, metrics, split, scale)
    _draw_colour_bar(figure, axes, side_in, scale)
    return figure


def _draw_cells(axes: Axes, metrics: Metrics, cell_in: float) -> None:
    confusion = metrics.confusion
    num_classes = len(confusion)
    totals = confusion.sum(axis=1, keepdims=True)
    shares = np.ma.masked_array(confusion / np.maximum(totals, 1), mask=np.broadcast_to(totals == 0, confusion.shape))
    colours = colormaps[_COLOURS].with_extremes(bad=_EMPTY)
    centres = np.arange(num_classes)
    # A mesh of squares and not an image, which takes seconds to resample at this resolution.
    axes.pcolormesh(centres, centres, shares, cmap=colours, vmin=0, vmax=1, edgecolors="white", linewidth=0.8)
    axes.set(xlim=(-0.5, num_classes - 0.5), ylim=(num_classes - 0.5, -0.5), aspect="equal")

    num_digits = max(len(str(confusion.max())), len(">99%"))
    count_pt = min(12.0, 0.84 * cell_in * POINTS / (num_digits * DIGIT_EM))
    share_pt = 0.85 * count_pt
    backgrounds = colours(shares)
    half_line = 0.62 * count_pt / (cell_in * POINTS)
    for row in np.flatnonzero(totals).tolist():
        # Above the white grid, so that the diagonal can be followed where nothing was found.
        axes.add_patch(
            Rectangle((row - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=_GREY, linewidth=0.7, zorder=_ABOVE_GRID)
        )
        for column, number in enumerate(confusion[row]):
            if not number:
                axes.text(column, row, "0", ha="center", va="center", fontsize=share_pt, color=_FAINT)
                continue
            share = float(shares[row, column])
            colour = _contrast_with(backgrounds[row, column])
            lines = ((-half_line, f"{number}", count_pt), (half_line, format_share(share), share_pt))
            for offset, text, size_pt in lines:
                axes.text(column, row + offset, text, ha="center", va="center", fontsize=size_pt, color=colour)
    for label in axes.texts:
        label.set_in_layout(False)  # inside the matrix: nothing to measure when the page is cut to size


def _draw_labels(axes: Axes, metrics: Metrics, cell_in: float, scale: float) -> None:
    size_pt = float(np.clip(0.26 * cell_in * POINTS, 7.0, 10.0))
    positions = np.arange(len(metrics.classes))
    names = [shorten_name(entry.name) for entry in metrics.classes]
    rows = [
        f"{name}  ({entry.num_samples})" if entry.num_samples else f"{name}  (no clip)"
        for name, entry in zip(names, metrics.classes, strict=True)
    ]
    # A dollar sign in a class name is no formula.
    axes.set_yticks(positions, rows, fontsize=size_pt, parse_math=False)
    axes.set_xticks(
        positions, names, fontsize=size_pt, rotation=45, ha="right", rotation_mode="anchor", parse_math=False
    )
    for labels in (axes.get_yticklabels(), axes.get_xticklabels()):
        for label, entry in zip(labels, metrics.classes, strict=True):
            label.set_color(_INK if entry.num_samples else _GREY)
    axes.tick_params(length=0, pad=4)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_ylabel("true class (clips)", fontsize=10 * scale, color=_INK)
    axes.set_xlabel("predicted class", fontsize=10 * scale, color=_INK)


def _draw_title(axes: Axes, metrics: Metrics, split: str, scale: float) -> None:
    title = (
        f"{split}, {count(metrics.num_samples, 'clip')}\n"
        f"top-1 {100 * metrics.top1:.1f} %, mean class {100 * metrics.mean_class_accuracy:.1f} %"
    )
    axes.set_title(title, loc="left", fontsize=11 * scale, pad=10, color=_INK, parse_math=False, linespacing=1.4)


def _draw_colour_bar(figure: Figure, axes: Axes, side_in: float, scale: float) -> None:
    place = axes.inset_axes((1 + 0.15 / side_in, 0.0, 0.14 / side_in, 1.0))
    bar = figure.colorbar(axes.collections[0], cax=place, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.ax.set_yticklabels(["0 %", "25 %", "50 %", "75 %", "100 %"], fontsize=8 * scale, color=_INK)
    bar.ax.tick_params(length=2, width=0.5)
    bar.set_label("share of the true class's clips", fontsize=8 * scale, color=_INK)
    bar.outline.set_visible(False)


def format_share(share: float) -> str:
    """Return a share of 0..1 in whole percent, where 0 % is none and 100 % is all."""
    if 0 < share <= 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{100 * share:.0f}%"


def shorten_name(name: str) -> str:
    """Return a class name in at most two lines of 42 characters, cut in the middle where it is longer than that."""
    lines = textwrap.wrap(name, NAME_WIDTH)
    if len(lines) > 2:
        lines = [f"{name[: NAME_WIDTH - 3]}...", name[-NAME_WIDTH:]]
    return "\n".join(line.strip() for line in lines)


def _contrast_with(rgba: NDArray[np.float64]) -> str:
    red, green, blue, _ = rgba
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
    return "white" if luminance < 0.55 else _INK
