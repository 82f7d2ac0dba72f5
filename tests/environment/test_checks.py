"""The doctor as a whole, in environments that lack or break what it examines."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import thermalctl
from thermalctl.environment.checks import run_checks

PROJECT = Path(thermalctl.__file__).parents[1]
SITE = Path(sysconfig.get_paths()["purelib"])
DIAGNOSE = (
    "import dataclasses, json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from thermalctl.environment.checks import run_checks; print(json.dumps(dataclasses.asdict(run_checks())))"
)


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

    checks = diagnose_with([*standard, str(PROJECT), str(bare_site)], tmp_path)

    assert {name: checks[name]["fix"] for name in checks if checks[name]["status"] == "failed"} == {
        "torch": 'pip install "torch>=2.6,<2.14"',
        "MMAction2 stack": "pip install mmaction2==1.2.0 mmengine==0.10.7 mmcv-lite==2.1.0",
        "MMAction2 import": checks["MMAction2 import"]["fix"],
        "numpy": 'pip install "numpy>=1.26,<3"',
        "OpenCV": checks["OpenCV"]["fix"],
        "h5py": checks["h5py"]["fix"],
    }
    assert checks["MMAction2 import"]["found"].startswith("ModuleNotFoundError: No module named ")
    assert checks["ONNX"]["status"] == "warning"
    assert checks["dataset"]["status"] == "skipped"
    assert checks["disk"]["status"] == "ok"


def test_broken_packages_are_told_by_their_exceptions(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    for name, line in {
        "torch": "raise OSError('libcudart.so.13: cannot open shared object file: No such file or directory')",
        "cv2": "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')",
        "onnx": "import os; os.abort()",
    }.items():
        (planted / f"{name}.py").write_text(line)

    checks = diagnose_with([str(planted), str(PROJECT), *sys.path], tmp_path)

    assert checks["torch"]["found"].startswith("OSError: libcudart.so.13")
    assert checks["OpenCV"]["fix"] == "apt-get install -y libgl1 libglib2.0-0"
    assert (checks["ONNX"]["status"], checks["ONNX"]["found"]) == ("warning", "killed by SIGABRT")
    assert checks["GPU"]["status"] == "skipped"
    assert not list(tmp_path.glob(".thermalctl-doctor-*"))


@pytest.mark.slow
def test_this_environment_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERMALCTL_CACHE", str(tmp_path))

    diagnosis = run_checks(current_folder=tmp_path)

    assert [check for check in diagnosis.checks if check.status == "failed"] == []
    assert diagnosis.ready
    by_name = {check.name: check for check in diagnosis.checks}
    assert by_name["MMAction2 import"].found == "models, datasets and runner import"
    assert by_name["weights"].status == "warning"
    assert diagnosis.num_warnings == sum(check.status == "warning" for check in diagnosis.checks)
    assert list(tmp_path.iterdir()) == []


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
