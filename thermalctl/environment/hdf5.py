"""HDF5: does h5py work, and does the file system let it lock its files?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from thermalctl.environment.breaks import explain_break
from thermalctl.environment.diagnosis import Check
from thermalctl.environment.installation import PIP
from thermalctl.environment.probe import ProbeResult
from thermalctl.environment.quantities import shorten_home

#: Read by HDF5 itself; it overrules what a program asks for.
LOCKING_VARIABLE = "HDF5_USE_FILE_LOCKING"
_REINSTALL = f"{PIP} install --force-reinstall --no-deps h5py"


@dataclass(frozen=True, kw_only=True)
class ScratchFolder:
    """An empty folder to write in.

    Attributes:
        folder: None where nothing can be written.
        elsewhere: the folder that it lies in, if that is not the current one.
    """

    folder: Path | None
    elsewhere: Path | None


@contextmanager
def make_scratch_folder(current_folder: Path) -> Iterator[ScratchFolder]:
    """Yield a folder on the current folder's disk, for its file locks are what matters; else on any disk."""
    here = _make_folder(current_folder)
    made = here or _make_folder(None)
    if made is None:
        yield ScratchFolder(folder=None, elsewhere=None)
        return
    with made:
        folder = Path(made.name)
        yield ScratchFolder(folder=folder, elsewhere=None if here else folder.parent)


def _make_folder(place: Path | None) -> tempfile.TemporaryDirectory[str] | None:
    """Return a new folder in `place`, None being wherever temporary files go; None if it cannot be made."""
    try:
        return tempfile.TemporaryDirectory(prefix=".thermalctl-doctor-", dir=place, ignore_cleanup_errors=True)
    except OSError:
        return None


def check_hdf5(probe: ProbeResult, *, elsewhere: Path | None = None) -> Check:
    """Return whether h5py writes a compressed file and reads it back, with locks or without.

    Args:
        probe: the answer of the probe "hdf5".
        elsewhere: the folder that was tried if it was not the current one.
    """
    place = f"in {shorten_home(elsewhere)}" if elsewhere else "here"
    if probe.error is not None:
        why, fix = explain_break(probe.error)
        return Check(
            name="h5py",
            status="failed",
            found=probe.error,
            why=why or f"writing a file {place} and reading it back did not work",
            fix=fix or _REINSTALL,
        )
    version = f"{probe.facts['version']} (HDF5 {probe.facts['hdf5']})"
    if not probe.facts["reads_back"]:
        found = f"{version} reads other values than it wrote"
        return Check(name="h5py", status="failed", found=found, fix=_REINSTALL)
    setting = os.environ.get(LOCKING_VARIABLE)
    told = f", {LOCKING_VARIABLE}={setting}" if setting else ""
    lock_error = probe.facts["lock_error"]
    if lock_error is not None:
        return Check(
            name="h5py",
            status="warning",
            found=f"{version}: no locks {place}{told} ({lock_error})",
            why="recordings are read without locks; writing them, as the demo does, needs one",
            fix=f"export {LOCKING_VARIABLE}=FALSE",
            facts=probe.facts,
        )
    return Check(name="h5py", status="ok", found=f"{version} writes and reads {place}{told}", facts=probe.facts)


def skip_hdf5() -> Check:
    """Return that h5py was not tried, for want of a folder to write in."""
    return Check(name="h5py", status="skipped", found="not tried: no folder can be written, not even a temporary one")
