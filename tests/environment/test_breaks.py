from __future__ import annotations

import sys
from pathlib import Path

import pytest

from thermalctl.environment import breaks, installation
from thermalctl.environment.breaks import INSTALL_HEADLESS, INSTALL_MMCV_LITE, explain_break, mend_opencv

PIP = "python -m pip install"
REINSTALL_OPENCV = f"{PIP} --force-reinstall --no-deps opencv-python opencv-contrib-python"


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    """Say which distributions are installed; nothing stands in front of them."""

    def say(**versions: str) -> None:
        for module in (breaks, installation):
            monkeypatch.setattr(module, "find_version", lambda name: versions.get(name.replace("-", "_")))
        monkeypatch.setattr(breaks, "find_shadow", lambda module: None)
        monkeypatch.setattr(installation.shutil, "which", lambda program: None)

    say()
    return say


@pytest.mark.parametrize(
    ("error", "why", "fix"),
    [
        (
            "ModuleNotFoundError: No module named 'pkg_resources'",
            "setuptools 82 dropped it",
            f'{PIP} "setuptools<82"',
        ),
        (
            "AssertionError: MMCV==2.2.0 is used but incompatible. Please install mmcv>=2.0.0rc4, <2.2.0.",
            "mmaction2 1.2.0 refuses mmcv 2.2.0",
            "python -m pip uninstall -y mmcv mmcv-lite && python -m pip install --no-deps mmcv-lite==2.1.0",
        ),
        (
            "AssertionError: MMEngine==1.0.0 is used but incompatible. Please install mmengine>=0.7.1, <1.0.0.",
            "mmaction2 1.2.0 refuses mmengine 1.0.0",
            f"{PIP} --no-deps mmengine==0.10.7",
        ),
        ("ModuleNotFoundError: No module named 'mmcv._ext'", "nothing here needs them", INSTALL_MMCV_LITE),
        ("AssertionError: nms miss in module _ext", "nothing here needs them", INSTALL_MMCV_LITE),
        (
            "ImportError: /x/site-packages/mmcv/_ext.cpython-311-x86_64-linux-gnu.so: undefined symbol: _ZN2at",
            "nothing here needs them",
            INSTALL_MMCV_LITE,
        ),
        ("AttributeError: module 'cv2' has no attribute 'resize'", "its wheels share one folder", REINSTALL_OPENCV),
        (
            "AttributeError: module 'cv2.dnn' has no attribute 'DictValue'",
            "its wheels share one folder",
            REINSTALL_OPENCV,
        ),
        (
            'ImportError: ERROR: recursion is detected during loading of "cv2" binary extensions.',
            "its wheels share one folder",
            REINSTALL_OPENCV,
        ),
        ("ImportError: numpy.core.multiarray failed to import", "mostly OpenCV", REINSTALL_OPENCV),
        (
            "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96, got 88",
            "compiled for another numpy",
            f"{PIP} --upgrade --force-reinstall --no-deps h5py scipy",
        ),
        (
            "ModuleNotFoundError: No module named 'numpy.exceptions'",
            "numpy is older than",
            f'{PIP} --force-reinstall --no-deps "numpy>=1.26,<3"',
        ),
        (
            "TypeError: Descriptors cannot be created directly.",
            "protobuf is older",
            f"{PIP} --upgrade protobuf onnx onnxruntime tensorboard",
        ),
        ("ModuleNotFoundError: No module named 'cv2'", "cv2 is not installed", f"{PIP} opencv-python"),
        ("ModuleNotFoundError: No module named 'PIL'", "PIL is not installed", f"{PIP} pillow"),
        ("ModuleNotFoundError: No module named 'yaml'", "yaml is not installed", f"{PIP} pyyaml"),
        ("ModuleNotFoundError: No module named 'einops'", "einops is not installed", f"{PIP} einops"),
        (
            "ModuleNotFoundError: No module named 'mmengine'",
            "mmengine is not installed",
            f"{PIP} mmaction2==1.2.0 mmengine==0.10.7 mmcv-lite==2.1.0",
        ),
        (
            "ModuleNotFoundError: No module named 'mmaction.models'",
            "mmaction is not installed",
            f"{PIP} mmaction2==1.2.0",
        ),
    ],
)
def test_known_break_is_told_with_its_cure(install, error: str, why: str, fix: str) -> None:
    told_why, told_fix = explain_break(error)

    assert why in told_why
    assert told_fix == fix


