from __future__ import annotations

from pathlib import Path

import pytest

from thermalctl.environment.packages import LEAST_TENSORBOARD
from thermalctl.environment.requirements import (
    PINS,
    RANGES,
    describe_range,
    find_unmet,
    find_version,
    is_in_range,
    parse_release,
)

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_pins_and_ranges_are_those_that_pip_installs() -> None:
    text = PYPROJECT.read_text(encoding="utf-8")

    for name, version in PINS.items():
        assert f'"{name}=={version}"' in text
    for name in ("torch", "numpy"):
        assert f'"{describe_range(name)}"' in text
    assert f'"tensorboard>={LEAST_TENSORBOARD}"' in text
    low, high = RANGES["python"]
    assert f'requires-python = ">={low},<{high}"' in text


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("2.13.0+cu130", (2, 13, 0)), ("2.14.0rc1", (2, 14, 0)), ("5.0.0.93", (5, 0, 0, 93)), ("3", (3,)), ("dev", ())],
)
def test_release_is_the_numbers_that_a_version_begins_with(version: str, numbers: tuple[int, ...]) -> None:
    assert parse_release(version) == numbers


@pytest.mark.parametrize(
    ("version", "is_inside"),
    [("2.5.1", False), ("2.6.0", True), ("2.13.0+cpu", True), ("2.14.0", False), ("2.14.0.dev20260101", False)],
)
def test_range_includes_its_low_end_only(version: str, is_inside: bool) -> None:
    assert is_in_range(version, "torch") is is_inside


def test_version_of_a_distribution_that_is_not_installed_is_none() -> None:
    assert find_version("pytest") == pytest.__version__
    assert find_version("no-such-distribution") is None


def test_unmet_requirements_are_those_absent_or_of_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requires = [
        "pytest>=1",
        "pytest<1",
        "absent-one>=2,<3",
        "absent-two; extra == 'all'",
        "absent-3; python_version<'3'",
    ]
    info = tmp_path / "planted-1.0.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", "Name: planted", "Version: 1.0", *(f"Requires-Dist: {one}" for one in requires)]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert find_unmet("planted") == {"pytest": "pytest<1", "absent-one": "absent-one<3,>=2"}
