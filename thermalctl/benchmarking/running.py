"""Benchmarks from a dataset to their result."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import torch

from thermalctl.benchmarking.contenders import list_data_contenders, list_train_contenders
from thermalctl.benchmarking.inference import InferRow, make_untrained, measure_model
from thermalctl.benchmarking.results import (
    DataBenchmark,
    Machine,
    TrainBenchmark,
    list_guide_hours,
    summarise_data,
    summarise_train,
)
from thermalctl.benchmarking.streaming import StreamRow, measure_stream
from thermalctl.benchmarking.turns import OnTurn, take_turns
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.deploy.metadata import Precision
from thermalctl.engine.config import load_config
from thermalctl.engine.restore import find_checkpoint, restore_model
from thermalctl.engine.train import choose_device
from thermalctl.environment.resources import measure_resources
from thermalctl.evaluation.runs import find_run

#: The guide's own; on a CPU one, or a step of slowfast-r50 takes a minute and most of a usual machine's memory.
GUIDE_BATCH_SIZE, CPU_BATCH_SIZE = 4, 1
GPU_WORKERS = 4
#: Steps on a GPU are short, and the first ones choose their kernels.
GPU_STEPS, GPU_WARMUP, CPU_STEPS, CPU_WARMUP = 30, 10, 2, 1
#: Clips that are made ready together where only that is measured.
DATA_BATCH_SIZE = 4


def benchmark_data(
    data: Path, *, device: str | None, num_clips: int, num_rounds: int, threads: int, on_turn: OnTurn
) -> DataBenchmark:
    """Return how fast clips come from the disk to the model's input, in stock MMAction2 and here.

    Args:
        data: the dataset folder.
        device: where they are made ready; None for a GPU where there is one.
        num_clips: of each contender in a round, rounded up to whole batches of 4.
        num_rounds: turns of each.
        threads: of torch and OpenCV.
        on_turn: told how it goes.

    Raises:
        DatasetError: if the dataset is inconsistent.
        NotHeldError: if a side fails.
        RequestError: if the device is not there.
    """
    dataset = load_dataset(DatasetLayout(data))
    device = choose_device(device)
    contenders = list_data_contenders()
    options = {"batch_size": DATA_BATCH_SIZE, "num_batches": math.ceil(num_clips / DATA_BATCH_SIZE)}
    asked = {"data": str(dataset.layout.root.resolve()), "device": device, "threads": threads, "options": options}
    turns = take_turns("data", contenders, num_rounds=num_rounds, stay=True, asked=asked, on_turn=on_turn)
    stock = {one.in_memory: found for one, found in zip(contenders, turns, strict=True) if one.is_stock}
    return DataBenchmark(
        machine=describe_machine(device, threads, worked=device == "cpu" and threads == 1),
        num_clips=options["num_batches"] * DATA_BATCH_SIZE * num_rounds,
        num_rounds=num_rounds,
        rows=tuple(
            summarise_data(one.name, bool(one.in_memory), found, stock[one.in_memory])
            for one, found in zip(contenders, turns, strict=True)
        ),
    )


def benchmark_train(
    data: Path,
    *,
    configs: tuple[str, ...],
    device: str | None,
    batch_size: int | None,
    num_workers: int | None,
    num_steps: int | None,
    num_rounds: int,
    threads: int,
    amp: bool,
    on_turn: OnTurn,
) -> TrainBenchmark:
    """Return how fast training is in stock MMAction2 with the guide's configuration, and here; None takes a default.

    Raises:
        ConfigError: if a configuration cannot be read or does not fit the dataset.
        DatasetError: if the dataset is inconsistent.
        NotHeldError: if a side fails.
        RequestError: if the device is not there.
    """
    dataset = load_dataset(DatasetLayout(data))
    device = choose_device(device)
    for config in configs:
        load_config(config)  # before minutes are spent on another
    has_gpu = device != "cpu"
    batch_size = batch_size or (GUIDE_BATCH_SIZE if has_gpu else CPU_BATCH_SIZE)
    num_workers = num_workers if num_workers is not None else (GPU_WORKERS if has_gpu else 0)
    num_steps = num_steps or (GPU_STEPS if has_gpu else CPU_STEPS)
    contenders = list_train_contenders(configs, amp=amp, has_gpu=has_gpu)
    options = {
        "batch_size": batch_size,
        "num_workers": num_workers,
        "num_steps": num_steps,
        "num_warmup": GPU_WARMUP if has_gpu else CPU_WARMUP,
    }
    asked = {"data": str(dataset.layout.root.resolve()), "device": device, "threads": threads, "options": options}
    turns = take_turns("train", contenders, num_rounds=num_rounds, stay=False, asked=asked, on_turn=on_turn)
    num_train = len(dataset.samples("train", "frame"))
    return TrainBenchmark(
        machine=describe_machine(device, threads, worked=not has_gpu and threads == 1 and num_workers == 0),
        batch_size=batch_size,
        num_workers=num_workers,
        num_steps=num_steps,
        num_rounds=num_rounds,
        num_train=num_train,
        rows=tuple(
            summarise_train(one.name, found, turns[0], batch_size=batch_size, num_train=num_train)
            for one, found in zip(contenders, turns, strict=True)
        ),
        guide_hours=list_guide_hours(num_train),
    )


def benchmark_infer(
    data: Path,
    *,
    models: tuple[Path, ...],
    configs: tuple[str, ...],
    precisions: tuple[Precision, ...],
    device: str | None,
    num_rounds: int,
    threads: int,
    hours: float,
    on_stage: Callable[[str], None],
) -> InferBenchmark:
    """Return how fast models answer, in PyTorch and in onnxruntime.

    Args:
        data: the dataset folder.
        models: runs or checkpoints.
        configs: shipped configurations, whose weights are random.
        precisions: of onnxruntime.
        device: where; None for a GPU where there is one.
        num_rounds: turns of each.
        threads: of torch and onnxruntime.
        hours: of a stream that each model answers besides; 0 for none.
        on_stage: told what is measured.

    Raises:
        CheckpointError: if a model cannot be read.
        ConfigError: if a configuration cannot be read.
        DatasetError: if the dataset is inconsistent.
        RequestError: if the device is not there.
    """
    dataset = load_dataset(DatasetLayout(data))
    device = choose_device(device)
    torch.set_num_threads(threads)
    restored = [restore_model(find_checkpoint(find_run(path))) for path in models]
    restored += [make_untrained(name, dataset) for name in configs]
    rows: list[InferRow] = []
    streams: list[StreamRow] = []
    for model in restored:
        with tempfile.TemporaryDirectory() as folder:
            found, file = measure_model(
                model,
                dataset,
                Path(folder),
                device=device,
                precisions=precisions,
                num_rounds=num_rounds,
                threads=threads,
                on_stage=on_stage,
            )
            rows += found
            if hours:
                on_stage(f"{model.path.stem}: a stream of {hours:g} h")
                streams.append(measure_stream(file, dataset, hours=hours, threads=threads))
    return InferBenchmark(
        machine=describe_machine(device, threads, worked=device == "cpu" and threads == 1),
        onnxruntime=onnxruntime.__version__,
        num_rounds=num_rounds,
        rows=tuple(rows),
        streams=tuple(streams),
    )


@dataclass(frozen=True, kw_only=True)
class InferBenchmark:
    """All that was measured of inference, of one run.

    Attributes:
        machine: where.
        onnxruntime: its version.
        num_rounds: of each.
        rows: of each runtime of each model.
        streams: of each model, where a stream was answered.
    """

    machine: Machine
    onnxruntime: str
    num_rounds: int
    rows: tuple[InferRow, ...]
    streams: tuple[StreamRow, ...]


def describe_machine(device: str, threads: int, *, worked: bool) -> Machine:
    """Return where it was measured.

    Args:
        device: "cpu" or "cuda[:i]".
        threads: of torch.
        worked: whether seconds are those that the processor worked, so that other processes do not count.
    """
    name = measure_resources().processor if device == "cpu" else torch.cuda.get_device_name(device)
    clock = "seconds that the processor worked" if worked else "seconds on the clock"
    return Machine(device=name, threads=threads, torch=torch.__version__, clock=clock)
