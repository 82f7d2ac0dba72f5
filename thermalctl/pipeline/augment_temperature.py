"""What training varies in a clip's temperatures, and the rows that a sensor may lose, in degrees and sensor pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from thermalctl.clip_spec import ClipSpec
from thermalctl.pipeline.augment import Augmentation
from thermalctl.pipeline.channels import find_room

#: The widest band of rows that is lost, as a share of the frame: a packet of 5 rows of 40.
ROW_BAND = 1 / 8


def jitter_temperatures(clips_c: Tensor, augmentation: Augmentation, spec: ClipSpec) -> Tensor:
    """Return the clips with brightness, contrast, gain, offset and noise varied, (N, T, H, W) deg C.

    Args:
        clips_c: (N, T, H, W) float32, deg C, repaired.
        augmentation: how much.
        spec: the temperatures and their range; brightness scales what lies above its lower end.
    """
    if augmentation.brightness or augmentation.contrast:
        clips_c = _jitter_colours(clips_c, augmentation, spec)
    if augmentation.gain:
        medians = clips_c.flatten(1).median(dim=1).values[:, None, None, None]
        clips_c = medians + (clips_c - medians) * (1 + augmentation.gain * _draw_signed(clips_c))
    if augmentation.offset_c:
        clips_c = clips_c + augmentation.offset_c * _draw_signed(clips_c)
    if augmentation.noise_c:
        clips_c = clips_c + augmentation.noise_c * torch.randn(clips_c.shape).to(clips_c.device)
    return clips_c


def drop_rows(clips_c: Tensor, augmentation: Augmentation) -> Tensor:
    """Return the clips with bands of rows lost in some frames, (N, T, H, W) deg C.

    A lost row shows the nearest row that arrived, of two equally near the upper one: what a driver shows that bridges
    a lost packet. Filled with the coldest temperature, the frame would be an incomplete one, which is repaired as a
    whole before a model sees it; that a frame is lost altogether is `frame_dropout`. A band is one row high or up to an
    eighth of the frame, each height equally likely.

    Args:
        clips_c: (N, T, H, W) float32, deg C.
        augmentation: how often.
    """
    num_clips, num_frames, height, _ = clips_c.shape
    lost = torch.rand(num_clips, num_frames) < augmentation.row_dropout
    if not lost.any():
        return clips_c
    num_lost = torch.randint(1, max(1, int(height * ROW_BAND)) + 1, (num_clips, num_frames))
    first = (torch.rand(num_clips, num_frames) * (height - num_lost + 1)).long()
    rows = torch.arange(height)
    above, below = (first - 1)[..., None], (first + num_lost)[..., None]
    is_lost = lost[..., None] & (rows > above) & (rows < below)
    takes_upper = (above >= 0) & ((rows - above <= below - rows) | (below >= height))
    sources = torch.where(is_lost, torch.where(takes_upper, above, below), rows).clamp(0, height - 1)
    return clips_c.gather(2, sources.to(clips_c.device)[..., None].expand_as(clips_c))


def _jitter_colours(clips_c: Tensor, augmentation: Augmentation, spec: ClipSpec) -> Tensor:
    """Return the clips with brightness, then contrast varied as the guide's ColorJitter does, but in degrees."""
    factors = 1 + (2 * torch.rand(2, len(clips_c)) - 1) * torch.tensor(
        [[augmentation.brightness], [augmentation.contrast]]
    )
    brightness, contrast = factors.to(clips_c.device)[:, :, None, None, None]
    room = find_room(clips_c) if spec.temperatures == "relative" else 0.0
    low, high = (limit + room for limit in spec.temperature_range_c)
    # Brighter, low + (t - low) * brightness, is clipped for its mean, then contrast pulls it to that: in all one factor
    # and one shift for a clip, so that what is large is passed over three times and not seven.
    shown = torch.minimum(clips_c.clamp(min=low), low + (high - low) / brightness)
    mean = low + (shown.mean(dim=(1, 2, 3), keepdim=True) - low) * brightness
    return torch.addcmul(mean * (1 - contrast) + low * (1 - brightness) * contrast, clips_c, brightness * contrast)


def _draw_signed(clips_c: Tensor) -> Tensor:
    """Return a number from -1 to 1 for each clip, (N, 1, 1, 1), where the clips are."""
    return (2 * torch.rand(len(clips_c), 1, 1, 1) - 1).to(clips_c.device)
