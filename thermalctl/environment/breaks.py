"""Known ways in which the stack fails to import, each recognised by its exception and told with its cure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from thermalctl.environment.requirements import PINS, describe_range


@dataclass(frozen=True, kw_only=True)
class KnownBreak:
    """A failure that has been met before.

    Attributes:
        pattern: found in the exception's line; its first group may be used as {} in `why` and `fix`.
        why: where it comes from.
        fix: what mends it.
    """

    pattern: str
    why: str
    fix: str


#: The first that fits is told, so the special come before the general.
KNOWN_BREAKS = (
    KnownBreak(
        pattern=r"No module named 'mmaction\.models\.localizers\.drn",
        why="mmaction2 1.2.0 was released without this folder; thermalctl stands in for it, and did not",
        fix=f"pip install --force-reinstall --no-deps mmaction2=={PINS['mmaction2']} thermalctl",
    ),
    KnownBreak(
        pattern="No module named 'importlib_metadata'",
        why="mmaction2 imports it without requiring it",
        fix="pip install importlib_metadata",
    ),
    KnownBreak(
        pattern="No module named 'pkg_resources'",
        why="setuptools 82 dropped it, and MMEngine 0.10.7 looks configs up with it",
        fix='pip install "setuptools<82"',
    ),
    KnownBreak(
        pattern=r"MMCV==(\S+) is used but incompatible",
        why="mmaction2 1.2.0 refuses mmcv {}",
        fix=f"pip uninstall -y mmcv mmcv-lite && pip install mmcv-lite=={PINS['mmcv-lite']}",
    ),
    KnownBreak(
        pattern=r"MMEngine==(\S+) is used but incompatible",
        why="mmaction2 1.2.0 refuses mmengine {}",
        fix=f"pip install mmengine=={PINS['mmengine']}",
    ),
    KnownBreak(
        pattern=r"No module named 'mmcv\._ext'|mmcv/_ext\S*: undefined symbol",
        why="mmcv's compiled operators were built for another torch; nothing here needs them",
        fix=f"pip uninstall -y mmcv && pip install --force-reinstall --no-deps mmcv-lite=={PINS['mmcv-lite']}",
    ),
    KnownBreak(
        pattern=r"(lib(?:GL|gthread|glib|SM|Xext|Xrender)\S*): cannot open shared object file",
        why="OpenCV needs the system's {}, which slim images lack",
        fix="apt-get install -y libgl1 libglib2.0-0",
    ),
    KnownBreak(
        pattern=r"compiled using NumPy 1\.x|numpy\.core\.multiarray failed to import|numpy\.dtype size changed",
        why="a compiled package was built for another numpy",
        fix="pip install --upgrade --force-reinstall opencv-python opencv-contrib-python h5py",
    ),
    KnownBreak(
        pattern=r"(libcu\w+|libnv\w+|libnccl)\S*: (?:cannot open shared object file|undefined symbol)",
        why="torch's CUDA libraries ({}) are missing or of another version",
        fix=f'pip install --force-reinstall "{describe_range("torch")}"',
    ),
    KnownBreak(
        pattern="[Uu]nable to lock file|Resource temporarily unavailable",
        why="the file system offers no file locks, as some network drives",
        fix="export HDF5_USE_FILE_LOCKING=FALSE",
    ),
    KnownBreak(
        pattern=r"No module named '(mmaction|mmengine|mmcv)'",
        why="{} is not installed",
        fix="pip install " + " ".join(f"{name}=={version}" for name, version in PINS.items()),
    ),
    KnownBreak(pattern=r"No module named '(cv2)'", why="OpenCV is not installed", fix="pip install opencv-python"),
    KnownBreak(pattern=r"No module named '(\w+)", why="{} is not installed", fix="pip install {}"),
)


def explain_break(error: str) -> tuple[str, str | None]:
    """Return (why, fix) for an exception's line; ("", None) for one that is not known."""
    for known in KNOWN_BREAKS:
        found = re.search(known.pattern, error)
        if found:
            culprit = found[1] if found.re.groups else ""
            return known.why.format(culprit), known.fix.format(culprit)
    return "", None
