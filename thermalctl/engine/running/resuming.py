"""What makes a resumed run go on as if it had never stopped, beyond what MMEngine saves.

Weights, optimizer, schedule and log are MMEngine's. It does not save where in an epoch a run is, nor early stopping's
patience; and what it saves of an epoch, it saves before that epoch is validated.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.hooks import EarlyStoppingHook, Hook

from thermalctl.errors import RequestError
from thermalctl.evaluation.run_log import read_run_log

#: In a checkpoint's message hub: how many steps an epoch has, and the last epoch that was validated.
NUM_STEPS_KEY, VALIDATED_KEY = "steps_per_epoch", "validated_epoch"


class ValidatedHook(Hook):
    """Notes in the run's message hub which epoch was validated last, before checkpoints of it are written."""

    priority = "HIGH"

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Note it."""
        runner.message_hub.update_info(VALIDATED_KEY, runner.epoch)


class PatienceHook(Hook):
    """Tells early stopping, in a resumed run, of the validations before; without it, its patience begins anew."""

    def before_train(self, runner: Any) -> None:
        """Replay the history of each early stopping's metric."""
        recall_validation(runner, runner.epoch)
        if runner.extension is not None:
            return  # who makes a run longer wants it to go on
        for hook in runner.hooks:
            name = f"val/{getattr(hook, 'monitor', '')}"
            if isinstance(hook, EarlyStoppingHook) and name in runner.message_hub.log_scalars:
                scores, _ = runner.message_hub.get_scalar(name).data
                stops = [hook._check_stop_condition(float(score))[0] for score in scores]
                runner.train_loop.stop_training |= bool(stops) and stops[-1]


def is_validated(runner: Any, epoch: int) -> bool:
    """Return whether a run's message hub has the validation of an epoch."""
    return int(runner.message_hub.get_info(VALIDATED_KEY, 0)) >= epoch


def recall_validation(runner: Any, epoch: int) -> bool:
    """Take the validation of an epoch from the run's log into its message hub; return whether the hub has it.

    A checkpoint is written before its epoch is validated. Where that was done, the log has the scores, and the best
    checkpoint is what it should be; otherwise it is still to be done.
    """
    if is_validated(runner, epoch):
        return True
    try:
        log = read_run_log(Path(runner.work_dir))
    except RequestError:  # resumed from a file, in a new folder
        return False
    done = next((entry for entry in log.validations if entry.epoch == epoch), None)
    if done is None:
        return False
    for name, score in done.metrics.items():
        runner.message_hub.update_scalar(f"val/{name}", score)
    runner.message_hub.update_info(VALIDATED_KEY, epoch)
    return True
