"""What a running training tells: values, for whoever shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from thermalctl.evaluation.run_records import Finding, StepDone, ValidationDone
from thermalctl.models.pretrained import FittedWeights

__all__ = ["Event", "Finding", "OnEvent", "RunStarted", "StepDone", "ValidationDone"]


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """Everything is built and the first step follows.

    Attributes:
        work_dir: where the run is written.
        model: the architecture, in words.
        num_parameters: trainable values.
        device: where it runs, in words.
        precision: "float32", "bfloat16" or "float16".
        num_train: training clips.
        num_val: validation clips.
        classes: class names in id order.
        train_counts: training clips of each class; empty where the dataset does not say.
        class_weights: each class's weight in the loss; empty where every clip counts the same.
        incomplete_share: share of the training frames that are incomplete; None where they are not looked at.
        weights: where the weights came from; None for random ones.
        fitted: what became of them.
        rates: full learning rate by part of the model.
        max_epochs: length of training.
        warmup_epochs: epochs of rising rate.
        batch_size: clips per step of each process.
        first_epoch: the epoch that comes first, from 1; more than 1 when resumed.
        first_step: the step of that epoch that comes first, from 1; more than 1 when resumed within an epoch.
        num_processes: how many train together.
        accumulate: steps of each that make one update.
        freezing: what of the model is held still, and until when; None where nothing is.
        extension: how the schedule goes on in a run that was made longer; None in any other.
    """

    work_dir: Path
    model: str
    num_parameters: int
    device: str
    precision: str
    num_train: int
    num_val: int
    classes: tuple[str, ...]
    train_counts: tuple[int, ...]
    class_weights: tuple[float, ...]
    incomplete_share: float | None
    weights: str | None
    fitted: FittedWeights | None
    rates: Mapping[str, float]
    max_epochs: int
    warmup_epochs: int
    batch_size: int
    first_epoch: int
    first_step: int = 1
    num_processes: int = 1
    accumulate: int = 1
    extension: str | None = None
    freezing: str | None = None

    @property
    def is_resumed(self) -> bool:
        """Whether the run goes on from where it was before."""
        return (self.first_epoch, self.first_step) > (1, 1)


Event = RunStarted | StepDone | ValidationDone | Finding
OnEvent = Callable[[Event], None]
