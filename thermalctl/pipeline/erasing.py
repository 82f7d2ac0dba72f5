"""Parts of a training clip hidden by noise: Zhong et al. 2020, "Random Erasing Data Augmentation" (1708.04896)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from thermalctl.pipeline.augment import Augmentation, Range

#: Width to height of an erased rectangle; section 3.2 of the paper.
ERASE_ASPECT = (0.3, 1 / 0.3)

Block = tuple[slice, slice, slice]


def erase_blocks(
    images: Tensor, augmentation: Augmentation, convert_levels: Callable[[Tensor], Tensor] = lambda levels: levels
) -> None:
    """Hide a block of some of the clips by noise, in place.

    The block is hidden in every channel, by noise that is drawn anew for each pixel, frame and channel.

    Args:
        images: (N, S, T, h, w) float32, nobody else's.
        augmentation: how often, how large, for how long and with what.
        convert_levels: from noise on the 0..255 scale, (S, t, h, w), to what the pictures hold; by default the same.
    """
    mean, std = augmentation.erase_fill
    blocks = [
        _draw_block(images.shape[2:], augmentation) if torch.rand(()) < augmentation.erase else None for _ in images
    ]
    for image, block in zip(images, blocks, strict=True):
        if block is not None:
            frames, rows, columns = block
            hidden = image[:, frames, rows, columns]
            noise = (mean + std * torch.randn(hidden.shape)).clamp(0, 255)
            hidden.copy_(convert_levels(noise.to(images.device)))


def _draw_block(size: torch.Size, augmentation: Augmentation) -> Block:
    """Return the frames, rows and columns of a random block in a clip of this (T, h, w).

    A rectangle lasts the whole clip; a cuboid one frame to all of them, each length equally likely.
    """
    num_frames, height, width = size
    area, aspect = _draw(augmentation.erase_area) * height * width, math.exp(_draw(_log(ERASE_ASPECT)))
    sides = [
        max(1, min(height, round(math.sqrt(area / aspect)))),
        max(1, min(width, round(math.sqrt(area * aspect)))),
    ]
    rows, columns = (_draw_slice(side, length) for side, length in zip(sides, (height, width), strict=True))
    if augmentation.erase_mode == "rectangle":
        return slice(None), rows, columns
    return _draw_slice(int(torch.randint(1, num_frames + 1, ())), num_frames), rows, columns


def _draw_slice(size: int, length: int) -> slice:
    start = int(torch.randint(0, length - size + 1, ()))
    return slice(start, start + size)


def _draw(bounds: Range) -> float:
    least, most = bounds
    return least + (most - least) * float(torch.rand(()))


def _log(bounds: Range) -> Range:
    return math.log(bounds[0]), math.log(bounds[1])
