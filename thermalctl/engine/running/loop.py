"""MMEngine's loop over epochs, made to begin and to stop at any step."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.runner import EpochBasedTrainLoop

from thermalctl.engine.running.extending import PLANNED_KEY
from thermalctl.engine.running.resuming import NUM_STEPS_KEY, is_validated, recall_validation
from thermalctl.engine.running.workers import outlive_signals
from thermalctl.errors import CheckpointError
from thermalctl.pipeline.clip_dataset import ClipDataset, find_innermost


class ResumableLoop(EpochBasedTrainLoop):
    """Trains epoch by epoch, and goes on in the middle of one where a checkpoint was written there.

    What a step draws at random follows from the run's seed, the step's number and the process alone: Python, NumPy and
    torch are seeded anew before its clips are read. So no generator's state has to be saved, the processes of a
    distributed training draw differently from each other, and a run that goes on draws what it would have drawn.

    After each step, hooks that have a method `between_steps(runner)` are called: what a run is at that moment is whole,
    so it can be saved or left.

    Args:
        arguments: of `EpochBasedTrainLoop`.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        outlive_signals(self.dataloader)

    def run(self) -> torch.nn.Module:
        """Train until the last epoch, or until early stopping says so."""
        self.runner.message_hub.update_info(NUM_STEPS_KEY, len(self.dataloader))
        self.runner.message_hub.update_info(PLANNED_KEY, self._max_epochs)
        self.runner.call_hook("before_train")
        if self.num_done == 0 and self._wants_validation() and not is_validated(self.runner, self._epoch):
            recall_validation(self.runner, self._epoch) or self.runner.val_loop.run()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            if self._wants_validation():
                self.runner.val_loop.run()
        self.runner.call_hook("after_train")
        return self.runner.model

    @property
    def num_done(self) -> int:
        """How many steps of the current epoch are done."""
        return self._iter - self._epoch * len(self.dataloader)

    def run_epoch(self) -> None:
        """Train an epoch, or what is left of it."""
        num_done = self.num_done
        first = self._iter - num_done
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        seed_step(self.runner.seed, first)
        if not isinstance(find_innermost(self.dataloader.dataset), ClipDataset):
            self.dataloader._iterator = None  # workers that last draw on from the epoch before; new ones are seeded
        batches = iter(self.dataloader)
        for index in range(len(self.dataloader)):
            seed_step(self.runner.seed, first + index)
            batch = next(batches)
            if index < num_done:
                continue  # trained on before; a worker that draws at random has to read it again to go on as it did
            self.run_iter(index, batch)
            if index + 1 < len(self.dataloader):
                self.runner.call_hook("between_steps")
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1
        self.runner.call_hook("between_steps")

    def check_place(self, num_steps: int | None) -> None:
        """Check that the loop stands where a checkpoint's run stood.

        Args:
            num_steps: of each epoch in that run; None where it does not say.

        Raises:
            CheckpointError: if its epochs had another number of steps.
        """
        found = len(self.dataloader) if num_steps is None else num_steps
        if found != len(self.dataloader) or not 0 <= self.num_done < len(self.dataloader):
            raise CheckpointError(
                f"--resume: the run had {found} steps in an epoch, and now has {len(self.dataloader)}",
                hint="resume with the same clips, batch size and number of GPUs, or begin a new run: --load-from",
            )

    def _wants_validation(self) -> bool:
        """Return whether the epoch that has just ended is one that is validated."""
        self._decide_current_val_interval()
        is_due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        return self.runner.val_loop is not None and self._epoch >= max(self.val_begin, 1) and is_due


def seed_step(seed: int, step: int) -> None:
    """Seed Python, NumPy and torch, on every device, for one step of this process."""
    sequence = np.random.SeedSequence([seed, step, get_rank()])
    value = int(sequence.generate_state(1)[0])
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)
