"""From a dataset and what to show of it to the clips on one scale, and from those to a file or a terminal's lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.reports.preview.choice import ClipRequest, choose_clips
from thermalctl.reports.preview.clips import PreviewClip, read_clips, spread_steps
from thermalctl.reports.preview.colours import DEFAULT_COLORMAP, Scale, make_scale, read_colormap

Format = Literal["png", "gif", "mp4", "terminal"]

#: Where no number is named: on a sheet two clips of each class, else as many as can be followed at once.
MOVING_CLIPS, TERMINAL_CLIPS, AUGMENTED_CLIPS = 6, 3, 4
#: Frames of a clip, and, where each frame is a row of draws, fewer.
SHEET_FRAMES, TERMINAL_FRAMES, AUGMENTED_FRAMES = 8, 6, 3

OnProgress = Callable[[int, int], None]
#: From a recorded clip, its place among the clips and the steps wanted to the draws (K, S, h, w) float32, deg C.
Draw = Callable[[PreviewClip, int, Sequence[int]], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Look:
    """How clips are shown.

    Attributes:
        form: what as.
        num_frames: of each clip; None for as many as the form has room for. An animation has all.
        colormap: one of matplotlib's.
        range_c: (low, high) deg C of the scale; None for what is shown.
        raw: incomplete frames as recorded, not repaired.
    """

    form: Format = "png"
    num_frames: int | None = None
    colormap: str = DEFAULT_COLORMAP
    range_c: tuple[float, float] | None = None
    raw: bool = False

    @property
    def is_moving(self) -> bool:
        """Whether it is an animation."""
        return self.form in ("gif", "mp4")


@dataclass(frozen=True, kw_only=True, eq=False)
class Preview:
    """Clips that are ready to be shown.

    Attributes:
        clips: each with the frames to show, and its draws.
        scale: the colours of all of them.
        classes: class names in id order.
        title: which clips they are.
        remark: how the draws were made, "" without any.
    """

    clips: tuple[PreviewClip, ...]
    scale: Scale
    classes: tuple[str, ...]
    title: str
    remark: str


def make_preview(
    dataset: ThermalDataset,
    spec: ClipSpec,
    request: ClipRequest,
    look: Look,
    *,
    draw: Draw | None = None,
    remark: str = "",
    on_progress: OnProgress | None = None,
) -> Preview:
    """Return the clips that a request means, ready to be shown.

    Args:
        dataset: from `load_dataset`.
        spec: what a clip is.
        request: which clips.
        look: how they are to be shown.
        draw: what makes the draws to show beside each clip; None for none.
        remark: how it does.
        on_progress: called with (clips ready, clips in all).

    Raises:
        RequestError: if a name is unknown or the request contradicts itself.
        DatasetError: if no clip is as wanted.
        RecordingError: if a recording is damaged.
    """
    read_colormap(look.colormap)  # an unknown one is told before anything is read
    if request.count is None and not request.sample_ids:
        request = replace(request, count=_choose_count(look, is_augmented=draw is not None))
    choice = choose_clips(dataset, spec, request)
    steps = _choose_steps(look, spec.num_frames, is_augmented=draw is not None)
    clips = []
    for number, clip in enumerate(read_clips(dataset, choice.clips, spec, raw=look.raw)):
        shown = clip.take(steps)
        if draw is not None:
            shown = replace(shown, draws_c=draw(clip, number, steps))
        clips.append(shown)
        if on_progress is not None:
            on_progress(number + 1, len(choice.clips))
    # Of recorded frames only: a rectangle of noise that hides part of a draw would stretch the scale for all.
    images_c = [clip.frames_c for clip in clips]
    return Preview(
        clips=tuple(clips),
        scale=make_scale(images_c, colormap=look.colormap, range_c=look.range_c),
        classes=dataset.classes,
        title=f"{dataset.layout.root.resolve().name}: {choice.text}",
        remark=remark,
    )


def write_preview(
    path: Path, preview: Preview, form: Format, *, frame_rate_hz: float, on_progress: OnProgress | None = None
) -> None:
    """Write a preview to `path`, whole or not at all.

    Args:
        path: the file.
        preview: from `make_preview`.
        form: "png", "gif" or "mp4".
        frame_rate_hz: pictures a second of an animation; clips play at the speed of their arrival times at any.
        on_progress: called with (pictures written, pictures in all) of an animation.

    Raises:
        RequestError: if it cannot be drawn, being too large, or written.
    """
    if form == "png":
        from thermalctl.reports.preview.contact_sheet import write_contact_sheet

        write_contact_sheet(
            path, preview.clips, preview.scale, preview.classes, title=preview.title, remark=preview.remark
        )
        return
    from thermalctl.reports.preview.animation import Animation
    from thermalctl.reports.preview.film import choose_frame_seconds, write_gif, write_mp4

    frame_s = choose_frame_seconds(frame_rate_hz, is_gif=form == "gif")
    animation = Animation(preview.clips, preview.scale, preview.classes, title=preview.title, frame_s=frame_s)
    if form == "gif":
        write_gif(path, animation, preview.scale, frame_s=frame_s, on_progress=on_progress)
    else:
        write_mp4(path, animation, frame_s=frame_s, on_progress=on_progress)


def list_lines(preview: Preview, *, width: int, coloured: bool) -> list[Text]:
    """Return a preview as lines for a terminal.

    Args:
        preview: from `make_preview`.
        width: of the terminal, characters.
        coloured: whether it shows 256 colours or more.
    """
    from thermalctl.reports.preview.terminal import draw_clips

    return draw_clips(preview.clips, preview.scale, preview.classes, width=width, coloured=coloured)


def _choose_count(look: Look, *, is_augmented: bool) -> int | None:
    if is_augmented:
        return AUGMENTED_CLIPS // 2 if look.form != "png" else AUGMENTED_CLIPS
    if look.form == "terminal":
        return TERMINAL_CLIPS
    return MOVING_CLIPS if look.is_moving else None


def _choose_steps(look: Look, num_frames: int, *, is_augmented: bool) -> list[int]:
    if look.is_moving:
        return list(range(num_frames))
    if look.num_frames is not None:
        return spread_steps(num_frames, look.num_frames)
    if is_augmented:
        return spread_steps(num_frames, AUGMENTED_FRAMES if look.form == "png" else 1)
    return spread_steps(num_frames, SHEET_FRAMES if look.form == "png" else TERMINAL_FRAMES)
