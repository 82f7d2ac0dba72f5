"""`thermalctl benchmark`: how fast it is here, beside stock MMAction2 with the finetuning guide's configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thermalctl.cli import console
from thermalctl.cli.options import DataOption, DeviceOption, JsonOption, NumWorkersOption
from thermalctl.cli.progress import show_stages

if TYPE_CHECKING:
    from thermalctl.benchmarking.results import DataBenchmark, Machine, TrainBenchmark
    from thermalctl.benchmarking.running import InferBenchmark
    from thermalctl.benchmarking.turns import OnTurn

benchmark = typer.Typer(
    name="benchmark",
    help="How fast it is on this machine, beside stock MMAction2 on the same clips.",
    no_args_is_help=True,
)

_CONFIGS = ("slowfast-r50", "slowfast-small", "slowfast-tiny")


class _Precision(str, Enum):
    """Of an exported network."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


RoundsOption = Annotated[
    int, typer.Option("--rounds", metavar="N", help="Turns of each side; the table has medians.", min=1)
]
ThreadsOption = Annotated[
    int, typer.Option("--threads", metavar="N", help="Of torch and OpenCV, on a CPU: 1 for what a core does.", min=1)
]


@benchmark.command("data")
def data(
    data: DataOption = None,
    device: DeviceOption = None,
    clips: Annotated[int, typer.Option(metavar="N", help="Of each side in a round; always the same ones.", min=1)] = 16,
    rounds: RoundsOption = 5,
    threads: ThreadsOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure clips a second from the disk to the model's input, and bytes a clip to the device."""
    from thermalctl.benchmarking.running import benchmark_data

    root = _find_dataset(data)
    with _show_turns() as on_turn:
        result = benchmark_data(
            root, device=device, num_clips=clips, num_rounds=rounds, threads=threads, on_turn=on_turn
        )
    console.print_json(result) if as_json else _show_data(result)


@benchmark.command("train")
def train(
    data: DataOption = None,
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            metavar="NAME|FILE",
            help=f"To measure beside the guide's; can be repeated. Default: {', '.join(_CONFIGS)}.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = None,
    amp: Annotated[
        bool, typer.Option("--amp", help="Mixed precision only; on a GPU, both are measured without it.")
    ] = False,
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Clips per step. Default: the guide's 4; 1 on a CPU.", min=1, show_default=False
        ),
    ] = None,
    num_workers: NumWorkersOption = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Steps that are timed. Default: 30; 2 on a CPU.", min=1, show_default=False),
    ] = None,
    rounds: RoundsOption = 3,
    threads: ThreadsOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure training end to end: clips a second, hours for 100 epochs, memory, and what bounds each.

    On a CPU the full-size model takes half a minute a step: the default takes about ten minutes.
    """
    from thermalctl.benchmarking.running import benchmark_train

    root = _find_dataset(data)
    with _show_turns() as on_turn:
        result = benchmark_train(
            root,
            configs=tuple(config or _CONFIGS),
            device=device,
            batch_size=batch_size,
            num_workers=num_workers,
            num_steps=steps,
            num_rounds=rounds,
            threads=threads,
            amp=amp,
            on_turn=on_turn,
        )
    console.print_json(result) if as_json else _show_train(result)


@benchmark.command("infer")
def infer(
    models: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUNS", help="Trained models to measure. Default: none.", show_default=False),
    ] = None,
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            metavar="NAME",
            help="Measure it with random weights; can be repeated. Default without RUNS: "
            f"{', '.join(reversed(_CONFIGS))}.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        list[_Precision] | None,
        typer.Option(
            "--precision",
            metavar="fp32|fp16|int8",
            help="Of onnxruntime; can be repeated. Default: all.",
            show_default=False,
        ),
    ] = None,
    data: DataOption = None,
    device: DeviceOption = None,
    hours: Annotated[
        float, typer.Option("--hours", metavar="H", help="Answer a stream of so many hours too; its memory.", min=0)
    ] = 0.0,
    rounds: RoundsOption = 5,
    threads: ThreadsOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure answers a second, in PyTorch and in onnxruntime, and what a stream of hours costs."""
    from thermalctl.benchmarking.inference import PRECISIONS
    from thermalctl.benchmarking.running import benchmark_infer

    root = _find_dataset(data)
    with show_stages("measuring") as (_, on_stage):
        result = benchmark_infer(
            root,
            models=tuple(models or ()),
            configs=tuple(config or (() if models else _CONFIGS[::-1])),
            precisions=tuple(one.value for one in precision) if precision else PRECISIONS,
            device=device,
            num_rounds=rounds,
            threads=threads,
            hours=hours,
            on_stage=on_stage,
        )
    console.print_json(result) if as_json else _show_infer(result)


def _find_dataset(data: Path | None) -> Path:
    from thermalctl.dataset.layout import find_dataset

    found = find_dataset(data)
    console.print_note(f"dataset: {found.layout.root} ({found.how})")
    return found.layout.root


@contextmanager
def _show_turns() -> Iterator[OnTurn]:
    with show_stages("measuring") as (on_progress, on_stage):

        def on_turn(done: int, total: int, name: str) -> None:
            on_stage(name)
            on_progress(done, total)

        yield on_turn


