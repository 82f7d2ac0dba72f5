"""PyTorch and onnxruntime side by side: given the same batches in turn, timed, their answers kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch

from thermalctl.deploy.classifier import build_classifier
from thermalctl.deploy.metadata import OnnxMetadata, OutputName
from thermalctl.deploy.real_clips import RealClip
from thermalctl.deploy.runtime import ThermalClassifier
from thermalctl.deploy.verification import Answers
from thermalctl.engine.restore import RestoredModel

#: Returns what one side answers to a batch, and how long that took it, s.
Ask = Callable[[Sequence[RealClip]], tuple[Answers, float]]


@dataclass(kw_only=True, eq=False)
class Side:
    """One of those compared.

    Attributes:
        name: its name.
        num_bytes: its size.
        ask: has it answer a batch.
        answers: what it answered, a batch after another.
        clip_seconds: how long that took it for each batch of a single clip, as a device that waits for answers has it;
            of several clips PyTorch makes more than onnxruntime does.
    """

    name: str
    num_bytes: int
    ask: Ask
    answers: list[Answers] = field(default_factory=list)
    clip_seconds: list[float] = field(default_factory=list)

    @property
    def ms(self) -> float:
        """Time for a clip by itself, the median: one of them may have had to wait for another process."""
        return 1000 * median(self.clip_seconds)

    def gather(self) -> Answers:
        """Return the answers to all clips."""
        given = [name for name, value in vars(self.answers[0]).items() if value is not None]
        return Answers(**{name: np.concatenate([getattr(each, name) for each in self.answers]) for name in given})


def make_torch_side(restored: RestoredModel, metadata: OnnxMetadata) -> Side:
    """Return the module that a file was made from, in PyTorch, float32 on the CPU."""
    outputs = metadata.outputs
    classifier = build_classifier(restored, metadata.input_kind, outputs=outputs, temperature=metadata.temperature)

    def ask(batch: Sequence[RealClip]) -> tuple[Answers, float]:
        clips = torch.from_numpy(np.stack([clip.values for clip in batch]))
        regions = [torch.from_numpy(clip.regions) for clip in batch if clip.regions is not None]
        where = torch.stack(regions) if regions else None
        started = time.perf_counter()
        with torch.inference_mode():
            values = classifier(clips, where)
        seconds = time.perf_counter() - started
        return _name_answers(outputs, [value.numpy() for value in values]), seconds

    weights = (*restored.model.parameters(), *restored.model.buffers())
    return Side(name="PyTorch", num_bytes=sum(each.numel() * each.element_size() for each in weights), ask=ask)


def make_onnx_side(classifier: ThermalClassifier) -> Side:
    """Return a file in onnxruntime."""
    outputs = classifier.metadata.outputs

    def ask(batch: Sequence[RealClip]) -> tuple[Answers, float]:
        clips = np.stack([clip.values for clip in batch])
        boxes = [clip.boxes for clip in batch if clip.boxes is not None]
        where = np.stack(boxes) if boxes else None
        started = time.perf_counter()
        found = classifier.run(clips, where, outputs)
        seconds = time.perf_counter() - started
        return _name_answers(outputs, [getattr(found, name) for name in outputs]), seconds

    name = f"ONNX {classifier.metadata.precision}"
    return Side(name=name, num_bytes=classifier.path.stat().st_size, ask=ask)


def ask_each(sides: Sequence[Side], batch: Sequence[RealClip], *, first: int) -> None:
    """Have each side answer a batch in turn, beginning with the `first`, and keep what it says.

    Args:
        sides: all of them.
        batch: the clips.
        first: from 0, and on from the last to the first: whoever comes second finds the clips in the cache.
    """
    for side in (*sides[first % len(sides) :], *sides[: first % len(sides)]):
        if not side.answers:
            side.ask(batch)  # the first run also plans and allocates
        answers, seconds = side.ask(batch)
        side.answers.append(answers)
        if len(batch) == 1:
            side.clip_seconds.append(seconds)


def _name_answers(outputs: Sequence[OutputName], values: Sequence[np.ndarray]) -> Answers:
    return Answers(**dict(zip(outputs, values, strict=True)))
