"""What a running training tells: values, for whoever shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from thermalctl.models.pretrained import FittedWeights


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
        batch_size: clips per step.
        first_epoch: the epoch that comes first, from 1; more than 1 when resumed.
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


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """A training step was made.

    Attributes:
        epoch: from 1.
        max_epochs: length of training.
        step: in this epoch, from 1.
        num_steps: in each epoch.
        loss: of this step.
        lr: the current rate of the last group, the head's.
        clips_per_s: over the last steps, data and all.
        memory_gib: the most that was held so far, on the GPU or, without one, by this process.
        seconds_left: until the last epoch ends, at this speed.
    """

    epoch: int
    max_epochs: int
    step: int
    num_steps: int
    loss: float
    lr: float
    clips_per_s: float
    memory_gib: float
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class ValidationDone:
    """The model was validated.

    Attributes:
        epoch: from 1.
        metrics: by MMAction2's keys, as "acc/top1", 0 to 1.
        train_loss: mean over the epoch.
        is_best: whether this is the best validation so far by the metric that chooses the best checkpoint.
    """

    epoch: int
    metrics: Mapping[str, float]
    train_loss: float
    is_best: bool


Event = RunStarted | StepDone | ValidationDone
OnEvent = Callable[[Event], None]
