from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from thermalctl.environment import machine
from thermalctl.environment.machine import (
    WORK_DIRS,
    LoaderLoad,
    check_cache,
    check_folder,
    check_open_files,
    check_shared_memory,
    estimate_loader_load,
)
from thermalctl.weights.store import get_cache_folder

GIB = 2**30
#: 4 + 4 workers x 2 batches x 8 clips x 64 x 40 x 60 x 4 bytes = 78,643,200 bytes = 75 MiB
LOAD = LoaderLoad(num_train_workers=4, num_val_workers=4, num_clips=128, num_bytes=78_643_200)


def leave_free(monkeypatch: pytest.MonkeyPatch, num_bytes: int) -> None:
    usage = type("Usage", (), {"free": num_bytes})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: usage)


def test_folder_with_room_is_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_free(monkeypatch, 7 * GIB + GIB // 2)
    monkeypatch.chdir(tmp_path)

    check = check_folder("disk", Path("work_dirs"), 5 * GIB, needed=True)

    assert (check.name, check.status, check.found) == ("disk", "ok", "7.5 GiB free for work_dirs/")


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

    check = check_folder("cache", tmp_path / "file" / "weights", 1, needed=False)

    assert (check.status, check.found) == ("warning", f"{tmp_path / 'file'} is a file, not a folder")
    assert "THERMALCTL_CACHE" in str(check.fix)


def test_deleted_current_folder_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    check = check_folder("disk", Path("work_dirs"), 1, needed=True)

    assert (check.status, check.found) == ("failed", "the current folder no longer exists")


def test_cache_that_is_a_file_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setenv("THERMALCTL_CACHE", str(tmp_path / "cache"))

    check = check_cache()

    assert (check.status, check.found) == ("warning", f"{tmp_path / 'cache'} is a file, not a folder")


@pytest.mark.parametrize("named", ["", "~/elsewhere", "/somewhere"])
def test_cache_is_where_weights_are_downloaded_to(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERMALCTL_CACHE", named)

    assert check_cache().facts["folder"] == str(get_cache_folder())


def test_folder_below_home_is_named_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    leave_free(monkeypatch, 20 * GIB)

    assert check_folder("cache", tmp_path / ".cache" / "weights", 1, needed=False).found.endswith("~/.cache/weights")


def test_work_folder_is_the_one_that_train_writes() -> None:
    plan = pytest.importorskip("thermalctl.engine.plan")

    assert Path(WORK_DIRS) == plan.WORK_DIRS


def test_loader_load_is_that_of_the_configuration_that_trains_on_a_gpu() -> None:
    config_module = pytest.importorskip("thermalctl.engine.config")
    cfg = config_module.load_config(config_module.choose_config("cuda", None))
    train, val = cfg.train_dataloader, cfg.val_dataloader
    num_clips = 2 * (train.num_workers * train.batch_size + val.num_workers * val.batch_size)

    load = estimate_loader_load(64)

    assert (load.num_train_workers, load.num_val_workers) == (train.num_workers, val.num_workers)
    assert load.num_clips == num_clips
    assert load.num_bytes == num_clips * cfg.clip.num_frames * 40 * 60 * 4


def test_no_more_workers_are_reckoned_with_than_there_are_processors() -> None:
    load = estimate_loader_load(1)

    assert (load.num_train_workers, load.num_val_workers) == (1, 1)


def test_shared_memory_of_a_container_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_free(monkeypatch, 64 * 2**20)

    check = check_shared_memory(LOAD, tmp_path)

    assert (check.status, check.found) == ("warning", "64 MiB free; 4 + 4 workers hold about 75 MiB")


def test_shared_memory_of_a_computer_is_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_free(monkeypatch, 24 * GIB)

    assert check_shared_memory(LOAD, tmp_path).status == "ok"


def test_system_without_shared_memory_folder_is_skipped(tmp_path: Path) -> None:
    assert check_shared_memory(LOAD, tmp_path / "absent").status == "skipped"


@pytest.mark.parametrize(
    ("limit", "status", "found"),
    [
        (255, "warning", "255 for each process; train has about 256 open"),
        (256, "ok", "256 for each process; train has about 256 open"),
        (20_000, "ok", "20,000 for each process; train has about 256 open"),
        (resource.RLIM_INFINITY, "ok", "no limit"),
    ],
)
def test_low_limit_of_open_files_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, limit: int, status: str, found: str
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))

    check = check_open_files(LOAD)

    assert (check.status, check.found) == (status, found)
