"""Being asked to end: noted when the signal comes, answered between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from mmengine.dist import get_world_size

#: Ctrl-C, what job schedulers and `kill` send, and what Slurm sends some time before the end (`--signal=USR1@120`).
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))


class TrainingInterrupted(KeyboardInterrupt):
    """A training was asked to end, and has been saved.

    Args:
        signal_number: by which signal.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number

    @property
    def exit_code(self) -> int:
        """The shell's for a process that a signal ended."""
        return 128 + self.signal_number


class StopRequest:
    """Whether a run was asked to end.

    Attributes:
        signal_number: by which signal; 0 if it was not.
    """

    def __init__(self) -> None:
        self.signal_number = 0

    def note(self, number: int, frame: FrameType | None = None) -> None:
        """Note a signal.

        Raises:
            KeyboardInterrupt: at the second Ctrl-C: somebody does not want to wait.
        """
        if self.signal_number and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal_number = self.signal_number or number

    def is_shared(self) -> bool:
        """Return whether any process of the training was asked to end, and note it here too."""
        if get_world_size() == 1:
            return self.signal_number > 0
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        asked = torch.tensor(self.signal_number, device=device)
        torch.distributed.all_reduce(asked, op=torch.distributed.ReduceOp.MAX)
        # One that came while the processes talked is none of theirs yet: it is kept, and told the next time.
        self.signal_number = int(asked) or self.signal_number
        return int(asked) > 0


@contextmanager
def noting_signals() -> Iterator[StopRequest]:
    """Note signals instead of dying of them; outside the main thread, where Python allows no handlers, none come."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    # One that is ignored stays so: a shell's background jobs are not meant by the Ctrl-C of another.
    noted = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, request.note) for number in noted}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
