"""What is exported: preprocessing, backbone, head, temperature and softmax as one module."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from thermalctl.deploy.metadata import InputKind, OutputName
from thermalctl.engine.guide import require_clip_spec
from thermalctl.engine.restore import RestoredModel
from thermalctl.errors import CheckpointError
from thermalctl.pipeline.preprocessor import ClipTransform

#: MMAction2's recognizers, and whether they take a clip as images, (N, T, C, h, w), or whole, (N, C, T, h, w).
_TAKES_IMAGES = {"Recognizer3D": False, "Recognizer2D": True}
#: Where the backbones come from that a recognizer of images calls as it is; it reshapes the features of others.
_OWN_BACKBONES = "mmaction2"


class ClipClassifier(nn.Module):
    """Clips to class probabilities and, on request, to what leads to them.

    Args:
        recognizer: MMAction2's `Recognizer3D`, or `Recognizer2D` (TSM, TSN).
        transform: makes the recognizer's input from degrees; None where that input itself goes in.
        outputs: what comes out.
        temperature: by which the logits are divided before the softmax.
    """

    def __init__(
        self,
        recognizer: nn.Module,
        transform: ClipTransform | None,
        *,
        outputs: tuple[OutputName, ...] = ("probabilities",),
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.transform = transform
        self.recognizer: Any = recognizer
        self._outputs = outputs
        self._temperature = temperature
        self._takes_images = takes_images(recognizer)

    def forward(self, clips: Tensor, regions: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the outputs, float32: probabilities (N, K), logits (N, K), features (N, D).

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
            logits, features = self._judge(self.recognizer.backbone(images.flatten(0, 1)), images.shape[1])
            if features is not None:  # of each image; the head averages their scores in the same way
                features = features.view(images.shape[0], -1, features.shape[1]).mean(1)
        else:
            maps = self.recognizer.backbone(inputs)
            if self.recognizer.with_neck:
                maps, _ = self.recognizer.neck(maps)
            logits, features = self._judge(maps)
        scaled = logits if self._temperature == 1 else logits / self._temperature
        values = {"probabilities": scaled.softmax(1), "logits": logits, "features": features}
        return tuple(value for name in self._outputs if (value := values[name]) is not None)

    def _judge(self, maps: Any, *arguments: Any) -> tuple[Tensor, Tensor | None]:
        """Return the head's class scores and, if they are wanted, the features that its last layer made them from."""
        head = self.recognizer.cls_head
        if "features" not in self._outputs:
            return head(maps, *arguments), None
        seen: list[Tensor] = []
        hook = find_last_layer(head).register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
        scores = head(maps, *arguments)
        hook.remove()
        return scores, seen[0]


def find_last_layer(head: nn.Module) -> nn.Linear:
    """Return the layer of a head that makes class scores from features.

    Raises:
        CheckpointError: if it has none, and so no features.
    """
    layers = [module for module in head.modules() if isinstance(module, nn.Linear)]
    if not layers or layers[-1].out_features != head.num_classes:
        raise CheckpointError(
            f"{type(head).__name__}: does not end in one linear layer, so nothing in it is its features",
            hint="leave features out of --outputs",
        )
    return layers[-1]


def takes_images(recognizer: nn.Module) -> bool:
    """Return whether a recognizer takes a clip as images, (N, T, C, h, w)."""
    return _TAKES_IMAGES.get(type(recognizer).__name__, False)


def build_classifier(
    restored: RestoredModel,
    input_kind: InputKind,
    *,
    outputs: tuple[OutputName, ...] = ("probabilities",),
    temperature: float = 1.0,
) -> ClipClassifier:
    """Return the module to export, on the CPU, in evaluation mode.

    Args:
        restored: the model.
        input_kind: what goes in.
        outputs: what comes out.
        temperature: by which the logits are divided before the softmax.

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
    classifier = ClipClassifier(model.cpu(), transform, outputs=outputs, temperature=temperature)
    return classifier.eval()
