"""The machine itself: disks, shared memory, open files."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thermalctl.configs import slowfast_r50
from thermalctl.environment.diagnosis import Check, Status
from thermalctl.environment.quantities import GIB, format_bytes, shorten_home

#: Where `train` puts its runs, below the current folder; a test holds it and `engine.plan` together.
WORK_DIRS = "work_dirs"
#: A checkpoint of SlowFast R50 with momentum and an averaged copy has 0.4 GB; `train` keeps a handful.
LEAST_WORK_BYTES = 5 * GIB
#: The largest weights of the catalog have 0.25 GB.
LEAST_CACHE_BYTES = 1 * GIB
#: What a process has open besides the clips and the recordings: libraries, pipes to the workers, logs. 87 files were
#: counted in a training with 4 + 4 workers on 8 recordings.
OTHER_OPEN_FILES = 128
SHARED_MEMORY_FOLDER = Path("/dev/shm")

#: A frame of the sensor, pixels.
_FRAME_SIZE = (40, 60)
_FLOAT32_BYTES = 4
#: Batches that each worker of a torch DataLoader has ready or in the making: its `prefetch_factor`, 2 by default.
_PREFETCH_FACTOR = 2


@dataclass(frozen=True, kw_only=True)
class LoaderLoad:
    """What `train` on a GPU, with its default configuration, has between its loader workers and itself.

    Attributes:
        num_train_workers: processes that read clips for training.
        num_val_workers: processes that read clips for validation; they stay beside the others.
        num_clips: how many clips are on their way at most, each an open file.
        num_bytes: what they hold in shared memory.
    """

    num_train_workers: int
    num_val_workers: int
    num_clips: int
    num_bytes: int


def estimate_loader_load(num_processors: int, config: Any = slowfast_r50) -> LoaderLoad:
    """Return what the loaders of a configuration have on its way; of workers one for each processor at most."""
    loaders = config.train_dataloader, config.val_dataloader
    num_workers = [min(loader["num_workers"], num_processors) for loader in loaders]
    num_clips = sum(
        count * _PREFETCH_FACTOR * loader["batch_size"] for count, loader in zip(num_workers, loaders, strict=True)
    )
    height, width = _FRAME_SIZE
    return LoaderLoad(
        num_train_workers=num_workers[0],
        num_val_workers=num_workers[1],
        num_clips=num_clips,
        num_bytes=num_clips * config.clip["num_frames"] * height * width * _FLOAT32_BYTES,
    )


def check_folder(name: str, folder: Path, least_free_bytes: int, *, needed: bool) -> Check:
    """Return whether a folder can be written and its disk has room.

    Args:
        name: what to call it.
        folder: it need not exist: what counts is where it would be created.
        least_free_bytes: less than this is worth a warning.
        needed: whether `train` fails without it.
    """
    failed: Status = "failed" if needed else "warning"
    try:
        place = find_existing(folder)
    except OSError:
        return Check(
            name=name, status="failed", found="the current folder no longer exists", fix="cd to a folder that exists"
        )
    shown = shorten_home(place)
    facts = {"folder": str(folder), "writable": False}
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Check(
            name=name,
            status=failed,
            found=f"{shown} cannot be written" if place.is_dir() else f"{shown} is a file, not a folder",
            why="train writes its runs there" if needed else "downloaded weights are kept there",
            fix="go to a folder where you may write" if needed else "export THERMALCTL_CACHE=DIR   another folder",
            facts=facts,
        )
    try:
        num_free = shutil.disk_usage(place).free
    except OSError as error:
        return Check(name=name, status=failed, found=f"{shown}: its disk does not answer ({error.strerror})")
    found = f"{format_bytes(num_free)} free for {_name_folder(folder)}"
    facts |= {"writable": True, "free_bytes": num_free}
    if num_free < least_free_bytes:
        why = f"checkpoints and weights want {format_bytes(least_free_bytes)}"
        fix = "free some space, or use another disk"
        return Check(name=name, status="warning", found=found, why=why, fix=fix, facts=facts)
    return Check(name=name, status="ok", found=found, facts=facts)


def check_cache() -> Check:
    """Return whether the folder of downloaded weights can be written and its disk has room.

    It is found as `thermalctl.weights.store` finds it, whose import would take longer than all that is told before any
    probe answers; a test holds the two together.
    """
    import platformdirs

    named = os.environ.get("THERMALCTL_CACHE")
    cache = Path(named).expanduser() if named else platformdirs.user_cache_path("thermalctl")
    return check_folder("cache", cache / "weights", LEAST_CACHE_BYTES, needed=False)


def find_existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists.

    Raises:
        OSError: if it is relative to a current folder that has been deleted.
    """
    place = Path(os.path.abspath(folder))  # noqa: PTH100  resolve() fails where a link leads in circles
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def check_shared_memory(load: LoaderLoad, folder: Path = SHARED_MEMORY_FOLDER) -> Check:
    """Return whether loader workers can hand over their clips; a container has 64 MiB unless told otherwise."""
    try:
        num_free = shutil.disk_usage(folder).free
    except OSError:
        return Check(name="shared memory", status="skipped", found=f"no {folder} on this system")
    workers = f"{load.num_train_workers} + {load.num_val_workers} workers"
    found = f"{format_bytes(num_free)} free; {workers} hold about {format_bytes(load.num_bytes)}"
    facts = {"free_bytes": num_free, "needed_bytes": load.num_bytes}
    if num_free >= load.num_bytes:
        return Check(name="shared memory", status="ok", found=found, facts=facts)
    return Check(
        name="shared memory",
        status="warning",
        found=found,
        why="a worker that finds none left dies with a bus error",
        fix="docker run --shm-size=1g ...   or   thermalctl train --num-workers 0",
        facts=facts,
    )


def check_open_files(load: LoaderLoad) -> Check:
    """Return whether a process may open as many files as the clips on their way need."""
    limit = find_open_files_limit()
    if limit is None:
        return Check(name="open files", status="ok", found="no limit")
    needed = load.num_clips + OTHER_OPEN_FILES
    found = f"{limit:,} for each process; train has about {needed} open"
    facts = {"limit": limit, "needed": needed}
    if limit >= needed:
        return Check(name="open files", status="ok", found=found, facts=facts)
    return Check(
        name="open files",
        status="warning",
        found=found,
        why="loader workers keep one open for each clip on its way",
        fix="ulimit -n 4096   or   thermalctl train --num-workers 0",
        facts=facts,
    )


def find_open_files_limit() -> int | None:
    """Return how many files a process may have open; None without a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else limit


def _name_folder(folder: Path) -> str:
    """Return a folder as a user knows it: from here, "work_dirs/", or from home, "~/.cache/thermalctl"."""
    return shorten_home(folder) if folder.is_absolute() else f"{folder.as_posix()}/"
