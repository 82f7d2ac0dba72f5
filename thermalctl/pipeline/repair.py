"""The repair rule of `recordings.health`, clip by clip on the device.

It is an index computation and a gather, so that it runs in training, in test, in the ONNX file and on a stream alike.
"""

from __future__ import annotations

import torch
from torch import Tensor

from thermalctl.recordings.health import INCOMPLETE_BELOW_C


def find_incomplete(clips_c: Tensor) -> Tensor:
    """Return which frames are incomplete, (N, T) bool.

    Args:
        clips_c: (N, T, H, W) float32, deg C.
    """
    return ~(clips_c.flatten(2).amin(2) >= INCOMPLETE_BELOW_C)  # not `<`: a frame with NaN is incomplete too


def repair_clips(clips_c: Tensor) -> Tensor:
    """Return the clips with each incomplete frame replaced by the nearest complete one of its clip.

    Of two equally near, the earlier is taken. A clip without a complete frame comes back as it is; datasets and streams
    refuse such clips before they get here.

    Args:
        clips_c: (N, T, H, W) float32, deg C.
    """
    num_clips, num_frames = clips_c.shape[:2]
    times = torch.arange(num_frames, device=clips_c.device)
    offsets = times[None, :] - times[:, None]
    distances = 2 * offsets.abs() + (offsets > 0)  # odd for a later frame: the earlier of two equally near wins
    incomplete = find_incomplete(clips_c)
    nearest = (distances + 2 * num_frames * incomplete[:, None, :]).argmin(2)
    firsts = num_frames * torch.arange(num_clips, device=clips_c.device)[:, None]
    return clips_c.flatten(0, 1).index_select(0, (firsts + nearest).flatten()).view_as(clips_c)  # copies whole frames
