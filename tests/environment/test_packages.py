from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from thermalctl.environment import packages
from thermalctl.environment.packages import (
    check_hdf5,
    check_numerics,
    check_onnx,
    check_opencv,
    check_python,
    check_stack_import,
    check_stack_versions,
)
from thermalctl.environment.probe import ProbeResult

TRIED = {"mmaction2": "1.2.0", "mmengine": "0.10.7", "mmcv-lite": "2.1.0"}


def install(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    monkeypatch.setattr(packages, "find_version", versions.get)


@pytest.mark.parametrize(
    ("version", "status"), [("3.9.18", "failed"), ("3.10.0", "ok"), ("3.12.7", "ok"), ("3.13.0", "failed")]
)
def test_python_outside_the_tried_range_fails(version: str, status: str) -> None:
    assert check_python(version).status == status


@pytest.mark.parametrize("mmcv", [{"mmcv-lite": "2.1.0"}, {"mmcv": "2.1.0"}, {"mmcv": "2.0.1"}])
def test_stack_is_ok_with_mmcv_lite_or_a_full_mmcv_in_range(
    monkeypatch: pytest.MonkeyPatch, mmcv: dict[str, str]
) -> None:
    install(monkeypatch, {"mmaction2": "1.2.0", "mmengine": "0.10.7", **mmcv})

    assert check_stack_versions().status == "ok"


@pytest.mark.parametrize(
    ("change", "fix"),
    [
        ({"mmaction2": "1.1.0"}, "pip install mmaction2==1.2.0"),
        ({"mmengine": "0.10.5", "mmcv-lite": "2.0.1"}, "pip install mmengine==0.10.7 mmcv-lite==2.1.0"),
        ({"mmcv-lite": None, "mmcv": "2.2.0"}, "pip install mmcv-lite==2.1.0"),
        ({"mmcv-lite": None}, "pip install mmcv-lite==2.1.0"),
        (dict.fromkeys(TRIED), "pip install mmaction2==1.2.0 mmengine==0.10.7 mmcv-lite==2.1.0"),
    ],
)
def test_other_stack_fails_and_the_fix_names_what_is_wrong_only(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str], fix: str
) -> None:
    install(monkeypatch, TRIED | change)

    check = check_stack_versions()

    assert (check.status, check.fix) == ("failed", fix)


def test_mmcv_and_mmcv_lite_over_each_other_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, {**TRIED, "mmcv": "2.1.0"})

    assert check_stack_versions().status == "warning"


def make_stack_answer(mmaction: Path) -> ProbeResult:
    return ProbeResult(facts={"mmaction": {"version": "1.2.0", "file": str(mmaction / "__init__.py")}})


def find_installed() -> Path:
    return Path(str(importlib.metadata.distribution("mmaction2").locate_file("mmaction")))


def test_import_of_the_installed_stack_is_ok(tmp_path: Path) -> None:
    assert check_stack_import(make_stack_answer(find_installed()), tmp_path).status == "ok"


def test_failing_import_is_told_with_its_known_cure(tmp_path: Path) -> None:
    error = "ModuleNotFoundError: No module named 'importlib_metadata'"

    check = check_stack_import(ProbeResult(error=error), tmp_path)

    assert (check.status, check.found, check.fix) == ("failed", error, "pip install importlib_metadata")


def test_import_from_elsewhere_is_a_warning(tmp_path: Path) -> None:
    check = check_stack_import(make_stack_answer(tmp_path / "mmaction"), tmp_path)

    assert (check.status, check.found) == ("warning", f"mmaction is imported from {tmp_path / 'mmaction'}")


def test_checkout_in_the_current_folder_is_a_warning_although_the_import_works(tmp_path: Path) -> None:
    (tmp_path / "mmaction").mkdir()
    (tmp_path / "mmaction" / "__init__.py").touch()

    check = check_stack_import(make_stack_answer(find_installed()), tmp_path)

    assert check.status == "warning"
    assert "holds a folder mmaction/" in check.found


def test_checkout_in_the_current_folder_is_named_when_the_import_fails(tmp_path: Path) -> None:
    (tmp_path / "mmaction").mkdir()
    (tmp_path / "mmaction" / "__init__.py").touch()

    check = check_stack_import(ProbeResult(error="AttributeError: half a checkout"), tmp_path)

    assert (check.status, check.fix) == ("failed", "run from another folder")


def test_opencv_distributions_of_one_version_are_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, {"opencv-python": "5.0.0.93", "opencv-contrib-python": "5.0.0.93"})

    assert check_opencv(ProbeResult(facts={"version": "5.0.0"})).status == "ok"


def test_opencv_distributions_of_two_versions_are_a_warning_and_the_newer_is_proposed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, {"opencv-python": "4.9.0.80", "opencv-python-headless": "4.10.0.84"})

    check = check_opencv(ProbeResult(facts={"version": "4.9.0"}))

    assert check.status == "warning"
    assert check.fix is not None
    assert check.fix.endswith("opencv-python==4.10.0.84 opencv-python-headless==4.10.0.84")


def test_opencv_that_does_not_import_fails() -> None:
    check = check_opencv(ProbeResult(error="ModuleNotFoundError: No module named 'cv2'"))

    assert (check.status, check.fix) == ("failed", "pip install opencv-python")


@pytest.mark.parametrize(
    ("change", "fix"),
    [
        ({"numpy": "1.25.2"}, 'pip install "numpy>=1.26,<3"'),
        ({"numpy": None, "scipy": None}, 'pip install "numpy>=1.26,<3" scipy'),
        ({"scikit-learn": None}, "pip install scikit-learn"),
    ],
)
def test_missing_or_old_numerics_fail(monkeypatch: pytest.MonkeyPatch, change: dict[str, str], fix: str) -> None:
    install(
        monkeypatch, {"numpy": "2.4.6", "scipy": "1.17.1", "scikit-learn": "1.9.1", "matplotlib": "3.11.2"} | change
    )

    check = check_numerics()

    assert (check.status, check.fix) == ("failed", fix)


def test_hdf5_that_reads_other_values_fails() -> None:
    facts = {"version": "3.16.0", "hdf5": "2.0.0", "reads_back": False}

    assert check_hdf5(ProbeResult(facts=facts)).status == "failed"
    assert check_hdf5(ProbeResult(facts=facts | {"reads_back": True})).status == "ok"
    assert check_hdf5(ProbeResult(error="OSError: unable to lock file")).status == "failed"


def test_broken_onnx_is_only_a_warning() -> None:
    facts = {"onnx": "1.23.2", "onnxruntime": "1.32.0", "runs": True}

    assert check_onnx(ProbeResult(facts=facts)).status == "ok"
    assert check_onnx(ProbeResult(facts=facts | {"runs": False})).status == "warning"
    absent = check_onnx(ProbeResult(error="ModuleNotFoundError: No module named 'onnxruntime'"))
    assert (absent.status, absent.fix) == ("warning", "pip install onnxruntime")
