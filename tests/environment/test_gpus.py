from __future__ import annotations

from typing import Any

import pytest

from thermalctl.environment.accelerator import Driver
from thermalctl.environment.gpus import check_gpus, find_support
from thermalctl.environment.probe import ProbeResult

GIB = 2**30
DRIVER = Driver(version="580.159.03", cuda="13.0", gpus=("NVIDIA H100 PCIe",))
ARCHITECTURES = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


def make_gpu(**changes: Any) -> dict[str, Any]:
    gpu = {"name": "NVIDIA H100 PCIe", "total_bytes": 80 * GIB, "free_bytes": 78 * GIB, "bf16": True, "error": None}
    return gpu | {"capability": [9, 0]} | changes


def make_answer(**changes: Any) -> ProbeResult:
    facts = {"version": "2.13.0+cu130", "cuda": "13.0", "complaint": None, "architectures": ARCHITECTURES}
    return ProbeResult(facts=facts | {"gpus": [make_gpu()]} | changes)


def test_each_gpu_is_told_with_its_memory() -> None:
    checks = check_gpus(
        make_answer(gpus=[make_gpu(), make_gpu(name="Tesla T4", bf16=False, capability=[7, 5])]), DRIVER
    )

    assert [(check.name, check.status, check.found) for check in checks] == [
        ("GPU 0", "ok", "NVIDIA H100 PCIe, 78 of 80 GiB free, capability 9.0, bf16"),
        ("GPU 1", "ok", "Tesla T4, 78 of 80 GiB free, capability 7.5, no bf16"),
    ]


def test_gpu_in_use_is_a_warning() -> None:
    [check] = check_gpus(make_answer(gpus=[make_gpu(free_bytes=39 * GIB)]), DRIVER)

    assert (check.status, check.why) == ("warning", "another process holds most of its memory")


def test_gpu_that_cannot_add_fails() -> None:
    error = "CUDA error: no kernel image is available for execution on the device"

    [check] = check_gpus(make_answer(gpus=[make_gpu(error=error)]), DRIVER)

    assert check.status == "failed"
    assert error in check.found


def test_broken_gpu_that_train_would_not_choose_is_a_warning() -> None:
    checks = check_gpus(make_answer(gpus=[make_gpu(), make_gpu(error="CUDA error: out of memory")]), DRIVER)

    assert [check.status for check in checks] == ["ok", "warning"]


def test_facts_of_a_gpu_are_there_for_programs() -> None:
    [check] = check_gpus(make_answer(), DRIVER)

    assert check.facts["total_bytes"] == 80 * GIB
    assert (check.facts["capability"], check.facts["bf16"]) == ([9, 0], True)


@pytest.mark.parametrize(
    ("capability", "architectures", "support"),
    [
        ((9, 0), ARCHITECTURES, "built"),
        ((8, 9), ARCHITECTURES, "built"),  # code for 8.6 and 8.0 runs on it
        ((7, 0), ARCHITECTURES, "none"),  # older than all
        ((11, 0), ARCHITECTURES, "none"),  # of no family, and older than compute_120
        ((12, 1), ARCHITECTURES, "built"),
        ((13, 0), ARCHITECTURES, "compiled"),
        ((8, 0), ["sm_86"], "none"),  # code for a later 8.x does not run on an earlier
        ((9, 0), ["sm_90a"], "built"),
        ((10, 3), ["sm_100a"], "none"),
        ((10, 3), ["sm_80", "compute_90a"], "none"),
        ((10, 3), ["sm_80", "compute_80"], "compiled"),
        ((9, 0), ["gfx90a"], "built"),
        ((9, 0), [], "built"),
    ],
)
def test_support_follows_the_rules_of_binary_compatibility(
    capability: tuple[int, int], architectures: list[str], support: str
) -> None:
    assert find_support(capability, architectures) == support


@pytest.mark.parametrize(("capability", "build"), [([6, 1], "cu126"), ([11, 0], "cu130")])
def test_gpu_that_the_build_has_no_code_for_fails_with_a_build_that_has(capability: list[int], build: str) -> None:
    gpu = make_gpu(capability=capability, error="CUDA error: no kernel image is available")

    [check] = check_gpus(make_answer(gpus=[gpu]), DRIVER)

    assert check.status == "failed"
    assert check.why.startswith("this torch has code for sm_75, sm_80")
    assert f"--index-url https://download.pytorch.org/whl/{build}" in str(check.fix)


def test_gpu_newer_than_the_build_is_a_warning() -> None:
    [check] = check_gpus(make_answer(gpus=[make_gpu(capability=[13, 0])]), DRIVER)

    assert check.status == "warning"
    assert check.why.startswith("newer than this torch")


def test_gpus_are_not_asked_for_where_torch_does_not_import() -> None:
    assert check_gpus(ProbeResult(error="ImportError: x"), DRIVER)[0].status == "skipped"


def test_cpu_build_is_why_a_gpu_is_not_used() -> None:
    [check] = check_gpus(make_answer(cuda=None, gpus=[]), DRIVER)

    assert (check.status, check.fix) == ("warning", "see torch above")
    assert "torch is a CPU build" in check.why


def test_no_gpu_is_no_fault() -> None:
    [check] = check_gpus(make_answer(gpus=[]), Driver())

    assert (check.status, check.found, check.fix) == ("skipped", "none", None)


def test_gpu_that_torch_does_not_see_is_told_with_torchs_complaint() -> None:
    complaint = "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040)."

    [check] = check_gpus(make_answer(gpus=[], complaint=complaint), DRIVER)

    assert check.status == "warning"
    assert check.why.startswith(complaint)
    assert str(check.fix).endswith("/cu130")


def test_hidden_gpu_is_told_by_the_variable_that_hides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    [check] = check_gpus(make_answer(gpus=[]), DRIVER)

    assert check.fix == "unset CUDA_VISIBLE_DEVICES"


def test_driver_that_does_not_answer_is_the_finding() -> None:
    [check] = check_gpus(make_answer(gpus=[]), Driver(error="NVIDIA-SMI has failed"))

    assert (check.status, check.found) == ("warning", "NVIDIA-SMI has failed")
