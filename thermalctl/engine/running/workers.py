"""Loader processes that leave it to the training to end a run."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from torch.utils.data import DataLoader


def outlive_signals(loader: DataLoader[Any]) -> None:
    """Let a loader's workers go on when their whole process group is interrupted or asked to end.

    Ctrl-C and job schedulers send their signal to every process of a job. A worker that ended at once would take its
    batches with it, and torch would raise in the middle of a step, so that it could neither be finished nor saved.
    """
    if loader.num_workers and not isinstance(loader.worker_init_fn, _LastingWorker):
        loader.worker_init_fn = _LastingWorker(loader.worker_init_fn)


class _LastingWorker:
    """Starts a worker as it would have been, with other handlers; an object, for workers that are not forked."""

    def __init__(self, start: Callable[[int], object] | None) -> None:
        self.start = start

    def __call__(self, worker_id: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _let_pass_once)
        if hasattr(signal, "SIGUSR1"):
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        if self.start is not None:
            self.start(worker_id)


def _let_pass_once(number: int, frame: object) -> None:
    """Ignore the signal that the whole job got; torch's own, to a worker that hangs when its loader ends, ends it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
