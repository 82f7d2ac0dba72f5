"""Where in the frame a model looks: the whole of it, or a square around the judged person."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.person_regions import find_person_regions


def find_regions(clip: Tensor, sample: Any, spec: ClipSpec) -> Tensor:
    """Return where to look in each frame, (T', 4), or (4,) where all share one: x, y, width, height in pixels.

    For target "person" see `find_person_regions`.

    Args:
        clip: (T', H, W), the frames that the dataset delivered.
        sample: an `ActionDataSample`. For a person it has `boxes`, theirs first, and where they are to be followed
            `track`, (T', 4); both centre x, centre y, width, height in 0..1. For whole frames None will do.
        spec: what is judged, and how wide to look.
    """
    height, width = clip.shape[-2:]
    if spec.target == "frame":
        return torch.tensor([0.0, 0.0, width, height])
    where = sample.metainfo["track"] if spec.person_crop == "follow" else sample.metainfo["boxes"][0]
    return torch.from_numpy(find_person_regions(np.asarray(where)[None], (height, width), spec.person_margin)[0])
