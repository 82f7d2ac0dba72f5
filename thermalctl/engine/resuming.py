"""What makes a resumed run go on as if it had never stopped, beyond what MMEngine saves.

Weights, optimizer, schedule and log are MMEngine's. It does not save random generators or early stopping's patience.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import EarlyStoppingHook, Hook


class EpochSeedHook(Hook):
    """Seeds every epoch anew, so that its random draws follow from the run's seed and the epoch's number alone.

    Nothing needs to be saved then, and the processes of a distributed training draw differently from each other.
    """

    priority = "VERY_HIGH"

    def before_train_epoch(self, runner: Any) -> None:
        """Seed Python, NumPy and torch on every device; the loader's workers are seeded from torch."""
        sequence = np.random.SeedSequence([runner.seed, runner.epoch, get_rank()])
        seed = int(sequence.generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)


class PatienceHook(Hook):
    """Tells early stopping, in a resumed run, of the validations before; without it, its patience begins anew.

    The checkpoint is written before its own epoch is validated, so that one validation is missing.
    """

    def before_train(self, runner: Any) -> None:
        """Replay the history of each early stopping's metric."""
        for hook in runner.hooks:
            name = f"val/{getattr(hook, 'monitor', '')}"
            if isinstance(hook, EarlyStoppingHook) and name in runner.message_hub.log_scalars:
                scores, _ = runner.message_hub.get_scalar(name).data
                for score in scores:
                    hook._check_stop_condition(float(score))
