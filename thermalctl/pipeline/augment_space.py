"""Where in the frame a training clip looks, and which way up: random crops, mirror images and quarter turns.

Mirroring and turning by 180 degrees is resampling backwards. A turn by 90 or 270 degrees exchanges rows and columns
besides. Of a square region nothing is lost by it. Of another one, such as a whole frame of 40x60, it would either cut
off a third of the frame, and with it a part of 44 % of the people in the real recordings, or squash them. It is shown
whole instead, smaller (2/3 for 40x60), and where the frame does not reach there is the clip's median: a floor at the
room's temperature. The frame's edge, repeated, would smear a person who stands there across the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from thermalctl.pipeline.augment import Augmentation, Range
from thermalctl.pipeline.channels import resize_images

#: How often a random crop is drawn again when it does not fit, as in torchvision's RandomResizedCrop.
CROP_ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """What is shown of each clip's region.

    Attributes:
        crops: (N, 4) float32, x, y, width, height as shares of the region; a negative width (height) starts at the
            right (bottom) edge and mirrors.
        turned: (N,) bool, whether rows and columns are exchanged after that.
    """

    crops: Tensor
    turned: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """What to read of each clip's frames.

    Attributes:
        regions: (N, 4), or (N, T, 4) where they move, x, y, width, height in pixels; see `resample_clips`.
        turned: (N,) bool, whether rows and columns are exchanged after that.
        barred: (N,) bool, whether what lies beside the frame is shown as the clip's median; else the edge is repeated.
    """

    regions: Tensor
    turned: Tensor
    barred: Tensor


def draw_placements(num_clips: int, augmentation: Augmentation) -> Placement:
    """Return a random crop of each of N regions, mirrored and turned as drawn, on the CPU."""
    crops = _draw_crops(num_clips, augmentation.crop_area, augmentation.crop_aspect)
    mirrored = torch.rand(num_clips, 2) < torch.tensor([augmentation.flip, augmentation.flip_vertical])
    quarters = torch.randint(1, 4, (num_clips,)) * (torch.rand(num_clips) < augmentation.quarter_turns)
    # Counted against the clock, a quarter turn is left-right mirroring, then the exchange; two are both mirrorings.
    mirrored ^= torch.stack([(quarters == 1) | (quarters == 2), quarters >= 2], dim=1)
    starts, sizes = crops[:, :2], crops[:, 2:]
    crops = torch.cat([torch.where(mirrored, starts + sizes, starts), torch.where(mirrored, -sizes, sizes)], dim=1)
    return Placement(crops=crops, turned=quarters % 2 == 1)


def place_regions(regions: Tensor, placement: Placement) -> Placed:
    """Return what to read of the frames.

    Of a turned clip whose region is not square it is what fills the picture once rows and columns are exchanged.

    Args:
        regions: (N, 4), or (N, T, 4) where they move, x, y, width, height in pixels.
        placement: from `draw_placements`.
    """
    per_clip = (-1,) + (1,) * (regions.dim() - 2) + (4,)
    x, y, width, height = regions.unbind(-1)
    left, top, share_x, share_y = placement.crops.to(regions.device).view(per_clip).unbind(-1)
    placed = torch.stack([x + left * width, y + top * height, share_x * width, share_y * height], dim=-1)
    is_square = (width == height).reshape(len(regions), -1)[:, 0].cpu()  # a person's crop, of one size in all frames
    barred = placement.turned & ~is_square
    across = barred.to(regions.device).view((*per_clip[:-1], 1))
    return Placed(regions=torch.where(across, _turn(placed), placed), turned=placement.turned, barred=barred)


def show_placed(images: Tensor, placed: Placed, output_size: tuple[int, int]) -> Tensor:
    """Return the placed regions as pictures, (N, S, T, h, w).

    Args:
        images: (N, S, T, H, W) float32, 0..255.
        placed: from `place_regions`; its regions on any device.
        output_size: (h, w).
    """
    regions = placed.regions.to(images.device)
    if not placed.turned.any():
        return resize_images(images, regions, output_size)
    shown = images.new_empty((*images.shape[:3], *output_size))
    # Numbers of clips, not a mask, which a GPU would have to be waited for.
    straight, across = ((placed.turned == wanted).nonzero()[:, 0].to(images.device) for wanted in (False, True))
    if len(straight):
        shown[straight] = resize_images(images[straight], regions[straight], output_size)
    sources, places, source_size = images[across], regions[across], (output_size[1], output_size[0])
    resized = resize_images(sources, places, source_size)
    if placed.barred.any():
        medians = sources.flatten(2).median(dim=2).values[:, :, None, None, None]
        barred = placed.barred[placed.turned].to(images.device)[:, None, None, None, None]
        resized = torch.where(_find_beside(places, sources.shape[-2:], source_size) & barred, medians, resized)
    shown[across] = resized.transpose(-1, -2)
    return shown


def _turn(regions: Tensor) -> Tensor:
    """Return the smallest region about the same middle that holds this one and has its sides' ratio the other way."""
    x, y, width, height = regions.unbind(-1)
    scale = torch.maximum((width / height).abs(), (height / width).abs())
    new_width, new_height = scale * height.abs() * width.sign(), scale * width.abs() * height.sign()
    return torch.stack([x + (width - new_width) / 2, y + (height - new_height) / 2, new_width, new_height], dim=-1)


def _find_beside(regions: Tensor, frame_size: torch.Size, output_size: tuple[int, int]) -> Tensor:
    """Return which pixels of regions lie beside the frame, (N, 1, T or 1, h, w) bool."""
    per_frame = regions if regions.dim() == 3 else regions[:, None]
    is_beside = []
    for axis, (length, size) in enumerate(zip(frame_size[::-1], output_size[::-1], strict=True)):
        starts, lengths = per_frame[..., axis, None], per_frame[..., axis + 2, None]
        centers = starts + (torch.arange(size, device=regions.device) + 0.5) * lengths / size
        is_beside.append((centers < 0) | (centers > length))
    return (is_beside[0][..., None, :] | is_beside[1][..., :, None])[:, None]


def _draw_crops(num_clips: int, areas: Range, aspects: Range) -> Tensor:
    """Return crops as shares of their region, (N, 4) float32 x, y, width, height; all of it where none fitted."""
    area, aspect, left, top = torch.rand(4, num_clips, CROP_ATTEMPTS, dtype=torch.float64)
    area = areas[0] + (areas[1] - areas[0]) * area
    aspect = torch.exp(math.log(aspects[0]) + (math.log(aspects[1]) - math.log(aspects[0])) * aspect)
    width, height = (area * aspect).sqrt(), (area / aspect).sqrt()
    # A hair of slack: sqrt(1.0) may come out as 1 + 1e-16.
    fits = (width <= 1 + 1e-9) & (height <= 1 + 1e-9)
    tried = torch.stack([left * (1 - width), top * (1 - height), width, height], dim=2)
    first = tried[torch.arange(num_clips), fits.int().argmax(dim=1)]
    whole = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    return torch.where(fits.any(dim=1, keepdim=True), first, whole).float()
