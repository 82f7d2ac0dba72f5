"""Which versions are known to work together, and which are installed; read from metadata, nothing is imported."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping

#: One release of each that is known to work with the others; a test holds these and pyproject.toml together.
PINS: Mapping[str, str] = {"mmaction2": "1.2.0", "mmengine": "0.10.7", "mmcv-lite": "2.1.0"}

#: At least the first, below the second.
RANGES: Mapping[str, tuple[str, str]] = {
    "python": ("3.10", "3.13"),
    "torch": ("2.6", "2.14"),
    "numpy": ("1.26", "3"),
    # Full mmcv is an alternative to mmcv-lite; mmaction2 1.2.0 asserts this range on import.
    "mmcv": ("2.0", "2.2"),
}


def find_version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def parse_release(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with: "2.13.0+cu130" is (2, 13, 0), "2.14.0rc1" is (2, 14, 0)."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in found[0].split(".")) if found else ()


def is_in_range(version: str, name: str) -> bool:
    """Return whether a version lies in the range of `name`; a release candidate counts as its release."""
    low, high = (parse_release(bound) for bound in RANGES[name])
    return low <= parse_release(version) < high


def describe_range(name: str) -> str:
    """Return the range of `name` as pip spells it: "torch>=2.6,<2.14"."""
    low, high = RANGES[name]
    return f"{name}>={low},<{high}"


def find_unmet(distribution: str) -> dict[str, str]:
    """Return what an installed distribution requires and does not find, as pip is told it: {"protobuf": "protobuf>=6"}.

    What only its extras require is left out. Needs the distribution "packaging".
    """
    from packaging.requirements import Requirement

    unmet = {}
    for requirement in map(Requirement, importlib.metadata.requires(distribution) or ()):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = find_version(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            unmet[requirement.name] = f"{requirement.name}{requirement.specifier}"
    return unmet
