"""A disk that is full: told with what is left to go on from."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thermalctl.engine.checkpoints import find_last
from thermalctl.errors import NotHeldError

#: No room, no quota, and a file beyond what a process may write.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_MIB = 2**20


@contextmanager
def telling_full_disk(work_dir: Path) -> Iterator[None]:
    """Turn the errors of a full disk into one that says what to go on from.

    Args:
        work_dir: the run's folder.

    Raises:
        NotHeldError: if something could not be written for want of room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        last = find_last(work_dir)
        saved = f"the run is saved up to {last.name}" if last else "nothing of the run is saved yet"
        free = shutil.disk_usage(work_dir).free / _MIB
        raise NotHeldError(
            f"{work_dir}: cannot be written to, {error.strerror} ({free:,.0f} MiB are free); {saved}",
            hint=f"make room, then go on: thermalctl train --resume --work-dir {work_dir}"
            if last
            else "make room, or choose another --work-dir",
        ) from error
