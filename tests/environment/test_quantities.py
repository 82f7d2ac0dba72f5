from __future__ import annotations

from pathlib import Path

import pytest

from thermalctl.environment.quantities import format_bytes, quote_path, shorten_home

GIB = 2**30


@pytest.mark.parametrize(
    ("num_bytes", "shown"),
    [(64 * 2**20, "64 MiB"), (GIB, "1.0 GiB"), (15 * GIB // 2, "7.5 GiB"), (2048 * GIB, "2,048 GiB")],
)
def test_size_is_told_in_the_unit_that_suits(num_bytes: int, shown: str) -> None:
    assert format_bytes(num_bytes) == shown


def test_path_below_home_begins_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/jdoe")

    assert shorten_home(Path("/home/jdoe/.cache")) == "~/.cache"
    assert shorten_home(Path("/home/jdoe2/.cache")) == "/home/jdoe2/.cache"


def test_path_is_whole_where_there_is_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_error() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", raise_error)

    assert shorten_home(Path("/a")) == "/a"


def test_path_with_a_space_is_quoted() -> None:
    assert quote_path(Path("my data/thermal")) == "'my data/thermal'"
