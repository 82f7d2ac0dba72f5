from __future__ import annotations

import platform

import pytest

from thermalctl.environment.diagnosis import Check, Status, describe_host, diagnose
from thermalctl.version import __version__


@pytest.mark.parametrize(
    ("statuses", "num_failed", "num_warnings", "ready"),
    [
        (["ok", "skipped"], 0, 0, True),
        (["ok", "warning", "warning"], 0, 2, True),
        (["failed", "warning", "failed", "ok"], 2, 1, False),
    ],
)
def test_only_a_failure_keeps_training_from_starting(
    statuses: list[Status], num_failed: int, num_warnings: int, ready: bool
) -> None:
    diagnosis = diagnose([Check(name="x", status=status, found="") for status in statuses], device="cpu")

    assert (diagnosis.num_failed, diagnosis.num_warnings, diagnosis.ready) == (num_failed, num_warnings, ready)


def test_names_are_listed_by_status() -> None:
    checks = [Check(name="a", status="ok", found=""), Check(name="b", status="warning", found="")]

    assert diagnose(checks, device="cpu").list_names("warning") == ["b"]


def test_host_is_named_by_its_versions() -> None:
    assert describe_host() == f"thermalctl {__version__} · Python {platform.python_version()} · " + " ".join(
        [platform.system(), platform.machine()]
    )
