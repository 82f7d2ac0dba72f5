"""What exported files of one model cost beside PyTorch: processor time for a clip on one thread, and size.

    thermalctl export-onnx RUN                          # and again with --precision fp16, --precision int8
    python benchmarks/onnx_precision.py RUN/epoch_9.pth RUN/epoch_9.onnx RUN/epoch_9_fp16.onnx RUN/epoch_9_int8.onnx

Prints rows of a table in Markdown. All are given the same made-up clip in turn, `--repeats` times; told is the median.
Milliseconds are those that the processor worked for it: other processes make it wait, but hardly work longer.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from thermalctl.deploy import ThermalClassifier
from thermalctl.deploy.classifier import build_classifier
from thermalctl.engine.restore import restore_model

#: A room of 22 deg C with the noise of a sensor, and somebody in it.
ROOM_C, NOISE_C, PERSON_C = 22.0, 0.25, 30.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="of a model of whole frames")
    parser.add_argument("files", type=Path, nargs="+", help="made from it, with degrees in")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(format_rows(measure(arguments.checkpoint, arguments.files, arguments.repeats)))
    return 0


def measure(checkpoint: Path, files: list[Path], repeats: int) -> dict[str, tuple[float, int]]:
    """Return the milliseconds for a clip and the size in bytes of PyTorch and of each file, by name."""
    classifiers = [ThermalClassifier(file, num_threads=1) for file in files]
    clip_c = make_clip(classifiers[0].clip_shape)
    module = build_classifier(restore_model(checkpoint), "raw")
    weights = (*module.parameters(), *module.buffers())

    def ask_torch() -> None:
        with torch.inference_mode():
            module(torch.from_numpy(clip_c[None]))

    asked: dict[str, Callable[[], object]] = {"PyTorch": ask_torch}
    sizes = {"PyTorch": sum(each.numel() * each.element_size() for each in weights)}
    for classifier in classifiers:
        name = f"ONNX {classifier.metadata.precision}"
        asked[name] = lambda classifier=classifier: classifier.predict(clip_c[None])
        sizes[name] = classifier.path.stat().st_size
    taken_ms = time_each(asked, repeats)
    return {name: (taken_ms[name], sizes[name]) for name in asked}


def time_each(asked: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median processor time of each, ms; asked in turn, once beforehand to plan and allocate."""
    taken_ms: dict[str, list[float]] = {name: [] for name in asked}
    for ask in asked.values():
        ask()
    for _ in range(repeats):
        for name, ask in asked.items():
            started = time.process_time()
            ask()
            taken_ms[name].append(1000 * (time.process_time() - started))
    return {name: statistics.median(values) for name, values in taken_ms.items()}


def make_clip(shape: tuple[int, ...]) -> np.ndarray:
    """Return a clip, (T, H, W) float32, deg C."""
    clip_c = np.random.default_rng(0).normal(ROOM_C, NOISE_C, size=shape).astype(np.float32)
    clip_c[:, shape[1] // 3 : shape[1] // 2, shape[2] // 3 : shape[2] // 2] = PERSON_C
    return clip_c


def format_rows(found: Mapping[str, tuple[float, int]]) -> str:
    """Return a row for each: its name, ms, share of PyTorch's, MB."""
    reference_ms = found["PyTorch"][0]
    return "\n".join(
        f"| {name} | {ms:,.1f} | {ms / reference_ms:.2f} | {num_bytes / 1e6:.1f} |"
        for name, (ms, num_bytes) in found.items()
    )


if __name__ == "__main__":
    raise SystemExit(main())
