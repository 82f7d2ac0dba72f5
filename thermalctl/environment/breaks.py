"""Known ways in which the stack fails to import, each recognised by its exception and told with its cure.

What `thermalctl.compat` cures is not here, for it is never met. Each one here is planted in an environment of its own
by `tests/environment/test_planted_breaks.py`, which runs the fix as it is printed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from thermalctl.environment.installation import PIP, find_distribution, spell_requirement
from thermalctl.environment.origins import PROVIDERS, find_shadow
from thermalctl.environment.requirements import PINS, describe_range, find_version


@dataclass(frozen=True, kw_only=True)
class KnownBreak:
    """A failure that has been met before.

    Attributes:
        pattern: found in the exception's line; its first group is {0} in `why` and `fix`.
        why: where it comes from.
        fix: the command that mends it; {requirement} in it is what pip is to install for the module at fault, and
            {opencv} what mends OpenCV.
        module: what is at fault; "" if it is {0}. A copy of it that stands in front of the installed one is the cause.
    """

    pattern: str
    why: str
    fix: str
    module: str = ""


HEADLESS = ("opencv-python-headless", "opencv-contrib-python-headless")
_DESKTOP = ("opencv-python", "opencv-contrib-python")
#: What mmcv-lite and mmaction2 require, in the one folder that they share.
_REINSTALL_DESKTOP = f"{PIP} install --force-reinstall --no-deps {' '.join(_DESKTOP)}"
#: The build without windows needs no library of the system. All others go first: they share its folder.
INSTALL_HEADLESS = (
    f"{PIP} uninstall -y {' '.join(_DESKTOP)} opencv-contrib-python-headless && "
    f"{PIP} install --force-reinstall --no-deps opencv-python-headless"
)
#: Both go first, for they share one folder, too.
INSTALL_MMCV_LITE = f"{PIP} uninstall -y mmcv mmcv-lite && {PIP} install --no-deps mmcv-lite=={PINS['mmcv-lite']}"

#: The first that fits is told, so the special come before the general.
KNOWN_BREAKS = (
    KnownBreak(
        pattern="No module named '(pkg_resources)'",
        why="setuptools 82 dropped it, and an older package imports it",
        fix=f'{PIP} install "setuptools<82"',
    ),
    KnownBreak(
        pattern=r"MMCV==(\S+) is used but incompatible",
        why=f"mmaction2 {PINS['mmaction2']} refuses mmcv {{0}}",
        fix=INSTALL_MMCV_LITE,
        module="mmcv",
    ),
    KnownBreak(
        pattern=r"MMEngine==(\S+) is used but incompatible",
        why=f"mmaction2 {PINS['mmaction2']} refuses mmengine {{0}}",
        fix=f"{PIP} install --no-deps mmengine=={PINS['mmengine']}",
        module="mmengine",
    ),
    KnownBreak(
        pattern=r"No module named 'mmcv\.|mmcv/_ext\S*: undefined symbol|miss in module _ext",
        why="mmcv's compiled operators are missing or were built for another torch; nothing here needs them",
        fix=INSTALL_MMCV_LITE,
        module="mmcv",
    ),
    KnownBreak(
        pattern=r"(lib(?:GL|EGL|gthread|glib|SM|ICE|X11|Xext|Xrender|xcb)\b\S*): cannot open shared object file",
        why="OpenCV needs the system's {0}, which slim images lack; its headless build does not",
        fix=INSTALL_HEADLESS,
        module="cv2",
    ),
    KnownBreak(
        pattern=r"module 'cv2\S*' has no attribute|No module named 'cv2\.|loading of \"cv2\" binary extensions",
        why="OpenCV's files are incomplete or mixed: its wheels share one folder, and removing one damages the others",
        fix="{opencv}",
        module="cv2",
    ),
    KnownBreak(
        pattern=r"compiled using NumPy 1\.x|numpy\.core\.multiarray failed to import|_ARRAY_API not found",
        why="a package, mostly OpenCV, was compiled for numpy 1",
        fix="{opencv}",
        module="numpy",
    ),
    KnownBreak(
        pattern=r"numpy\.(?:dtype|ndarray) size changed",
        why="a package, such as h5py or scipy, was compiled for another numpy",
        fix=f"{PIP} install --upgrade --force-reinstall --no-deps h5py scipy",
        module="numpy",
    ),
    KnownBreak(
        pattern=r"No module named 'numpy\.|module 'numpy\S*' has no attribute|cannot import name '\w+' from 'numpy",
        why="numpy is older than the packages that use it, or incomplete",
        fix=f'{PIP} install --force-reinstall --no-deps "{describe_range("numpy")}"',
        module="numpy",
    ),
    KnownBreak(
        pattern=r"from 'google\.protobuf|Descriptors cannot be created directly|incompatible Protobuf Gencode",
        why="protobuf is older than the packages that use it",
        fix=f"{PIP} install --upgrade protobuf onnx onnxruntime tensorboard",
    ),
    KnownBreak(
        pattern=r"(libcu\w+|libnv\w+|libnccl|libtorch_cuda)\.so\S*"
        r"(?:: cannot open shared object file|: undefined symbol| not found in the system path)",
        why="torch's CUDA libraries ({0}) are missing or of another version",
        fix=f"{PIP} install --force-reinstall {{requirement}}",
        module="torch",
    ),
    KnownBreak(
        pattern=r"-packages/(\w+)/\S+: (?:file too short|cannot read file data|invalid ELF header|undefined symbol)",
        why="a file of {0} is cut short, damaged or of another release",
        fix=f"{PIP} install --force-reinstall --no-deps {{requirement}}",
    ),
    KnownBreak(
        pattern=r"No module named '(mmaction|mmengine|mmcv)'",
        why="{0} is not installed",
        fix=f"{PIP} install " + " ".join(f"{name}=={version}" for name, version in PINS.items()),
    ),
)
#: Something of a package is not where it belongs: absent, half installed, or hidden by another of its name.
_LACKING = (
    r"No module named '(\w+)'$",
    r"No module named '(\w+)[.']",
    r"cannot import name '\w+' from '(\w+)",
    r"module '(\w+)\S*' has no attribute",
)


def explain_break(error: str) -> tuple[str, str | None]:
    """Return (why, fix) for an exception's line; ("", None) for one that is not known."""
    for known in KNOWN_BREAKS:
        found = re.search(known.pattern, error)
        if found:
            culprit = found[1] if found.re.groups else ""
            module = known.module or culprit
            return _blame_shadow(module) or (known.why.format(culprit), _complete(known.fix, module))
    for pattern in _LACKING:
        found = re.search(pattern, error)
        if found:
            return _blame_shadow(found[1]) or _explain_lack(found[1])
    shadows = filter(None, (_blame_shadow(module) for module in PROVIDERS))
    return next(shadows, ("", None))


def _explain_lack(module: str) -> tuple[str, str | None]:
    distribution = find_distribution(module)
    if distribution is None:
        return f"{module} is not installed, and nothing that is installed requires it", None
    requirement = spell_requirement(distribution)
    if find_version(distribution) is None:
        return f"{module} is not installed", f"{PIP} install {requirement}"
    why = f"{module} is installed, but its files are incomplete or do not suit each other"
    return why, f"{PIP} install --force-reinstall --no-deps {requirement}"


def _blame_shadow(module: str) -> tuple[str, str] | None:
    shadow = find_shadow(module) if module in PROVIDERS else None
    return (shadow.why, shadow.fix) if shadow else None


def mend_opencv() -> str:
    """Return the command that makes OpenCV whole: its headless build where one was chosen, else both others."""
    return INSTALL_HEADLESS if any(find_version(name) for name in HEADLESS) else _REINSTALL_DESKTOP


def _complete(fix: str, module: str) -> str:
    if "{requirement}" in fix:
        return fix.format(module, requirement=spell_requirement(find_distribution(module) or module))
    return fix.format(module, opencv=mend_opencv())
