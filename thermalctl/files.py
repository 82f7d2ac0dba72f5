"""Writing files so that a killed process leaves the old file or the new one, never half of one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_BLOCK_BYTES = 1 << 20


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on leaving without an error it is synced and renamed to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_UMASK)  # mkstemp makes files that only their owner can read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def assemble_folder(path: Path, *, may_replace: Callable[[Path], bool] | None = None) -> Iterator[Path]:
    """Yield an empty folder beside `path`; on leaving without an error it is renamed to `path`, otherwise removed.

    Args:
        path: the folder to come; it must not exist, or be empty.
        may_replace: asked about a folder that holds something; if it says so, that is removed once the new one is
            whole. Default: nothing is replaced.

    Raises:
        FileExistsError: if `path` is a file, or holds something that may not be replaced.
    """
    is_taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    if is_taken and not (path.is_dir() and may_replace is not None and may_replace(path)):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield made
        made.chmod(0o777 & ~_UMASK)
        if path.exists():
            old = made.with_name(f"{made.name}.old")
            path.replace(old)
            made.replace(path)
            shutil.rmtree(old)
        else:
            made.replace(path)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON, whole or not at all."""
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _read_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


_UMASK = _read_umask()
