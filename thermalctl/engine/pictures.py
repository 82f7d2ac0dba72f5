"""Pictures of a validation for TensorBoard and its like: the confusion matrix, and clips with what was predicted."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.hooks import Hook
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from thermalctl.engine.accuracy import Judged
from thermalctl.engine.diagnosis_hook import find_judged
from thermalctl.pipeline.clip_dataset import ClipDataset, find_innermost
from thermalctl.pipeline.repair import repair_clips

#: One name for all backends: MLflow needs the ending, and TensorBoard takes anything.
CONFUSION_NAME, CLIPS_NAME = "val_confusion.png", "val_clips.png"
#: More classes than this give a matrix that no screen shows.
MAX_CLASSES = 60
#: Frames of each clip that are shown, evenly spread.
NUM_FRAMES = 6
#: Sizes in inches: of a frame's place, and of the line above it.
COLUMN_IN, ROW_IN, TITLE_IN = 1.5, 1.35, 0.3
DPI = 100
_RIGHT, _WRONG = "#1a7f37", "#b42318"


class PictureHook(Hook):
    """Draws a validation now and then, where the configuration has a visualizer to draw for.

    Args:
        interval: draw every so manieth validation; 0 never.
        num_clips: how many clips to show, the same each time: the first of each class, then the second.
    """

    priority = "LOWEST"

    def __init__(self, interval: int = 5, num_clips: int = 6) -> None:
        self.interval = interval
        self.num_clips = num_clips
        self._num_validations = 0

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Draw, if it is time."""
        self._num_validations += 1
        if self.interval == 0 or self._num_validations % self.interval:
            return
        judged = find_judged(runner)
        if judged is None:
            return
        dataset = runner.val_dataloader.dataset
        classes = tuple(getattr(dataset, "metainfo", {}).get("classes", ()))
        if len(classes) != judged.scores.shape[1] or len(classes) > MAX_CLASSES:
            return
        runner.visualizer.add_image(CONFUSION_NAME, draw_confusion_image(judged, classes), runner.epoch)
        innermost = find_innermost(dataset)
        if isinstance(innermost, ClipDataset) and len(innermost) == len(judged.labels):
            shown = [
                show_clip(innermost, judged, index) for index in choose_clips(judged.labels.tolist(), self.num_clips)
            ]
            runner.visualizer.add_image(CLIPS_NAME, draw_clips(shown), runner.epoch)


@dataclass(frozen=True, kw_only=True)
class ShownClip:
    """A clip and what was predicted for it.

    Attributes:
        frames_c: (F, H, W) deg C.
        truth: the true class.
        predicted: the predicted one.
        probability: its score, 0 to 1.
    """

    frames_c: NDArray[np.float32]
    truth: str
    predicted: str
    probability: float


def choose_clips(labels: Sequence[int], num_clips: int) -> list[int]:
    """Return which clips to show: the first of each class, then the second, until there are enough; in order."""
    rank: dict[int, int] = {}
    turns = []
    for index, label in enumerate(labels):
        rank[label] = rank.get(label, 0) + 1
        turns.append((rank[label], index))
    return sorted(index for _, index in sorted(turns)[:num_clips])


def show_clip(dataset: ClipDataset, judged: Judged, index: int) -> ShownClip:
    """Return a clip of the dataset as it is shown."""
    clip_c = dataset[index]["inputs"]
    if dataset.spec.repair == "nearest":  # as the model sees it: rows that are missing would take the whole scale
        clip_c = repair_clips(clip_c[None])[0]
    frames_c = clip_c.numpy()
    chosen = np.linspace(0, len(frames_c) - 1, min(NUM_FRAMES, len(frames_c))).round().astype(int)
    predicted = int(judged.scores[index].argmax())
    return ShownClip(
        frames_c=frames_c[chosen],
        truth=dataset.spec.classes[judged.labels[index]],
        predicted=dataset.spec.classes[predicted],
        probability=float(judged.scores[index, predicted]),
    )


def draw_confusion_image(judged: Judged, classes: Sequence[str]) -> NDArray[np.uint8]:
    """Return the confusion matrix, (H, W, 3): true classes in rows, shares of a row as shades, counts as numbers.

    Classes that are neither true nor predicted are left out.
    """
    predicted = judged.scores.argmax(axis=1)
    seen = sorted(set(judged.labels.tolist()) | set(predicted.tolist()))
    counts = confusion_matrix(judged.labels, predicted, labels=seen)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [_shorten(classes[index]) for index in seen]
    side = max(4.0, 0.45 * len(seen)) + 3.0
    figure = Figure(figsize=(side, side), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[row, column] > 0.6 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(seen)), names, rotation=45, ha="right", fontsize=8, parse_math=False)
    axes.set_yticks(range(len(seen)), names, fontsize=8, parse_math=False)
    axes.set(xlabel="predicted class", ylabel="true class")
    return render(figure)


def draw_clips(clips: Sequence[ShownClip]) -> NDArray[np.uint8]:
    """Return clips as strips of frames, one below the other, (H, W, 3); each in its own range of temperatures."""
    num_frames = max(len(clip.frames_c) for clip in clips)
    height_in = ROW_IN * len(clips)
    figure = Figure(figsize=(COLUMN_IN * num_frames, height_in), dpi=DPI)
    # Not laid out by matplotlib, which would make the first frame as wide as the line above it.
    grid = figure.subplots(
        len(clips),
        num_frames,
        squeeze=False,
        gridspec_kw={
            "left": 0,
            "right": 1,
            "bottom": 0,
            "top": 1 - TITLE_IN / height_in,
            "hspace": 0.3,
            "wspace": 0.02,
        },
    )
    for row, clip in zip(grid, clips, strict=True):
        low_c, high_c = np.percentile(clip.frames_c, (1, 99))  # a lost frame is at absolute zero
        for axes, frame_c in zip(row, clip.frames_c, strict=False):
            axes.imshow(frame_c, cmap="inferno", vmin=low_c, vmax=max(high_c, low_c + 1), interpolation="nearest")
        for axes in row:
            axes.axis("off")
        is_right = clip.truth == clip.predicted
        text = f"{clip.truth}: right" if is_right else f"{_shorten(clip.truth)}: taken for {_shorten(clip.predicted)}"
        row[0].set_title(
            f"{text} ({clip.probability:.0%})",
            loc="left",
            fontsize=9,
            color=_RIGHT if is_right else _WRONG,
            parse_math=False,
        )
    return render(figure)


def render(figure: Figure) -> NDArray[np.uint8]:
    """Return a figure as a picture, (H, W, 3) RGB."""
    FigureCanvasAgg(figure)
    width, height = (round(side_in * DPI) for side_in in figure.get_size_inches())
    pixels = io.BytesIO()
    figure.savefig(pixels, format="rgba", dpi=DPI)
    return np.frombuffer(pixels.getvalue(), dtype=np.uint8).reshape(height, width, 4)[..., :3].copy()


def _shorten(name: str, length: int = 32) -> str:
    return name if len(name) <= length else f"{name[: length - 15]}...{name[-12:]}"
