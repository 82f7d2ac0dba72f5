from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from thermalctl.environment import probe as probe_module
from thermalctl.environment.probe import Probe, ProbeResult, explain_end, find_exception, run_probe


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a module in front of the installed one of that name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)

    return write


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make of the precisions of the probe "step", which are its stages, what they do."""
    (tmp_path / "site").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os, signal, sys, time, types\n"
        "def run(device, stage):\n"
        "    if stage == 'crash': os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if stage == 'hang': time.sleep(60)\n"
        "    return {'device': device}\n"
        "worker = types.ModuleType('step_worker')\n"
        "worker.run_training_step = run\n"
        "sys.modules['thermalctl.environment.step_worker'] = worker\n"
    )


def test_working_package_is_used_and_told() -> None:
    assert run_probe("opencv").facts["shape"] == [256, 384]
    assert run_probe("onnx").facts["runs"] is True


def test_hdf5_file_is_written_in_the_folder_and_read_back(tmp_path: Path) -> None:
    result = run_probe("hdf5", str(tmp_path))

    assert (result.error, result.facts["reads_back"], result.facts["lock_error"]) == (None, True, None)
    assert [path.name for path in tmp_path.iterdir()] == ["probe.h5"]


def test_refused_lock_is_told_and_done_without(tmp_path: Path) -> None:
    with (tmp_path / "probe.h5").open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)

        facts = run_probe("hdf5", str(tmp_path)).facts

    assert facts["reads_back"] is True
    assert "unable to lock file" in facts["lock_error"]


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

    with Probe("opencv", timeout_s=3.0) as probe:
        assert probe.wait() == ProbeResult(error="no answer within 3 s")

    assert 'cv2.py", line 1' in probe.log  # where it hangs


def test_package_that_prints_while_importing_does_not_spoil_the_answer(plant) -> None:
    plant(
        "cv2",
        "import sys; print('hello'); sys.stdout.write('no newline'); __version__ = '9'\n"
        "def resize(image, size): return image",
    )

    assert run_probe("opencv").facts == {"version": "9", "shape": [40, 60]}


def test_import_that_exits_is_told_by_its_exit_code(plant) -> None:
    plant("cv2", "raise SystemExit(0)")

    assert run_probe("opencv") == ProbeResult(error="ended with exit code 0")


def test_syntax_error_is_told(plant) -> None:
    plant("cv2", "def broken(:")

    assert str(run_probe("opencv").error).startswith("SyntaxError: ")


def test_crash_costs_only_the_stages_after_it(staged: None) -> None:
    with Probe("step", "cpu", "good", "crash", "never") as probe:
        assert probe.wait("crash") == ProbeResult(error="killed by SIGSEGV")
        assert probe.wait("never") == ProbeResult(error="killed by SIGSEGV")
        assert probe.wait("good") == ProbeResult(facts={"device": "cpu"})

    assert "Segmentation fault" in probe.log
    assert "probe_step" in probe.log


def test_stage_is_answered_while_the_next_hangs(staged: None) -> None:
    with Probe("step", "cpu", "good", "hang") as probe:
        assert probe.wait("good").facts == {"device": "cpu"}

    assert probe.wait("hang") == ProbeResult(error="stopped")
    assert probe.log == ""


def test_exception_leaves_its_traceback(plant) -> None:
    plant("cv2", "raise ImportError('libGL.so.1')")

    with Probe("opencv") as probe:
        probe.wait()

    assert probe.log.startswith("Traceback (most recent call last):")
    assert probe.log.endswith("ImportError: libGL.so.1")


def test_process_that_holds_the_streams_open_is_not_waited_for(plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "_DRAIN_S", 0.2)
    plant("cv2", "import os, subprocess; subprocess.Popen(['sleep', '3']); os._exit(3)")

    assert run_probe("opencv") == ProbeResult(error="ended with exit code 3")


def test_probe_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module.sys, "executable", "/no/such/python")

    assert run_probe("opencv") == ProbeResult(error="cannot be started (No such file or directory)")


@pytest.mark.parametrize(
    ("code", "error"),
    [(0, "ended with exit code 0"), (-4, "killed by SIGILL"), (-40, "killed by signal 40")],
)
def test_end_without_a_traceback_is_described(code: int, error: str) -> None:
    assert probe_module._describe_end(code, "") == error


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        ("", None),
        ("a warning\n", None),
        ("no newline Traceback (most recent call last):\n  File\nKeyError: 'a'\n", "KeyError: 'a'"),
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


def test_end_from_outside_is_not_blamed_on_the_package() -> None:
    assert explain_end("killed by SIGKILL") == (
        "ended from outside, mostly for want of memory",
        "close other programs; see memory above",
    )
    assert explain_end("no answer within 90 s") is not None
    assert explain_end("killed by SIGSEGV") is None
