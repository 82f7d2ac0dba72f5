"""From recorded degrees to the model's input, on the device: repair, augment, range, crop and resize, normalise, mix.

Clips travel from the disk to the device as recorded, one channel of float32 at 40x60: 0.6 MB each instead of the
18 MB that three channels of 256x384 would take. Everything else happens here, in one place for training, test and
export.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor, nn

from thermalctl.clip_spec import ClipSpec
from thermalctl.errors import ConfigError
from thermalctl.pipeline.augment import Augmentation
from thermalctl.pipeline.augment_space import draw_placements, place_regions, show_placed
from thermalctl.pipeline.augment_temperature import drop_rows, jitter_temperatures
from thermalctl.pipeline.channels import make_images, relate_images, resize_images
from thermalctl.pipeline.erasing import erase_blocks
from thermalctl.pipeline.mixing import Mixing, draw_mix, mix_clips, mix_labels
from thermalctl.pipeline.regions import find_boxes, place_boxes
from thermalctl.pipeline.repair import repair_clips
from thermalctl.pipeline.time_augment import draw_times
from thermalctl.pipeline.views import View, place_view, take_view_frames

Layout = Literal["clip", "images"]


class ClipTransform(nn.Module):
    """Clips in degrees Celsius to the model's input: all of it in test and ONNX; training augments in between."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.spec = spec
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1, 1), persistent=False)
        # Resizing is linear, and its weights add up to 1: the same before it as after, of a hundredth of the pixels.
        has_mean_of_each = spec.channels == "motion" or len(spec.mean) == len(spec.std) == 1
        self._is_normalized_first = has_mean_of_each and spec.temperatures == "absolute"

    def forward(self, clips_c: Tensor, regions: Tensor | None = None) -> Tensor:
        """Return the model's input, (N, C, T, h, w) float32.

        Args:
            clips_c: (N, T, H, W) float32, deg C, as recorded.
            regions: (N, 4) x, y, width, height in pixels to look at, or (N, T, 4) where they move; None for the whole
                frame.
        """
        return self.spread(self.relate(self.resize(self.make_pictures(self.repair(clips_c)), regions)))

    def repair(self, clips_c: Tensor) -> Tensor:
        """Return the clips with incomplete frames repaired as the spec says, (N, T, H, W).

        Without repair, a pixel that is not a number becomes the coldest: one of them would make every weight NaN.
        """
        if self.spec.repair == "nearest":
            return repair_clips(clips_c)
        return torch.nan_to_num(clips_c, nan=self.spec.temperature_range_c[0])

    def make_pictures(self, clips_c: Tensor) -> Tensor:
        """Return the pictures of repaired clips at the sensor's size, (N, S, T, H, W).

        They are normalised already, unless the channels that one picture becomes have means of their own.
        """
        images = make_images(clips_c, self.spec)
        return (images - self.mean) / self.std if self._is_normalized_first else images

    def resize(self, images: Tensor, regions: Tensor | None = None) -> Tensor:
        """Return the regions of the clips' pictures resized to the spec's input size, (N, S, T, h, w)."""
        if regions is None:
            height, width = images.shape[-2:]
            if (height, width) == self.spec.input_size:
                return images
            regions = torch.tensor([[0.0, 0.0, width, height]], device=images.device)
        return resize_images(images, regions, self.spec.input_size)

    def relate(self, images: Tensor) -> Tensor:
        """Return resized pictures, (N, S, T, h, w), with relative temperatures where the spec has them."""
        return relate_images(images, self.spec)

    def convert_levels(self, levels: Tensor) -> Tensor:
        """Return values of the 0..255 scale, (S, T, h, w), as the pictures have them."""
        if not self._is_normalized_first:
            return levels
        return (levels - self.mean[0]) / self.std[0]

    def spread(self, images: Tensor) -> Tensor:
        """Return pictures (N, S, T, h, w) as the spec's normalised channels, (N, C, T, h, w)."""
        if not self._is_normalized_first:
            images = torch.addcmul(-self.mean / self.std, images, 1 / self.std)  # one pass over what is large by now
        return images.expand(-1, self.spec.num_channels, -1, -1, -1)


