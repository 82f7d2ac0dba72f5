from __future__ import annotations

import io
import os
import shutil
import sys

import pytest

from thermalctl.environment.terminal import check_terminal


class FakeStream(io.StringIO):
    def __init__(self, *, is_terminal: bool, encoding: str) -> None:
        super().__init__()
        self._is_terminal, self._encoding = is_terminal, encoding

    def isatty(self) -> bool:
        return self._is_terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@pytest.fixture
def open_terminal(monkeypatch: pytest.MonkeyPatch):
    """Put a terminal in the place of standard output."""
    for name in ("NO_COLOR", "COLUMNS", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")

    def write(*, is_terminal: bool = True, columns: int = 80, encoding: str = "utf-8", **variables: str) -> None:
        monkeypatch.setattr(sys, "__stdout__", FakeStream(is_terminal=is_terminal, encoding=encoding))
        monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return write


@pytest.mark.parametrize(
    ("is_terminal", "columns", "encoding", "status"),
    [
        (False, 80, "utf-8", "skipped"),
        (True, 80, "utf-8", "ok"),
        (True, 79, "utf-8", "warning"),
        (True, 80, "ascii", "warning"),
    ],
)
def test_narrow_or_ascii_terminal_is_a_warning(
    open_terminal, is_terminal: bool, columns: int, encoding: str, status: str
) -> None:
    open_terminal(is_terminal=is_terminal, columns=columns, encoding=encoding)

    assert check_terminal().status == status


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, "80 columns, utf-8, 256 colours"),
        ({"COLORTERM": "truecolor"}, "80 columns, utf-8, 16 million colours"),
        ({"TERM": "dumb"}, "80 columns, utf-8, no colour, TERM=dumb"),
        ({"NO_COLOR": "1"}, "80 columns, utf-8, 256 colours, NO_COLOR is set"),
        ({"FORCE_COLOR": "1"}, "80 columns, utf-8, 256 colours, FORCE_COLOR is set"),
    ],
)
def test_colours_and_what_changes_them_are_told(open_terminal, variables: dict[str, str], found: str) -> None:
    open_terminal(**variables)

    assert check_terminal().found == found


def test_closed_output_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdout__", None)

    assert check_terminal().status == "skipped"
