"""Pictures of every augmentation, every way of mixing and every channel, on clips of a dataset, before and after.

    python examples/augmentation_pictures.py --data DATASET --output FOLDER

Each is stronger than one would train with, so that it is seen; the preset "overhead" is as it is. The pictures are made
by the very module that training runs.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thermalctl.clip_spec import MOTION_MEAN, MOTION_RANGE_C, MOTION_STD, ClipSpec
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.pipeline.augment import PRESETS, Augmentation
from thermalctl.pipeline.clip_dataset import ClipDataset
from thermalctl.pipeline.preprocessor import ThermalDataPreprocessor
from thermalctl.pipeline.time_augment import count_context_frames

matplotlib.use("Agg")
from matplotlib import pyplot as plt

NUM_DRAWS = 5
SPACE: dict[str, dict[str, Any]] = {
    "crop_area=\n(0.3, 0.6)": {"crop_area": (0.3, 0.6)},
    "crop_aspect=\n(0.6, 1.6)\nof half the area": {"crop_aspect": (0.6, 1.6), "crop_area": (0.5, 0.5)},
    "flip=1": {"flip": 1.0},
    "flip_vertical=1": {"flip_vertical": 1.0},
    "quarter_turns=1": {"quarter_turns": 1.0},
    "erase=1": {"erase": 1.0},
    "preset overhead": dict(PRESETS["overhead"]),
}
TEMPERATURE: dict[str, dict[str, Any]] = {
    "brightness=0.5": {"brightness": 0.5},
    "contrast=0.5": {"contrast": 0.5},
    "gain=0.5": {"gain": 0.5},
    "offset_c=3": {"offset_c": 3.0},
    "noise_c=1": {"noise_c": 1.0},
    "row_dropout=1": {"row_dropout": 1.0},
}
TIME: dict[str, dict[str, Any]] = {
    "temporal_jitter=16": {"temporal_jitter": 16.0},
    "temporal_crop=0.5": {"temporal_crop": 0.5},
    "speed=1": {"speed": 1.0},
    "frame_dropout=0.7": {"frame_dropout": 0.7},
    "erase=1, cuboid": {"erase": 1.0, "erase_mode": "cuboid"},
}
MIXES = ("mixup", "cutmix", "cuboid")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="a dataset folder")
    parser.add_argument("--output", type=Path, required=True, help="where the pictures go")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for path in draw_all(load_dataset(DatasetLayout(options.data)), options.output):
        print(path)


def draw_all(dataset: ThermalDataset, folder: Path) -> list[Path]:
    """Write one picture of each kind into the folder and return where."""
    first, second = find_lively(dataset)
    figures = {
        "space": draw_varied(dataset, first, SPACE, "frame"),
        "space_person": draw_varied(dataset, first, SPACE, "person"),
        "temperature": draw_varied(dataset, first, TEMPERATURE, "frame"),
        "time": draw_times_varied(dataset, first),
        "mixing": draw_mixed(dataset, [first, second]),
        "channels": draw_channels(dataset, first),
    }
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=80)
        plt.close(figure)
    return paths


def find_lively(dataset: ThermalDataset) -> list[int]:
    """Return two keyframes of two classes around which much moves, as indices of training samples."""
    clips = open_clips(dataset.layout.root, make_spec(dataset), 0)
    steps = range(0, len(clips), max(1, len(clips) // 40))
    changes = {index: float(_repair(clips[index]["inputs"]).diff(dim=0).abs().mean()) for index in steps}
    ranked = sorted(changes, key=lambda index: -changes[index])
    labels = [clips.samples[index].label for index in ranked]
    return [ranked[0], next((i for i, label in zip(ranked, labels, strict=True) if label != labels[0]), ranked[1])]


def _repair(clip_c: Tensor) -> Tensor:
    return clip_c[clip_c.flatten(1).amin(1) > -50]


def make_spec(dataset: ThermalDataset, **options: Any) -> ClipSpec:
    """Return a specification whose input is the pictures themselves, 0..255, not normalised."""
    plain: dict[str, Any] = {"input_size": (120, 180), "channels": "fold", "mean": (0.0,), "std": (1.0,)}
    return ClipSpec(classes=dataset.classes, **(plain | options))


def load(dataset: ThermalDataset, spec: ClipSpec, index: int, augment: dict[str, Any]) -> dict[str, Any]:
    """Return a training sample with as many frames around it as its augmentation needs."""
    context_frames = count_context_frames(Augmentation(**augment), spec.num_frames)
    item: dict[str, Any] = open_clips(dataset.layout.root, spec, context_frames)[index]
    return item


@cache
def open_clips(root: Path, spec: ClipSpec, context_frames: int) -> ClipDataset:
    return ClipDataset(str(root), "train", spec.to_dict(), context_frames)


def show(
    spec: ClipSpec, items: Sequence[dict[str, Any]], *, seed: int | None, **options: Any
) -> tuple[NDArray[np.float32], list[Any]]:
    """Return what the model would be shown, (N, C, T, h, w), and the samples with their labels.

    With a seed as in training, without one as in test.
    """
    torch.manual_seed(seed or 0)
    preprocessor = ThermalDataPreprocessor(spec.to_dict(), **options)
    batch = {key: [item[key] for item in items] for key in ("inputs", "data_samples")}
    ready = preprocessor(batch, training=seed is not None)
    return ready["inputs"][:, 0].numpy(), ready["data_samples"]


def draw_varied(dataset: ThermalDataset, index: int, settings: dict[str, dict[str, Any]], target: str) -> plt.Figure:
    """Return a picture with a row for each setting: the keyframe as it is, then draws of it."""
    size = (120, 120) if target == "person" else (120, 180)
    spec = make_spec(dataset, target=target, input_size=size)
    plain = show(spec, [load(dataset, spec, index, {})], seed=None)[0][0, 0]
    keyframe, limits = spec.num_frames // 2, np.percentile(plain, (0.5, 99.8))
    figure, axes = _make_grid(len(settings), NUM_DRAWS + 1, size)
    for row, (name, augment) in zip(axes, settings.items(), strict=True):
        item = load(dataset, spec, index, augment)
        _show_image(row[0], plain[keyframe], limits, title="as in test")
        _name_row(row[0], name)
        for seed, axis in enumerate(row[1:], start=1):
            _show_image(axis, show(spec, [item], seed=seed, augment=augment)[0][0, 0, keyframe], limits)
    return figure


def draw_times_varied(dataset: ThermalDataset, index: int) -> plt.Figure:
    """Return a picture with a row for each setting: the warmest pixel of each column, frame by frame downwards."""
    spec = make_spec(dataset, input_size=(40, 60))
    plain = show(spec, [load(dataset, spec, index, {})], seed=None)[0][0, 0]
    limits = np.percentile(plain.max(axis=1), (0.5, 94))
    figure, axes = _make_grid(len(TIME), NUM_DRAWS + 1, (64, 60))
    for row, (name, augment) in zip(axes, TIME.items(), strict=True):
        item = load(dataset, spec, index, augment)
        _show_image(row[0], plain.max(axis=1), limits, title="as in test; time runs down")
        _name_row(row[0], name)
        for seed, axis in enumerate(row[1:], start=1):
            _show_image(axis, show(spec, [item], seed=seed, augment=augment)[0][0, 0].max(axis=1), limits)
            axis.axhline(spec.num_frames // 2, color="white", linewidth=0.5)
    return figure


def draw_mixed(dataset: ThermalDataset, indices: Sequence[int]) -> plt.Figure:
    """Return a picture with two clips and, in a row for each way of mixing, frames of the first after it."""
    spec = make_spec(dataset)
    items = [load(dataset, spec, index, {}) for index in indices]
    plain = show(spec, items, seed=None)[0][:, 0]
    limits = np.percentile(plain, (0.5, 99.8))
    steps = np.linspace(0, spec.num_frames - 1, NUM_DRAWS + 1).astype(int)
    figure, axes = _make_grid(2 + len(MIXES), len(steps), spec.input_size)
    for row, clip, item in zip(axes, plain, items, strict=False):
        _show_frames(row, clip, steps, limits, dataset.classes[int(item["data_samples"].gt_label)])
    for row, mode in zip(axes[2:], MIXES, strict=True):
        mixing = {"mode": mode, "mixup_alpha": 8.0, "cutmix_alpha": 4.0, "probability": 1.0}
        for seed in range(100):  # until the two are exchanged, and a good part of each is seen
            inputs, samples = show(spec, items, seed=seed, mixing=mixing)
            label = samples[0].gt_label
            if 0.3 < float(label.max()) < 0.8:
                break
        shares = [f"{label[k]:.2f} {dataset.classes[k]}" for k in label.argsort(descending=True)[:2].tolist()]
        _show_frames(row, inputs[0, 0], steps, limits, f"{mode}\n" + "\n".join(shares))
    return figure


def draw_channels(dataset: ThermalDataset, index: int) -> plt.Figure:
    """Return a picture of the three channels of "motion", in degrees."""
    motion = {"channels": "motion", "mean": (0.0, MOTION_MEAN, MOTION_MEAN), "std": (1.0, MOTION_STD, MOTION_STD)}
    spec = make_spec(dataset, **motion)
    shown = show(spec, [load(dataset, spec, index, {})], seed=None)[0][0]
    steps = np.linspace(0, spec.num_frames - 1, NUM_DRAWS + 1).astype(int)
    figure, axes = _make_grid(3, len(steps), spec.input_size)
    low_c, high_c = spec.temperature_range_c
    temperature_c = low_c + shown[0] * (high_c - low_c) / 255
    _show_frames(axes[0], temperature_c, steps, np.percentile(temperature_c, (0.5, 99.8)), "temperature")
    for row, channel, name in zip(axes[1:], shown[1:], ("from background", "from the frame before"), strict=True):
        difference_c = channel * MOTION_STD * MOTION_RANGE_C / 127.5
        _show_frames(row, difference_c, steps, (-5, 5), f"{name}\n-5 to 5 °C", colormap="RdBu_r")
    return figure


def _make_grid(num_rows: int, num_columns: int, size: tuple[int, int]) -> tuple[plt.Figure, NDArray[Any]]:
    height, width = size
    return plt.subplots(
        num_rows,
        num_columns,
        figsize=(2.2 * num_columns + 1.2, 2.2 * num_rows * height / width + 0.4),
        squeeze=False,
        layout="constrained",
    )


def _show_frames(
    row: Sequence[plt.Axes],
    clip: NDArray[Any],
    steps: NDArray[Any],
    limits: Sequence[float],
    name: str,
    colormap: str = "inferno",
) -> None:
    _name_row(row[0], name)
    for axis, step in zip(row, steps, strict=True):
        _show_image(axis, clip[step], limits, title=f"frame {step}", colormap=colormap)


def _name_row(axis: plt.Axes, name: str) -> None:
    lines = [textwrap.fill(line, 18) for line in name.splitlines()]
    axis.set_ylabel("\n".join(lines), fontsize=8, rotation=0, ha="right", va="center")


def _show_image(
    axis: plt.Axes, image: NDArray[Any], limits: Sequence[float], *, title: str = "", colormap: str = "inferno"
) -> None:
    axis.imshow(image, vmin=limits[0], vmax=limits[1], cmap=colormap, interpolation="nearest")
    axis.set_title(title, fontsize=8)
    axis.set_xticks([])
    axis.set_yticks([])


if __name__ == "__main__":
    main()
