from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest

from thermalctl.files import assemble_folder, hash_file, replace_file, write_json


def list_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    with pytest.raises(RuntimeError), replace_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list_files(tmp_path) == ["new"]

    write_json(path, {"a": "é"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "é"}
    assert list_files(tmp_path) == ["new", "new/a.json"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444


def test_folder_appears_when_all_of_it_is_written(tmp_path: Path) -> None:
    target = tmp_path / "below" / "dataset"
    with assemble_folder(target) as made:
        (made / "a.txt").write_text("a")
        assert not target.exists()
    assert list_files(tmp_path) == ["below", "below/dataset", "below/dataset/a.txt"]
    assert stat.S_IMODE(target.stat().st_mode) & 0o555 == 0o555


def test_folder_that_was_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), assemble_folder(tmp_path / "dataset") as made:
        (made / "a.txt").write_text("a")
        raise RuntimeError
    assert list_files(tmp_path) == []


def test_empty_folder_is_filled_and_another_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with assemble_folder(tmp_path / "empty") as made:
        (made / "a.txt").write_text("a")
    assert list_files(tmp_path / "empty") == ["a.txt"]

    for taken in (tmp_path / "empty", tmp_path / "empty" / "a.txt"):
        with pytest.raises(FileExistsError), assemble_folder(taken):
            pytest.fail("was begun")
    with pytest.raises(FileExistsError), assemble_folder(tmp_path / "empty", may_replace=lambda path: False):
        pytest.fail("was begun")
    assert list_files(tmp_path) == ["empty", "empty/a.txt"]


def test_folder_is_replaced_where_that_is_allowed_and_only_when_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with pytest.raises(RuntimeError), assemble_folder(target, may_replace=lambda path: True):
        raise RuntimeError
    assert list_files(tmp_path) == ["dataset", "dataset/old.txt"]

    with assemble_folder(target, may_replace=lambda path: path == target) as made:
        (made / "new.txt").write_text("new")
    assert list_files(tmp_path) == ["dataset", "dataset/new.txt"]


def test_hash_is_of_the_whole_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000  # more than one block
    (tmp_path / "a").write_bytes(content)
    assert hash_file(tmp_path / "a") == hashlib.sha256(content).hexdigest()
