"""The pictures that a clip is turned into: its temperatures and, for the channels "motion", what moves in it.

Relative temperatures are above what surrounds a person in the picture of them, not in the whole frame: places of the
real rooms are up to 3 deg C warmer or colder than its median. So they are known only when the picture is cut out.

All of it is arithmetic, one sort and two matrix products, the same in training, in test and in an ONNX file.
"""

from __future__ import annotations

import torch
from torch import Tensor

from thermalctl.clip_spec import MOTION_RANGE_C, ClipSpec
from thermalctl.pipeline.resampling import resample_clips


def make_images(clips_c: Tensor, spec: ClipSpec) -> Tensor:
    """Return a clip's pictures, (N, S, T, H, W) float32, 0..255; S is 3 for the channels "motion", else 1.

    Those of "motion" are the temperature, its difference from the background and its difference from the frame before.
    A difference of 0 is in the middle of the scale, at 127.5. Where temperatures are to be relative, they are on the
    scale of their range already, but neither relative nor clipped nor rounded yet; `relate_images` does that.

    Args:
        clips_c: (N, T, H, W) float32, deg C, repaired.
        spec: the channels, the temperature range, and whether to round down to whole steps.
    """
    is_relative = spec.temperatures == "relative"
    images = _scale(clips_c, spec.temperature_range_c, clip=not is_relative)[:, None]
    if spec.channels == "motion":
        limits_c = (-MOTION_RANGE_C, MOTION_RANGE_C)
        from_background_c = clips_c - find_background(clips_c)
        from_before_c = clips_c - torch.cat([clips_c[:, :1], clips_c[:, :-1]], dim=1)
        motion = torch.stack([from_background_c, from_before_c], dim=1)
        images = torch.cat([images, _scale(motion, limits_c)], dim=1)
    return images.floor() if spec.quantize and not is_relative else images


def relate_images(images: Tensor, spec: ClipSpec) -> Tensor:
    """Return what a model is shown, (N, S, T, h, w), with relative temperatures where the spec has them.

    Args:
        images: (N, S, T, h, w) from `make_images`, resized; the first of S is the temperature.
        spec: the temperatures and their range, and whether to round down to whole steps.
    """
    if spec.temperatures == "absolute":
        return images
    low, high = spec.temperature_range_c
    step = 255 / (high - low)
    temperatures = images[:, 0]
    shown = (temperatures - find_room(temperatures) - low * step).clamp(0, 255)[:, None]
    images = torch.cat([shown, images[:, 1:]], dim=1)
    return images.floor() if spec.quantize else images


def find_background(clips_c: Tensor) -> Tensor:
    """Return each pixel's median over the clip, (N, 1, H, W) deg C; of an even number, the mean of the middle two.

    Whoever lies still through the whole clip is background, and shows in the temperature only.

    Args:
        clips_c: (N, T, H, W) float32, deg C.
    """
    return _find_medians(clips_c)


def find_room(clips_c: Tensor) -> Tensor:
    """Return each clip's room temperature, (N, 1, 1, 1): the median over the picture of the background.

    A person covers less than half of a picture of theirs, so it is the temperature of the floor.

    Args:
        clips_c: (N, T, H, W) float32, in deg C or on a scale of them.
    """
    return _find_medians(find_background(clips_c).flatten(1))[:, :, None, None]


def resize_images(images: Tensor, regions: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Return each clip's region of each of its pictures resized to `output_size`, (N, S, T, h, w).

    Args:
        images: (N, S, T, H, W) float32.
        regions: (N, 4) x, y, width, height in pixels, or (N, T, 4) where they move; see `resample_clips`.
        output_size: (h, w).
    """
    num_pictures, num_frames = images.shape[1:3]
    if regions.dim() == 3:
        regions = regions.repeat(1, num_pictures, 1)
    resized = resample_clips(images.flatten(1, 2), regions, output_size)
    return resized.view(-1, num_pictures, num_frames, *output_size)


def _find_medians(values: Tensor) -> Tensor:
    """Return the medians along the second axis, which is kept; of an even number, the mean of the middle two."""
    number = values.shape[1]
    # Not torch.median, which neither exporter to ONNX translates.
    highest = values.topk(number // 2 + 1, dim=1).values
    first = (number + 1) // 2 - 1
    return (highest[:, first : first + 1] + highest[:, number // 2 :]) / 2


def _scale(values: Tensor, limits: tuple[float, float], *, clip: bool = True) -> Tensor:
    """Return values as 0..255 between their limits."""
    low, high = limits
    return ((values.clamp(low, high) if clip else values) - low) * (255 / (high - low))
