"""From recorded degrees to the model's input, on the device: repair, jitter, range, crop and resize, normalise.

Clips travel from the disk to the device as recorded, one channel of float32 at 40x60: 0.6 MB each instead of the
18 MB that three channels of 256x384 would take. Everything else happens here, in one place for training, test and
export.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor, nn

from thermalctl.clip_spec import ClipSpec
from thermalctl.pipeline.augment import Augmentation, draw_regions, erase_rectangles, jitter_temperatures
from thermalctl.pipeline.repair import repair_clips
from thermalctl.pipeline.resampling import resample_clips


class ClipTransform(nn.Module):
    """Clips in degrees Celsius to the model's input: the part that is the same in training, test and ONNX."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.spec = spec
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1, 1), persistent=False)

    def forward(self, clips_c: Tensor, regions: Tensor | None = None) -> Tensor:
        """Return the model's input, (N, C, T, h, w) float32.

        Args:
            clips_c: (N, T, H, W) float32, deg C, as recorded.
            regions: (N, 4) x, y, width, height in pixels to look at; None for the whole frame.
        """
        images = self.scale(self.repair(clips_c))
        return self.normalize(self.resize(images, regions))

    def repair(self, clips_c: Tensor) -> Tensor:
        """Return the clips with incomplete frames repaired as the spec says, (N, T, H, W).

        Without repair, a pixel that is not a number becomes the coldest: one of them would make every weight NaN.
        """
        if self.spec.repair == "nearest":
            return repair_clips(clips_c)
        return torch.nan_to_num(clips_c, nan=self.spec.temperature_range_c[0])

    def scale(self, clips_c: Tensor) -> Tensor:
        """Return degrees as 0..255 over the spec's temperature range, clipped, (N, T, H, W)."""
        low, high = self.spec.temperature_range_c
        images = (clips_c.clamp(low, high) - low) * (255 / (high - low))
        return images.floor() if self.spec.quantize else images

    def resize(self, images: Tensor, regions: Tensor | None = None) -> Tensor:
        """Return the regions resized to the spec's input size, (N, T, h, w)."""
        if regions is None:
            height, width = images.shape[-2:]
            if (height, width) == self.spec.input_size:
                return images
            regions = torch.tensor([[0.0, 0.0, width, height]], device=images.device)
        return resample_clips(images, regions, self.spec.input_size)

    def normalize(self, images: Tensor) -> Tensor:
        """Return 0..255 images normalised and in the spec's channels, (N, C, T, h, w)."""
        normalized = (images[:, None] - self.mean) / self.std
        return normalized.expand(-1, self.spec.num_channels, -1, -1, -1)


class ThermalDataPreprocessor(BaseDataPreprocessor):
    """MMEngine's data preprocessor for thermal clips.

    Args:
        clip_spec: a `ClipSpec` as a dict; what the model expects of a clip.
        augment: an `Augmentation` as a dict; what training varies. None for nothing.
    """

    def __init__(self, clip_spec: Mapping[str, Any], augment: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.spec = ClipSpec.from_dict(clip_spec)
        self.augmentation = Augmentation.from_config(augment or {})
        self.transform = ClipTransform(self.spec)

    @torch.no_grad()
    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Return the batch ready for the recognizer.

        Args:
            data: "inputs": N clips (T, H, W) float32, deg C; "data_samples": their N samples, whose `boxes` say where
                the judged person is.
            training: whether to augment.

        Returns:
            "inputs": (N, 1, C, T, h, w) float32 on the device; the 1 is MMAction2's number of clips per sample.
            "data_samples": the samples, on the device.
        """
        clips: Sequence[Tensor] = data["inputs"]
        samples = data.get("data_samples")
        regions = [
            self.find_region(clip, sample) for clip, sample in zip(clips, samples or [None] * len(clips), strict=True)
        ]
        with torch.autocast(self.device.type, enabled=False):  # resampling in half precision would cost 0.1 deg C
            inputs = torch.cat(
                [
                    self._prepare(torch.stack(group).to(self.device, non_blocking=True), torch.stack(where), training)
                    for group, where in _group_by_size(clips, regions)
                ]
            )
        return {"inputs": inputs[:, None], "data_samples": self.cast_data(samples)}

    def find_region(self, clip: Tensor, sample: Any) -> Tensor:
        """Return where in the frame to look, (4,) x, y, width, height in pixels.

        For target "person" it is a square around the box, `person_margin` times its longer side, which may reach
        beyond the frame; the frame's edge is repeated there.
        """
        height, width = clip.shape[-2:]
        if self.spec.target == "frame":
            return torch.tensor([0.0, 0.0, width, height])
        center_x, center_y, box_width, box_height = sample.metainfo["boxes"][0]
        side = self.spec.person_margin * max(box_width * width, box_height * height)
        return torch.tensor([center_x * width - side / 2, center_y * height - side / 2, side, side])

    def _prepare(self, clips_c: Tensor, regions: Tensor, training: bool) -> Tensor:
        if not training:
            whole = self.spec.target == "frame"
            return self.transform(clips_c, None if whole else regions.to(clips_c.device))
        transform, augmentation = self.transform, self.augmentation
        clips_c = jitter_temperatures(transform.repair(clips_c), augmentation, self.spec.temperature_range_c)
        drawn = draw_regions(regions, augmentation).to(clips_c.device)
        return transform.normalize(erase_rectangles(transform.resize(transform.scale(clips_c), drawn), augmentation))


def _group_by_size(clips: Sequence[Tensor], regions: Sequence[Tensor]) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Return runs of neighbouring clips of equal frame size, so that sensors of several sizes can share a batch."""
    groups: list[tuple[list[Tensor], list[Tensor]]] = []
    for clip, region in zip(clips, regions, strict=True):
        if not groups or groups[-1][0][0].shape != clip.shape:
            groups.append(([], []))
        groups[-1][0].append(clip)
        groups[-1][1].append(region)
    return groups
