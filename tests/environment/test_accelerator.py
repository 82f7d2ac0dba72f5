from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from thermalctl.environment import accelerator
from thermalctl.environment.accelerator import Driver, check_gpus, check_torch, query_driver
from thermalctl.environment.probe import ProbeResult

GIB = 2**30
DRIVER = Driver(version="580.159.03", gpus=("NVIDIA H100 PCIe",))


def make_gpu(**changes: Any) -> dict[str, Any]:
    gpu = {"name": "NVIDIA H100 PCIe", "total_bytes": 80 * GIB, "free_bytes": 78 * GIB, "bf16": True, "error": None}
    return gpu | changes


def make_answer(**changes: Any) -> ProbeResult:
    facts = {"version": "2.13.0+cu130", "cuda": "13.0", "complaint": None, "gpus": [make_gpu()]}
    return ProbeResult(facts=facts | changes)


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a script in the place of nvidia-smi."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def write(script: str) -> None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)

    return write


def test_driver_and_its_gpus_are_read(nvidia_smi) -> None:
    nvidia_smi("echo '580.159.03, NVIDIA H100 PCIe'; echo '580.159.03, NVIDIA A2'")

    assert query_driver() == Driver(version="580.159.03", gpus=("NVIDIA H100 PCIe", "NVIDIA A2"))


def test_driver_without_a_gpu_is_an_empty_list(nvidia_smi) -> None:
    nvidia_smi("true")

    assert query_driver() == Driver()


def test_driver_that_does_not_answer_is_told(nvidia_smi) -> None:
    nvidia_smi("echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'; exit 9")

    assert query_driver().error == "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver."


def test_driver_that_hangs_is_given_up(nvidia_smi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "_DRIVER_TIMEOUT_S", 0.2)
    nvidia_smi("exec sleep 20")

    assert query_driver().error == "nvidia-smi does not answer within 0.2 s"


def test_nvidia_smi_that_cannot_be_run_is_told(nvidia_smi, tmp_path: Path) -> None:
    nvidia_smi("true")
    (tmp_path / "nvidia-smi").write_text("#!/no/such/shell\n")

    assert query_driver().error == "nvidia-smi cannot be run (No such file or directory)"


def test_no_nvidia_smi_is_no_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert query_driver() == Driver()


def test_cuda_build_with_its_driver_is_ok() -> None:
    check = check_torch(make_answer(), DRIVER)

    assert (check.status, check.found) == ("ok", "2.13.0+cu130 (CUDA 13.0), driver 580.159.03")


@pytest.mark.parametrize(("version", "status"), [("2.5.1", "failed"), ("2.6.0", "ok"), ("2.14.0", "warning")])
def test_torch_before_the_range_fails_and_after_it_is_a_warning(version: str, status: str) -> None:
    assert check_torch(make_answer(version=version), DRIVER).status == status


def test_cpu_build_beside_a_gpu_is_a_warning() -> None:
    cpu_build = make_answer(cuda=None, gpus=[])

    assert check_torch(cpu_build, Driver()).status == "ok"
    assert check_torch(cpu_build, DRIVER).status == "warning"
    assert "torch is a CPU build" in check_gpus(cpu_build, DRIVER)[0].why


def test_torch_that_does_not_import_fails_with_its_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    error = "ImportError: libcudnn.so.9: cannot open shared object file: No such file or directory"

    check = check_torch(ProbeResult(error=error), DRIVER)

    assert (check.status, check.found) == ("failed", error)
    assert check.fix == 'pip install --force-reinstall "torch>=2.6,<2.14"'
    assert check_gpus(ProbeResult(error=error), DRIVER)[0].status == "skipped"


def test_torch_that_is_not_installed_fails_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "find_version", lambda name: None)

    check = check_torch(ProbeResult(error="ModuleNotFoundError: No module named 'torch'"), Driver())

    assert (check.why, check.fix) == ("torch is not installed", 'pip install "torch>=2.6,<2.14"')


def test_each_gpu_is_told_with_its_memory() -> None:
    checks = check_gpus(make_answer(gpus=[make_gpu(), make_gpu(name="Tesla T4", bf16=False)]), DRIVER)

    assert [(check.name, check.status, check.found) for check in checks] == [
        ("GPU 0", "ok", "NVIDIA H100 PCIe, 78 of 80 GiB free, bf16"),
        ("GPU 1", "ok", "Tesla T4, 78 of 80 GiB free"),
    ]


def test_gpu_in_use_is_a_warning() -> None:
    [check] = check_gpus(make_answer(gpus=[make_gpu(free_bytes=39 * GIB)]), DRIVER)

    assert (check.status, check.why) == ("warning", "another process holds most of its memory")


def test_gpu_that_cannot_add_fails() -> None:
    error = "CUDA error: no kernel image is available for execution on the device"

    [check] = check_gpus(make_answer(gpus=[make_gpu(error=error)]), DRIVER)

    assert check.status == "failed"
    assert error in check.found


def test_no_gpu_is_a_warning() -> None:
    [check] = check_gpus(make_answer(gpus=[]), Driver())

    assert (check.status, check.found) == ("warning", "none")


def test_gpu_that_torch_does_not_see_is_told_with_torchs_complaint() -> None:
    complaint = "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040)."

    [check] = check_gpus(make_answer(gpus=[], complaint=complaint), DRIVER)

    assert check.status == "warning"
    assert check.why.startswith(complaint)
    assert "580.159.03" in str(check.fix)


def test_hidden_gpu_is_told_by_the_variable_that_hides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    [check] = check_gpus(make_answer(gpus=[]), DRIVER)

    assert check.fix == "unset CUDA_VISIBLE_DEVICES"


def test_driver_that_does_not_answer_is_the_finding() -> None:
    [check] = check_gpus(make_answer(gpus=[]), Driver(error="NVIDIA-SMI has failed"))

    assert (check.status, check.found) == ("warning", "NVIDIA-SMI has failed")
