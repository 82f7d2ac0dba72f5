from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from thermalctl.cli import app as app_module
from thermalctl.cli.reference import list_commands, write_reference
from thermalctl.errors import NotHeldError, RequestError
from thermalctl.version import __version__

HEAVY = ("torch", "h5py", "matplotlib", "sklearn", "scipy", "mmengine", "mmaction", "mmcv", "onnxruntime", "numpy")
ROOT = Path(__file__).parents[2]
COMMANDS: dict[str, Any] = dict(list_commands(typer.main.get_command(app_module.app)))


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['thermalctl', '--help']\n"
        "from thermalctl.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_every_command_of_the_design_is_there() -> None:
    wanted = {"doctor", "demo", "download-weights", "inspect-dataset", "train", "test", "report", "export-onnx"}
    assert wanted <= set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_has_help(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    for param in command.params:
        assert param.hidden or param.name == "help" or param.help, f"{name} {param.name} has no help"


def test_reference_is_that_of_the_commands() -> None:
    kept = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert kept == write_reference(), "run `make docs`"


def test_module_and_console_script_are_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "thermalctl", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"thermalctl {__version__}\n"


def _break(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(app_module, "app", fail)


def test_expected_error_is_two_lines_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, thermalctl: Callable[..., Any]
) -> None:
    _break(monkeypatch, RequestError("a.h5: [3] is odd", hint="make it even"))
    outcome = thermalctl()
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "error: a.h5: [3] is odd\nhint:  make it even\n"


def test_failed_check_exits_1(monkeypatch: pytest.MonkeyPatch, thermalctl: Callable[..., Any]) -> None:
    _break(monkeypatch, NotHeldError("accuracy 0.6, wanted 0.7"))
    assert thermalctl().code == 1


def test_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch, thermalctl: Callable[..., Any]) -> None:
    _break(monkeypatch, KeyboardInterrupt())
    assert thermalctl().code == 130


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, thermalctl: Callable[..., Any]) -> None:
    _break(monkeypatch, RequestError("odd"))
    with pytest.raises(RequestError):
        thermalctl("--debug")


def test_unknown_option_exits_2(thermalctl: Callable[..., Any]) -> None:
    outcome = thermalctl("train", "--epoch", "3")
    assert outcome.code == 2
    assert "--epochs" in outcome.err
