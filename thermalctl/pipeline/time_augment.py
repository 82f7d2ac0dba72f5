"""When a training clip's frames are taken: shifted, from a part of the clip, faster or slower, with frames lost.

Draws are made on the CPU, one set per clip, so that a seed gives the same clips on every device. The training dataset
delivers a few frames more than a clip has, on each side (`count_context_frames`); `draw_times` says which of them to
take. What belongs to a frame, such as the region to look at, is taken with it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from thermalctl.pipeline.augment import Augmentation


def count_context_frames(augmentation: Augmentation, num_frames: int) -> int:
    """Return E, how many frames beyond the clip's own are needed on each side for every draw of `draw_times`.

    Args:
        augmentation: how far a clip may be shifted, and how fast it may be taken.
        num_frames: T, frames in a clip.
    """
    before, after = num_frames // 2, num_frames - 1 - num_frames // 2
    rate = 1 + augmentation.speed
    # No draw reaches further than the whole clip at full speed, shifted; nor than a cropped clip that has the keyframe
    # at its very end.
    furthest = rate * augmentation.temporal_crop * (num_frames - 1)
    first = min(augmentation.temporal_jitter + rate * before, furthest)
    last = min(augmentation.temporal_jitter + rate * after, furthest)
    return max(math.ceil(first - 0.5) - before, math.floor(last + 0.5) - after, 0)


def draw_times(num_clips: int, num_frames: int, context_frames: int, augmentation: Augmentation) -> Tensor:
    """Return which of the delivered frames make each clip, (N, T) int64, each 0 to T + 2E - 1.

    The frames are evenly spaced and ascend. Each clip keeps `temporal_crop` of its length, from a place in it drawn
    evenly; its frames are taken at a rate whose logarithm is drawn evenly, so that double and half speed are equally
    likely; it is moved by up to `temporal_jitter` frames, but not past the keyframe, which is what the label is of. A
    frame that is lost shows what the one before it shows. Without any of it the clip is the delivered one's middle, and
    nothing is drawn.

    Args:
        num_clips: N.
        num_frames: T, frames in a clip.
        context_frames: E, frames delivered beyond the clip's own on each side; where they do not suffice, the outermost
            is repeated.
        augmentation: what varies, and how much.
    """
    before, after = num_frames // 2, num_frames - 1 - num_frames // 2
    crop, shift, rate = augmentation.temporal_crop, torch.zeros(num_clips, 1), torch.ones(num_clips, 1)
    shift, rate = shift.double(), rate.double()
    if augmentation.speed:
        rate = (1 + augmentation.speed) ** _draw(num_clips, -1, 1)
    if crop < 1:  # within the clip, and with the keyframe in it
        least, most = -min((1 - crop) * before, crop * after), min((1 - crop) * after, crop * before)
        shift = rate * _draw(num_clips, least, most)
    if augmentation.temporal_jitter:
        shift = shift + augmentation.temporal_jitter * _draw(num_clips, -1, 1)
    step = rate * crop
    shift = shift.clamp(-step * after, step * before)
    offsets = shift + step * torch.arange(-before, after + 1, dtype=torch.float64)
    times = (offsets + 0.5).floor().long() + before + context_frames
    times = times.clamp(0, num_frames + 2 * context_frames - 1)
    if augmentation.frame_dropout:
        times = times.gather(1, _draw_kept(num_clips, num_frames, augmentation.frame_dropout))
    return times


def _draw(num_clips: int, least: float, most: float) -> Tensor:
    """Return (N, 1) float64, evenly from least to most."""
    return least + (most - least) * torch.rand(num_clips, 1, dtype=torch.float64)


def _draw_kept(num_clips: int, num_frames: int, frame_dropout: float) -> Tensor:
    """Return for each place in a clip the last place up to it that is not lost, (N, T) int64; the first never is."""
    lost = torch.rand(num_clips, num_frames) < frame_dropout
    lost[:, 0] = False
    places = torch.arange(num_frames).expand(num_clips, -1)
    return places.masked_fill(lost, 0).cummax(dim=1).values
