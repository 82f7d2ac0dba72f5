"""What is exported: preprocessing, backbone, head and softmax as one module."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from thermalctl.deploy.metadata import InputKind
from thermalctl.engine.guide import require_clip_spec
from thermalctl.engine.restore import RestoredModel
from thermalctl.errors import CheckpointError
from thermalctl.pipeline.preprocessor import ClipTransform

_RECOGNIZER = "Recognizer3D"


class ClipClassifier(nn.Module):
    """Clips to class probabilities.

    Args:
        recognizer: MMAction2's `Recognizer3D`.
        transform: makes the recognizer's input from degrees; None where that input itself goes in.
    """

    def __init__(self, recognizer: nn.Module, transform: ClipTransform | None) -> None:
        super().__init__()
        self.transform = transform
        self.recognizer: Any = recognizer

    def forward(self, clips: Tensor, regions: Tensor | None = None) -> Tensor:
        """Return class probabilities, (N, K) float32.

        Args:
            clips: (N, T, H, W) deg C as recorded; without a transform (N, C, T, h, w), normalised.
            regions: (N, 4) x, y, width, height in pixels to look at; None for the whole frame.
        """
        inputs = clips if self.transform is None else self.transform(clips, regions)
        # Not the recognizer's own `extract_feat`, which splits views by Python integers that a trace would freeze.
        features = self.recognizer.backbone(inputs)
        if self.recognizer.with_neck:
            features, _ = self.recognizer.neck(features)
        scores: Tensor = self.recognizer.cls_head(features).softmax(1)
        return scores


def build_classifier(restored: RestoredModel, input_kind: InputKind) -> ClipClassifier:
    """Return the module to export, on the CPU, in evaluation mode.

    Raises:
        CheckpointError: if the model is no recognizer of clips, or if degrees go in and its preprocessing is not known.
    """
    kind = type(restored.model).__name__
    if kind != _RECOGNIZER:
        raise CheckpointError(
            f"{restored.path}: holds a {kind}, expected a {_RECOGNIZER}",
            hint="models of single frames (TSN, TSM) cannot be exported here",
        )
    transform = None
    if input_kind == "raw":
        transform = ClipTransform(require_clip_spec(restored.clip_spec, str(restored.path)))
    return ClipClassifier(restored.model.cpu(), transform).eval()
