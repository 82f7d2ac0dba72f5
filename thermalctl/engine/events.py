"""What a running training tells: values, for whoever shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thermalctl.evaluation.run_records import Finding, RunFacts, StepDone, ValidationDone
from thermalctl.models.pretrained import FittedWeights

__all__ = ["Event", "Finding", "OnEvent", "RunStarted", "StepDone", "ValidationDone"]


@dataclass(frozen=True, kw_only=True)
class RunStarted(RunFacts):
    """Everything is built and the first step follows.

    Attributes:
        work_dir: where the run is written.
        class_weights: each class's weight in the loss; empty where every clip counts the same.
        incomplete_share: share of the training frames that are incomplete; None where they are not looked at.
        fitted: what became of the weights.
        freezing: what of the model is held still, and until when; None where nothing is.
        extension: how the schedule goes on in a run that was made longer; None in any other.
    """

    work_dir: Path
    class_weights: tuple[float, ...]
    incomplete_share: float | None
    fitted: FittedWeights | None
    freezing: str | None = None
    extension: str | None = None


Event = RunStarted | StepDone | ValidationDone | Finding
OnEvent = Callable[[Event], None]
