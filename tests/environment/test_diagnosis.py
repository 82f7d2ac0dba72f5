from __future__ import annotations

import pytest

from thermalctl.environment.diagnosis import Check, Status, diagnose


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
