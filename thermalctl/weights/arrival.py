"""What a download and an import have in common: the answer they give, and how a folder that refuses is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from thermalctl.errors import WeightsError
from thermalctl.weights.verify import verify_file


@dataclass(frozen=True, kw_only=True)
class FetchedWeights:
    """Weights that now lie on this machine, verified.

    Attributes:
        name: the entry's name in the catalog; the file's name for weights from elsewhere.
        path: the file.
        sha256: of the file, 64 hexadecimal digits.
        num_bytes: its size.
        status: "fetched" or "imported" just now, or already "present".
        source: the address or the file that it came from; None if it was already present.
    """

    name: str
    path: Path
    sha256: str
    num_bytes: int
    status: Literal["fetched", "imported", "present"]
    source: str | None


def describe_arrival(
    name: str, path: Path, sha256: str, status: Literal["fetched", "imported", "present"], source: str | None = None
) -> FetchedWeights:
    """Return the answer for a verified file."""
    return FetchedWeights(
        name=name, path=path, sha256=sha256, num_bytes=path.stat().st_size, status=status, source=source
    )


def find_present(name: str, paths: list[Path], sha256_prefix: str, *, hint: str) -> FetchedWeights | None:
    """Return the first of `paths` that is there, verified, or None if none is.

    Raises:
        WeightsError: if it is there and damaged; `hint` says what to do then.
    """
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return None
    return describe_arrival(name, path, verify_file(path, sha256_prefix, hint=hint), "present")


def expect_replaceable(path: Path) -> None:
    """Check that a file can be put at `path` as far as what lies there is concerned.

    Raises:
        WeightsError: if a folder lies there, or anything else that is no file.
    """
    if path.exists() and not path.is_file():
        kind = "folder" if path.is_dir() else "special file"
        raise WeightsError(
            f"{path}: is a {kind}, where a file is to be written",
            hint="move it away, or name another folder with --dir",
        )


@contextmanager
def writing_below(folder: Path) -> Iterator[None]:
    """Make the folder, and tell a refusal to write in it as what it is.

    Raises:
        WeightsError: in place of any OSError.
    """
    if folder.exists() and not folder.is_dir():
        raise WeightsError(f"{folder}: is a file, expected a folder", hint="name a folder with --dir")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        # A hidden file is a lock or a copy in the making, of which the user knows nothing.
        is_told = error.filename and not Path(error.filename).name.startswith(".")
        raise WeightsError(
            f"{error.filename if is_told else folder}: cannot be written ({error.strerror or error})",
            hint="name another folder with --dir",
        ) from error
