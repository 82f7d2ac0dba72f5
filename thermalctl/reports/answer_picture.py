"""One clip and what a model says of it, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box
from thermalctl.files import replace_file
from thermalctl.recordings.health import find_incomplete_frames, repair_incomplete_frames
from thermalctl.reports.preview.colours import choose_class_colour

#: Frames of the strip, and classes whose probability is shown.
NUM_FRAMES, NUM_CLASSES = 8, 6
ROW_IN, WIDTH_IN, DPI = 4.4, 12.0, 100
_INK, _GREY = "#1b1b1b", "#696969"


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedClip:
    """A clip and what a model says of it.

    Attributes:
        title: which clip it is.
        clip_c: (T, H, W) float32, deg C.
        classes: class names in id order.
        probabilities: (K,) float32.
        label: what annotators say; None where nobody did.
        box: of the person who is judged, in the frame T // 2, in 0..1; None for the whole frame.
    """

    title: str
    clip_c: NDArray[np.float32]
    classes: Sequence[str]
    probabilities: NDArray[np.float32]
    label: str | None
    box: Box | None


def save_answer_picture(path: Path, clips: Sequence[JudgedClip]) -> None:
    """Write the picture as PNG: the keyframe, the most probable classes, and a strip of frames, for each clip."""
    figure = draw_answers(clips)
    with replace_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)


def draw_answers(clips: Sequence[JudgedClip]) -> Figure:
    """Return the picture of one or more clips, below each other."""
    figure = Figure(figsize=(WIDTH_IN, ROW_IN * len(clips)), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subfigures(len(clips), 1, squeeze=False)[:, 0]
    for row, clip in zip(rows, clips, strict=True):
        above, strip = row.subfigures(2, 1, height_ratios=(3, 1))
        incomplete = find_incomplete_frames(clip.clip_c)
        shown_c = clip.clip_c if incomplete.all() else repair_incomplete_frames(clip.clip_c, incomplete)
        low_c, high_c = np.percentile(shown_c, (0.5, 99.5))
        keyframe, bars = above.subplots(1, 2)
        image = keyframe.imshow(shown_c[len(shown_c) // 2], cmap="inferno", vmin=low_c, vmax=high_c)
        _draw_box(keyframe, clip)
        keyframe.set_axis_off()
        above.colorbar(image, ax=keyframe, label="deg C", shrink=0.85)
        _draw_probabilities(bars, clip)
        steps = np.linspace(0, len(shown_c) - 1, NUM_FRAMES).round().astype(int)
        for axes, step in zip(strip.subplots(1, NUM_FRAMES), steps, strict=True):
            axes.imshow(shown_c[step], cmap="inferno", vmin=low_c, vmax=high_c)
            axes.set_title(f"frame {step + 1}" + (" repaired" if incomplete[step] else ""), fontsize=8, color=_GREY)
            axes.set_axis_off()
        row.suptitle(clip.title, x=0.01, ha="left", fontsize=12, color=_INK, parse_math=False)
    return figure


def _draw_box(axes: Axes, clip: JudgedClip) -> None:
    if clip.box is None:
        return
    height, width = clip.clip_c.shape[1:]
    box = clip.box
    corner = ((box.cx - box.w / 2) * width - 0.5, (box.cy - box.h / 2) * height - 0.5)
    axes.add_patch(Rectangle(corner, box.w * width, box.h * height, fill=False, edgecolor="white", linewidth=2))


def _draw_probabilities(axes: Axes, clip: JudgedClip) -> None:
    order = clip.probabilities.argsort()[::-1][:NUM_CLASSES]
    colours = [tuple(channel / 255 for channel in choose_class_colour(int(class_id))) for class_id in order]
    places = range(len(order))
    axes.barh(places, clip.probabilities[order], color=colours, height=0.4)
    for place, class_id in zip(places, order, strict=True):
        name = clip.classes[class_id]
        mark = "  (as annotated)" if name == clip.label else ""
        text = f" {name}  {clip.probabilities[class_id]:.3f}{mark}"
        axes.text(0, place - 0.22, text, fontsize=9, va="bottom", color=_INK, parse_math=False)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(order) - 0.6, -0.7)
    axes.set_yticks([])
    axes.set_xlabel("probability", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    if clip.label is not None and clip.label not in [clip.classes[class_id] for class_id in order]:
        axes.set_title(f"annotated: {clip.label}", fontsize=9, loc="left", color=_GREY, parse_math=False)
