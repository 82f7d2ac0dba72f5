"""An exported model in onnxruntime: degrees Celsius in, class probabilities out, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as faults

from thermalctl.dataset.person_regions import find_person_regions
from thermalctl.deploy.metadata import INPUT, OUTPUT, REGIONS, OnnxMetadata
from thermalctl.errors import CheckpointError, RecordingError, RequestError
from thermalctl.recordings.health import find_incomplete_frames

#: What onnxruntime raises at a file that is no model, or is one that it cannot run. They have no base of their own.
_UNREADABLE = (
    faults.Fail,
    faults.InvalidArgument,
    faults.InvalidGraph,
    faults.InvalidProtobuf,
    faults.NotImplemented,
    faults.RuntimeException,
)
#: onnxruntime logs warnings on graphs that it simplifies; nobody there can act on them. 3 is errors only.
_ERRORS_ONLY = 3
_BOXES_HINT = (
    "a model trained with --target person judges one person in each clip and, unless with --person-crop fixed, is told "
    "where they are in each frame; another judges whole frames"
)


class OnnxClassifier:
    """An exported model, ready to predict on the CPU.

    Attributes:
        path: its file.
        metadata: what it says of itself.
        clip_shape: shape of one clip: (T, H, W) for input "raw", (C, T, h, w) for "rgb".

    Args:
        path: a file that `export-onnx` made.
        num_threads: how many threads it may use; 0 for as many as there are cores.

    Raises:
        CheckpointError: if the file is missing, is no ONNX model, or was not made by `export-onnx`.
    """

    def __init__(self, path: Path, *, num_threads: int = 0) -> None:
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file", hint="thermalctl export-onnx  makes one")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except _UNREADABLE as error:
            raise CheckpointError(
                f"{path}: onnxruntime {onnxruntime.__version__} cannot load it ({str(error).splitlines()[0]})",
                hint="copy the file again; for an older onnxruntime, export with a lower --opset",
            ) from error
        self.path = path
        self.metadata = OnnxMetadata.from_properties(self._session.get_modelmeta().custom_metadata_map, str(path))
        self.clip_shape = tuple(self._session.get_inputs()[0].shape[1:])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in id order."""
        return self.metadata.classes

    def predict(self, clips: NDArray[np.float32], boxes: NDArray[np.floating] | None = None) -> NDArray[np.float32]:
        """Return class probabilities, (N, K) float32.

        Args:
            clips: (N, T, H, W) deg C as recorded for input "raw", (N, C, T, h, w) normalised for "rgb"; any N.
            boxes: center x, center y, width, height in 0..1 of the judged person, for a model of people: (N, T, 4)
                where it follows them, of each frame; else (N, 4), of the keyframe.

        Raises:
            RequestError: if a shape does not fit, or boxes are missing or not wanted.
            RecordingError: if none of a clip's frames is complete.
        """
        if clips.ndim != 1 + len(self.clip_shape) or clips.shape[1:] != self.clip_shape:
            raise RequestError(
                f"{self.path}: got clips of shape {clips.shape}, expected (N, {', '.join(map(str, self.clip_shape))})",
                hint=f"this model's input is {self.metadata.input_kind}; see its clip_spec",
            )
        self._check_frames(clips)
        inputs = {INPUT: np.ascontiguousarray(clips, dtype=np.float32)}
        self._check_boxes(boxes, len(clips))
        if boxes is not None and self.metadata.clip_spec is not None:
            margin = self.metadata.clip_spec.person_margin
            inputs[REGIONS] = find_person_regions(boxes, self.clip_shape[-2:], margin)
        outputs: list[Any] = self._session.run([OUTPUT], inputs)
        scores: NDArray[np.float32] = outputs[0]
        return scores

    def _check_boxes(self, boxes: NDArray[np.floating] | None, num_clips: int) -> None:
        found = None if boxes is None else boxes.shape
        shape = self.metadata.region_shape
        wanted = None if shape is None else (num_clips, *shape)
        if found != wanted:
            raise RequestError(
                f"{self.path}: got {_describe_boxes(found)}, expected {_describe_boxes(wanted)}",
                hint=_BOXES_HINT,
            )

    def _check_frames(self, clips: NDArray[np.float32]) -> None:
        spec = self.metadata.clip_spec
        if self.metadata.input_kind == "rgb" or spec is None or spec.repair == "none":
            return
        for index, clip in enumerate(clips):
            if find_incomplete_frames(clip).all():
                raise RecordingError(
                    f"clip {index}: none of its {len(clip)} frames is complete, so there is nothing to repair it from",
                    hint="wait for the sensor to send a complete frame",
                )


def _describe_boxes(shape: tuple[int, ...] | None) -> str:
    return "no boxes" if shape is None else f"boxes of shape {shape}"
