from __future__ import annotations

import pytest

from thermalctl.environment.breaks import explain_break


@pytest.mark.parametrize(
    ("error", "why", "fix"),
    [
        (
            "ModuleNotFoundError: No module named 'mmaction.models.localizers.drn'",
            "released without this folder",
            "pip install --force-reinstall --no-deps mmaction2==1.2.0 thermalctl",
        ),
        (
            "ModuleNotFoundError: No module named 'importlib_metadata'",
            "without requiring it",
            "pip install importlib_metadata",
        ),
        ("ModuleNotFoundError: No module named 'pkg_resources'", "setuptools 82", 'pip install "setuptools<82"'),
        (
            "AssertionError: MMCV==2.2.0 is used but incompatible. Please install mmcv>=2.0.0rc4, <2.2.0.",
            "refuses mmcv 2.2.0",
            "pip uninstall -y mmcv mmcv-lite && pip install mmcv-lite==2.1.0",
        ),
        (
            "AssertionError: MMEngine==1.0.0 is used but incompatible. Please install mmengine>=0.7.1, <1.0.0.",
            "refuses mmengine 1.0.0",
            "pip install mmengine==0.10.7",
        ),
        (
            "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
            "the system's libGL.so.1",
            "apt-get install -y libgl1 libglib2.0-0",
        ),
        (
            "ImportError: libcudnn.so.9: cannot open shared object file: No such file or directory",
            "torch's CUDA libraries (libcudnn)",
            'pip install --force-reinstall "torch>=2.6,<2.14"',
        ),
        (
            "BlockingIOError: [Errno 11] Unable to synchronously create file (unable to lock file, errno = 11)",
            "no file locks",
            "export HDF5_USE_FILE_LOCKING=FALSE",
        ),
        (
            "ModuleNotFoundError: No module named 'mmengine'",
            "mmengine is not installed",
            "pip install mmaction2==1.2.0 mmengine==0.10.7 mmcv-lite==2.1.0",
        ),
        ("ModuleNotFoundError: No module named 'cv2'", "OpenCV is not installed", "pip install opencv-python"),
        ("ModuleNotFoundError: No module named 'einops'", "einops is not installed", "pip install einops"),
        ("ModuleNotFoundError: No module named 'onnx.helper'", "onnx is not installed", "pip install onnx"),
    ],
)
def test_known_break_is_told_with_its_cure(error: str, why: str, fix: str) -> None:
    told_why, told_fix = explain_break(error)

    assert why in told_why
    assert told_fix == fix


def test_unknown_break_is_left_to_speak_for_itself() -> None:
    assert explain_break("RuntimeError: something new") == ("", None)
