from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from thermalctl.environment import accelerator
from thermalctl.environment.accelerator import Driver, check_torch, query_driver, suggest_build
from thermalctl.environment.probe import ProbeResult

DRIVER = Driver(version="580.159.03", cuda="13.0", gpus=("NVIDIA H100 PCIe",))


def make_answer(**changes: Any) -> ProbeResult:
    facts = {"version": "2.13.0+cu130", "cuda": "13.0", "complaint": None, "gpus": [{"name": "NVIDIA H100 PCIe"}]}
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
    nvidia_smi(
        "if [ $# -eq 0 ]; then echo '| NVIDIA-SMI 580.159.03   Driver Version: 580.159.03   CUDA Version: 13.0  |'\n"
        "else echo '580.159.03, NVIDIA H100 PCIe'; echo '580.159.03, NVIDIA A2'; fi"
    )

    driver = query_driver()

    assert driver == Driver(version="580.159.03", cuda="13.0", gpus=("NVIDIA H100 PCIe", "NVIDIA A2"))
    assert driver.text.startswith("| NVIDIA-SMI")


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

    assert (check.status, check.found) == ("ok", "2.13.0+cu130 (CUDA 13.0), driver 580.159.03 (CUDA 13.0)")


@pytest.mark.parametrize(("version", "status"), [("2.5.1", "failed"), ("2.6.0", "ok"), ("2.14.0", "warning")])
def test_torch_before_the_range_fails_and_after_it_is_a_warning(version: str, status: str) -> None:
    assert check_torch(make_answer(version=version), DRIVER).status == status


def test_cpu_build_beside_a_gpu_is_a_warning() -> None:
    cpu_build = make_answer(cuda=None, gpus=[])

    assert check_torch(cpu_build, Driver()).status == "ok"
    check = check_torch(cpu_build, DRIVER)
    assert check.status == "warning"
    assert str(check.fix).endswith("--index-url https://download.pytorch.org/whl/cu130")


def test_build_for_a_newer_cuda_than_the_drivers_is_a_warning_with_a_build_that_suits() -> None:
    driver = Driver(version="550.90.07", cuda="12.4", gpus=("NVIDIA A2",))

    check = check_torch(make_answer(gpus=[]), driver)

    assert (check.status, check.why) == ("warning", "built for CUDA 13.0, but the driver knows none after 12.4")
    assert check.fix == (
        'python -m pip install --force-reinstall "torch>=2.6,<2.14" --index-url https://download.pytorch.org/whl/cu126'
    )


@pytest.mark.parametrize("build", ["12.4", "12.8"])
def test_build_for_another_release_of_the_same_cuda_is_ok(build: str) -> None:
    driver = Driver(version="550.90.07", cuda="12.4", gpus=("NVIDIA A2",))

    assert check_torch(make_answer(cuda=build, gpus=[]), driver).status == "ok"


def test_newer_cuda_that_works_nevertheless_is_ok() -> None:
    assert check_torch(make_answer(), Driver(version="550.90.07", cuda="12.4", gpus=("NVIDIA A2",))).status == "ok"


@pytest.mark.parametrize(
    ("cuda", "build"),
    [("11.4", "cu118"), ("12.0", "cu126"), ("13.2", "cu130"), ("14.1", "cu130"), ("10.2", None), (None, None)],
)
def test_build_that_is_suggested_suits_the_driver(cuda: str | None, build: str | None) -> None:
    command = suggest_build(cuda)

    assert command is None if build is None else str(command).endswith(f"/{build}")


def test_torch_that_does_not_import_fails_with_its_exception() -> None:
    error = "ImportError: libcudnn.so.9: cannot open shared object file: No such file or directory"

    check = check_torch(ProbeResult(error=error), DRIVER)

    assert (check.status, check.found) == ("failed", error)
    assert "--force-reinstall" in str(check.fix)


def test_torch_that_is_not_installed_fails_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "find_version", lambda name: None)

    check = check_torch(ProbeResult(error="ModuleNotFoundError: No module named 'torch'"), Driver())

    assert check.why == "torch is not installed"
    assert str(check.fix).startswith('python -m pip install "torch>=2.6,<2.14"')


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        ("killed by SIGILL", "python -m pip install --force-reinstall"),
        ("AttributeError: module 'torch' has no attribute 'cuda'", "python -m pip install --force-reinstall"),
    ],
)
def test_failure_that_is_not_known_has_a_fix_nevertheless(error: str, fix: str) -> None:
    assert str(check_torch(ProbeResult(error=error), DRIVER).fix).startswith(fix)
