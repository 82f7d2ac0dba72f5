from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from thermalctl.cli.doctor import doctor
from thermalctl.environment import checks
from thermalctl.environment.diagnosis import Check, Device, diagnose

TORCH = Check(name="torch", status="ok", found="2.13.0+cu130 (CUDA 13.0), driver 580.159.03")
SHARED_MEMORY = Check(
    name="shared memory",
    status="warning",
    found="64 MiB free; 4 + 4 workers hold about 75 MiB",
    why="a worker that finds none left dies with a bus error",
    fix="docker run --shm-size=1g ...   or   --num-workers 0",
)
IMPORT = Check(
    name="MMAction2 import",
    status="failed",
    found="ModuleNotFoundError: No module named 'pkg_resources'",
    fix="pip install " + " ".join(["--a-very-long-option"] * 5),
)


def run(monkeypatch: pytest.MonkeyPatch, found: list[Check], *options: str, device: Device = "cuda") -> Result:
    asked: dict[str, Any] = {}

    def find(**arguments: Any) -> Any:
        asked.update(arguments)
        return diagnose(found, device=device)

    monkeypatch.setattr(checks, "run_checks", find)
    app = typer.Typer()
    app.command()(doctor)
    result = CliRunner().invoke(app, list(options), catch_exceptions=False)
    if "--data" in options:
        assert asked == {"data": Path(options[options.index("--data") + 1])}
    return result


def test_screen_shows_each_check_and_the_fix_of_each_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, [TORCH, SHARED_MEMORY, IMPORT])

    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert lines[2:5] == [
        "ok      torch            2.13.0+cu130 (CUDA 13.0), driver 580.159.03",
        "warning shared memory    64 MiB free; 4 + 4 workers hold about 75 MiB",
        "        a worker that finds none left dies with a bus error",
    ]
    assert lines[5] == "        fix: docker run --shm-size=1g ...   or   --num-workers 0"
    assert lines[-1] == "1 failed, 1 warning. Training can start once the failed line is fixed."


def test_long_fix_stays_on_one_line_to_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, [IMPORT])

    assert f"        fix: {IMPORT.fix}\n" in result.stdout


def test_failure_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, [TORCH, IMPORT]).exit_code == 1


def test_warning_exits_with_1_only_if_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, [TORCH, SHARED_MEMORY]).exit_code == 0
    assert run(monkeypatch, [TORCH, SHARED_MEMORY], "--strict").exit_code == 1
    assert run(monkeypatch, [TORCH], "--strict").exit_code == 0


@pytest.mark.parametrize(
    ("device", "verdict"),
    [
        ("cuda", "All is well. Training can start, on the GPU."),
        ("cpu", "All is well. Training can start, on the CPU."),
    ],
)
def test_verdict_names_the_device(monkeypatch: pytest.MonkeyPatch, device: Device, verdict: str) -> None:
    assert run(monkeypatch, [TORCH], device=device).stdout.splitlines()[-1].rstrip() == verdict


def test_json_is_the_diagnosis_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, [TORCH, SHARED_MEMORY], "--json", "--data", "somewhere")

    told = json.loads(result.stdout)
    assert (told["num_failed"], told["num_warnings"], told["ready"], told["device"]) == (0, 1, True, "cuda")
    assert told["checks"][1]["fix"] == SHARED_MEMORY.fix
