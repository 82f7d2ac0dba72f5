"""The figures of a running training that a diagnosis is made from."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from thermalctl.evaluation.run_records import ValidationDone

#: Losses that say where a run began, and where it is: few enough to be prompt, too many for one odd batch to decide.
NUM_FIRST_LOSSES, NUM_LAST_LOSSES = 3, 5
#: Steps whose times are looked at together, and those at the start of a run that are left out: workers begin, kernels
#: are chosen, files are opened.
NUM_TIMED_STEPS, NUM_UNTIMED_STEPS = 20, 3


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a run is, as far as it changes what is normal and what can be tried.

    Attributes:
        num_classes: K.
        majority_share: share of the most frequent class in train, 0 to 1; 0 where the dataset does not say.
        warmup_epochs: epochs of rising rate.
        lr: the head's full learning rate.
        num_workers: processes that read clips.
        dropout: of the head; None where it has none.
        is_natural: whether clips are drawn as often as they occur, so that accuracies in train and val compare.
        in_use: flags whose effect the run has already, which are not advised again.
    """

    num_classes: int
    majority_share: float
    warmup_epochs: int
    lr: float
    num_workers: int
    dropout: float | None
    is_natural: bool
    in_use: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class EpochFigures:
    """What an epoch of training came to.

    Attributes:
        epoch: from 1.
        num_steps: training steps.
        loss: mean over them.
        accuracy: mean top-1 of the clips as they were trained on, 0 to 1; None where labels are mixed.
    """

    epoch: int
    num_steps: int
    loss: float
    accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a validation came to.

    Attributes:
        epoch: from 1.
        num_clips: clips judged.
        top1: share of them that are right; None where it was not measured.
        log_loss: mean negative log-likelihood of the true class; None where it was not measured.
        num_true: classes that have a clip.
        num_predicted: classes that were predicted for at least one clip; None where it was not counted.
    """

    epoch: int
    num_clips: int
    top1: float | None
    log_loss: float | None
    num_true: int
    num_predicted: int | None


@dataclass(kw_only=True)
class History:
    """All figures of a run so far.

    Attributes:
        first_losses: of the first steps.
        last_losses: of the newest steps.
        times_s: of the newest steps, (waited for clips, in all).
        epochs: in order.
        judgements: in order.
    """

    first_losses: list[float] = field(default_factory=list)
    last_losses: deque[float] = field(default_factory=lambda: deque(maxlen=NUM_LAST_LOSSES))
    times_s: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=NUM_TIMED_STEPS))
    epochs: list[EpochFigures] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    _num_steps: int = 0

    def add_step(self, loss: float, wait_s: float | None, step_s: float) -> None:
        """Add a step: its loss and, where they are measured, the seconds it waited for clips and took in all."""
        self._num_steps += 1
        if len(self.first_losses) < NUM_FIRST_LOSSES:
            self.first_losses.append(loss)
        self.last_losses.append(loss)
        if wait_s is not None and self._num_steps > NUM_UNTIMED_STEPS:
            self.times_s.append((wait_s, step_s))

    def recall(self, validations: Sequence[ValidationDone], *, num_clips: int) -> None:
        """Take up the epochs before the run was resumed; which classes were predicted then is not known."""
        for done in validations:
            figures = EpochFigures(epoch=done.epoch, num_steps=0, loss=done.train_loss, accuracy=done.train_accuracy)
            self.epochs.append(figures)
            self.judgements.append(
                Judgement(
                    epoch=done.epoch,
                    num_clips=num_clips,
                    top1=done.metrics.get("acc/top1"),
                    log_loss=done.metrics.get("acc/log_loss"),
                    num_true=0,
                    num_predicted=None,
                )
            )
        if self.epochs:
            self.first_losses = [self.epochs[0].loss] * NUM_FIRST_LOSSES
