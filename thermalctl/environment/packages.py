"""Python packages: the versions that are installed, and whether they import and work."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Sequence
from pathlib import Path

from thermalctl.environment.breaks import HEADLESS, INSTALL_MMCV_LITE, explain_break, mend_opencv
from thermalctl.environment.diagnosis import Check
from thermalctl.environment.installation import PIP, spell_requirement
from thermalctl.environment.origins import PROVIDERS, Shadow, find_editable, find_lurking, find_shadow
from thermalctl.environment.probe import ProbeResult
from thermalctl.environment.requirements import PINS, RANGES, find_unmet, find_version, is_in_range, parse_release

_UNKNOWN = "not a known break; its files may be incomplete"
_REINSTALL_STACK = f"{PIP} install --force-reinstall --no-deps {' '.join(map(spell_requirement, PINS))}"
#: As pyproject.toml has it.
LEAST_TENSORBOARD = "2.15"
#: Without these `SummaryWriter` cannot write; what else tensorboard requires is for the program that shows curves.
_WRITER_NEEDS = {"tensorboard", "protobuf", "absl-py", "numpy"}
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
    name = "MMAction2 stack"
    versions = {distribution: find_version(distribution) for distribution in (*PINS, "mmcv")}
    wrong = [distribution for distribution in ("mmaction2", "mmengine") if versions[distribution] != PINS[distribution]]
    lite, full = versions["mmcv-lite"], versions["mmcv"]
    found = ", ".join(f"{name} {version}" for name, version in versions.items() if version) or "none is installed"
    has_mmcv = lite == PINS["mmcv-lite"] or (lite is None and full is not None and is_in_range(full, "mmcv"))
    if wrong or not has_mmcv:
        shadow = _find_first_shadow(("mmaction", "mmengine", "mmcv"))
        if shadow:  # whose version it is; installing another would not change what is found
            return Check(name=name, status="failed", found=found, why=shadow.why, fix=shadow.fix)
        why = f"known to work together: {', '.join(f'{name} {version}' for name, version in PINS.items())}"
        return Check(name=name, status="failed", found=found, why=why, fix=_install_stack(wrong, has_mmcv=has_mmcv))
    if lite and full:
        why = "mmcv and mmcv-lite are installed over each other, in one folder"
        return Check(name=name, status="warning", found=found, why=why, fix=INSTALL_MMCV_LITE)
    return Check(name=name, status="ok", found=found)


def _install_stack(wrong: Sequence[str], *, has_mmcv: bool) -> str:
    """Return the command that brings the releases that are known to work; a full mmcv goes before mmcv-lite comes."""
    if not has_mmcv and find_version("mmcv"):
        others = f" && {PIP} install {' '.join(map(spell_requirement, wrong))}" if wrong else ""
        return f"{INSTALL_MMCV_LITE}{others}"
    needed = [*wrong] if has_mmcv else [*wrong, "mmcv-lite"]
    return f"{PIP} install {' '.join(map(spell_requirement, needed))}"


def check_stack_import(probe: ProbeResult, current_folder: Path) -> Check:
    """Return whether the stack imports, and from where it is imported.

    Args:
        probe: the answer of the probe "stack"; its fact "operators_error" is how `import mmcv.ops` failed where there
            is an `mmcv._ext`. MMEngine imports them only for an optimizer with `paramwise_cfg`, as slowfast-r50's.
        current_folder: a checkout of MMAction2 there is imported in place of the installed one by `python -m`.
    """
    name = "MMAction2 import"
    error = probe.error or probe.facts.get("operators_error")
    if error is not None:
        why, fix = explain_break(error)
        return Check(name=name, status="failed", found=error, why=why or _UNKNOWN, fix=fix or _REINSTALL_STACK)
    shadow = _find_first_shadow(("mmaction", "mmengine", "mmcv"))
    if shadow:
        found = f"{shadow.module} is imported from {shadow.path}"
        why = "it stands in front of the installed one"
        return Check(name=name, status="warning", found=found, why=why, fix=shadow.fix)
    for module in PROVIDERS:
        lurking = find_lurking(module, current_folder)
        if lurking:
            return Check(
                name=name,
                status="warning",
                found=f"imports; but the current folder holds {lurking.path.name}",
                why=f"`python -m` and torchrun would import it in place of the installed {module}",
                fix=lurking.fix,
            )
    checkout = find_editable("mmaction2")
    where = f", from the editable installation {checkout}" if checkout else ""
    return Check(name=name, status="ok", found=f"models, datasets and runner import{where}")


def check_opencv(probe: ProbeResult) -> Check:
    """Return whether OpenCV works, and whether its distributions, which share one folder, suit each other."""
    name = "OpenCV"
    installed = {distribution: version for distribution in PROVIDERS["cv2"] if (version := find_version(distribution))}
    found = ", ".join(f"{distribution} {version}" for distribution, version in installed.items())
    if probe.error is not None:
        why, fix = explain_break(probe.error)
        return Check(name=name, status="failed", found=probe.error, why=why or _UNKNOWN, fix=fix or mend_opencv())
    shadow = find_shadow("cv2")
    if shadow:
        return Check(name=name, status="warning", found=str(probe.facts["version"]), why=shadow.why, fix=shadow.fix)
    if len(set(installed.values())) > 1:
        why = "of several versions in one folder, so its files are mixed"
        return Check(name=name, status="warning", found=found, why=why, fix=mend_opencv())
    if 0 < sum(distribution in HEADLESS for distribution in installed) < len(installed):
        why = "builds with and without windows in one folder: removing one damages the other"
        return Check(name=name, status="warning", found=found, why=why, fix=mend_opencv())
    return Check(name=name, status="ok", found=str(probe.facts["version"]))


def check_numerics() -> Check:
    """Return whether numpy is in its range and the packages for metrics and figures are installed."""
    numpy = find_version("numpy")
    versions = {name: find_version(name) for name in _NUMERICS}
    missing = [name for name, version in versions.items() if version is None]
    parts = [("numpy", numpy), *versions.items()]
    found = ", ".join(f"{name} {version or 'missing'}" for name, version in parts)
    shadow = find_shadow("numpy")
    if shadow:
        return Check(name="numpy", status="failed", found=found, why=shadow.why, fix=shadow.fix)
    if numpy is None or not is_in_range(numpy, "numpy"):
        missing.insert(0, "numpy")
    if missing:
        low, high = RANGES["numpy"]
        why = f"numpy {low} or newer, before {high}, is needed" if "numpy" in missing else "needed by test and report"
        fix = f"{PIP} install {' '.join(map(spell_requirement, missing))}"
        return Check(name="numpy", status="failed", found=found, why=why, fix=fix)
    return Check(name="numpy", status="ok", found=found)


def check_tensorboard() -> Check:
    """Return whether TensorBoard, and what its `SummaryWriter` needs, is installed in releases that suit each other.

    Read from metadata: to import `torch.utils.tensorboard` takes as long as to import torch.
    """
    name = "TensorBoard"
    why = "the shipped configurations write curves with it (TensorboardVisBackend); train does without if told "
    why += "--cfg-options visualizer.vis_backends=[]"
    least = f"tensorboard>={LEAST_TENSORBOARD}"
    version = find_version("tensorboard")
    if version is None:
        fix = f'{PIP} install "{least}"'
        return Check(name=name, status="failed", found="tensorboard is not installed", why=why, fix=fix)
    unmet = find_unmet("tensorboard") if find_version("packaging") else {"packaging": "packaging"}
    if parse_release(version) < parse_release(LEAST_TENSORBOARD):
        unmet = {"tensorboard": least, **unmet}
    if not unmet:
        return Check(name=name, status="ok", found=version)
    writes = not unmet.keys() & _WRITER_NEEDS
    return Check(
        name=name,
        status="warning" if writes else "failed",
        found=f"tensorboard {version} needs {', '.join(unmet.values())}",
        why="its program, which shows the curves, may not start; train writes them all the same" if writes else why,
        fix=f"{PIP} install {' '.join(map(shlex.quote, unmet.values()))}",
    )


def check_onnx(probe: ProbeResult) -> Check:
    """Return whether onnx and onnxruntime run a model; `train` does without."""
    why = "export-onnx and predict need onnx and onnxruntime; train does not"
    reinstall = f"{PIP} install --force-reinstall --no-deps onnx onnxruntime"
    if probe.error is not None:
        cause, fix = explain_break(probe.error)
        why = f"{cause}; {why}" if cause else why
        return Check(name="ONNX", status="warning", found=probe.error, why=why, fix=fix or reinstall)
    found = f"onnx {probe.facts['onnx']}, onnxruntime {probe.facts['onnxruntime']}"
    if not probe.facts["runs"]:
        return Check(name="ONNX", status="warning", found=f"{found} computes wrong values", why=why, fix=reinstall)
    return Check(name="ONNX", status="ok", found=found)


def _find_first_shadow(modules: Sequence[str]) -> Shadow | None:
    return next(filter(None, map(find_shadow, modules)), None)
