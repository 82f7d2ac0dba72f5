from __future__ import annotations

import os
import resource
import shutil
import sys
from pathlib import Path

import pytest

from thermalctl.environment import machine
from thermalctl.environment.machine import check_folder, check_open_files, check_shared_memory, check_terminal

GIB = 2**30


def leave_free(monkeypatch: pytest.MonkeyPatch, num_bytes: int) -> None:
    usage = type("Usage", (), {"free": num_bytes})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: usage)


def test_folder_with_room_is_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_free(monkeypatch, 7 * GIB + GIB // 2)
    monkeypatch.chdir(tmp_path)

    check = check_folder("disk", Path(), 5 * GIB, needed=True)

    assert (check.name, check.status, check.found) == ("disk", "ok", "7.5 GiB free in the current folder")


def test_nearly_full_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_free(monkeypatch, 5 * GIB - 1)

    assert check_folder("disk", tmp_path, 5 * GIB, needed=True).status == "warning"


def test_folder_that_is_not_there_yet_is_judged_by_where_it_would_be(tmp_path: Path) -> None:
    assert check_folder("cache", tmp_path / "a" / "b", 1, needed=False).status == "ok"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("needed", "status"), [(True, "failed"), (False, "warning")])
def test_folder_that_cannot_be_written_fails_where_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: bool, status: str
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    check = check_folder("disk", tmp_path, 1, needed=needed)

    assert (check.status, check.found) == (status, f"{tmp_path} cannot be written")


def test_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert check_folder("cache", tmp_path / "file" / "weights", 1, needed=False).status == "warning"


def test_shared_memory_of_a_container_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_free(monkeypatch, 64 * 2**20)

    check = check_shared_memory(tmp_path)

    # 8 workers x 2 batches x 8 clips x 64 x 40 x 60 x 4 bytes = 78,643,200 bytes = 75 MiB
    assert (check.status, check.found) == ("warning", "64 MiB free; 4 + 4 workers hold about 75 MiB")


def test_shared_memory_of_a_computer_is_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_free(monkeypatch, 24 * GIB)

    assert check_shared_memory(tmp_path).found == "24 GiB free"


def test_system_without_shared_memory_folder_is_skipped(tmp_path: Path) -> None:
    assert check_shared_memory(tmp_path / "absent").status == "skipped"


@pytest.mark.parametrize(
    ("limit", "status", "found"),
    [
        (256, "warning", "256 for each process"),
        (20_000, "ok", "20,000 for each process"),
        (resource.RLIM_INFINITY, "ok", "no limit"),
    ],
)
def test_low_limit_of_open_files_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, limit: int, status: str, found: str
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))

    check = check_open_files()

    assert (check.status, check.found) == (status, found)


@pytest.mark.parametrize(
    ("is_terminal", "columns", "encoding", "status"),
    [
        (False, 80, "utf-8", "skipped"),
        (True, 80, "utf-8", "ok"),
        (True, 79, "utf-8", "warning"),
        (True, 80, "ascii", "warning"),
    ],
)
def test_narrow_or_ascii_terminal_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, columns: int, encoding: str, status: str
) -> None:
    stream = type("Stream", (), {"isatty": lambda self: is_terminal, "encoding": encoding})()
    monkeypatch.setattr(sys, "__stdout__", stream)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))

    assert check_terminal().status == status
