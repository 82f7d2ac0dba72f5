"""One process at a time: a lock on a file name, of which nothing stays when it is let go."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

logger = logging.getLogger(__name__)


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold the lock on `path`, having waited for whoever else holds it.

    The lock is a hidden file beside `path`, and not in the user's cache: two machines, containers or users that share
    a folder of weights have caches of their own. The operating system lets go of a killed process's lock.

    Raises:
        OSError: if the folder cannot be written.
    """
    lock = path.with_name(f".{path.name}.lock")
    descriptor = _acquire(lock, path.name)
    try:
        yield
    finally:
        # Removed while it is still held: who waits for it then finds that it has gone, and takes a new one.
        with suppress(OSError):  # Windows removes no open file; there it stays
            lock.unlink()
        os.close(descriptor)


def _acquire(lock: Path, what: str) -> int:
    """Return the descriptor of the lock file, locked, and certain to be the one that lies under its name."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not lock_descriptor(descriptor, blocking=False):
                logger.warning("another process is fetching %s; waiting for it", what)
                lock_descriptor(descriptor)
            if _lies_under(lock, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lies_under(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
