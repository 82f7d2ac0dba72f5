"""`thermalctl split-dataset`: another hold-out of the same dataset, without copying its frames."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from thermalctl.cli import console
from thermalctl.cli.options import DataOption, ForceOption, JsonOption
from thermalctl.errors import RequestError

if TYPE_CHECKING:
    from thermalctl.dataset.resplit import NewSplit

_DEFAULT_SHARE = 0.2


def split_dataset(
    data: DataOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            help="The folder to write. Default: DATASET_by_RULE in the current folder.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        Literal["session", "recording", "random"],
        typer.Option("--by", "--split-by", help="What is never divided; session is the one that does not leak."),
    ] = "session",
    val_split: Annotated[
        float | None,
        typer.Option(
            "--val-split",
            metavar="SHARE",
            min=0.01,
            max=0.9,
            help="Share to hold out. Default: 0.2.",
            show_default=False,
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds", metavar="K", min=2, help="Write K datasets, each part held out once.", show_default=False
        ),
    ] = None,
    window: Annotated[int, typer.Option("--window", metavar="T", min=1, help="Frames in a clip.")] = 64,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the split.")] = 42,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Split a dataset anew into another folder; its recordings are linked, not copied."""
    from thermalctl.dataset.layout import find_dataset
    from thermalctl.dataset.resplit import resplit, resplit_into_folds
    from thermalctl.dataset.samples import load_dataset

    found = find_dataset(data)
    dataset = load_dataset(found.layout)
    target = output or Path(f"{found.layout.root.resolve().name}_by_{by}")
    splits: tuple[NewSplit, ...]
    if folds is None:
        splits = (
            resplit(
                dataset,
                target,
                by,
                share=_DEFAULT_SHARE if val_split is None else val_split,
                seed=seed,
                window_frames=window,
                force=force,
            ),
        )
    else:
        if val_split is not None:
            raise RequestError("--folds and --val-split were both given", hint="K folds hold out 1/K each")
        splits = resplit_into_folds(dataset, target, by, num_folds=folds, seed=seed, window_frames=window, force=force)
    if as_json:
        console.print_json(splits[0] if folds is None else splits)
        return
    for number, split in enumerate(splits):
        if number:
            console.print_line()
        show_split(split)
    console.print_note(f"next: thermalctl train --data {shlex.quote(str(splits[0].root))}")


def show_split(split: NewSplit) -> None:
    """Print what each side of a dataset holds, and what it lacks."""
    console.print_line(f"{split.root}  (split by {split.rule})", style="bold")
    names = [part.split for part in split.parts]
    table = console.plain_table("class", *names, right=tuple(names))
    for class_id, name in enumerate(split.classes):
        counts = [part.class_counts[class_id] for part in split.parts]
        table.add_row(Text(name), *(str(count or "-") for count in counts), style="" if any(counts) else "dim")
    table.add_section()
    table.add_row("keyframes", *(f"{part.num_keyframes:,}" for part in split.parts), style="bold")
    table.add_row("people", *(f"{part.num_people:,}" for part in split.parts))
    table.add_row("sessions", *(str(len(part.sessions)) for part in split.parts))
    console.print_table(table)
    for sentence in _judge(split):
        console.print_line(sentence)


def _judge(split: NewSplit) -> list[str]:
    """Return what is worth knowing of a split, a sentence each."""
    sentences = [f"{remark}." for remark in split.remarks]
    protocol = split.protocol
    if protocol is None:
        return sentences
    if protocol.num_overlapping:
        sentences.insert(0, f"{protocol.num_overlapping} of {protocol.num_clips} val clips overlap a train clip")
    elif protocol.shared_sessions:
        sentences.insert(0, f"no clip overlaps, but train and val share {', '.join(protocol.shared_sessions)}")
    else:
        sentences.insert(0, "val shares no frame and no session with train")
    return sentences
