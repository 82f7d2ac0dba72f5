"""The doctor as a whole, in environments that lack or break what it examines."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest

import thermalctl
from thermalctl.environment import checks
from thermalctl.environment.checks import run_checks
from thermalctl.environment.diagnosis import Check
from thermalctl.environment.probe import ProbeResult

PROJECT = Path(thermalctl.__file__).parents[1]
SITE = Path(sysconfig.get_paths()["purelib"])
DIAGNOSE = (
    "import dataclasses, json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from thermalctl.environment.checks import run_checks; print(json.dumps(dataclasses.asdict(run_checks())))"
)


#: What needs no other process, in the order in which it is told.
QUICK = [
    "Python",
    "MMAction2 stack",
    "numpy",
    "TensorBoard",
    "processor",
    "memory",
    "shared memory",
    "open files",
    "disk",
    "cache",
    "terminal",
]
#: What the probes tell, in the order in which it is told.
NEXT = ["torch", "GPU", "MMAction2 import", "OpenCV", "h5py", "ONNX", "weights", "dataset", "step on CPU"]


class HeldProbe:
    """A probe that fails, and not before it is let go."""

    is_waited_for = threading.Event()
    is_let_go = threading.Event()
    log = ""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name

    def wait(self, stage: str = "first") -> ProbeResult:
        HeldProbe.is_waited_for.set()
        assert HeldProbe.is_let_go.wait(30)
        return ProbeResult(error=f"{self.name} failed")

    def __enter__(self) -> HeldProbe:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> type[HeldProbe]:
    HeldProbe.is_waited_for.clear()
    HeldProbe.is_let_go.clear()
    monkeypatch.setattr(checks, "Probe", HeldProbe)
    return HeldProbe


def test_what_needs_no_probe_is_told_before_any_probe_answers(held: type[HeldProbe], tmp_path: Path) -> None:
    told: list[Check] = []
    run = threading.Thread(target=lambda: run_checks(current_folder=tmp_path, on_check=told.append))
    run.start()

    assert held.is_waited_for.wait(30)
    names = [check.name for check in told]
    held.is_let_go.set()
    run.join(30)

    assert names == QUICK
    assert [check.name for check in told] == QUICK + NEXT


def test_what_is_told_is_what_is_returned(held: type[HeldProbe], tmp_path: Path) -> None:
    held.is_let_go.set()
    told: list[Check] = []
    waited_for: list[str] = []

    diagnosis = run_checks(current_folder=tmp_path, on_check=told.append, on_wait=waited_for.append)

    assert diagnosis.checks == tuple(told)
    assert waited_for[0] == "torch and the GPU driver"
    by_name = {check.name: check for check in told}
    assert by_name["torch"].found == "torch failed"
    assert by_name["step on CPU"].found == "not tried: MMAction2 does not import"


class GpuProbe:
    """A probe on a machine with a GPU that works and one that does not."""

    log = ""
    started: ClassVar[list[tuple[str, ...]]] = []

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        GpuProbe.started.append((name, *arguments))

    def wait(self, stage: str = "first") -> ProbeResult:
        gpu = {"name": "H100", "total_bytes": 2**36, "free_bytes": 2**36, "capability": [9, 0], "bf16": True}
        gpus = [gpu | {"error": None}, gpu | {"error": "CUDA error: out of memory"}]
        step = {"loss": 2.6, "step_ms": 9.0}
        answers: dict[str, dict[str, Any]] = {
            "torch": {"version": "2.13.0", "cuda": "13.0", "complaint": None, "architectures": [], "gpus": gpus},
            "stack": step,
            "step": step,
            "weights": {"name": "slowfast", "status": "absent", "path": None},
        }
        if self.name not in answers:
            return ProbeResult(error=f"{self.name} failed")
        return ProbeResult(facts=answers[self.name])

    def __enter__(self) -> GpuProbe:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def test_step_is_tried_on_each_gpu_that_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "Probe", GpuProbe)
    GpuProbe.started.clear()

    diagnosis = run_checks(current_folder=tmp_path)

    by_name = {check.name: check for check in diagnosis.checks}
    assert diagnosis.device == "cuda"
    assert [name for name in by_name if "GPU" in name] == ["GPU 0", "GPU 1", "step on GPU 0"]
    assert by_name["step on GPU 0"].found == "9 ms in float32 and 9 ms in bfloat16, loss 2.60"
    assert ("step", "cuda:0", "float32", "bfloat16") in GpuProbe.started
    assert (by_name["weights"].status, by_name["weights"].fix) == ("failed", "thermalctl download-weights slowfast")


def test_fix_names_the_python_that_is_examined(held: type[HeldProbe], tmp_path: Path, monkeypatch) -> None:
    held.is_let_go.set()
    monkeypatch.setenv("PATH", str(tmp_path))

    [torch] = [check for check in run_checks(current_folder=tmp_path).checks if check.name == "torch"]

    assert str(torch.fix).startswith(f"{sys.executable} -m pip install ")


def test_interrupted_examination_leaves_no_process_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Watched(checks.Probe):  # type: ignore[name-defined, misc]
        def __init__(self, name: str, *arguments: str) -> None:
            super().__init__(name, *arguments)
            started.append(self)

    def interrupt(what: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checks, "Probe", Watched)

    with pytest.raises(KeyboardInterrupt):
        run_checks(current_folder=tmp_path, on_wait=interrupt)

    assert len(started) >= 2
    assert all(probe._process.poll() is not None for probe in started)
    assert list(tmp_path.iterdir()) == []


def diagnose_with(path: list[str], folder: Path, **environment: str) -> dict[str, dict[str, Any]]:
    """Return the checks by name, as found by an interpreter that sees this path only."""
    done = subprocess.run(
        [sys.executable, "-c", DIAGNOSE, json.dumps(path)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "THERMALCTL_CACHE": str(folder), **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


@pytest.fixture
def bare_site(tmp_path: Path) -> Path:
    """The installed packages without torch, MMAction2, MMEngine, mmcv, OpenCV, h5py, numpy and ONNX."""
    hidden = ("torch", "mmaction", "mmengine", "mmcv", "cv2", "opencv", "h5py", "numpy", "onnx")
    site = tmp_path / "site"
    site.mkdir()
    for installed in SITE.iterdir():
        if not installed.name.startswith(hidden) and installed.suffix != ".pth":
            (site / installed.name).symlink_to(installed)
    return site


def test_bare_environment_is_diagnosed_with_a_fix_for_each_failure(bare_site: Path, tmp_path: Path) -> None:
    standard = [path for path in sys.path if "site-packages" not in path and Path(path).name != "tests"]

    found = diagnose_with([*standard, str(PROJECT), str(bare_site)], tmp_path)

    failed = {name: found[name]["fix"] for name in found if found[name]["status"] == "failed"}
    assert set(failed) == {
        "torch",
        "MMAction2 stack",
        "MMAction2 import",
        "numpy",
        "OpenCV",
        "TensorBoard",
    }
    # One missing package is one failure: these need numpy too.
    assert found["h5py"]["status"] == found["dataset"]["status"] == "skipped"
    assert found["h5py"]["found"] == found["dataset"]["found"] == "fails as OpenCV does"
    assert all(" -m pip install " in fix for fix in failed.values())
    assert "mmaction2==1.2.0 mmengine==0.10.7 mmcv-lite==2.1.0" in failed["MMAction2 stack"]
    assert found["MMAction2 import"]["found"].startswith("ModuleNotFoundError: No module named ")
    assert found["ONNX"]["status"] == "warning"
    assert found["disk"]["status"] == "ok"
    assert found["step on CPU"]["status"] == "skipped"


def test_broken_packages_are_told_by_their_exceptions(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    for name, line in {
        "torch": "raise OSError('libcudart.so.13: cannot open shared object file: No such file or directory')",
        "h5py": "def broken(:",
        "cv2": "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')",
        "onnx": "import os; os.abort()",
    }.items():
        (planted / f"{name}.py").write_text(line)

    found = diagnose_with([str(planted), str(PROJECT), *sys.path], tmp_path)

    assert found["torch"]["found"].startswith("OSError: libcudart.so.13")
    assert found["OpenCV"]["found"].startswith("ImportError: libGL.so.1")
    assert (found["ONNX"]["status"], found["ONNX"]["found"]) == ("warning", "killed by SIGABRT")
    assert found["h5py"]["found"].startswith("SyntaxError")
    assert found["GPU"]["status"] == "skipped"
    assert not list(tmp_path.glob(".thermalctl-doctor-*"))


@pytest.mark.slow
def test_this_environment_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERMALCTL_CACHE", str(tmp_path))

    diagnosis = run_checks(current_folder=tmp_path)

    assert [check for check in diagnosis.checks if check.status == "failed"] == []
    assert diagnosis.ready
    by_name = {check.name: check for check in diagnosis.checks}
    assert by_name["MMAction2 import"].found == "models, datasets and runner import"
    assert by_name["step on CPU"].found.startswith(f"{by_name['step on CPU'].facts['float32']['step_ms']:.0f} ms")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_crash_in_the_training_step_is_told_as_the_steps(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Breaker:\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name == 'thermalctl.environment.step_worker':\n"
        "            os.kill(os.getpid(), signal.SIGSEGV)\n"
        "sys.meta_path.insert(0, Breaker)\n"
    )

    found = diagnose_with(sys.path, tmp_path, PYTHONPATH=str(tmp_path))

    assert found["MMAction2 import"]["status"] == "ok"
    assert (found["step on CPU"]["status"], found["step on CPU"]["found"]) == ("failed", "killed by SIGSEGV")


def test_check_that_ends_with_an_exception_is_told_with_it() -> None:
    def raise_error() -> Check:
        raise SystemExit("no metadata")

    check = checks._judge("numpy", raise_error)

    assert (check.name, check.status, check.found) == ("numpy", "warning", "SystemExit: no metadata")


def test_probe_that_was_killed_from_outside_is_not_mended_by_a_reinstallation() -> None:
    failed = Check(name="h5py", status="failed", found="killed by SIGKILL", fix="pip install h5py")

    assert checks._judge("h5py", lambda: failed).fix == "close other programs; see memory above"


def test_examined_packages_are_named_in_no_import_statement() -> None:
    examined = {"torch", "mmaction", "mmengine", "mmcv", "cv2", "h5py", "onnx", "onnxruntime", "numpy"}
    imported = set()
    for path in (PROJECT / "thermalctl" / "environment").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])

    assert "json" in imported
    assert imported & examined == set()
