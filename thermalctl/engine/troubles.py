"""The finetuning guide's list of troubles, each a rule on the figures of a running training.

The thresholds are set so that a training that goes well is told nothing; each says why it is what it is. A rule returns
what it sees and what to try, or None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from thermalctl.engine.figures import NUM_FIRST_LOSSES, NUM_LAST_LOSSES, NUM_TIMED_STEPS, Circumstances, History

#: How many times the loss of the first steps, or of guessing, the median of the last ones has to be.
EXPLODED_FACTOR = 3.0
#: So many epochs, each with a higher loss than the one before, ending so many times above the lowest: not one bad
#: epoch, and more than what unfreezing a backbone costs for a while.
RISING_EPOCHS, RISING_FACTOR = 3, 1.3
#: After so many epochs and steps at the full rate, the loss of an untrained head has long fallen by more than noise.
FLAT_EPOCHS, FLAT_STEPS, FLAT_SHARE = 5, 10, 0.97
#: Epochs whose mean is compared with the first; one alone is noisy.
FLAT_WINDOW = 3
#: A model this far above always answering with the most frequent class has learnt, whatever its loss does.
FLAT_MARGIN = 0.2
#: Training clips are judged as they are trained on, augmented and with dropout, so what they gain is no accident; one
#: that finetunes well on little data stays below this.
OVERFITTING_GAP = 0.2
#: Validations in a row, and standard errors of the accuracy of so few clips.
OVERFITTING_VALIDATIONS, OVERFITTING_ERRORS = 3, 2.0
#: The loss in val of a model that only grows too sure of itself rises by less.
OVERFITTING_LOSS_FACTOR = 1.5
#: Share of the classes in val; below it a model has given up on the rare ones rather than missed a few.
FEW_CLASSES_SHARE = 0.3
#: Validations in a row at the full rate; fewer where the run ends.
FEW_CLASSES_VALIDATIONS, FEW_CLASSES_AT_END = 5, 3
#: Before so many steps at the full rate, every model answers with the most frequent class.
FEW_CLASSES_STEPS = 20
#: Half of the time: the device could train twice as fast.
STARVING_SHARE = 0.5
#: What makes up for unequal classes.
_CORRECTIONS = (
    ("--class-weights", "--class-weights effective"),
    ("--loss", "--loss balanced-softmax"),
    ("--sampler", "--sampler balanced"),
)
#: What `--dropout` is worth trying.
DROPOUTS = (0.5, 0.8, 0.9)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something is wrong.

    Attributes:
        topic: what it is about, in a few words.
        text: what was seen, with its numbers.
        advice: what to try.
    """

    topic: str
    text: str
    advice: str


def name_broken_loss(run: Circumstances, loss: float, place: str) -> Trouble:
    """Return the trouble of a loss that is not a number; `place` says where."""
    advice = f"{_lower_rate(run)}, or training without --amp"
    return Trouble(topic="loss not a number", text=f"the loss is {loss} in {place}", advice=advice)


def find_explosion(history: History, run: Circumstances) -> Trouble | None:
    """Return whether the loss is far above where it began, and far above guessing (ln K)."""
    if len(history.first_losses) < NUM_FIRST_LOSSES or len(history.last_losses) < NUM_LAST_LOSSES:
        return None
    began, now = min(history.first_losses), float(np.median(history.last_losses))  # the second step may explode
    if now < EXPLODED_FACTOR * max(math.log(run.num_classes), began):
        return None
    text = f"the loss explodes: {now:.3g} over the last {NUM_LAST_LOSSES} steps, {history.first_losses[0]:.3g} at first"
    return Trouble(topic="learning rate", text=text, advice=_lower_rate(run))


def find_rise(history: History, run: Circumstances) -> Trouble | None:
    """Return whether the loss rises from epoch to epoch."""
    recent = history.epochs[-RISING_EPOCHS - 1 :]  # of a resumed run only those that were validated are known
    losses = [entry.loss for entry in recent]
    is_rising = len(losses) > RISING_EPOCHS and all(
        a.loss < b.loss and b.epoch == a.epoch + 1 for a, b in pairwise(recent)
    )
    if not is_rising or losses[-1] < RISING_FACTOR * min(entry.loss for entry in history.epochs):
        return None
    text = f"the loss has risen for {RISING_EPOCHS} epochs, from {losses[0]:.3g} to {losses[-1]:.3g}"
    return Trouble(topic="learning rate", text=text, advice=_lower_rate(run))


def find_standstill(history: History, run: Circumstances) -> Trouble | None:
    """Return whether the loss is still about where it began, at the full rate."""
    at_full_rate = [entry for entry in history.epochs if entry.epoch > run.warmup_epochs]
    if len(at_full_rate) < FLAT_EPOCHS or sum(entry.num_steps for entry in at_full_rate) < FLAT_STEPS:
        return None
    first, last = history.epochs[0], at_full_rate[-1]
    now = float(np.mean([entry.loss for entry in at_full_rate[-FLAT_WINDOW:]]))
    has_learnt = last.accuracy is not None and last.accuracy > run.majority_share + FLAT_MARGIN
    if has_learnt or now < FLAT_SHARE * first.loss:
        return None
    rate = f"--lr {10 * run.lr:.3g}, ten times as much," if run.lr else "a rate above 0 (--lr)"
    return Trouble(
        topic="loss not falling",
        text=f"the loss is {now:.3g} after {last.epoch} epochs, and was {first.loss:.3g} in epoch {first.epoch}",
        advice=f"{rate} or pretrained weights (--load-from); thermalctl preview shows whether the labels fit the clips",
    )


