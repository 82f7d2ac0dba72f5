"""Ways to show one clip to a model whose answers are then averaged: mirrored, turned, a little earlier or later."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from thermalctl.clip_spec import ClipSpec
from thermalctl.pipeline.augment import Augmentation
from thermalctl.pipeline.augment_space import Placement

#: How far a clip is shifted, as a share of its length: a second of the 8 to 15 that 64 frames last.
SHIFT = 1 / 8


@dataclass(frozen=True, kw_only=True)
class View:
    """One way to show a clip.

    Attributes:
        name: as a report has it.
        mirror_x: left and right exchanged.
        mirror_y: top and bottom exchanged.
        turned: rows and columns exchanged after that.
        shift_frames: how much later than its keyframe says the clip is taken; negative for earlier.
    """

    name: str
    mirror_x: bool = False
    mirror_y: bool = False
    turned: bool = False
    shift_frames: int = 0


def list_views(spec: ClipSpec, augmentation: Augmentation) -> tuple[View, ...]:
    """Return the views of a model: the clip as it is, mirrored and turned as in its training, and shifted in time.

    Args:
        spec: what the model sees of a clip.
        augmentation: what varied in its training; it is shown nothing that it never saw.
    """
    views = [View(name="as it is")]
    across, upright = augmentation.flip > 0, augmentation.flip_vertical > 0
    if across:
        views.append(View(name="mirrored", mirror_x=True))
    if upright:
        views.append(View(name="upside down", mirror_y=True))
    if (across and upright) or augmentation.quarter_turns > 0:
        views.append(View(name="turned by 180", mirror_x=True, mirror_y=True))
    if augmentation.quarter_turns > 0:
        views.append(View(name="turned by 90", mirror_x=True, turned=True))
        views.append(View(name="turned by 270", mirror_y=True, turned=True))
    shift = round(spec.num_frames * SHIFT)
    if shift:
        views.append(View(name=f"{shift} frames earlier", shift_frames=-shift))
        views.append(View(name=f"{shift} frames later", shift_frames=shift))
    return tuple(views)


def count_view_context(views: tuple[View, ...]) -> int:
    """Return how many frames beyond a clip's own the views need on each side."""
    return max((abs(view.shift_frames) for view in views), default=0)


def place_view(view: View, num_clips: int) -> Placement:
    """Return what a view shows of each of N regions."""
    mirrored = torch.tensor([view.mirror_x, view.mirror_y])
    crop = torch.cat([mirrored.float(), torch.where(mirrored, -1.0, 1.0)])
    return Placement(crops=crop.repeat(num_clips, 1), turned=torch.full((num_clips,), view.turned))


def take_view_frames(view: View, clips_c: Tensor, boxes: Tensor, num_frames: int) -> tuple[Tensor, Tensor]:
    """Return a view's frames of clips that were delivered with others around them, (N, T, H, W), and their boxes.

    Args:
        view: which frames.
        clips_c: (N, T + 2E, H, W).
        boxes: (N, 4), or (N, T + 2E, 4) where they move.
        num_frames: T.
    """
    first = (clips_c.shape[1] - num_frames) // 2 + view.shift_frames
    frames = slice(first, first + num_frames)
    return clips_c[:, frames], boxes[:, frames] if boxes.dim() == 3 else boxes
