"""What is wrong with how a training goes, found while it runs and told once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from thermalctl.engine.figures import Circumstances, EpochFigures, History, Judgement
from thermalctl.engine.troubles import (
    FEW_CLASSES_AT_END,
    FEW_CLASSES_VALIDATIONS,
    Trouble,
    find_divergence,
    find_explosion,
    find_gap,
    find_rise,
    find_standstill,
    find_starvation,
    find_unpredicted,
    name_broken_loss,
)
from thermalctl.evaluation.run_records import Finding, ValidationDone

#: After the first of these the others are its consequence.
_RATE_TOPICS = frozenset({"loss not a number", "learning rate", "loss not falling"})
_CONSEQUENCES = _RATE_TOPICS | {"classes never predicted"}


class Diagnosis:
    """Collects the figures of a run and says what is wrong with it, each topic once.

    Args:
        run: what the run is.
    """

    def __init__(self, run: Circumstances) -> None:
        self.run = run
        self.history = History()
        self._told: set[str] = set()

    def recall(self, validations: Sequence[ValidationDone], findings: Sequence[Finding], *, num_clips: int) -> None:
        """Take up what was before the run was resumed; nothing is told again.

        Args:
            validations: in order.
            findings: what was told.
            num_clips: in each validation.
        """
        self._told |= {finding.topic for finding in findings}
        self.history.recall(validations, num_clips=num_clips)

    def add_step(self, *, epoch: int, step: int, loss: float, wait_s: float | None, step_s: float) -> list[Finding]:
        """Return what a step shows.

        Args:
            epoch: from 1.
            step: in this epoch, from 1.
            loss: of this step.
            wait_s: seconds waited for its clips; None where nothing measures it.
            step_s: seconds in all.
        """
        if not math.isfinite(loss):
            return self._tell(epoch, name_broken_loss(self.run, loss, f"step {step} of epoch {epoch}"))
        self.history.add_step(loss, wait_s, step_s)
        return self._tell(epoch, find_explosion(self.history, self.run), find_starvation(self.history, self.run))

    def add_epoch(self, figures: EpochFigures) -> list[Finding]:
        """Return what an epoch of training shows."""
        self.history.epochs.append(figures)
        return self._tell(figures.epoch, find_rise(self.history, self.run), find_standstill(self.history, self.run))

    def add_validation(self, judgement: Judgement) -> list[Finding]:
        """Return what a validation shows."""
        self.history.judgements.append(judgement)
        return self._tell(
            judgement.epoch,
            find_gap(self.history, self.run),
            find_divergence(self.history, self.run),
            find_unpredicted(self.history, self.run, num_validations=FEW_CLASSES_VALIDATIONS),
        )

    def finish(self) -> list[Finding]:
        """Return what the end of a run shows."""
        if not self.history.judgements:
            return []
        trouble = find_unpredicted(self.history, self.run, num_validations=FEW_CLASSES_AT_END)
        return self._tell(self.history.judgements[-1].epoch, trouble)

    def _tell(self, epoch: int, *troubles: Trouble | None) -> list[Finding]:
        findings = []
        for trouble in troubles:
            if trouble is None or trouble.topic in self._told:
                continue
            if trouble.topic in _CONSEQUENCES and self._told & _RATE_TOPICS:
                continue
            self._told.add(trouble.topic)
            findings.append(Finding(epoch=epoch, topic=trouble.topic, text=trouble.text, advice=trouble.advice))
        return findings
