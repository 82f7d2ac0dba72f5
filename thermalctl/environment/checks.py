"""Every check of the doctor, run at once: is this machine ready for `train`?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from thermalctl.environment.accelerator import check_gpus, check_torch, query_driver
from thermalctl.environment.diagnosis import Check, Diagnosis, diagnose
from thermalctl.environment.machine import (
    LEAST_CACHE_BYTES,
    LEAST_WORK_BYTES,
    check_folder,
    check_open_files,
    check_shared_memory,
    check_terminal,
)
from thermalctl.environment.material import check_dataset, check_weights
from thermalctl.environment.packages import (
    check_hdf5,
    check_numerics,
    check_onnx,
    check_opencv,
    check_python,
    check_stack_import,
    check_stack_versions,
)
from thermalctl.environment.probe import run_probe


def run_checks(*, data: Path | None = None, current_folder: Path = Path()) -> Diagnosis:
    """Return what was found on this machine; nothing that is examined is imported into this process.

    Args:
        data: the dataset to look at; None for the one that `train` would find.
        current_folder: where a run would be started.
    """
    from thermalctl.weights.store import get_cache_folder

    # The probes wait for other processes, so threads are enough; the longest are begun first.
    with _folder_to_write_in(current_folder) as writable, ThreadPoolExecutor() as pool:
        stack = pool.submit(run_probe, "stack")
        torch = pool.submit(run_probe, "torch")
        driver = pool.submit(query_driver)
        onnx = pool.submit(run_probe, "onnx")
        opencv = pool.submit(run_probe, "opencv")
        hdf5 = pool.submit(run_probe, "hdf5", str(writable))
        dataset = pool.submit(check_dataset, data, current_folder)
        gpus = check_gpus(torch.result(), driver.result())
        has_gpu = bool(torch.result().facts.get("gpus"))
        weights = pool.submit(check_weights, current_folder, needed=has_gpu)
        checks: list[Check] = [
            check_python(),
            check_torch(torch.result(), driver.result()),
            *gpus,
            check_stack_versions(),
            check_stack_import(stack.result(), current_folder),
            check_numerics(),
            check_opencv(opencv.result()),
            check_hdf5(hdf5.result()),
            check_onnx(onnx.result()),
            check_folder("disk", current_folder, LEAST_WORK_BYTES, needed=True),
            check_folder("cache", get_cache_folder(), LEAST_CACHE_BYTES, needed=False),
            check_shared_memory(),
            check_open_files(),
            check_terminal(),
            weights.result(),
            dataset.result(),
        ]
    return diagnose(checks, device="cuda" if has_gpu else "cpu")


@contextmanager
def _folder_to_write_in(current_folder: Path) -> Iterator[str]:
    """Yield an empty folder on the current folder's disk, for its file locks are what matters; else on any disk."""
    place = current_folder if os.access(current_folder, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(prefix=".thermalctl-doctor-", dir=place) as folder:
        yield folder
