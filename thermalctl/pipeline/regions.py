"""Where in the frame a model looks: the whole of it, or a square around the judged person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.person_regions import find_person_regions


def find_regions(clip: Tensor, sample: Any, spec: ClipSpec) -> Tensor:
    """Return where to look in each frame of a clip, (T, 4), or (4,) where all share one: x, y, width, height in pixels.

    Args:
        clip: (T, H, W).
        sample: see `find_boxes`.
        spec: what is judged, and how wide to look.
    """
    return place_boxes(find_boxes(sample, spec)[None], clip.shape[-2:], spec)[0]


def find_boxes(sample: Any, spec: ClipSpec) -> Tensor:
    """Return what is judged in each frame of a clip, (T, 4), or (4,) for all: centre x, centre y, width, height, 0..1.

    Args:
        sample: an `ActionDataSample`. For a person it has `boxes`, theirs first, and where they are to be followed
            `track`, (T, 4). For whole frames None will do.
        spec: what is judged.
    """
    if spec.target == "frame":
        return torch.tensor([0.5, 0.5, 1.0, 1.0], dtype=torch.float64)
    where = sample.metainfo["track"] if spec.person_crop == "follow" else sample.metainfo["boxes"][0]
    return torch.as_tensor(np.asarray(where, dtype=np.float64))


def place_boxes(boxes: Tensor, frame_size: Sequence[int], spec: ClipSpec) -> Tensor:
    """Return the regions of boxes in pixels, in their shape: the whole frame, or see `find_person_regions`.

    Args:
        boxes: (N, 4), or (N, T, 4) of the frames that the model is shown, from `find_boxes`.
        frame_size: (H, W) in pixels.
        spec: what is judged, and how wide to look.
    """
    height, width = frame_size
    if spec.target == "frame":
        return torch.tensor([0.0, 0.0, width, height]).expand(boxes.shape)
    return torch.from_numpy(find_person_regions(boxes.numpy(), (height, width), spec))
