"""What is exported: preprocessing, backbone, head and softmax as one module."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from thermalctl.deploy.metadata import InputKind
from thermalctl.engine.guide import require_clip_spec
from thermalctl.engine.restore import RestoredModel
from thermalctl.errors import CheckpointError
from thermalctl.pipeline.preprocessor import ClipTransform

#: MMAction2's recognizers, and whether they take a clip as images, (N, T, C, h, w), or whole, (N, C, T, h, w).
_TAKES_IMAGES = {"Recognizer3D": False, "Recognizer2D": True}
#: Where the backbones come from that a recognizer of images calls as it is; it reshapes the features of others.
_OWN_BACKBONES = "mmaction2"


class ClipClassifier(nn.Module):
    """Clips to class probabilities.

    Args:
        recognizer: MMAction2's `Recognizer3D`, or `Recognizer2D` (TSM, TSN).
        transform: makes the recognizer's input from degrees; None where that input itself goes in.
    """

    def __init__(self, recognizer: nn.Module, transform: ClipTransform | None) -> None:
        super().__init__()
        self.transform = transform
        self.recognizer: Any = recognizer
        self._takes_images = takes_images(recognizer)

    def forward(self, clips: Tensor, regions: Tensor | None = None) -> Tensor:
        """Return class probabilities, (N, K) float32.

        Args:
            clips: (N, T, H, W) deg C as recorded; without a transform the recognizer's input, normalised: (N, C, T,
                h, w), or (N, T, C, h, w) of a recognizer of images.
            regions: (N, 4) x, y, width, height in pixels to look at, or (N, T, 4) where they move; None for the whole
                frame.
        """
        inputs = clips if self.transform is None else self.transform(clips, regions)
        # Not the recognizer's own `extract_feat`, which splits views by Python integers that a trace would freeze.
        if self._takes_images:
            images = inputs if self.transform is None else inputs.transpose(1, 2)
            features = self.recognizer.backbone(images.flatten(0, 1))
            scores: Tensor = self.recognizer.cls_head(features, images.shape[1])
        else:
            features = self.recognizer.backbone(inputs)
            if self.recognizer.with_neck:
                features, _ = self.recognizer.neck(features)
            scores = self.recognizer.cls_head(features)
        return scores.softmax(1)


def takes_images(recognizer: nn.Module) -> bool:
    """Return whether a recognizer takes a clip as images, (N, T, C, h, w)."""
    return _TAKES_IMAGES.get(type(recognizer).__name__, False)


def build_classifier(restored: RestoredModel, input_kind: InputKind) -> ClipClassifier:
    """Return the module to export, on the CPU, in evaluation mode.

    Raises:
        CheckpointError: if the model is no recognizer of clips or images, or if degrees go in and its preprocessing is
            not known.
    """
    model = restored.model
    kind = type(model).__name__
    if kind not in _TAKES_IMAGES:
        raise CheckpointError(
            f"{restored.path}: holds a {kind}, expected a {' or '.join(_TAKES_IMAGES)}",
            hint="models of sound, skeletons or several inputs cannot be exported here",
        )
    if _TAKES_IMAGES[kind] and (model.with_neck or model.backbone_from != _OWN_BACKBONES):
        found = "a neck" if model.with_neck else f"a backbone of {model.backbone_from}"
        raise CheckpointError(
            f"{restored.path}: holds a {kind} with {found}, expected MMAction2's own backbone and a head",
            hint="of the models of images TSM and TSN can be exported here",
        )
    transform = None
    if input_kind == "raw":
        transform = ClipTransform(require_clip_spec(restored.clip_spec, str(restored.path)))
    return ClipClassifier(model.cpu(), transform).eval()
