"""`thermalctl build-dataset`: recordings and annotations into a dataset folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from thermalctl.cli import console
from thermalctl.cli.options import (
    ForceOption,
    FrameRateOption,
    FrameSizeOption,
    JsonOption,
    StartOption,
    UnitOption,
    make_import_options,
)
from thermalctl.cli.progress import show_progress
from thermalctl.cli.split_dataset import show_split
from thermalctl.errors import RequestError

if TYPE_CHECKING:
    from thermalctl.dataset.build import BuildOptions, BuiltDataset

#: How many reasons for leaving something out are listed, and how many records of each.
_MAX_REASONS, _MAX_RECORDS = 8, 2


def build_dataset(
    recordings: Annotated[
        list[Path],
        typer.Option(
            "--recordings", metavar="DIR|FILES", help="Recordings: HDF5, .npy, .npz, CSV or text; or folders."
        ),
    ],
    annotations: Annotated[
        list[Path],
        typer.Option(
            "--annotations", metavar="FILES", help="JSON Lines, COCO JSON, CSV tables of segments; or folders."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="The dataset folder to write.", show_default=False)
    ] = None,
    extend: Annotated[
        Path | None,
        typer.Option(
            "--extend",
            metavar="DIR",
            help="Add to this dataset, into --output or with --force where it is; train and val stay.",
            show_default=False,
        ),
    ] = None,
    val_split: Annotated[
        float, typer.Option("--val-split", metavar="SHARE", min=0.0, max=0.9, help="Share to hold out; 0 for none.")
    ] = 0.2,
    split_by: Annotated[
        Literal["session", "recording", "random", "given"],
        typer.Option("--split-by", help="What is never divided between train and val."),
    ] = "session",
    window: Annotated[int, typer.Option("--window", metavar="T", min=1, help="Frames in a clip.")] = 64,
    classes: Annotated[
        Path | None,
        typer.Option(
            "--classes",
            metavar="FILE",
            help="Class names in id order, one a line, or a class_mapping.json.",
            show_default=False,
        ),
    ] = None,
    merge_classes: Annotated[
        list[str] | None,
        typer.Option("--merge-classes", metavar="NEW=OLD,OLD", help="Make one class of several.", show_default=False),
    ] = None,
    tolerance_ms: Annotated[
        int,
        typer.Option("--tolerance-ms", metavar="MS", min=0, help="How far an annotation may be from its frame."),
    ] = 50,
    keep_edges: Annotated[
        bool, typer.Option("--keep-edges", help="Keep clips that reach past their recording.")
    ] = False,
    segment_step: Annotated[
        float,
        typer.Option("--segment-step", metavar="S", min=0.01, help="Seconds between the keyframes of a segment."),
    ] = 1.0,
    unit: UnitOption = None,
    frame_size: FrameSizeOption = None,
    rate: FrameRateOption = None,
    start: StartOption = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the split.")] = 42,
    compression: Annotated[
        Literal["gzip", "lzf", "none"], typer.Option("--compression", help="Of the frames; lzf and none read faster.")
    ] = "gzip",
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a dataset folder of recordings and annotations, and say what was left out and why."""
    from thermalctl.annotations.class_choice import read_class_names
    from thermalctl.dataset.build import BuildOptions

    if output is None and extend is None:
        raise RequestError("neither --output nor --extend was given", hint="name the folder to write: --output DIR")
    options = BuildOptions(
        val_share=val_split,
        split_by=split_by,
        window_frames=window,
        classes=read_class_names(classes) if classes else None,
        merges=tuple(merge_classes or ()),
        tolerance_ms=tolerance_ms,
        step_s=segment_step,
        keep_edges=keep_edges,
        seed=seed,
        compression=compression,
        imports=make_import_options(unit, frame_size, rate, start),
    )
    built = _build(recordings, annotations, output, extend, options, force=force)
    if as_json:
        console.print_json(built)
    else:
        _show(built)


def _build(
    recordings: list[Path],
    annotations: list[Path],
    output: Path | None,
    extend: Path | None,
    options: BuildOptions,
    *,
    force: bool,
) -> BuiltDataset:
    from thermalctl.dataset.build import build_dataset as build
    from thermalctl.dataset.extend import extend_dataset
    from thermalctl.dataset.layout import find_dataset
    from thermalctl.dataset.samples import load_dataset

    with show_progress("reading recordings") as on_progress:
        if extend is None:
            assert output is not None
            return build(recordings, annotations, output, options, force=force, on_progress=on_progress)
        dataset = load_dataset(find_dataset(extend).layout)
        return extend_dataset(
            dataset, recordings, annotations, options, output=output, force=force, on_progress=on_progress
        )


def _show(built: BuiltDataset) -> None:
    recordings = f"{built.num_recordings:,} recording{'' if built.num_recordings == 1 else 's'}"
    console.print_line(f"{recordings}, {built.num_frames:,} frames", style="bold")
    console.print_line(f"{len(built.split.classes)} classes: {built.classes_origin}")
    _show_skipped(built)
    console.print_line()
    show_split(built.split)
    console.print_note(f"next: thermalctl inspect-dataset --data {shlex.quote(str(built.split.root))}")


def _show_skipped(built: BuiltDataset) -> None:
    """Print what was left out, counted by reason, with the first records of each."""
    from thermalctl.dataset.build import count_reasons

    if not built.skipped:
        console.print_line("nothing was left out")
        return
    reasons = count_reasons(built.skipped)
    console.print_line(f"left out: {len(built.skipped):,} (all of them are listed in manifest.json)")
    for reason, count in list(reasons.items())[:_MAX_REASONS]:
        places = dict.fromkeys(Path(entry.where).name for entry in built.skipped if entry.reason == reason)
        console.print_line(f"{count:>6,}  {reason}")
        for place in list(places)[:_MAX_RECORDS]:
            console.print_line(f"        {place}", style="dim")
        if len(places) > _MAX_RECORDS:
            console.print_line(f"        and {len(places) - _MAX_RECORDS:,} more", style="dim")
    if len(reasons) > _MAX_REASONS:
        console.print_line(f"        and {len(reasons) - _MAX_REASONS} more reasons", style="dim")