@pytest.mark.parametrize(
    "library", ["libGL.so.1", "libgthread-2.0.so.0", "libglib-2.0.so.0", "libSM.so.6", "libXext.so.6", "libxcb.so.1"]
)
def test_missing_system_library_is_named_and_needs_no_root_to_mend(install, library: str) -> None:
    error = f"ImportError: {library}: cannot open shared object file: No such file or directory"

    why, fix = explain_break(error)

    assert f"the system's {library}," in why
    assert fix == INSTALL_HEADLESS
    assert fix.endswith("--force-reinstall --no-deps opencv-python-headless")


@pytest.mark.parametrize(
    "error",
    [
        "ImportError: libcudnn.so.9: cannot open shared object file: No such file or directory",
        "ImportError: /x/torch/lib/libtorch_cuda.so: undefined symbol: ncclCommWindowRegister",
        "ValueError: libcublas.so.*[0-9] not found in the system path ['/x']",
        "ImportError: libnccl.so.2: cannot open shared object file: No such file or directory",
    ],
)
def test_cuda_library_of_torch_is_mended_in_the_build_that_is_installed(install, error: str) -> None:
    install(torch="2.13.0+cu126")

    why, fix = explain_break(error)

    assert "torch's CUDA libraries (lib" in why
    assert fix == f'{PIP} --force-reinstall "torch>=2.6,<2.14" --index-url https://download.pytorch.org/whl/cu126'


def test_package_that_is_installed_but_incomplete_is_installed_again_as_it_was(install) -> None:
    install(onnx="1.23.2", mmaction2="1.1.0")

    assert explain_break("ModuleNotFoundError: No module named 'onnx.helper'") == (
        "onnx is installed, but its files are incomplete or do not suit each other",
        f"{PIP} --force-reinstall --no-deps onnx==1.23.2",
    )
    _, fix = explain_break("ModuleNotFoundError: No module named 'mmaction.models.localizers.drn.drn'")
    assert fix == f"{PIP} --force-reinstall --no-deps mmaction2==1.2.0"


@pytest.mark.parametrize("problem", ["file too short", "cannot read file data", "invalid ELF header"])
def test_damaged_library_is_told_with_the_package_that_owns_it(install, problem: str) -> None:
    install(h5py="3.16.0")

    why, fix = explain_break(f"ImportError: /x/lib/python3.11/site-packages/h5py/_errors.so: {problem}")

    assert why == "a file of h5py is cut short, damaged or of another release"
    assert fix == f"{PIP} --force-reinstall --no-deps h5py==3.16.0"


def test_module_that_nothing_requires_is_not_proposed_to_pip(install) -> None:
    assert explain_break("ModuleNotFoundError: No module named 'my_experiments'") == (
        "my_experiments is not installed, and nothing that is installed requires it",
        None,
    )


def test_opencv_is_mended_in_the_build_that_was_chosen(install) -> None:
    install(opencv_python="5.0.0.93", opencv_python_headless="4.10.0.84")

    assert mend_opencv() == INSTALL_HEADLESS
    assert explain_break("ImportError: numpy.core.multiarray failed to import")[1] == INSTALL_HEADLESS


@pytest.mark.parametrize(
    "error",
    [
        "ModuleNotFoundError: No module named 'torch.nn'; 'torch' is not a package",
        "AttributeError: module 'torch' has no attribute 'cuda'",
        "RuntimeError: half a torch",
    ],
)
def test_file_that_stands_in_front_is_blamed_before_the_installation(
    error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.syspath_prepend(tmp_path)

    why, fix = explain_break(error)

    assert why == f"{tmp_path / 'torch.py'} stands in front of the installed torch"
    assert fix == "run from another folder"


def test_shadow_is_not_blamed_for_what_is_known_to_come_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mmengine.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    why, _ = explain_break("ImportError: libGL.so.1: cannot open shared object file: No such file or directory")

    assert "the system's libGL.so.1" in why


def test_unknown_break_is_left_to_speak_for_itself(install) -> None:
    assert explain_break("RuntimeError: something new") == ("", None)
