"""What the steps of an epoch come to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


class StepMeter:
    """Collects the steps of an epoch; a clip counts as much in a small last batch as in any other.

    MMEngine's `RuntimeInfoHook` has read every one of these values already, so reading them waits for no device.

    Attributes:
        losses: of the steps.
    """

    def __init__(self) -> None:
        self.losses: list[float] = []
        self._accuracies: list[float | None] = []
        self._num_clips: list[int] = []

    def add(self, outputs: Mapping[str, Any], *, num_clips: int) -> None:
        """Add a step's outputs, as MMAction2's head names them."""
        accuracy = outputs["top1_acc"].item() if "top1_acc" in outputs else None
        self.add_values(outputs["loss"].item(), accuracy, num_clips=num_clips)

    def add_values(self, loss: float, accuracy: float | None, *, num_clips: int) -> None:
        """Add a step's loss, and its accuracy where the labels are not mixed."""
        self.losses.append(loss)
        self._accuracies.append(accuracy)
        self._num_clips.append(num_clips)

    @property
    def mean_loss(self) -> float:
        """The mean loss of the clips; NaN before the first step."""
        return self._average(self.losses) if self.losses else float("nan")

    @property
    def accuracy(self) -> float | None:
        """The top-1 of the clips; None where a step had none, as with mixed labels."""
        known = [accuracy for accuracy in self._accuracies if accuracy is not None]
        return self._average(known) if known and len(known) == len(self.losses) else None

    def _average(self, values: list[float]) -> float:
        weighted = (value * number for value, number in zip(values, self._num_clips, strict=True))
        return math.fsum(weighted) / sum(self._num_clips)


def is_within_epoch(runner: Any) -> bool:
    """Return whether steps of the current epoch were done before the run was resumed."""
    return getattr(runner.train_loop, "num_done", 0) > 0


def recall_epoch(runner: Any) -> StepMeter:
    """Return the meter of the steps before a run was resumed: of the current epoch, or of the one that has just ended.

    MMEngine's message hub has their losses, and their accuracies where every step so far had one.
    """
    meter = StepMeter()
    history = {name: runner.message_hub.log_scalars.get(f"train/{name}") for name in ("loss", "top1_acc")}
    if history["loss"] is None:
        return meter
    num_steps = getattr(runner.train_loop, "num_done", 0) or len(runner.train_dataloader)
    losses = history["loss"].data[0].tolist()
    accuracies = history["top1_acc"].data[0].tolist() if history["top1_acc"] is not None else []
    known = accuracies if len(accuracies) == len(losses) else [None] * len(losses)
    sizes = list_batch_sizes(runner.train_dataloader)
    first = 0 if is_within_epoch(runner) else len(sizes) - num_steps
    recalled = zip(losses[-num_steps:], known[-num_steps:], sizes[first : first + num_steps], strict=False)
    for loss, accuracy, num_clips in recalled:
        meter.add_values(loss, accuracy, num_clips=num_clips)
    return meter


def list_batch_sizes(loader: Any) -> list[int]:
    """Return how many clips each step of an epoch has: the last may have fewer."""
    size, num_steps = loader.batch_size, len(loader)
    left = len(loader.sampler) - (num_steps - 1) * size
    return [size] * (num_steps - 1) + [min(size, left)]
