"""Is a weights file what its name says: the first digits of its SHA-256 are part of the published name."""

from __future__ import annotations

import re
from pathlib import Path

from thermalctl.errors import WeightsError
from thermalctl.files import hash_file

#: `slowfast_..._20220901-701b0f6f.pth`: PyTorch's convention for published weights (torch.hub, `check_hash`).
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.(?:pth|pt|pyth)$")


def find_hash_in_name(file_name: str) -> str | None:
    """Return the beginning of the SHA-256 that a published file name promises, or None if it promises none."""
    found = _HASH_IN_NAME.search(file_name)
    return found[1] if found else None


def verify_file(path: Path, sha256_prefix: str, *, hint: str) -> str:
    """Return the SHA-256 of a file, having checked how it begins.

    Args:
        path: the file.
        sha256_prefix: the first digits that it must have.
        hint: what the user should do if it has others.

    Raises:
        WeightsError: if the file cannot be read, or is another one.
    """
    try:
        found = hash_file(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})", hint=hint) from error
    if not found.startswith(sha256_prefix):
        raise WeightsError(
            f"{path}: is damaged or another file: its SHA-256 begins with {found[: len(sha256_prefix)]}, "
            f"expected {sha256_prefix} ({path.stat().st_size:,} bytes)",
            hint=hint,
        )
    return found