def find_starvation(history: History, run: Circumstances) -> Trouble | None:
    """Return whether the device waits for clips most of the time."""
    if len(history.times_s) < NUM_TIMED_STEPS:
        return None
    waited_s, step_s = np.mean(history.times_s, axis=0).tolist()
    if waited_s < STARVING_SHARE * step_s:
        return None
    return Trouble(
        topic="data loading",
        text=f"{waited_s / step_s:.0%} of each step is spent waiting for clips ({waited_s:.2g} of {step_s:.2g} s)",
        advice=f"--num-workers {2 * run.num_workers or 2}, or a faster disk for the recordings",
    )


def find_gap(history: History, run: Circumstances) -> Trouble | None:
    """Return whether the accuracy in train is far above that in val.

    Not where labels are mixed, for then there is none in train, nor where classes are drawn more often than they occur.
    """
    in_train = {entry.epoch: entry.accuracy for entry in history.epochs}
    recent = history.judgements[-OVERFITTING_VALIDATIONS:]
    gaps = []
    for judgement in recent:
        accuracy = in_train.get(judgement.epoch)
        if accuracy is None or judgement.top1 is None or not run.is_natural:
            return None
        gaps.append(accuracy - judgement.top1)
    last, top1 = recent[-1], recent[-1].top1 or 0.0
    error = math.sqrt(top1 * (1 - top1) / max(last.num_clips, 1))
    if len(gaps) < OVERFITTING_VALIDATIONS or min(gaps) < max(OVERFITTING_GAP, OVERFITTING_ERRORS * error):
        return None
    text = f"accuracy in train is {100 * gaps[-1]:.0f} points above val ({top1 + gaps[-1]:.0%} and {top1:.0%})"
    return Trouble(topic="overfitting", text=text, advice=_regularise(run))


def find_divergence(history: History, run: Circumstances) -> Trouble | None:
    """Return whether the loss in val has risen while that in train fell: overfitting, with mixed labels too."""
    known = [(entry.epoch, entry.log_loss) for entry in history.judgements if entry.log_loss is not None]
    if len(known) <= OVERFITTING_VALIDATIONS:
        return None
    best_epoch, lowest = min(known, key=lambda pair: pair[1])
    if min(loss for _, loss in known[-OVERFITTING_VALIDATIONS:]) < OVERFITTING_LOSS_FACTOR * lowest:
        return None
    in_train = {entry.epoch: entry.loss for entry in history.epochs}
    last_epoch, now = known[-1]
    before, after = in_train.get(best_epoch, math.nan), in_train.get(last_epoch, math.nan)
    if not after < before:
        return None
    text = (
        f"the loss in val is {now:.3g}, {now / lowest:.1f} times its lowest (epoch {best_epoch}), while that in train "
        f"fell from {before:.3g} to {after:.3g}"
    )
    return Trouble(topic="overfitting", text=text, advice=_regularise(run))


def find_unpredicted(history: History, run: Circumstances, *, num_validations: int) -> Trouble | None:
    """Return whether the model has answered with few of the classes for so many validations at the full rate."""
    at_full_rate = [entry for entry in history.judgements if entry.epoch > run.warmup_epochs][-num_validations:]
    counts = [entry.num_predicted for entry in at_full_rate if entry.num_predicted is not None]
    num_steps = sum(entry.num_steps for entry in history.epochs if entry.epoch > run.warmup_epochs)
    if len(counts) < num_validations or num_steps < FEW_CLASSES_STEPS:
        return None
    num_true, most = at_full_rate[-1].num_true, max(counts)
    if num_true < 2 or most > max(1, int(FEW_CLASSES_SHARE * num_true)):
        return None
    text = f"only {most} of the {num_true} classes in val {'is' if most == 1 else 'are'} ever predicted"
    advice = _join(run, *_CORRECTIONS)
    there = [flag for flag, _ in _CORRECTIONS if flag in run.in_use]
    if not advice:
        advice = f"a longer training, or another rate than --lr {run.lr:g}"
    elif there:  # two of them would correct for the same thing twice, and are refused
        advice += f", in place of {' and '.join(there)}"
    return Trouble(topic="classes never predicted", text=text, advice=advice)


def _lower_rate(run: Circumstances) -> str:
    return f"--lr {run.lr / 10:.3g}, a tenth of now"


def _regularise(run: Circumstances) -> str:
    dropout = next((value for value in DROPOUTS if run.dropout is not None and value > run.dropout), None)
    options = [("--dropout", f"--dropout {dropout}")] if dropout else []
    for flag, value in (("--augment", "overhead"), ("--freeze-backbone", "10"), ("--early-stopping", "20")):
        options.append((flag, f"{flag} {value}"))
    return _join(run, *options) or "more annotated clips"


def _join(run: Circumstances, *options: tuple[str, str]) -> str:
    """Return those of the options (flag, how to give it) that the run does not have, in words."""
    left = [text for flag, text in options if flag not in run.in_use]
    return " or ".join(part for part in (", ".join(left[:-1]), "".join(left[-1:])) if part)
