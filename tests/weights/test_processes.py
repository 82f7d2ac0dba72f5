"""More than one process, and processes that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from thermalctl.errors import WeightsError
from thermalctl.weights.catalog import PretrainedWeights
from thermalctl.weights.download import fetch_weights
from thermalctl.weights.lock import hold_lock

FETCH = """
import json, sys
from pathlib import Path
from thermalctl.errors import WeightsError
from thermalctl.weights.catalog import PretrainedWeights
from thermalctl.weights.download import fetch_weights

fields = json.loads(sys.argv[1])
entry = PretrainedWeights(**fields | {"file_names": tuple(fields["file_names"])})
print(fetch_weights(entry, Path(sys.argv[2])).status)
"""


def begin_fetching(entry: PretrainedWeights, folder: Path) -> subprocess.Popen[str]:
    """Start a process that fetches an entry and prints "fetched" or "present"."""
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, json.dumps(vars(entry)), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition: Any, *, timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_two_processes_at_once_fetch_it_once(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    server.gate.clear()
    first = begin_fetching(entry, tmp_path)
    wait_until(lambda: server.requests)
    second = begin_fetching(entry, tmp_path)
    assert second.stderr is not None
    told = second.stderr.readline()  # it says that it waits, and does
    server.gate.set()

    assert [process.communicate(timeout=30)[0] for process in (first, second)] == ["fetched\n", "present\n"]
    assert told == f"another process is fetching {entry.file_names[0]}; waiting for it\n"
    assert len(server.requests) == 1
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(entry.file_names[0], content)]


def test_killed_process_leaves_a_part_that_the_next_one_goes_on_with(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    server.block_bytes, server.pause_s = 10_000, 0.02
    part = tmp_path / f"{entry.file_names[0]}.part"
    process = begin_fetching(entry, tmp_path)
    wait_until(lambda: part.exists() and part.stat().st_size > 0)
    process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL
    process.communicate()
    here = part.read_bytes()
    assert content.startswith(here)
    assert 0 < len(here) < len(content)
    server.pause_s = 0.0

    fetched = fetch_weights(entry, tmp_path)  # the lock is free, or this would wait forever

    assert fetched.path.read_bytes() == content
    assert server.requests[-1][1] == f"bytes={len(here)}-"
    assert [path.name for path in tmp_path.iterdir()] == [entry.file_names[0]]


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock can be made. Root may write everywhere, so changing the folder's mode would not do."""

    def refuse(path: object, *arguments: object, **options: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)


def test_file_in_a_folder_that_cannot_be_written_is_already_there(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path, read_only: None
) -> None:
    (tmp_path / entry.file_names[0]).write_bytes(content)

    assert fetch_weights(entry, tmp_path).status == "present"
    assert server.requests == []


def test_folder_that_cannot_be_written_is_told_and_not_the_lock(
    server: Any, entry: PretrainedWeights, tmp_path: Path, read_only: None
) -> None:
    with pytest.raises(WeightsError, match=r"^/\S*/[^./]+: cannot be written \(Permission denied\)$"):
        fetch_weights(entry, tmp_path)

    assert server.requests == []


def test_lock_leaves_nothing_behind_even_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold_lock(tmp_path / "x.pth"):
        assert [path.name for path in tmp_path.iterdir()] == [".x.pth.lock"]
        raise ZeroDivisionError

    assert list(tmp_path.iterdir()) == []


HOLD = """
import sys, time
from pathlib import Path
from thermalctl.weights.lock import hold_lock

for _ in range(20):
    with hold_lock(Path(sys.argv[1])):
        mark = Path(sys.argv[2])
        mark.mkdir()  # fails if another process is in here
        time.sleep(0.001)
        mark.rmdir()
"""


def test_lock_that_is_removed_and_made_anew_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "x.pth"), str(tmp_path / "mark")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]

    errors = [process.communicate(timeout=60)[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], errors
    assert list(tmp_path.iterdir()) == []
