from __future__ import annotations

import math

import pytest

from thermalctl.environment import step_worker
from thermalctl.environment.probe import ProbeResult
from thermalctl.environment.training_step import check_step, skip_step

FLOAT32 = ProbeResult(facts={"loss": 2.634, "step_ms": 31.4})
BFLOAT16 = ProbeResult(facts={"loss": 2.641, "step_ms": 19.6})


def test_step_is_told_with_its_time_and_loss() -> None:
    check = check_step("CPU", {"float32": FLOAT32}, needed=True)

    assert (check.name, check.status, check.found) == ("step on CPU", "ok", "31 ms in float32, loss 2.63")
    assert check.facts["float32"]["step_ms"] == 31.4


def test_each_precision_is_told() -> None:
    check = check_step("GPU 0", {"float32": FLOAT32, "bfloat16": BFLOAT16}, needed=True)

    assert check.found == "31 ms in float32 and 20 ms in bfloat16, loss 2.63"


@pytest.mark.parametrize(("needed", "status"), [(True, "failed"), (False, "warning")])
def test_crash_fails_where_train_would_run(needed: bool, status: str) -> None:
    check = check_step("CPU", {"float32": ProbeResult(error="killed by SIGILL")}, needed=needed)

    assert (check.status, check.found) == (status, "killed by SIGILL")
    assert "doctor --report" in str(check.fix)


def test_failing_gpu_has_the_cpu_for_a_way_round() -> None:
    check = check_step("GPU 0", {"float32": ProbeResult(error="CUDA error: device-side assert")}, needed=True)

    assert str(check.fix).startswith("thermalctl train --device cpu")


def test_failing_mixed_precision_is_a_warning() -> None:
    failed = ProbeResult(error="ArithmeticError: the loss is not finite")

    check = check_step("GPU 0", {"float32": FLOAT32, "bfloat16": failed}, needed=True)

    assert (check.status, check.fix) == ("warning", "train without --amp")
    assert check.found == "31 ms in float32, loss 2.63; bfloat16: ArithmeticError: the loss is not finite"


def test_skipped_step_says_why() -> None:
    assert skip_step("CPU", "MMAction2 does not import").found == "not tried: MMAction2 does not import"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_step_of_the_shipped_configuration_runs_and_begins_at_chance(precision: str) -> None:
    torch = pytest.importorskip("torch")
    num_threads = torch.get_num_threads()

    try:
        facts = step_worker.run_training_step("cpu", precision)
    finally:
        torch.set_num_threads(num_threads)

    assert facts["loss"] == pytest.approx(math.log(14), abs=0.3)
    assert facts["step_ms"] > 0


def test_numbers_that_are_not_finite_are_an_error() -> None:
    torch = pytest.importorskip("torch")

    with pytest.raises(ArithmeticError, match="the gradient of stem is not finite"):
        step_worker._expect_finite(torch, "the gradient of stem", torch.tensor([1.0, float("nan")]))
