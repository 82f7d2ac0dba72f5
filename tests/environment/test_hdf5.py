from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from thermalctl.environment.hdf5 import check_hdf5, make_scratch_folder, skip_hdf5
from thermalctl.environment.probe import ProbeResult

REINSTALL = "python -m pip install --force-reinstall --no-deps h5py"


@pytest.fixture(autouse=True)
def _no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)


def make_answer(**changes: Any) -> ProbeResult:
    facts = {"version": "3.16.0", "hdf5": "2.0.0", "reads_back": True, "lock_error": None}
    return ProbeResult(facts=facts | changes)


def test_file_that_reads_back_is_ok() -> None:
    check = check_hdf5(make_answer())

    assert (check.status, check.found) == ("ok", "3.16.0 (HDF5 2.0.0) writes and reads here")


def test_setting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "FALSE")

    assert check_hdf5(make_answer()).found.endswith("here, HDF5_USE_FILE_LOCKING=FALSE")


def test_other_folder_is_told_where_the_current_one_cannot_be_written() -> None:
    assert check_hdf5(make_answer(), elsewhere=Path("/var/tmp")).found.endswith("writes and reads in /var/tmp")


def test_refused_locks_are_a_warning_with_the_variable_that_does_without() -> None:
    check = check_hdf5(make_answer(lock_error="Unable to synchronously create file (unable to lock file, errno = 11)"))

    assert (check.status, check.fix) == ("warning", "export HDF5_USE_FILE_LOCKING=FALSE")
    assert "errno = 11" in check.found


def test_file_that_reads_otherwise_fails() -> None:
    check = check_hdf5(make_answer(reads_back=False))

    assert (check.status, check.fix) == ("failed", REINSTALL)


def test_h5py_that_does_not_import_fails() -> None:
    check = check_hdf5(ProbeResult(error="SyntaxError: invalid syntax"))

    assert (check.status, check.found, check.fix) == ("failed", "SyntaxError: invalid syntax", REINSTALL)


def test_no_folder_to_write_in_is_skipped() -> None:
    assert skip_hdf5().status == "skipped"


def test_folder_that_cannot_be_written_is_replaced_by_another(tmp_path: Path) -> None:
    with make_scratch_folder(tmp_path / "absent") as scratch:
        assert scratch.folder is not None
        assert scratch.elsewhere == scratch.folder.parent
        (scratch.folder / "x").touch()

    assert not scratch.folder.exists()


def test_no_folder_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))

    with make_scratch_folder(tmp_path / "absent") as scratch:
        assert scratch.folder is None


def test_scratch_folder_lies_in_the_current_one_and_goes(tmp_path: Path) -> None:
    with make_scratch_folder(tmp_path) as scratch:
        assert (scratch.folder.parent, scratch.elsewhere) == (tmp_path, None)

    assert list(tmp_path.iterdir()) == []
