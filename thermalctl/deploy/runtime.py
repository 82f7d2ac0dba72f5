"""An exported model at work: degrees Celsius in, class and probability out, on numpy and onnxruntime alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.person_regions import find_person_regions
from thermalctl.deploy.metadata import INPUT, REGIONS, TENSORS, OnnxMetadata, OutputName
from thermalctl.deploy.providers import Provider, open_session
from thermalctl.errors import RecordingError, RequestError
from thermalctl.recordings.health import find_incomplete_frames

_BOXES_HINT = (
    "a model trained with --target person judges one person in each clip and, unless with --person-crop fixed, is told "
    "where they are in each frame; another judges whole frames"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What the model says of one clip.

    Attributes:
        class_name: the most probable class.
        class_id: its column.
        probability: how probable the model holds it, 0..1.
        probabilities: (K,) float32, of all classes; they add up to 1.
    """

    class_name: str
    class_id: int
    probability: float
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outputs:
    """What a model says of N clips; None for what was not asked for.

    Attributes:
        probabilities: (N, K) float32.
        logits: (N, K) float32, before temperature and softmax.
        features: (N, D) float32, what the last layer sees.
    """

    probabilities: NDArray[np.float32] | None = None
    logits: NDArray[np.float32] | None = None
    features: NDArray[np.float32] | None = None


class ThermalClassifier:
    """An exported model, ready to answer. Threads may share one: nothing in it changes after it is made.

    Attributes:
        path: its file.
        provider: where it computes.
        metadata: what the file says of itself.
        clip_shape: shape of one clip: (T, H, W) for input "raw", (C, T, h, w) for "rgb".

    Args:
        path: a file that `export-onnx` made.
        provider: "cpu", or an NVIDIA GPU by "cuda" or "tensorrt". It is never replaced by another.
        num_threads: how many threads of the CPU it may use; 0 for as many as there are cores.

    Raises:
        CheckpointError: if the file is missing, is no ONNX model, or was not made by `export-onnx`.
        RequestError: if this onnxruntime cannot compute there.
    """

    def __init__(self, path: str | Path, *, provider: Provider = "cpu", num_threads: int = 0) -> None:
        self.path = Path(path)
        self.provider = provider
        self._session = open_session(self.path, provider, num_threads)
        self.metadata = OnnxMetadata.from_properties(self._session.get_modelmeta().custom_metadata_map, str(path))
        self.clip_shape: tuple[int, ...] = tuple(self._session.get_inputs()[0].shape[1:])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in id order."""
        return self.metadata.classes

    @property
    def clip_spec(self) -> ClipSpec | None:
        """What the model expects of a clip; None where only its training's own pipeline can say (input "rgb")."""
        return self.metadata.clip_spec

    def classify(
        self, frames_c: NDArray[np.floating], boxes: NDArray[np.floating] | None = None
    ) -> Answer | list[Answer]:
        """Return what the model says of one clip; of a batch of clips, a list of answers.

        Args:
            frames_c: (T, H, W) deg C as recorded, or (N, T, H, W); see `predict`.
            boxes: for a model of people, as for `predict`; of one clip without the N.

        Raises:
            RequestError: if a shape does not fit, or boxes are missing or not wanted.
            RecordingError: if none of a clip's frames is complete.
        """
        if frames_c.ndim != len(self.clip_shape):
            return [self._answer(scores) for scores in self.predict(frames_c, boxes)]
        [scores] = self.predict(frames_c[None], None if boxes is None else boxes[None])
        return self._answer(scores)

    def predict(self, clips: NDArray[np.floating], boxes: NDArray[np.floating] | None = None) -> NDArray[np.float32]:
        """Return class probabilities, (N, K) float32.

        Args:
            clips: (N, T, H, W) deg C as recorded for input "raw", (N, C, T, h, w) normalised for "rgb"; any N.
            boxes: center x, center y, width, height in 0..1 of the judged person, for a model of people: (N, T, 4)
                where it follows them, of each frame; else (N, 4), of the keyframe.

        Raises:
            RequestError: if a shape does not fit, or boxes are missing or not wanted.
            RecordingError: if none of a clip's frames is complete.
        """
        probabilities = self.run(clips, boxes).probabilities
        assert probabilities is not None
        return probabilities

    def run(
        self,
        clips: NDArray[np.floating],
        boxes: NDArray[np.floating] | None = None,
        outputs: Sequence[OutputName] = ("probabilities",),
    ) -> Outputs:
        """Return the outputs asked for.

        Args:
            clips: as for `predict`.
            boxes: as for `predict`.
            outputs: which; "logits" and "features" are there if the file was exported with them.

        Raises:
            RequestError: if a shape does not fit, boxes are missing or not wanted, or the file lacks an output.
            RecordingError: if none of a clip's frames is complete.
        """
        lacking = [name for name in outputs if name not in self.metadata.outputs]
        if lacking:
            raise RequestError(
                f"{self.path}: has no output {', '.join(lacking)}; it has {', '.join(self.metadata.outputs)}",
                hint=f"export it with: --outputs {','.join(lacking)}",
            )
        self._check_clips(clips)
        self._check_boxes(boxes, len(clips))
        inputs = {INPUT: np.ascontiguousarray(clips, dtype=np.float32)}
        if boxes is not None and self.clip_spec is not None:
            inputs[REGIONS] = find_person_regions(boxes, self.clip_shape[-2:], self.clip_spec)
        values = self._session.run([TENSORS[name] for name in outputs], inputs)
        return Outputs(**dict(zip(outputs, values, strict=True)))

    def _answer(self, scores: NDArray[np.float32]) -> Answer:
        class_id = int(scores.argmax())
        return Answer(
            class_name=self.classes[class_id],
            class_id=class_id,
            probability=float(scores[class_id]),
            probabilities=scores,
        )

    def _check_clips(self, clips: NDArray[np.floating]) -> None:
        if clips.ndim != 1 + len(self.clip_shape) or clips.shape[1:] != self.clip_shape:
            raise RequestError(
                f"{self.path}: got clips of shape {clips.shape}, expected (N, {', '.join(map(str, self.clip_shape))})",
                hint=f"this model's input is {self.metadata.input_kind}; see its clip_spec",
            )
        if clips.dtype.kind != "f":  # a sensor's own counts, say, of which every pixel would be too hot
            raise RequestError(
                f"{self.path}: got clips of type {clips.dtype}, expected float32, deg C", hint="convert them first"
            )
        spec = self.clip_spec
        if self.metadata.input_kind == "rgb" or spec is None or spec.repair == "none":
            return
        for index, clip in enumerate(clips):
            if find_incomplete_frames(clip).all():
                raise RecordingError(
                    f"clip {index}: none of its {len(clip)} frames is complete, so there is nothing to repair it from",
                    hint="wait for the sensor to send a complete frame",
                )

    def _check_boxes(self, boxes: NDArray[np.floating] | None, num_clips: int) -> None:
        found = None if boxes is None else boxes.shape
        shape = self.metadata.region_shape
        wanted = None if shape is None else (num_clips, *shape)
        if found != wanted:
            raise RequestError(
                f"{self.path}: got {_describe_boxes(found)}, expected {_describe_boxes(wanted)}",
                hint=_BOXES_HINT,
            )


def _describe_boxes(shape: tuple[int, ...] | None) -> str:
    return "no boxes" if shape is None else f"boxes of shape {shape}"
