"""What training varies in a clip: where it is cropped, which way it faces, its temperatures, and what is hidden.

Draws are made on the CPU, one set per clip, so that a seed gives the same clips on every device.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from thermalctl.errors import ConfigError

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How much a training clip may vary; the default is not at all.

    Attributes:
        crop_area: share of the region's area that a random crop keeps, (least, most).
        crop_aspect: the crop's aspect relative to the region's, (least, most). Relative, because an absolute aspect
            near 1 never fits 70 % of a 3:2 frame: the stock transform then always falls back to the central square.
        flip: probability of a left-right flip.
        flip_vertical: probability of an up-down flip; harmless where the camera looks straight down.
        brightness: b, temperatures above the range's lower end are multiplied by a factor from 1-b to 1+b.
        contrast: c, differences from the clip's mean temperature are multiplied by a factor from 1-c to 1+c. The mean
            is taken within the temperature range: unrepaired pixels at 0 K would move it by tens of degrees.
        erase: probability that one rectangle is hidden through the whole clip.
        erase_area: the rectangle's share of the frame, (least, most).
        erase_fill: (mean, std) of the noise that hides it, on the 0..255 scale.
    """

    crop_area: Range = (1.0, 1.0)
    crop_aspect: Range = (1.0, 1.0)
    flip: float = 0.0
    flip_vertical: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    erase: float = 0.0
    erase_area: Range = (0.02, 0.2)
    erase_fill: tuple[float, float] = (128.0, 64.0)

    def __post_init__(self) -> None:
        for name in ("flip", "flip_vertical", "brightness", "contrast", "erase"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value <= 1:
                raise ConfigError(f"augment.{name} is {value!r}, expected a number from 0 to 1")
        for name, limit in (("crop_area", 1.0), ("crop_aspect", math.inf), ("erase_area", 1.0)):
            least, most = _expect_pair(name, getattr(self, name))
            if not 0 < least <= most <= limit:
                bound = "" if limit == math.inf else f" <= {limit:g}"
                raise ConfigError(f"augment.{name} is ({least}, {most}), expected 0 < least <= most{bound}")
        mean, std = _expect_pair("erase_fill", self.erase_fill)
        if not (0 <= mean <= 255 and 0 <= std < math.inf):
            raise ConfigError(
                f"augment.erase_fill is ({mean}, {std}), expected a mean from 0 to 255 and a std of 0 or more"
            )

    @classmethod
    def from_config(cls, values: Mapping[str, Any]) -> Augmentation:
        """Return the augmentation that a configuration names.

        Raises:
            ConfigError: if a name is unknown or a value is out of range.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(f"augment has no {unknown[0]!r}", hint=f"it has {', '.join(known)}")
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**fields)


#: How often a random crop is drawn again when it does not fit, as in torchvision's RandomResizedCrop.
CROP_ATTEMPTS = 10
#: Width to height of an erased rectangle (Zhong et al. 2020, "Random Erasing Data Augmentation", section 3.2).
ERASE_ASPECT = (0.3, 1 / 0.3)


def draw_regions(regions: Tensor, augmentation: Augmentation) -> Tensor:
    """Return a random crop of each region, mirrored as drawn: (N, 4) x, y, width, height, see `resample_clips`.

    Args:
        regions: (N, 4) x, y, width, height in pixels, on the CPU.
        augmentation: how small and how far from square a crop may be, and how often it is mirrored.
    """
    cropped = torch.stack([_draw_crop(region, augmentation) for region in regions])
    mirrored = torch.rand(len(regions), 2) < torch.tensor([augmentation.flip, augmentation.flip_vertical])
    starts, sizes = cropped[:, :2], cropped[:, 2:]
    return torch.cat([torch.where(mirrored, starts + sizes, starts), torch.where(mirrored, -sizes, sizes)], dim=1)


def jitter_temperatures(clips_c: Tensor, augmentation: Augmentation, temperature_range_c: Range) -> Tensor:
    """Return the clips with brightness and contrast varied in degrees, (N, T, H, W).

    Args:
        clips_c: (N, T, H, W) float32, deg C, repaired.
        augmentation: how much.
        temperature_range_c: (low, high) deg C; brightness scales what lies above the lower end.
    """
    if not (augmentation.brightness or augmentation.contrast):
        return clips_c
    factors = 1 + (2 * torch.rand(2, len(clips_c)) - 1) * torch.tensor(
        [[augmentation.brightness], [augmentation.contrast]]
    )
    brightness, contrast = factors.to(clips_c.device)[:, :, None, None, None]
    low, high = temperature_range_c
    brighter = low + (clips_c - low) * brightness
    mean = brighter.clamp(low, high).mean(dim=(1, 2, 3), keepdim=True)
    return mean + (brighter - mean) * contrast


def erase_rectangles(images: Tensor, augmentation: Augmentation) -> Tensor:
    """Return the clips with one rectangle hidden by noise in some of them, (N, T, h, w) on the 0..255 scale.

    Args:
        images: (N, T, h, w) float32, 0..255.
        augmentation: how often, how large, with what.
    """
    rectangles = [
        _draw_rectangle(images.shape[-2:], augmentation) if torch.rand(()) < augmentation.erase else None
        for _ in images
    ]
    if not any(rectangles):
        return images
    mean, std = augmentation.erase_fill
    erased = images.clone()
    for image, rectangle in zip(erased, rectangles, strict=True):
        if rectangle is not None:
            rows, columns = rectangle
            hidden = image[:, rows, columns]
            hidden.copy_((mean + std * torch.randn(hidden.shape)).clamp(0, 255))
    return erased


def _draw_rectangle(size: Sequence[int], augmentation: Augmentation) -> tuple[slice, slice]:
    """Return the rows and columns of a random rectangle in an image of this (height, width)."""
    height, width = size
    area, aspect = _draw(augmentation.erase_area) * height * width, _draw_log(ERASE_ASPECT)
    h = max(1, min(height, round(math.sqrt(area / aspect))))
    w = max(1, min(width, round(math.sqrt(area * aspect))))
    top, left = (int(torch.randint(0, free + 1, ())) for free in (height - h, width - w))
    return slice(top, top + h), slice(left, left + w)


def _draw_crop(region: Tensor, augmentation: Augmentation) -> Tensor:
    x, y, width, height = region.tolist()
    for _ in range(CROP_ATTEMPTS):
        area, aspect = _draw(augmentation.crop_area), _draw_log(augmentation.crop_aspect)
        w, h = width * math.sqrt(area * aspect), height * math.sqrt(area / aspect)
        # A hair of slack: sqrt(1.0) may come out as 1 + 1e-16.
        if w <= width * (1 + 1e-9) and h <= height * (1 + 1e-9):
            left, top = torch.rand(2).tolist()
            return torch.tensor([x + left * (width - w), y + top * (height - h), w, h])
    return region.float()


def _draw(bounds: Range) -> float:
    least, most = bounds
    return least + (most - least) * float(torch.rand(()))


def _draw_log(bounds: Range) -> float:
    return math.exp(_draw((math.log(bounds[0]), math.log(bounds[1]))))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _expect_pair(name: str, value: object) -> tuple[float, float]:
    if not isinstance(value, (tuple, list)) or len(value) != 2 or not all(map(_is_number, value)):
        raise ConfigError(f"augment.{name} is {value!r}, expected two numbers")
    return value[0], value[1]
