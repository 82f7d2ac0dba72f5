"""The curves of a training as a picture: losses, accuracies and the learning rate, over epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from thermalctl.evaluation.run_log import RunLog, read_run_log
from thermalctl.evaluation.run_records import ValidationDone
from thermalctl.files import replace_file

#: The picture's name in a run's folder.
CURVES_FILE = "curves.png"
#: 1200 x 1000 pixels.
SIZE_IN, DPI = (12.0, 10.0), 100
_TRAIN, _VAL, _CLASSES, _INK, _FAINT = "#1f6fb4", "#c2410c", "#15803d", "#1b1b1b", "#9aa0a6"
#: A largest loss so many times the median presses all others to the ground, unless they are drawn in decades.
DECADES_RATIO = 50.0


def save_curves(work_dir: Path) -> Path:
    """Write the curves of a run, finished or not, into its folder and return where.

    Raises:
        RequestError: if the folder holds no log of a run.
    """
    path = work_dir / CURVES_FILE
    figure = draw_curves(read_run_log(work_dir))
    with replace_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)
    return path


def draw_curves(log: RunLog) -> Figure:
    """Return the picture of a run's curves: three panels that share the epochs as their axis."""
    figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(4, 4, 2))
    _draw_losses(loss, log)
    _draw_accuracies(accuracy, log.validations)
    _draw_rate(rate, log)
    last = max([step.epoch for step in log.steps] + [done.epoch for done in log.validations] + [1])
    for axes in (loss, accuracy, rate):
        axes.set_xlim(0, last * 1.01)
        axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        _mark_best(axes, log.validations)
        if axes is not rate and axes.get_legend_handles_labels()[0]:
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=11)
    rate.xaxis.set_major_locator(MaxNLocator(integer=True))
    _mark_findings(loss, log)
    figure.suptitle(_describe(log), x=0.01, ha="left", fontsize=13, color=_INK, parse_math=False)
    return figure


def _draw_losses(axes: Axes, log: RunLog) -> None:
    places = [step.epoch - 1 + step.step / step.num_steps for step in log.steps]
    axes.plot(places, [step.loss for step in log.steps], color=_TRAIN, alpha=0.3, linewidth=1, label="train, step")
    train = [(done.epoch, done.train_loss) for done in log.validations]
    val = [(done.epoch, done.metrics["acc/log_loss"]) for done in log.validations if "acc/log_loss" in done.metrics]
    _plot(axes, train, _TRAIN, "train, epoch")
    _plot(axes, val, _VAL, "val, log loss")
    shown = [loss for loss in [step.loss for step in log.steps] + [y for _, y in train + val] if math.isfinite(loss)]
    if shown and min(shown) > 0 and max(shown) > DECADES_RATIO * float(np.median(shown)):
        axes.set_yscale("log")
    axes.set_ylabel("loss", fontsize=12)


def _draw_accuracies(axes: Axes, validations: Sequence[ValidationDone]) -> None:
    for key, colour, label in (("acc/top1", _VAL, "val, top-1"), ("acc/mean_class", _CLASSES, "val, mean class")):
        _plot(
            axes, [(done.epoch, 100 * done.metrics[key]) for done in validations if key in done.metrics], colour, label
        )
    seen = [(done.epoch, 100 * done.train_accuracy) for done in validations if done.train_accuracy is not None]
    _plot(axes, seen, _TRAIN, "train, as seen")
    axes.set_ylim(0, 100)
    axes.set_ylabel("accuracy, %", fontsize=12)


def _draw_rate(axes: Axes, log: RunLog) -> None:
    places = [step.epoch - 1 + step.step / step.num_steps for step in log.steps]
    axes.plot(places, [step.lr for step in log.steps], color=_INK, linewidth=1.5)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("learning rate", fontsize=12)
    axes.set_xlabel("epoch", fontsize=12)


def _plot(axes: Axes, points: Sequence[tuple[int, float]], colour: str, label: str) -> None:
    if points:
        marker = "o" if len(points) <= 40 else ""
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=2, marker=marker, markersize=4, label=label)


def _mark_best(axes: Axes, validations: Sequence[ValidationDone]) -> None:
    best = [done.epoch for done in validations if done.is_best]
    if best:
        axes.axvline(best[-1], color=_FAINT, linewidth=1, linestyle="--", zorder=0)


def _mark_findings(axes: Axes, log: RunLog) -> None:
    for index, finding in enumerate(log.findings):
        axes.annotate(
            finding.topic,
            xy=(finding.epoch, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(3, -12 * (index + 1)),
            textcoords="offset points",
            fontsize=10,
            color=_INK,
            parse_math=False,
        )
        axes.axvline(finding.epoch, color=_INK, linewidth=0.8, linestyle=":", zorder=0)


def _describe(log: RunLog) -> str:
    last = log.validations[-1].epoch if log.validations else 0
    state = log.end.status if log.end else "running"
    best = [done.epoch for done in log.validations if done.is_best]
    text = f"{log.work_dir.name}: {log.header.model}, {last} of {log.header.max_epochs} epochs, {state}"
    return f"{text}; best: epoch {best[-1]}" if best else text
