"""Crop, flip and resize in one step, as two small matrix products.

Bilinear resizing is separable: out = R @ frame @ C^T, where row i of R holds the weights of the two source rows that
output row i lies between. A crop moves those positions and a flip reverses them, so all three cost one product each
way, differ by clip or by frame, and export to ONNX as plain matrix multiplications.
"""

from __future__ import annotations

import torch
from torch import Tensor


def bilinear_weights(starts: Tensor, lengths: Tensor, num_source: int, num_output: int) -> Tensor:
    """Return the bilinear weights that resample one axis, (..., num_output, num_source) float32.

    Pixel centres lie at half positions and positions beyond the outermost centres take the edge's value, which is
    OpenCV's INTER_LINEAR. Where an interval leaves the frame, its edge is repeated.

    Args:
        starts: (...) left or top edge of each interval to resample, in source pixels.
        lengths: (...) its length in source pixels; negative to read it backwards from `starts`, which flips.
        num_source: pixels of the axis before.
        num_output: pixels of the axis after.
    """
    device = starts.device
    centers = torch.arange(num_output, device=device, dtype=torch.float32) + 0.5
    positions = starts[..., None] + centers * (lengths[..., None] / num_output) - 0.5  # exact where the size is kept
    positions = positions.clamp(0, num_source - 1)
    sources = torch.arange(num_source, device=device, dtype=torch.float32)
    return (1 - (positions[..., None] - sources).abs()).clamp(min=0)


def resample_clips(clips: Tensor, regions: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Return each clip's region resized to `output_size`, (N, T, h, w).

    Args:
        clips: (N, T, H, W) float32.
        regions: (N, 4) x, y, width, height in pixels, or (N, T, 4) where they differ by frame; a negative width
            (height) starts at the region's right (bottom) edge and mirrors it.
        output_size: (h, w).
    """
    height, width = clips.shape[-2:]
    per_frame = regions if regions.dim() == 3 else regions[:, None]
    x, y, region_width, region_height = per_frame.float().unbind(-1)
    rows = bilinear_weights(y, region_height, height, output_size[0])
    columns = bilinear_weights(x, region_width, width, output_size[1])
    if regions.dim() == 3:  # each frame has weights of its own
        return rows @ (clips @ columns.transpose(-1, -2))
    # Of a clip whose weights hold for all its frames, all their rows are one matrix.
    wide = clips.flatten(1, 2) @ columns[:, 0].transpose(-1, -2)
    return rows @ wide.view(*clips.shape[:3], output_size[1])
