"""What an exported ONNX file says of itself: which tensors it has, which classes it knows, what it expects of a clip.

Kept in the file's `metadata_props`, text by key, where any ONNX runtime can read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from thermalctl.clip_spec import ClipSpec
from thermalctl.errors import CheckpointError

#: "raw": clips as recorded, deg C; "rgb": what the preprocessor makes of them, the model's own input.
InputKind = Literal["raw", "rgb"]

#: Names of the tensors.
INPUT, REGIONS, OUTPUT = "input", "regions", "output"


@dataclass(frozen=True, kw_only=True)
class OnnxMetadata:
    """What an exported model says of itself.

    Attributes:
        classes: class names in id order, one for each column of the output.
        clip_spec: what it expects of a clip; None where only the training's own pipeline can say (input "rgb").
        input_kind: what goes in.
        checkpoint_sha256: of the checkpoint it was made from.
        thermalctl_version: that made it.
    """

    classes: tuple[str, ...]
    clip_spec: ClipSpec | None
    input_kind: InputKind
    checkpoint_sha256: str
    thermalctl_version: str

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
        """Return the record as text by key; `classes` and `clip_spec` are JSON."""
        return {
            "classes": json.dumps(self.classes, ensure_ascii=False),
            "clip_spec": json.dumps(self.clip_spec and self.clip_spec.to_dict(), ensure_ascii=False),
            "input_kind": self.input_kind,
            "checkpoint_sha256": self.checkpoint_sha256,
            "thermalctl_version": self.thermalctl_version,
        }

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], origin: str) -> OnnxMetadata:
        """Return the record that `to_properties` wrote.

        Raises:
            CheckpointError: if something is missing or is not what `to_properties` writes.
        """
        missing = sorted({"classes", "clip_spec", "input_kind"} - properties.keys())
        if missing:
            raise CheckpointError(
                f"{origin}: its metadata lacks {', '.join(missing)}", hint="make it with: thermalctl export-onnx"
            )
        kind = properties["input_kind"]
        try:
            classes, spec = json.loads(properties["classes"]), json.loads(properties["clip_spec"])
        except ValueError as error:
            raise _refuse(origin, f"metadata that is not JSON ({error})") from error
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise _refuse(origin, f"classes {classes!r}, expected a list of names")
        if kind not in get_args(InputKind) or not (isinstance(spec, dict) or (spec is None and kind == "rgb")):
            raise _refuse(origin, f"input_kind {kind!r} and a clip_spec that is a {type(spec).__name__}")
        return cls(
            classes=tuple(classes),
            clip_spec=ClipSpec.from_dict(spec) if spec is not None else None,
            input_kind="raw" if kind == "raw" else "rgb",
            checkpoint_sha256=properties.get("checkpoint_sha256", ""),
            thermalctl_version=properties.get("thermalctl_version", ""),
        )


def _refuse(origin: str, found: str) -> CheckpointError:
    return CheckpointError(f"{origin}: has {found}", hint="make it again: thermalctl export-onnx --force")
