from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from thermalctl.cli import console
from thermalctl.cli.doctor import doctor
from thermalctl.environment import checks
from thermalctl.environment.diagnosis import Check, Device, diagnose
from thermalctl.errors import RequestError

TORCH = Check(name="torch", status="ok", found="2.13.0+cu130 (CUDA 13.0), driver 580.159.03", facts={"cuda": "13.0"})
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

    def find(*, on_check: Any, on_wait: Any, **arguments: Any) -> Any:
        asked.update(arguments)
        for check in found:
            on_wait(check.name)
            on_check(check)
        return diagnose(found, device=device, logs={"opencv": "Traceback: jdoe"})

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
    assert " ".join(lines[lines.index("") :]).endswith(
        "1 failed (MMAction2 import), 1 warning (shared memory). Training can start once the failed line is fixed."
    )


def test_long_fix_stays_on_one_line_to_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, [IMPORT])

    assert f"        fix: {IMPORT.fix}\n" in result.stdout


def test_failure_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, [TORCH, IMPORT]).exit_code == 1


def test_warning_exits_with_1_only_if_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, [TORCH, SHARED_MEMORY]).exit_code == 0
    assert run(monkeypatch, [TORCH, SHARED_MEMORY], "--strict").exit_code == 1
    assert run(monkeypatch, [TORCH], "--strict").exit_code == 0


def test_what_is_long_goes_on_below_where_it_began_within_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    found = "numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, matplotlib 3.11.2"

    lines = run(monkeypatch, [Check(name="numpy", status="ok", found=found)]).stdout.splitlines()

    assert lines[2:4] == [
        "ok      numpy            numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1,",
        "                         matplotlib 3.11.2",
    ]


def test_terminal_shows_what_is_waited_for_and_the_result_goes_where_it_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(console, "stderr", lambda: Console(file=terminal, force_terminal=True, width=80))

    result = run(monkeypatch, [TORCH, SHARED_MEMORY])

    assert "waiting for torch ..." in terminal.getvalue()
    assert "2.13.0" not in terminal.getvalue()
    assert "2.13.0" in result.stdout
    assert "waiting" not in result.stdout


def test_pipe_shows_nothing_of_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, [TORCH]).stderr == ""


def test_verdict_says_that_a_dataset_is_needed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    skipped = Check(name="dataset", status="skipped", found="none at or below the current folder")

    lines = run(monkeypatch, [TORCH, skipped]).stdout.splitlines()

    assert lines[-1] == "It still needs a dataset: train --data DIR (`thermalctl demo` makes one)."


def test_each_check_is_printed_before_the_next_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = []

    def find(*, on_check: Any, **arguments: Any) -> Any:
        for check in (TORCH, SHARED_MEMORY):
            on_check(check)
            printed.append(capsys.readouterr().out)
        return diagnose([TORCH, SHARED_MEMORY], device="cpu")

    monkeypatch.setattr(checks, "run_checks", find)
    doctor()

    assert "ok      torch" in printed[0]
    assert printed[1].startswith("warning shared memory")


@pytest.mark.parametrize("options", [("--report",), ("--report", "--json"), ("--report", "--strict")])
def test_report_is_written_beside_what_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)

    result = run(monkeypatch, [TORCH, SHARED_MEMORY], *options)

    [path] = tmp_path.glob("thermalctl-doctor-*.txt")
    assert "64 MiB free; 4 + 4 workers" in path.read_text(encoding="utf-8")
    assert f"written: {path.name}" in result.stderr
    assert result.exit_code == (1 if "--strict" in options else 0)
    if "--json" in options:
        assert json.loads(result.stdout)["num_warnings"] == 1


def test_report_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    with pytest.raises(RequestError, match="cannot be written"):
        run(monkeypatch, [TORCH], "--report")


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
    assert told["checks"][0]["facts"] == {"cuda": "13.0"}
    assert told["logs"] == {"opencv": "Traceback: jdoe"}
