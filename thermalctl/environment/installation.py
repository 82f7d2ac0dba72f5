"""The commands that install: which distribution brings a module, of which release, and into which environment."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from thermalctl.environment.requirements import PINS, RANGES, describe_range, find_version

#: How every fix spells pip: a bare `pip` may belong to another Python.
PIP = "python -m pip"
_TORCH_BUILDS = "https://download.pytorch.org/whl"

#: The distributions of modules that are not named like them.
_DISTRIBUTIONS: Mapping[str, str] = {
    "PIL": "pillow",
    "absl": "absl-py",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "google": "protobuf",
    "importlib_metadata": "importlib-metadata",  # imported by mmaction2, which does not require it
    "mmaction": "mmaction2",
    "mmcv": "mmcv-lite",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def find_distribution(module: str) -> str | None:
    """Return the distribution that brings a top module; None for one that nothing installed here requires.

    A name is not proposed to pip merely because an import asked for it: anybody can publish under it.
    """
    name = _DISTRIBUTIONS.get(module, module)
    if module in _DISTRIBUTIONS or name in PINS or name in RANGES or find_version(name) is not None:
        return name
    wanted = _normalise(name)
    for installed in importlib.metadata.distributions():
        for requirement in installed.requires or ():
            required = re.match(r"[\w.-]+", requirement)
            if required and _normalise(required[0]) == wanted:
                return name
    return None


def spell_requirement(distribution: str) -> str:
    """Return a distribution as pip is told it: in the release that is known to work or, where any does, as it is."""
    if distribution == "torch":
        return spell_torch()
    if distribution in PINS:
        return f"{distribution}=={PINS[distribution]}"
    if distribution in RANGES:
        return f'"{describe_range(distribution)}"'
    version = find_version(distribution)
    return f"{distribution}=={version}" if version else distribution


def spell_torch() -> str:
    """Return torch as pip is told it: in the build that is installed; else without CUDA where there is no GPU.

    PyPI's torch for Linux brings gigabytes of CUDA, which a CPU build would be replaced with unnoticed.
    """
    requirement = f'"{describe_range("torch")}"'
    build = (find_version("torch") or "").partition("+")[2]
    if not build and sys.platform == "linux" and shutil.which("nvidia-smi") is None:
        build = "cpu"
    return f"{requirement} --index-url {_TORCH_BUILDS}/{build}" if build else requirement


def address_pip(command: str) -> str:
    """Return a command whose `python -m pip` is this environment's, whatever `python` is in the shell.

    It is left as it is where `python` is this one. Where this environment has no pip, as one made by uv, the command
    begins by bringing it in.
    """
    if PIP not in command:
        return command
    found = shutil.which("python")
    is_own = found is not None and Path(found).absolute() == Path(sys.executable)
    python = "python" if is_own else shlex.quote(sys.executable)
    addressed = command.replace(PIP, f"{python} -m pip")
    return addressed if importlib.util.find_spec("pip") else f"{python} -m ensurepip && {addressed}"


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