def _show_data(result: DataBenchmark) -> None:
    numbers = ("read ms", "prepare ms", "clips/s", "bytes a clip", "faster")
    for in_memory, heading in ((False, "clips decoded anew"), (True, "clips from memory")):
        table = console.plain_table(heading, *numbers, right=numbers)
        for row in result.rows:
            if row.in_memory == in_memory:
                times = (f"{1000 * row.read_s:.2f}", f"{1000 * row.prepare_s:.2f}", _format_rate(row.clips_per_second))
                table.add_row(row.name, *times, f"{row.bytes_per_clip:,}", f"{row.speedup.median:.1f} x")
        console.print_table(table)
        console.print_line()
    what = f"{console.count(result.num_clips, 'clip')} of each, in {console.count(result.num_rounds, 'round')}"
    console.print_remark(f"{what}. {_describe(result.machine)}")
    console.print_remark(
        "Faster: than stock MMAction2 that reads alike, median of the rounds; --json has the least and the most."
    )


def _show_train(result: TrainBenchmark) -> None:
    from thermalctl.benchmarking.results import EPOCHS
    from thermalctl.environment.quantities import format_bytes

    numbers = ("clips/s", "memory", "100 epochs", "faster", "step alone")
    table = console.plain_table("", *numbers, right=numbers)
    for row in result.rows:
        compared = (f"{row.speedup.median:.3g} x", f"{row.step_speedup.median:.3g} x")
        figures = (_format_rate(row.clips_per_second), format_bytes(row.peak_bytes), _format_hours(row.hours))
        table.add_row(row.name, *figures, *compared)
    for machine, hours in result.guide_hours.items():
        rate = _format_rate(EPOCHS * result.num_train / hours / 3600)
        table.add_row(f"the guide's, {machine}", rate, "", _format_hours(hours), "", "")
    console.print_table(table)
    console.print_line()
    parts = ("waits", "prepares", "forward", "backward", "of ready clips")
    table = console.plain_table("share of the time", *parts, right=parts)
    for row in result.rows:
        shares = (row.wait_share, row.prepare_share, row.forward_share, row.backward_share, row.ready_share)
        table.add_row(row.name, *(f"{share:.0%}" for share in shares))
    console.print_table(table)
    console.print_line()
    for row in result.rows:
        console.print_line(f"{row.name} is bound by {row.bound_by}")
    how = f"{console.count(result.batch_size, 'clip')} a step, {console.count(result.num_steps, 'step')} timed in each"
    how += f" of {console.count(result.num_rounds, 'round')}, {console.count(result.num_workers, 'worker')}"
    console.print_remark(f"{how}. {_describe(result.machine)}")
    console.print_remark(
        f"100 epochs: of {result.num_train} clips, without validation. Faster: than the first row, end to end; step "
        "alone: the network's, on clips that are made ready. Of ready clips: the speed in terms of that on such clips."
    )


def _show_infer(result: InferBenchmark) -> None:
    from thermalctl.benchmarking.inference import FRAME_RATE_HZ, STRIDE_FRAMES
    from thermalctl.environment.quantities import format_bytes

    numbers = ("ms", "windows/s", "real time", "of PyTorch", "file")
    table = console.plain_table("model", "runtime", *numbers, right=numbers)
    for row in result.rows:
        if row.problem:
            table.add_row(row.model, row.runtime, "-", "-", "-", "-", "-")
            continue
        share = "" if row.speedup is None else f"{1 / row.speedup.median:.2f}"
        speed = (f"{1000 * row.window_s:,.3g}", _format_rate(row.windows_per_second), f"{row.real_time:,.3g} x")
        table.add_row(row.model, row.runtime, *speed, share, format_bytes(row.num_bytes) if row.num_bytes else "")
    console.print_table(table)
    for row in result.rows:
        if row.problem:
            console.print_line(f"{row.model}, {row.runtime}: {row.problem}")
    if result.streams:
        console.print_line()
        columns = ("hours", "answers", "delay ms", "worst", "memory", "at the end")
        table = console.plain_table("stream", *columns, right=columns)
        for stream in result.streams:
            delays = (f"{1000 * stream.delay_s:.3g}", f"{1000 * stream.worst_delay_s:.3g}")
            held = (format_bytes(stream.settled_bytes), format_bytes(stream.last_bytes))
            table.add_row(stream.model, f"{stream.hours:g}", f"{stream.num_answers:,}", *delays, *held)
        console.print_table(table)
    console.print_line()
    what = (
        f"{console.count(result.num_rounds, 'round')} of each, one window at a time; onnxruntime {result.onnxruntime}"
    )
    console.print_remark(f"{what}. {_describe(result.machine)}")
    console.print_remark(
        f"Real time: of a stream of {FRAME_RATE_HZ:g} frames a second, a window every {STRIDE_FRAMES} frames. Of "
        "PyTorch: the time as a share of its time, median of the rounds. Delay: from a window's last frame to its "
        "answer, which is about the window's middle."
    )


def _describe(machine: Machine) -> str:
    threads = "" if machine.clock == "seconds on the clock" else f", {console.count(machine.threads, 'thread')}"
    return f"{machine.device}{threads}, torch {machine.torch}; {machine.clock}."


def _format_rate(clips_per_second: float) -> str:
    return f"{clips_per_second:.3g}" if clips_per_second < 100 else f"{clips_per_second:,.0f}"


def _format_hours(hours: float) -> str:
    return f"{hours:,.3g} h" if hours >= 1 else f"{60 * hours:.0f} min"
