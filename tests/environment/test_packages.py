from __future__ import annotations

from pathlib import Path

import pytest

from thermalctl.environment import breaks, installation, packages
from thermalctl.environment.breaks import INSTALL_HEADLESS, INSTALL_MMCV_LITE
from thermalctl.environment.origins import Shadow
from thermalctl.environment.packages import (
    check_numerics,
    check_onnx,
    check_opencv,
    check_python,
    check_stack_import,
    check_stack_versions,
    check_tensorboard,
)
from thermalctl.environment.probe import ProbeResult

TRIED = {"mmaction2": "1.2.0", "mmengine": "0.10.7", "mmcv-lite": "2.1.0"}


def install(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    for module in (packages, breaks, installation):
        monkeypatch.setattr(module, "find_version", versions.get)


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
        ({"mmaction2": "1.1.0"}, "python -m pip install mmaction2==1.2.0"),
        ({"mmengine": "0.10.5", "mmcv-lite": "2.0.1"}, "python -m pip install mmengine==0.10.7 mmcv-lite==2.1.0"),
        ({"mmcv-lite": None, "mmcv": "2.2.0"}, INSTALL_MMCV_LITE),
        (
            {"mmcv-lite": None, "mmcv": "2.2.0", "mmengine": "0.6.0"},
            f"{INSTALL_MMCV_LITE} && python -m pip install mmengine==0.10.7",
        ),
        ({"mmcv-lite": None}, "python -m pip install mmcv-lite==2.1.0"),
        (dict.fromkeys(TRIED), "python -m pip install mmaction2==1.2.0 mmengine==0.10.7 mmcv-lite==2.1.0"),
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


def test_import_of_the_installed_stack_is_ok(tmp_path: Path) -> None:
    check = check_stack_import(ProbeResult(), tmp_path)

    assert (check.status, check.found) == ("ok", "models, datasets and runner import")


@pytest.mark.parametrize("is_of_operators", [False, True])
def test_failing_import_is_told_with_its_known_cure(is_of_operators: bool, tmp_path: Path) -> None:
    error = "ModuleNotFoundError: No module named 'mmcv._ext'"
    probe = ProbeResult(facts={"operators_error": error}) if is_of_operators else ProbeResult(error=error)

    check = check_stack_import(probe, tmp_path)

    assert (check.status, check.found, check.fix) == ("failed", error, INSTALL_MMCV_LITE)


def test_import_that_fails_in_a_new_way_is_answered_by_installing_again(tmp_path: Path) -> None:
    check = check_stack_import(ProbeResult(error="killed by SIGBUS"), tmp_path)

    assert check.why == "not a known break; its files may be incomplete"
    assert check.fix is not None
    assert check.fix.startswith("python -m pip install --force-reinstall --no-deps mmaction2==1.2.0 mmengine==")


def test_import_from_elsewhere_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shadow = Shadow(module="mmcv", path=tmp_path / "mmcv", fix="unset PYTHONPATH")
    monkeypatch.setattr(packages, "find_shadow", {"mmcv": shadow}.get)

    check = check_stack_import(ProbeResult(), tmp_path)

    assert (check.status, check.found) == ("warning", f"mmcv is imported from {tmp_path / 'mmcv'}")
    assert check.fix == "unset PYTHONPATH"


def test_wrong_release_of_a_checkout_is_answered_by_its_removal_from_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, TRIED | {"mmaction2": "0.24.0"})
    shadow = Shadow(module="mmaction", path=tmp_path / "mmaction", fix="unset PYTHONPATH")
    monkeypatch.setattr(packages, "find_shadow", {"mmaction": shadow}.get)

    check = check_stack_versions()

    assert (check.status, check.fix) == ("failed", "unset PYTHONPATH")
    assert check.why == f"{tmp_path / 'mmaction'} stands in front of the installed mmaction"


@pytest.mark.parametrize("path", ["mmaction/__init__.py", "torch.py"])
def test_package_in_the_current_folder_is_a_warning_although_the_import_works(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).touch()

    check = check_stack_import(ProbeResult(), tmp_path)

    assert (check.status, check.fix) == ("warning", "run from another folder")
    assert check.found == f"imports; but the current folder holds {path.split('/')[0]}"


