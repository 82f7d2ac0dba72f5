"""Python packages: the versions that are installed, and whether they import and work."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

from thermalctl.environment.breaks import explain_break
from thermalctl.environment.diagnosis import Check
from thermalctl.environment.probe import ProbeResult
from thermalctl.environment.requirements import PINS, RANGES, describe_range, find_version, is_in_range, parse_release

#: The distributions that all install the one module `cv2`. mmcv-lite requires the first, mmaction2 the second.
OPENCV_DISTRIBUTIONS = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)
#: Needed by evaluation and reports; any release that pip resolves will do.
_NUMERICS = ("scipy", "scikit-learn", "matplotlib")


def check_python(version: str | None = None) -> Check:
    """Return whether this Python is one that the stack was tried with."""
    version = version or platform.python_version()
    if is_in_range(version, "python"):
        return Check(name="Python", status="ok", found=version)
    low, high = RANGES["python"]
    return Check(
        name="Python",
        status="failed",
        found=version,
        why=f"the stack needs Python {low} or newer, before {high}",
        fix="create an environment with Python 3.11",
    )


def check_stack_versions() -> Check:
    """Return whether MMAction2, MMEngine and mmcv are the releases that are known to work together."""
    versions = {name: find_version(name) for name in (*PINS, "mmcv")}
    wrong = [name for name in ("mmaction2", "mmengine") if versions[name] != PINS[name]]
    lite, full = versions["mmcv-lite"], versions["mmcv"]
    if lite != PINS["mmcv-lite"] and not (lite is None and full is not None and is_in_range(full, "mmcv")):
        wrong.append("mmcv-lite")
    found = ", ".join(f"{name} {version}" for name, version in versions.items() if version) or "none is installed"
    if wrong:
        wanted = " ".join(f"{name}=={PINS[name]}" for name in wrong)
        why = f"known to work together: {', '.join(f'{name} {version}' for name, version in PINS.items())}"
        return Check(name="MMAction2 stack", status="failed", found=found, why=why, fix=f"pip install {wanted}")
    if lite and full:
        return Check(
            name="MMAction2 stack",
            status="warning",
            found=found,
            why="mmcv and mmcv-lite are installed over each other, in one folder",
            fix=f"pip uninstall -y mmcv mmcv-lite && pip install mmcv-lite=={lite}",
        )
    return Check(name="MMAction2 stack", status="ok", found=found)


def check_stack_import(probe: ProbeResult, current_folder: Path) -> Check:
    """Return whether the stack imports, and from where it is imported.

    Args:
        probe: the answer of the probe "stack".
        current_folder: a checkout of MMAction2 there is imported in place of the installed one by `python -m`.
    """
    name = "MMAction2 import"
    checkout = current_folder.resolve() / "mmaction"
    if probe.error is not None:
        why, fix = explain_break(probe.error)
        if (checkout / "__init__.py").is_file() and not why:
            why, fix = "the folder mmaction/ here may stand in front of the installed one", "run from another folder"
        return Check(name=name, status="failed", found=probe.error, why=why, fix=fix)
    imported = Path(str(probe.facts["mmaction"]["file"])).parent
    installed = _find_installed_folder("mmaction2", "mmaction")
    if installed is not None and imported != installed:
        return Check(
            name=name,
            status="warning",
            found=f"mmaction is imported from {imported}",
            why=f"it stands in front of the installed one in {installed.parent}",
            fix="run from another folder, or take its folder out of PYTHONPATH",
        )
    if (checkout / "__init__.py").is_file() and imported != checkout:
        return Check(
            name=name,
            status="warning",
            found="imports; but the current folder holds a folder mmaction/",
            why="`python -m` and torchrun would import that one in place of the installed one",
            fix="run from another folder",
        )
    return Check(name=name, status="ok", found="models, datasets and runner import")


def check_opencv(probe: ProbeResult) -> Check:
    """Return whether OpenCV works, and whether its distributions, which share one folder, are of one version."""
    versions = {name: find_version(name) for name in OPENCV_DISTRIBUTIONS}
    installed = {name: version for name, version in versions.items() if version}
    if probe.error is not None:
        why, fix = explain_break(probe.error)
        return Check(name="OpenCV", status="failed", found=probe.error, why=why, fix=fix)
    if len(set(installed.values())) > 1:
        latest = max(installed.values(), key=parse_release)
        return Check(
            name="OpenCV",
            status="warning",
            found=", ".join(f"{name} {version}" for name, version in installed.items()),
            why="installed over each other in one folder, so its files may be mixed",
            fix="pip install --force-reinstall --no-deps " + " ".join(f"{name}=={latest}" for name in installed),
        )
    return Check(name="OpenCV", status="ok", found=str(probe.facts["version"]))


def check_numerics() -> Check:
    """Return whether numpy is in its range and the packages for metrics and figures are installed."""
    numpy = find_version("numpy")
    versions = {name: find_version(name) for name in _NUMERICS}
    missing = [name for name, version in versions.items() if version is None]
    parts = [("numpy", numpy), *versions.items()]
    found = ", ".join(f"{name} {version or 'missing'}" for name, version in parts)
    if numpy is None or not is_in_range(numpy, "numpy"):
        missing.insert(0, f'"{describe_range("numpy")}"')
    if missing:
        return Check(name="numpy", status="failed", found=found, fix=f"pip install {' '.join(missing)}")
    return Check(name="numpy", status="ok", found=found)


def check_hdf5(probe: ProbeResult) -> Check:
    """Return whether h5py writes, locks and reads a compressed file in the current folder."""
    if probe.error is not None:
        why, fix = explain_break(probe.error)
        return Check(name="h5py", status="failed", found=probe.error, why=why, fix=fix)
    if not probe.facts["reads_back"]:
        return Check(
            name="h5py",
            status="failed",
            found="reads other values than it wrote",
            fix="pip install --force-reinstall h5py",
        )
    return Check(
        name="h5py",
        status="ok",
        found=f"{probe.facts['version']} (HDF5 {probe.facts['hdf5']}) writes, locks and reads here",
    )


def check_onnx(probe: ProbeResult) -> Check:
    """Return whether onnx and onnxruntime run a model; `train` does without."""
    why = "export-onnx and predict need onnx and onnxruntime; train does not"
    if probe.error is not None:
        cause, fix = explain_break(probe.error)
        why = f"{cause}; {why}" if cause else why
        return Check(name="ONNX", status="warning", found=probe.error, why=why, fix=fix)
    found = f"onnx {probe.facts['onnx']}, onnxruntime {probe.facts['onnxruntime']}"
    if not probe.facts["runs"]:
        fix = "pip install --force-reinstall onnxruntime"
        return Check(name="ONNX", status="warning", found=f"{found} computes wrong values", why=why, fix=fix)
    return Check(name="ONNX", status="ok", found=found)


def _find_installed_folder(distribution: str, package: str) -> Path | None:
    """Return where pip put a package; None if it is not installed, or installed as a link to a checkout."""
    try:
        folder = Path(str(importlib.metadata.distribution(distribution).locate_file(package)))
    except importlib.metadata.PackageNotFoundError:
        return None
    return folder if folder.is_dir() else None
