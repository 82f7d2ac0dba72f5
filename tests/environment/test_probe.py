from __future__ import annotations

from pathlib import Path

import pytest

from thermalctl.environment.probe import ProbeResult, find_exception, run_probe


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a module in front of the installed one of that name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)

    return write


def test_working_package_is_used_and_told() -> None:
    assert run_probe("opencv").facts["shape"] == [256, 384]
    assert run_probe("onnx").facts["runs"] is True


def test_hdf5_file_is_written_in_the_folder_and_read_back(tmp_path: Path) -> None:
    result = run_probe("hdf5", str(tmp_path))

    assert (result.error, result.facts["reads_back"]) == (None, True)
    assert [path.name for path in tmp_path.iterdir()] == ["probe.h5"]


def test_exception_of_an_import_is_told_word_for_word(plant) -> None:
    plant("cv2", "raise ImportError('libGL.so.1: cannot open shared object file')")

    assert run_probe("opencv") == ProbeResult(error="ImportError: libGL.so.1: cannot open shared object file")


def test_crash_is_told_by_its_signal(plant) -> None:
    plant("cv2", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")

    assert run_probe("opencv") == ProbeResult(error="killed by SIGSEGV")


def test_silent_end_is_told_by_its_exit_code(plant) -> None:
    plant("cv2", "import os; os._exit(3)")

    assert run_probe("opencv") == ProbeResult(error="ended with exit code 3")


def test_hanging_import_is_given_up(plant) -> None:
    plant("cv2", "import time; time.sleep(60)")

    assert run_probe("opencv", timeout_s=1.0) == ProbeResult(error="no answer within 1 s")


def test_package_that_prints_while_importing_does_not_spoil_the_answer(plant) -> None:
    plant(
        "cv2",
        "import sys; print('hello'); sys.stdout.write('no newline'); __version__ = '9'\n"
        "def resize(image, size): return image",
    )

    assert run_probe("opencv").facts == {"version": "9", "shape": [40, 60]}


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        ("", None),
        ("a warning\n", None),
        ("Traceback (most recent call last):\n  File\n    x\nKeyError: 'a'\n", "KeyError: 'a'"),
        (
            "Traceback (most recent call last):\n  File\nKeyError: 'a'\n\nDuring handling of the above exception, "
            "another exception occurred:\n\nTraceback (most recent call last):\n  File\nImportError: b\n",
            "ImportError: b",
        ),
        (
            "Traceback (most recent call last):\n  File\nImportError: \nA module was compiled using NumPy 1.x\nmore\n",
            "ImportError:  A module was compiled using NumPy 1.x",
        ),
        ("Traceback (most recent call last):\n  File\nAssertionError: a\nsecond line\n", "AssertionError: a"),
        ("Traceback (most recent call last):\n  File\nValueError: " + "x" * 999, "ValueError: " + "x" * 288),
    ],
)
def test_exception_line_of_a_traceback(stderr: str, expected: str | None) -> None:
    assert find_exception(stderr) == expected
