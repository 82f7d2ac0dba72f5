"""`thermalctl preview`: clips as a contact sheet, an animation, or frames in the terminal."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thermalctl.cli import console
from thermalctl.cli.options import ConfigOption, DataOption, ForceOption
from thermalctl.cli.progress import show_progress
from thermalctl.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from thermalctl.clip_spec import ClipSpec
    from thermalctl.dataset.samples import ThermalDataset
    from thermalctl.reports.preview.clips import PreviewClip
    from thermalctl.reports.preview.making import Draw, Preview

#: Pictures a second of an animation; the real recordings have 4 to 7 frames a second.
FRAME_RATE_HZ = 10.0


class Format(str, Enum):
    """What clips are shown as."""

    PNG = "png"
    GIF = "gif"
    MP4 = "mp4"
    TERMINAL = "terminal"


class TargetName(str, Enum):
    """What one clip is of."""

    FRAME = "frame"
    PERSON = "person"


def preview(
    data: DataOption = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="train, val, test or all. Default: train; with --finding, where it is.",
            show_default=False,
        ),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="NAME", help="Only this class; a unique part of its name will do. Repeatable."),
    ] = None,
    recordings: Annotated[
        list[str] | None,
        typer.Option(
            "--recording", metavar="NAME", help="Only this recording, or session; a unique part will do. Repeatable."
        ),
    ] = None,
    sample_ids: Annotated[
        list[str] | None,
        typer.Option("--sample", metavar="ID", help="This very clip; a unique part will do. Repeatable."),
    ] = None,
    finding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Clips behind a finding of inspect-dataset: leakage, incomplete, doubtful, conflicting, rare.",
            show_default=False,
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="How many clips at most. Default: on a sheet two of each class.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        TargetName | None,
        typer.Option(
            metavar="frame|person",
            help="What a clip is of. Default: the configuration's, else frame.",
            show_default=False,
        ),
    ] = None,
    format_name: Annotated[
        Format | None,
        typer.Option(
            "--format",
            metavar="png|gif|mp4|terminal",
            help="Contact sheet, animation, or here. Default: --output's ending, else png.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Default: preview.png, .gif or .mp4 here.", show_default=False),
    ] = None,
    num_frames: Annotated[
        int | None,
        typer.Option(
            "--frames", metavar="N", min=1, help="Frames of each clip. An animation has all.", show_default=False
        ),
    ] = None,
    colormap: Annotated[str, typer.Option(metavar="NAME", help="One of matplotlib's.")] = "inferno",
    range_text: Annotated[
        str | None,
        typer.Option(
            "--range", metavar="LOW:HIGH", help="Scale in deg C. Default: from what is shown.", show_default=False
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            min=1, max=50, metavar="N", help="Pictures a second of an animation. Default: 10.", show_default=False
        ),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Incomplete frames as recorded, not repaired.")] = False,
    augmented: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            min=1,
            max=16,
            help="Beside each clip what training makes of it, K draws.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Of the first draw. Default: 0.", show_default=False)
    ] = None,
    force: ForceOption = False,
) -> None:
    """Show clips: their frames on one temperature scale, with boxes, labels and times.

    Without options: a few train clips of each class, the rarest first, as preview.png.
    """
    from thermalctl.dataset.layout import find_dataset
    from thermalctl.dataset.samples import load_dataset
    from thermalctl.reports.preview.choice import ClipRequest
    from thermalctl.reports.preview.colours import parse_range
    from thermalctl.reports.preview.making import Look, make_preview

    form, path = _choose_file(format_name, output, force=force)
    _check_options(form, fps=fps, num_frames=num_frames, seed=seed, augmented=augmented)
    look = Look(
        form=form.value,
        num_frames=num_frames,
        colormap=colormap,
        range_c=parse_range(range_text) if range_text is not None else None,
        raw=raw,
    )
    request = ClipRequest(
        split=split,
        classes=tuple(classes or ()),
        recordings=tuple(recordings or ()),
        sample_ids=tuple(sample_ids or ()),
        finding=finding,
        count=count,
    )
    found = find_dataset(data)
    dataset = load_dataset(found.layout)
    console.print_note(f"dataset: {found.layout.root} ({found.how})")
    spec, draw, remark = _prepare(dataset, config, target, num_draws=augmented, seed=seed or 0)
    with show_progress("reading clips") as on_progress:
        made = make_preview(dataset, spec, request, look, draw=draw, remark=remark, on_progress=on_progress)
    if path is None:
        _show_here(made)
    else:
        _write(path, made, form, fps or FRAME_RATE_HZ)


def _prepare(
    dataset: ThermalDataset, config: str | None, target: TargetName | None, *, num_draws: int | None, seed: int
) -> tuple[ClipSpec, Draw | None, str]:
    """Return what a clip is, what makes the draws beside it, and how it does, in words."""
    from thermalctl.clip_spec import ClipSpec

    if config is None and num_draws is None:
        return ClipSpec(classes=dataset.classes, target=target.value if target else "frame"), None, ""
    from thermalctl.engine.augmented import prepare_training_input

    training = prepare_training_input(config, dataset, target.value if target else None)
    if num_draws is None:
        return training.spec, None, ""
    number = num_draws

    def draw(clip: PreviewClip, first: int, steps: Sequence[int]) -> NDArray[np.float32]:
        return training.draw(clip.sample, num_draws=number, seed=seed + first * number, steps=steps)

    return training.spec, draw, training.text


def _choose_file(format_name: Format | None, output: Path | None, *, force: bool) -> tuple[Format, Path | None]:
    """Return what to write and where; nowhere for the terminal.

    Raises:
        RequestError: if the two contradict each other, or something is there already.
    """
    if output is not None and output.is_dir():
        raise RequestError(f"{output}: is a folder, expected a file", hint=f"as in --output {output / 'preview.png'}")
    files = {f".{form.value}": form for form in Format if form is not Format.TERMINAL}
    by_ending = files.get(output.suffix.lower()) if output is not None else None
    if output is not None and format_name is Format.TERMINAL:
        raise RequestError(f"--output {output}: the terminal is no file", hint="leave out --output or --format")
    if output is not None and (by_ending is None or (format_name or by_ending) is not by_ending):
        endings = [f".{format_name.value}"] if format_name else list(files)
        raise RequestError(
            f'--output {output}: ends in "{output.suffix}", expected {" or ".join(endings)}',
            hint=f"as in --output preview{endings[0]}",
        )
    form = format_name or by_ending or Format.PNG
    if form is Format.TERMINAL:
        return form, None
    path = output or Path(f"preview.{form.value}")
    if path.exists() and not force:
        raise RequestError(f"{path}: is already there", hint="overwrite it with --force, or name another with --output")
    return form, path


def _check_options(
    form: Format, *, fps: float | None, num_frames: int | None, seed: int | None, augmented: int | None
) -> None:
    """Raise RequestError for an option that would change nothing."""
    is_moving = form in (Format.GIF, Format.MP4)
    if fps is not None and not is_moving:
        raise RequestError(f"--fps is for an animation, not for {form.value}", hint="add --format gif, or leave it out")
    if num_frames is not None and is_moving:
        raise RequestError("--frames: an animation shows all frames of a clip", hint="leave it out, or --format png")
    if seed is not None and augmented is None:
        raise RequestError("--seed is of the draws that --augmented shows", hint="as in --augmented 4 --seed 1")


def _show_here(made: Preview) -> None:
    from thermalctl.reports.preview.making import list_lines

    screen = console.stdout()
    console.print_line(made.title, style="bold")
    if made.remark:
        console.print_line(made.remark, style="dim")
    coloured = screen.color_system in ("256", "truecolor") and not screen.no_color
    for line in list_lines(made, width=screen.width, coloured=coloured):
        screen.print(line)


def _write(path: Path, made: Preview, form: Format, frame_rate_hz: float) -> None:
    from thermalctl.reports.preview.making import write_preview

    with show_progress(f"writing {path.name}") as on_progress:
        write_preview(path, made, form.value, frame_rate_hz=frame_rate_hz, on_progress=on_progress)
    console.print_unwrapped(str(path))
    console.print_line(made.title)
    if form is Format.MP4:
        console.print_note("MPEG-4 part 2: for media players; browsers do not play it, --format gif they do")