class ThermalDataPreprocessor(BaseDataPreprocessor):
    """MMEngine's data preprocessor for thermal clips.

    Attributes:
        view: how test shows a clip; None for as it is.

    Args:
        clip_spec: a `ClipSpec` as a dict; what the model expects of a clip.
        augment: an `Augmentation` as a dict; what training varies. None for nothing.
        mixing: a `Mixing` as a dict; how training mixes the clips of a batch and their labels. None for not at all.
        layout: "clip" for recognizers of clips, "images" for those of images (MMAction2's `Recognizer2D`).

    Raises:
        ConfigError: if a value is impossible.
    """

    def __init__(
        self,
        clip_spec: Mapping[str, Any],
        augment: Mapping[str, Any] | None = None,
        mixing: Mapping[str, Any] | None = None,
        layout: Layout = "clip",
    ) -> None:
        super().__init__()
        if layout not in get_args(Layout):
            raise ConfigError(f"data_preprocessor.layout is {layout!r}, expected {' or '.join(get_args(Layout))}")
        self.layout: Layout = layout
        self.spec = ClipSpec.from_dict(clip_spec)
        self.augmentation = Augmentation.from_config(augment or {})
        self.mixing = Mixing.from_config(mixing) if mixing else None
        self.transform = ClipTransform(self.spec)
        self.view: View | None = None

    @torch.no_grad()
    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Return the batch ready for the recognizer.

        Args:
            data: "inputs": N clips (T, H, W) float32, deg C, for training with as many frames more on each side as its
                augmentation needs; "data_samples": their N samples, which say where the judged person is.
            training: whether to augment and to mix.

        Returns:
            "inputs": float32 on the device, (N, 1, C, T, h, w), where the 1 is MMAction2's number of clips per sample;
            for the layout "images" (N, T, C, h, w).
            "data_samples": the samples, on the device; their labels are (K,) float32 shares where they are mixed.
        """
        clips: Sequence[Tensor] = data["inputs"]
        samples = data.get("data_samples")
        boxes = [find_boxes(sample, self.spec) for sample in samples or [None] * len(clips)]
        prepare = self._augment if training else self._transform
        with torch.autocast(self.device.type, enabled=False):  # resampling in half precision would cost 0.1 deg C
            groups = [
                prepare(torch.stack(group).to(self.device, non_blocking=True), torch.stack(where))
                for group, where in _group_by_size(clips, boxes)
            ]
            inputs = groups[0] if len(groups) == 1 else torch.cat(groups)  # which would copy a hundred megabytes
            samples = self.cast_data(samples)
            if training and self.mixing is not None and samples is not None:
                inputs = _mix(inputs, samples, self.mixing, self.spec.num_classes)
        inputs = inputs[:, None] if self.layout == "clip" else inputs.transpose(1, 2).contiguous()
        return {"inputs": inputs, "data_samples": samples}

    def _transform(self, clips_c: Tensor, boxes: Tensor) -> Tensor:
        if self.view is not None:
            return self._show(self.view, clips_c, boxes)
        whole = self.spec.target == "frame"
        regions = None if whole else place_boxes(boxes, clips_c.shape[-2:], self.spec).to(clips_c.device)
        inputs: Tensor = self.transform(clips_c, regions)
        return inputs

    def _show(self, view: View, clips_c: Tensor, boxes: Tensor) -> Tensor:
        clips_c, boxes = take_view_frames(view, clips_c, boxes, self.spec.num_frames)
        regions = place_boxes(boxes, clips_c.shape[-2:], self.spec)
        placed = place_regions(regions, place_view(view, len(clips_c)))
        pictures = self.transform.make_pictures(self.transform.repair(clips_c))
        return self.transform.spread(self.transform.relate(show_placed(pictures, placed, self.spec.input_size)))

    def _augment(self, clips_c: Tensor, boxes: Tensor) -> Tensor:
        augmentation, spec = self.augmentation, self.spec
        clips_c = self.transform.repair(clips_c)
        if augmentation.varies_time or clips_c.shape[1] != spec.num_frames:
            clips_c, boxes = _take_frames(clips_c, boxes, augmentation, spec.num_frames)
        clips_c = jitter_temperatures(clips_c, augmentation, spec)
        images = self.transform.make_pictures(drop_rows(clips_c, augmentation))
        regions = place_boxes(boxes, clips_c.shape[-2:], spec)
        placed = place_regions(regions, draw_placements(len(clips_c), augmentation))
        shown = self.transform.relate(show_placed(images, placed, spec.input_size))
        erase_blocks(shown, augmentation, self.transform.convert_levels)
        return self.transform.spread(shown)


def _take_frames(clips_c: Tensor, boxes: Tensor, augmentation: Augmentation, num_frames: int) -> tuple[Tensor, Tensor]:
    """Return the frames that are drawn of those delivered, (N, T, H, W), and the boxes in them."""
    num_delivered = clips_c.shape[1]
    times = draw_times(len(clips_c), num_frames, (num_delivered - num_frames) // 2, augmentation)
    if boxes.dim() == 3:
        boxes = boxes.gather(1, times[:, :, None].expand(-1, -1, 4))
    indices = times.to(clips_c.device)[:, :, None, None].expand(-1, -1, *clips_c.shape[2:])
    return clips_c.gather(1, indices), boxes


def _mix(inputs: Tensor, samples: Sequence[Any], mixing: Mixing, num_classes: int) -> Tensor:
    """Return the clips mixed, (N, C, T, h, w), and give the samples the labels that then hold."""
    mix = draw_mix(len(inputs), (inputs.shape[2], inputs.shape[3], inputs.shape[4]), mixing)
    if mix is None:
        return inputs
    labels = torch.stack([sample.gt_label for sample in samples])
    labels = labels[:, 0] if labels.shape[1] == 1 else labels  # of one class id each, or of shares
    for sample, label in zip(samples, mix_labels(labels, mix, num_classes), strict=True):
        sample.set_gt_label(label)
    return mix_clips(inputs, mix)


def _group_by_size(clips: Sequence[Tensor], boxes: Sequence[Tensor]) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Return runs of neighbouring clips of equal frame size, so that sensors of several sizes can share a batch."""
    groups: list[tuple[list[Tensor], list[Tensor]]] = []
    for clip, box in zip(clips, boxes, strict=True):
        if not groups or groups[-1][0][0].shape != clip.shape:
            groups.append(([], []))
        groups[-1][0].append(clip)
        groups[-1][1].append(box)
    return groups
