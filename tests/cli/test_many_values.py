from __future__ import annotations

import pytest

from thermalctl.cli.many_values import repeat_option

MANY = frozenset({"--a", "--b"})


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--a 1 2 3", "--a 1 --a 2 --a 3"),
        ("--a 1 --b 2 3 --c 4 5", "--a 1 --b 2 --b 3 --c 4 5"),
        ("--a 1 --a 2 3", "--a 1 --a 2 --a 3"),
        ("0 --c --a 1", "0 --c --a 1"),
        ("--a=1 2", "--a=1 2"),
        ("--a - 2", "--a - --a 2"),
        ("", ""),
    ],
)
def test_values_in_a_row_are_the_options_own(typed: str, meant: str) -> None:
    assert repeat_option(typed.split(), MANY) == meant.split()