def test_opencv_distributions_of_one_version_are_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, {"opencv-python": "5.0.0.93", "opencv-contrib-python": "5.0.0.93"})

    assert check_opencv(ProbeResult(facts={"version": "5.0.0"})).status == "ok"


@pytest.mark.parametrize(
    ("installed", "fix"),
    [
        (
            {"opencv-python": "4.9.0.80", "opencv-contrib-python": "4.10.0.84"},
            "python -m pip install --force-reinstall --no-deps opencv-python opencv-contrib-python",
        ),
        ({"opencv-python": "4.9.0.80", "opencv-python-headless": "4.10.0.84"}, INSTALL_HEADLESS),
        ({"opencv-python": "4.10.0.84", "opencv-python-headless": "4.10.0.84"}, INSTALL_HEADLESS),
    ],
)
def test_opencv_distributions_that_do_not_suit_each_other_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, installed: dict[str, str], fix: str
) -> None:
    install(monkeypatch, installed)

    check = check_opencv(ProbeResult(facts={"version": "4.9.0"}))

    assert (check.status, check.fix) == ("warning", fix)
    assert check.found == ", ".join(f"{name} {version}" for name, version in installed.items())


def test_opencv_that_does_not_import_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, {})

    check = check_opencv(ProbeResult(error="ModuleNotFoundError: No module named 'cv2'"))

    assert (check.status, check.fix) == ("failed", "python -m pip install opencv-python")


@pytest.mark.parametrize(
    ("change", "fix"),
    [
        ({"numpy": "1.25.2"}, 'python -m pip install "numpy>=1.26,<3"'),
        ({"numpy": None, "scipy": None}, 'python -m pip install "numpy>=1.26,<3" scipy'),
        ({"scikit-learn": None}, "python -m pip install scikit-learn"),
    ],
)
def test_missing_or_old_numerics_fail(monkeypatch: pytest.MonkeyPatch, change: dict[str, str], fix: str) -> None:
    install(
        monkeypatch, {"numpy": "2.4.6", "scipy": "1.17.1", "scikit-learn": "1.9.1", "matplotlib": "3.11.2"} | change
    )

    check = check_numerics()

    assert (check.status, check.fix) == ("failed", fix)


def test_broken_onnx_is_only_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"onnx": "1.23.2", "onnxruntime": "1.32.0", "runs": True}

    assert check_onnx(ProbeResult(facts=facts)).status == "ok"
    assert check_onnx(ProbeResult(facts=facts | {"runs": False})).status == "warning"
    install(monkeypatch, {})
    absent = check_onnx(ProbeResult(error="ModuleNotFoundError: No module named 'onnxruntime'"))
    assert (absent.status, absent.fix) == ("warning", "python -m pip install onnxruntime")


@pytest.mark.parametrize(
    ("version", "unmet", "status", "fix"),
    [
        ("2.21.0", {}, "ok", None),
        (None, {}, "failed", 'python -m pip install "tensorboard>=2.15"'),
        ("2.8.0", {}, "failed", "python -m pip install 'tensorboard>=2.15'"),
        ("2.21.0", {"protobuf": "protobuf>=6,<8"}, "failed", "python -m pip install 'protobuf>=6,<8'"),
        ("2.21.0", {"werkzeug": "werkzeug>=1"}, "warning", "python -m pip install 'werkzeug>=1'"),
    ],
)
def test_tensorboard_fails_where_its_writer_would(
    monkeypatch: pytest.MonkeyPatch, version: str | None, unmet: dict[str, str], status: str, fix: str | None
) -> None:
    install(monkeypatch, {"packaging": "26.3"} | ({"tensorboard": version} if version else {}))
    monkeypatch.setattr(packages, "find_unmet", lambda name: unmet)

    check = check_tensorboard()

    assert (check.status, check.fix) == (status, fix)
    assert ("TensorboardVisBackend" in check.why) == (status == "failed")
