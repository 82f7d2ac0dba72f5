"""What an answer costs: PyTorch beside onnxruntime in each precision, on real clips."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from thermalctl.benchmarking.results import Ratio, compare_rounds
from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.clip_models import ClipModel, OnnxModel, TorchModel
from thermalctl.deploy.export import export_onnx, reduce_precision
from thermalctl.deploy.metadata import INPUT, REGIONS, Precision
from thermalctl.deploy.providers import Provider
from thermalctl.deploy.real_clips import RealClip, RealClips, find_frame_size
from thermalctl.engine.config import complete_config, load_config
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.restore import RestoredModel, build_model
from thermalctl.errors import ThermalctlError

PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
#: What a stream is thought to be like where figures speak of real time.
FRAME_RATE_HZ, STRIDE_FRAMES = 10.0, 8
#: Clips that are answered in turn, and those on which the scales of int8 are measured. Weights are random where only a
#: configuration is named, so that more would not make the scales better.
NUM_CLIPS, NUM_CALIBRATION_CLIPS = 4, 4
OnStage = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class InferRow:
    """One runtime of one model.

    Attributes:
        model: its name.
        runtime: "PyTorch" or "onnxruntime fp32", ...
        window_s: seconds for the answer to one window, median of the rounds.
        windows_per_second: by one process.
        real_time: seconds of a stream of 10 frames a second that it answers in one second, a window every 8 frames.
        speedup: over PyTorch, in the same rounds.
        num_bytes: of the file; 0 of PyTorch.
        problem: why it was not measured; "" where it was.
    """

    model: str
    runtime: str
    window_s: float
    windows_per_second: float
    real_time: float
    speedup: Ratio | None
    num_bytes: int
    problem: str = ""


def make_untrained(name: str, dataset: ThermalDataset) -> RestoredModel:
    """Return a shipped configuration's model with random weights: it takes as long as a trained one."""
    cfg = complete_config(load_config(name), TrainOptions(), dataset, work_dir=Path(), device="cpu")
    torch.manual_seed(0)
    spec = ClipSpec.from_dict(cfg.model.data_preprocessor.clip_spec)
    nothing = np.zeros(0, dtype=np.int64)
    return RestoredModel(
        path=Path(f"{name}.pth"),
        sha256="",
        model=build_model(cfg),
        cfg=cfg,
        clip_spec=spec,
        is_own=True,
        classes=spec.classes,
        epoch=None,
        selection="random weights",
        selection_split=None,
        trained_ids=(),
        trained_clips=nothing,
        trained_keyframes=nothing,
        trained_frames=nothing,
        trained_dataset=None,
    )


def measure_model(
    restored: RestoredModel,
    dataset: ThermalDataset,
    folder: Path,
    *,
    device: str,
    precisions: Sequence[Precision],
    num_rounds: int,
    threads: int,
    on_stage: OnStage,
) -> tuple[list[InferRow], Path]:
    """Return a row for each runtime of a model, which take turns clip by clip, and the float32 file.

    Args:
        restored: the model.
        dataset: where clips are from.
        folder: where ONNX files are made.
        device: "cpu" or "cuda".
        precisions: of onnxruntime.
        num_rounds: turns of each.
        threads: of torch and onnxruntime, on a CPU.
        on_stage: told what is measured.
    """
    name = restored.path.stem
    frame_size = find_frame_size(dataset)
    spec = restored.clip_spec
    assert spec is not None
    clips = list(_read_clips(restored, dataset, "val", frame_size, NUM_CLIPS))
    file = folder / f"{name}.onnx"
    on_stage(f"{name}: exporting")
    export_onnx(restored, file, frame_size=frame_size)
    provider: Provider = "cpu" if device == "cpu" else "cuda"
    contenders: dict[str, ClipModel | str] = {"PyTorch": TorchModel(restored, device=device)}
    sizes = {"PyTorch": 0}
    for precision in precisions:
        runtime = f"onnxruntime {precision}"
        on_stage(f"{name}: {runtime}")
        try:
            path = file
            if precision != "fp32":
                path = folder / f"{name}_{precision}.onnx"
                calibration = _read_clips(restored, dataset, "train", frame_size, NUM_CALIBRATION_CLIPS)
                reduce_precision(file, path, precision, map(_list_inputs, calibration))
            contenders[runtime] = OnnxModel(path, provider=provider, num_threads=threads)
            sizes[runtime] = path.stat().st_size
        except ThermalctlError as error:
            contenders[runtime] = error.message
            sizes[runtime] = 0
    able = {runtime: model for runtime, model in contenders.items() if not isinstance(model, str)}
    clock = time.process_time if device == "cpu" and threads == 1 else time.perf_counter
    found: dict[str, list[float]] = {runtime: [] for runtime in able}
    for model in able.values():
        _answer(model, clips[0])  # the first one also plans and allocates
    for number in range(num_rounds):
        on_stage(f"{name}: round {number + 1} of {num_rounds}")
        for runtime, model in able.items():
            seconds = []
            for clip in clips:
                started = clock()
                _answer(model, clip)
                seconds.append(clock() - started)
            found[runtime].append(median(seconds))
    rows = []
    for runtime, contender in contenders.items():
        if isinstance(contender, str):
            rows.append(_make_row(name, runtime, None, None, 0, contender))
        else:
            rows.append(_make_row(name, runtime, found[runtime], found["PyTorch"], sizes[runtime], ""))
    return rows, file


def _read_clips(
    restored: RestoredModel, dataset: ThermalDataset, split: str, frame_size: tuple[int, int], number: int
) -> Iterator[RealClip]:
    yield from RealClips(restored, dataset, split, input_kind="raw", frame_size=frame_size, num_clips=number)


def _list_inputs(clip: RealClip) -> dict[str, NDArray[np.float32]]:
    regions = {} if clip.regions is None else {REGIONS: clip.regions[None]}
    return {INPUT: clip.values[None], **regions}


def _answer(model: ClipModel, clip: RealClip) -> None:
    model.predict(clip.values[None], None if clip.boxes is None else clip.boxes[None])


def _make_row(
    name: str,
    runtime: str,
    seconds: Sequence[float] | None,
    reference: Sequence[float] | None,
    num_bytes: int,
    problem: str,
) -> InferRow:
    window_s = median(seconds) if seconds else float("nan")
    return InferRow(
        model=name,
        runtime=runtime,
        window_s=window_s,
        windows_per_second=1 / window_s,
        real_time=STRIDE_FRAMES / FRAME_RATE_HZ / window_s,
        speedup=compare_rounds(seconds, reference) if seconds and reference else None,
        num_bytes=num_bytes,
        problem=problem,
    )
