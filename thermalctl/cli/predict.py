"""`thermalctl predict`: what happens in a recording or on a stream, window after window."""

from __future__ import annotations

import sys
from io import FileIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal, cast

import typer

from thermalctl.cli import console
from thermalctl.cli.options import (
    ConfigOption,
    ForceOption,
    FrameRateOption,
    FrameSizeOption,
    JsonOption,
    RunDataOption,
    StartOption,
    UnitOption,
    make_import_options,
)
from thermalctl.cli.predict_request import check_request, choose_formats
from thermalctl.cli.progress import show_progress
from thermalctl.errors import NotHeldError, RequestError

if TYPE_CHECKING:
    from thermalctl.deploy.clip_models import ModelChoice
    from thermalctl.prediction.options import PredictOptions


def predict(
    context: typer.Context,
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RECORDINGS", help="HDF5, .npy, .npz, CSV or text; or folders of them.", show_default=False
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="RUN|FILE",
            help="A work dir, a checkpoint or an .onnx file. Default: the newest run below work_dirs/.",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        str | None,
        typer.Option("--sample", metavar="ID", help="Only this clip of a dataset (--data).", show_default=False),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option(
            "--at", metavar="FRAME", min=0, help="Only the clip around this frame of a recording.", show_default=False
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", metavar="FILE", help="With --sample or --at: draw it, as PNG.", show_default=False),
    ] = None,
    stream: Annotated[
        Literal["ndjson", "raw"] | None,
        typer.Option(
            "--stream", help="Read frames from standard input: JSON Lines, or raw float32.", show_default=False
        ),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            "--stride", metavar="N", min=1, help="Frames from window to window. Default: 8.", show_default=False
        ),
    ] = None,
    stride_s: Annotated[
        float | None,
        typer.Option("--stride-s", metavar="S", help="Seconds from window to window, instead.", show_default=False),
    ] = None,
    max_gap: Annotated[
        float, typer.Option("--max-gap", metavar="S", help="No window bridges so many seconds without a frame.")
    ] = 5.0,
    people: Annotated[
        Literal["detect", "whole"],
        typer.Option("--people", help="Where a model of people looks: at people it finds, or at the whole frame."),
    ] = "detect",
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Write files of each recording into it.", show_default=False),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="csv|jsonl|hdf5|coco",
            help="What to write; repeatable. Default: csv.",
            show_default=False,
        ),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(
            "--events", metavar="FILE|default", help="Rules of events to watch for; default: falls.", show_default=False
        ),
    ] = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="Draw each recording's timeline, as PNG.")] = False,
    animation: Annotated[
        bool, typer.Option("--animation", help="Draw each recording moving, with the answers, as GIF.")
    ] = False,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, help="Processes that share the recordings.")
    ] = 1,
    launcher: Annotated[
        Literal["torchrun", "slurm"] | None,
        typer.Option(
            "--launcher", help="What started this process among others; torchrun is noticed.", show_default=False
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", metavar="N", min=1, help="Windows at once.")] = 8,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="cpu|cuda[:N]|tensorrt",
            help="Default: for a checkpoint a GPU where there is one, for an .onnx file the CPU.",
            show_default=False,
        ),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="The last checkpoint, although there is one chosen as the best.")
    ] = False,
    config: ConfigOption = None,
    data: RunDataOption = None,
    unit: UnitOption = None,
    frame_size: FrameSizeOption = None,
    rate: FrameRateOption = None,
    start: StartOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a trained model sees in recordings, on a stream, or in one clip.

    Exit code 0; 1 if some of several recordings could not be predicted.
    """
    from thermalctl.deploy.clip_models import ModelChoice, find_model
    from thermalctl.prediction.options import PredictOptions
    from thermalctl.streams.windows import DEFAULT_STRIDE_FRAMES, Stride

    check_request(context)
    frames = stride if stride is not None or stride_s is not None else DEFAULT_STRIDE_FRAMES
    options = PredictOptions(
        stride=Stride(frames=frames, seconds=stride_s),
        max_gap_s=max_gap,
        batch_size=batch_size,
        people=people,
        imports=make_import_options(unit, frame_size, rate, start),
        formats=choose_formats(formats),
        events=events,
        pictures=(*(("timeline",) if timeline else ()), *(("animation",) if animation else ())),
    )
    choice = ModelChoice(
        path=find_model(model, last=last, on_note=console.print_note),
        device=device,
        config=config,
        num_processes=workers,
    )
    if stream is not None:
        _predict_stream(choice, stream, options)
    elif sample is not None or at is not None:
        _predict_single(choice, recordings, data, options, sample=sample, at=at, picture=picture, as_json=as_json)
    else:
        assert recordings is not None
        _predict_recordings(
            choice, recordings, options, output, launcher=launcher, workers=workers, force=force, as_json=as_json
        )


def _predict_recordings(
    choice: ModelChoice,
    paths: list[Path],
    options: PredictOptions,
    output: Path | None,
    *,
    launcher: str | None,
    workers: int,
    force: bool,
    as_json: bool,
) -> None:
    from thermalctl.cli.prediction_display import show_many
    from thermalctl.engine.running.distributed import find_place
    from thermalctl.prediction.many import predict_many, share_out
    from thermalctl.prediction.settings import describe_settings
    from thermalctl.recordings.importing import list_recordings

    recordings = list_recordings(paths)
    place = find_place(launcher)
    if place is not None:
        if output is None:
            raise RequestError("several processes print over each other", hint="name a folder: --output DIR")
        console.print_note(f"process {place.rank + 1} of {place.world_size}")
        recordings = share_out(recordings, place.rank, place.world_size)
    with show_progress("predicting") as on_progress:
        result = predict_many(
            choice,
            recordings,
            options,
            output=output,
            settings=describe_settings(choice, options),
            num_workers=workers,
            force=force,
            on_progress=on_progress,
        )
    if as_json:
        console.print_json(result)
    else:
        show_many(result, options)
        if output is None:
            console.print_note("nothing was written; --output DIR writes each window's answer")
    if result.problems:
        raise typer.Exit(1)


def _predict_single(
    choice: ModelChoice,
    recordings: list[Path] | None,
    data: Path | None,
    options: PredictOptions,
    *,
    sample: str | None,
    at: int | None,
    picture: Path | None,
    as_json: bool,
) -> None:
    from thermalctl.cli.prediction_display import show_single
    from thermalctl.dataset.layout import find_dataset
    from thermalctl.dataset.samples import load_dataset
    from thermalctl.evaluation.runs import find_trained_dataset_folder
    from thermalctl.prediction.single import predict_frame, predict_sample

    if sample is not None:
        found = find_dataset(data, trained_on=find_trained_dataset_folder(choice.path.parent))
        console.print_note(f"dataset: {found.layout.root} ({found.how})")
        dataset = load_dataset(found.layout)
        answers = [predict_sample(choice.load(dataset), dataset, sample)]
    else:
        assert recordings is not None
        assert at is not None
        answers = predict_frame(choice.load(), recordings[0], at, imports=options.imports, people=options.people)
    if picture is not None:
        from thermalctl.prediction.pictures import save_answers

        save_answers(picture, answers)
    if as_json:
        console.print_json([answer.describe() for answer in answers])
        return
    for answer in answers:
        show_single(answer)
    if picture is not None:
        console.print_unwrapped(str(picture))


def _open_stdin() -> IO[bytes]:
    """Return standard input without a buffer, see `streams.records`; what has no file behind it is taken as it is."""
    try:
        number = sys.stdin.fileno()
    except OSError:
        return sys.stdin.buffer
    return cast("IO[bytes]", FileIO(number, closefd=False))


def _predict_stream(choice: ModelChoice, stream: Literal["ndjson", "raw"], options: PredictOptions) -> None:
    from thermalctl.cli.prediction_display import describe_stream, print_record
    from thermalctl.prediction.live import LivePrediction
    from thermalctl.recordings.units import Unit
    from thermalctl.streams.arriving import ArrivingFrames

    if sys.stdin.isatty():
        raise RequestError(
            "--stream: standard input is a terminal", hint=f"as in: sensor | thermalctl predict --stream {stream}"
        )
    model = choice.load()
    frames = ArrivingFrames(
        _open_stdin(),
        stream,
        frame_size=options.imports.frame_size or model.frame_size,
        unit=options.imports.unit or Unit.CELSIUS,
        frame_rate_hz=options.imports.frame_rate_hz,
    )
    live = LivePrediction(model, "stream", options, rules=options.read_rules(model.classes))
    console.print_note(f"reading frames; answers by {model.path.name}, {model.runs_on}")
    try:
        for found in live.follow(frames):
            print_record(found, model.classes)
    except KeyboardInterrupt:
        for change in live.stop():
            print_record(change, model.classes)
        raise
    finally:
        for remark in describe_stream(live, frames):
            console.print_note(remark)
    if not live.gate.num_frames:
        raise NotHeldError("standard input: no frame came", hint="is the sensor connected? is it --stream raw?")
