"""What an exported ONNX file says of itself: which tensors it has, which classes it knows, what it expects of a clip.

Kept in the file's `metadata_props`, text by key, where any ONNX runtime can read it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from thermalctl.clip_spec import ClipSpec
from thermalctl.errors import CheckpointError

#: "raw": clips as recorded, deg C; "rgb": what the preprocessor makes of them, the model's own input.
InputKind = Literal["raw", "rgb"]

#: What a model can say of a clip; probabilities always.
OutputName = Literal["probabilities", "logits", "features"]
#: "fp32", or what the network inside was reduced to; the tensors that go in and come out are float32 all the same.
Precision = Literal["fp32", "fp16", "int8"]

#: Names of the tensors that go in.
INPUT, REGIONS = "input", "regions"
#: Names of the tensors that come out.
TENSORS: dict[OutputName, str] = {"probabilities": "output", "logits": "logits", "features": "features"}


@dataclass(frozen=True, kw_only=True)
class FittedTemperature:
    """Where a temperature comes from, and what it does to clips that it was not fitted on.

    Attributes:
        temperature: by which the logits are divided; above 1 for a model that was too sure.
        split: whose clips it was fitted on.
        num_clips: how many they are.
        by_session: whether the figures below are of sessions left out in turn; else of every fifth clip left out.
        log_loss: mean of -log p of the true class, as the model was.
        log_loss_scaled: with the temperature of the clips that were not left out.
        ece: expected calibration error, as the model was.
        ece_scaled: with the temperature of the clips that were not left out.
    """

    temperature: float
    split: str
    num_clips: int
    by_session: bool
    log_loss: float
    log_loss_scaled: float
    ece: float
    ece_scaled: float


@dataclass(frozen=True, kw_only=True)
class OnnxMetadata:
    """What an exported model says of itself.

    Attributes:
        classes: class names in id order, one for each column of the output.
        clip_spec: what it expects of a clip; None where only the training's own pipeline can say (input "rgb").
        input_kind: what goes in.
        checkpoint_sha256: of the checkpoint it was made from.
        thermalctl_version: that made it.
        outputs: what comes out.
        precision: of the network inside.
        temperature: by which the logits are divided before the softmax.
        fit: how that temperature was fitted; None where it was not.
    """

    classes: tuple[str, ...]
    clip_spec: ClipSpec | None
    input_kind: InputKind
    checkpoint_sha256: str
    thermalctl_version: str
    outputs: tuple[OutputName, ...] = ("probabilities",)
    precision: Precision = "fp32"
    temperature: float = 1.0
    fit: FittedTemperature | None = None

    @property
    def region_shape(self) -> tuple[int, ...] | None:
        """Shape of the second input, `regions`, without the batch; None where there is none.

        Only a model of people has it, who are told by where they are: (T, 4) where it follows them from frame to frame,
        (4,) where it looks at one place through the whole clip.
        """
        spec = self.clip_spec
        if self.input_kind == "rgb" or spec is None or spec.target == "frame":
            return None
        return (spec.num_frames, 4) if spec.person_crop == "follow" else (4,)

    def to_properties(self) -> dict[str, str]:
        """Return the record as text by key; lists and records are JSON."""
        return {
            "classes": json.dumps(self.classes, ensure_ascii=False),
            "clip_spec": json.dumps(self.clip_spec and self.clip_spec.to_dict(), ensure_ascii=False),
            "input_kind": self.input_kind,
            "outputs": json.dumps(self.outputs),
            "precision": self.precision,
            "temperature": repr(self.temperature),
            "temperature_fit": json.dumps(self.fit and dataclasses.asdict(self.fit)),
            "checkpoint_sha256": self.checkpoint_sha256,
            "thermalctl_version": self.thermalctl_version,
        }

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], origin: str) -> OnnxMetadata:
        """Return the record that `to_properties` wrote; what older versions did not write has its default.

        Raises:
            CheckpointError: if something is missing or is not what `to_properties` writes.
        """
        missing = sorted({"classes", "clip_spec", "input_kind"} - properties.keys())
        if missing:
            raise CheckpointError(
                f"{origin}: its metadata lacks {', '.join(missing)}", hint="make it with: thermalctl export-onnx"
            )
        values: dict[str, Any] = dict(properties)
        try:
            for key in ("classes", "clip_spec", "outputs", "temperature", "temperature_fit"):
                if key in values:
                    values[key] = json.loads(values[key])
        except ValueError as error:
            raise _refuse(origin, f"metadata that is not JSON ({error})") from error
        classes, spec, kind = values["classes"], values["clip_spec"], values["input_kind"]
        outputs, fit = values.get("outputs", ["probabilities"]), values.get("temperature_fit")
        precision, temperature = values.get("precision", "fp32"), values.get("temperature", 1.0)
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise _refuse(origin, f"classes {classes!r}, expected a list of names")
        if kind not in get_args(InputKind) or not (isinstance(spec, dict) or (spec is None and kind == "rgb")):
            raise _refuse(origin, f"input_kind {kind!r} and a clip_spec that is a {type(spec).__name__}")
        if not isinstance(outputs, list) or not set(map(str, outputs)) <= set(TENSORS):
            raise _refuse(origin, f"outputs {outputs!r}, expected some of {', '.join(TENSORS)}")
        if precision not in get_args(Precision) or not (isinstance(temperature, float) and 0 < temperature < math.inf):
            raise _refuse(origin, f"precision {precision!r} and temperature {temperature!r}")
        return cls(
            classes=tuple(classes),
            clip_spec=ClipSpec.from_dict(spec) if spec is not None else None,
            input_kind=kind,
            checkpoint_sha256=properties.get("checkpoint_sha256", ""),
            thermalctl_version=properties.get("thermalctl_version", ""),
            outputs=tuple(outputs),
            precision=precision,
            temperature=temperature,
            fit=_read_fit(fit, origin) if fit is not None else None,
        )


def _read_fit(values: object, origin: str) -> FittedTemperature:
    expected = {field.name for field in dataclasses.fields(FittedTemperature)}
    if not isinstance(values, dict) or set(values) != expected:
        raise _refuse(origin, f"a temperature_fit that does not hold exactly {', '.join(sorted(expected))}")
    return FittedTemperature(**values)


def _refuse(origin: str, found: str) -> CheckpointError:
    return CheckpointError(f"{origin}: has {found}", hint="make it again: thermalctl export-onnx --force")
