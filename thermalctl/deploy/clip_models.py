"""A model that answers to clips in degrees Celsius, from a checkpoint or from an ONNX file alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.person_regions import find_person_regions
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.classifier import build_classifier
from thermalctl.deploy.providers import Provider
from thermalctl.deploy.runtime import ThermalClassifier
from thermalctl.engine.guide import require_clip_spec
from thermalctl.engine.restore import RestoredModel, find_checkpoint, restore_model
from thermalctl.engine.train import choose_device
from thermalctl.errors import CheckpointError, RecordingError, RequestError
from thermalctl.evaluation.runs import find_run
from thermalctl.files import hash_file

ONNX_SUFFIX = ".onnx"


class ClipModel(Protocol):
    """What predicts.

    Attributes:
        path: its file.
        sha256: of that file.
        classes: class names in id order.
        clip_spec: what it expects of a clip.
        frame_size: (H, W) of the only frames that it takes; None for any.
        runs_on: what computes it, in words.
        trained_frames: hashes of the frames that it was trained on, see `dataset.frame_hashes`; None where it does not
            say, as an ONNX file.
    """

    path: Path
    sha256: str
    classes: tuple[str, ...]
    clip_spec: ClipSpec
    frame_size: tuple[int, int] | None
    runs_on: str
    trained_frames: frozenset[int] | None

    def predict(self, clips: NDArray[np.floating], boxes: NDArray[np.floating] | None = None) -> NDArray[np.float32]:
        """Return class probabilities, (N, K) float32.

        Args:
            clips: (N, T, H, W) float32, deg C.
            boxes: of a model of people; see `ThermalClassifier.predict`.
        """


class OnnxModel:
    """A `ClipModel` from an ONNX file, by onnxruntime.

    Raises:
        CheckpointError: if the file cannot be read, or takes anything but degrees.
        RequestError: if onnxruntime cannot compute there.
    """

    def __init__(self, path: Path, *, provider: Provider = "cpu", num_threads: int = 0) -> None:
        self._classifier = ThermalClassifier(path, provider=provider, num_threads=num_threads)
        if self._classifier.metadata.input_kind != "raw":
            raise CheckpointError(
                f"{path}: takes the network's own input, expected degrees Celsius",
                hint="export it again with --input raw",
            )
        assert self._classifier.clip_spec is not None
        self.path = path
        self.sha256 = hash_file(path)
        self.classes = self._classifier.classes
        self.clip_spec = self._classifier.clip_spec
        height, width = self._classifier.clip_shape[-2:]
        self.frame_size: tuple[int, int] | None = (height, width)
        self.runs_on = f"onnxruntime, {provider}"
        self.trained_frames: frozenset[int] | None = None
        self.predict = self._classifier.predict


class TorchModel:
    """A `ClipModel` from a checkpoint, by PyTorch.

    Args:
        restored: the model.
        device: where it computes.

    Raises:
        CheckpointError: if its preprocessing is not known.
    """

    def __init__(self, restored: RestoredModel, *, device: str = "cpu") -> None:
        self.path = restored.path
        self.sha256 = restored.sha256
        self.clip_spec = require_clip_spec(restored.clip_spec, str(restored.path))
        self.classes = self.clip_spec.classes or restored.classes
        self.frame_size: tuple[int, int] | None = None
        self.runs_on = f"PyTorch, {device}"
        hashes = restored.trained_frames
        self.trained_frames: frozenset[int] | None = frozenset(hashes.tolist()) if len(hashes) else None
        self._device = device
        self._classifier = build_classifier(restored, "raw").to(device)

    def predict(self, clips: NDArray[np.floating], boxes: NDArray[np.floating] | None = None) -> NDArray[np.float32]:
        """Return class probabilities, (N, K) float32; see `ClipModel.predict`."""
        regions = None
        if boxes is not None:
            regions = torch.from_numpy(find_person_regions(boxes, clips.shape[-2:], self.clip_spec))
            regions = regions.to(self._device)
        with torch.inference_mode():
            inputs = torch.from_numpy(clips.astype(np.float32, copy=False)).to(self._device)
            [answered] = self._classifier(inputs, regions)
            probabilities: NDArray[np.float32] = answered.float().cpu().numpy()
        return probabilities


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which model predicts, and where; processes hand it on to each other.

    Attributes:
        path: an ONNX file or a checkpoint.
        device: "cpu", "cuda" or "cuda:N"; for an ONNX file also "tensorrt". None: a GPU for a checkpoint where there is
            one, the CPU for an ONNX file.
        config: a configuration to use instead of the checkpoint's own.
        num_processes: how many share this machine's cores.
    """

    path: Path
    device: str | None = None
    config: str | None = None
    num_processes: int = 1

    def load(self, dataset: ThermalDataset | None = None) -> ClipModel:
        """Return the model.

        Args:
            dataset: names the classes where `config` is one of ours.

        Raises:
            CheckpointError: if the model cannot be read, or says too little.
            RequestError: if the device is not there.
        """
        num_threads = max(1, torch.get_num_threads() // self.num_processes)
        if self.path.suffix == ONNX_SUFFIX:
            if self.config is not None:
                raise RequestError(f"{self.path}: says of itself what it is", hint="leave --config out")
            return OnnxModel(self.path, provider=_choose_provider(self.device), num_threads=num_threads)
        if self.device == "tensorrt":
            raise RequestError("--device tensorrt: runs ONNX files only", hint="make one: thermalctl export-onnx")
        torch.set_num_threads(num_threads)
        restored = restore_model(self.path, config=self.config, dataset=dataset)
        return TorchModel(restored, device=choose_device(self.device))


def find_model(path: Path | None, *, last: bool = False, on_note: Callable[[str], None] = lambda text: None) -> Path:
    """Return the ONNX file or the checkpoint that is meant.

    Args:
        path: an ONNX file, a checkpoint or a work dir; None for the newest run.
        last: of a run the last checkpoint, although there is one chosen as the best.
        on_note: told what was chosen.

    Raises:
        RequestError: if there is no such run.
    """
    if path is not None and path.suffix == ONNX_SUFFIX:
        if last:
            raise RequestError(f"--last and {path} name different models", hint="give one of them")
        return path
    run = find_run(path)
    checkpoint = find_checkpoint(run, last=last)
    on_note(f"model: {checkpoint} ({run.how})")
    return checkpoint


def check_frame_size(model: ClipModel, frame_size: tuple[int, int], *, where: str) -> None:
    """Check that a model takes frames of a size.

    Raises:
        RecordingError: if it does not.
    """
    if model.frame_size is not None and model.frame_size != frame_size:
        found, wanted = ("x".join(map(str, size)) for size in (frame_size, model.frame_size))
        raise RecordingError(
            f"{where}: has frames of {found} pixels, but {model.path.name} takes {wanted}",
            hint=f"export the model for them: thermalctl export-onnx --frame-size {found}",
        )


def _choose_provider(device: str | None) -> Provider:
    if device in (None, "cpu"):
        return "cpu"
    if device in ("cuda", "cuda:0"):
        return "cuda"
    if device == "tensorrt":
        return "tensorrt"
    raise RequestError(f"--device {device}: no such place for an ONNX file", hint="cpu, cuda or tensorrt")
