from __future__ import annotations

import os
from pathlib import Path

import pytest

from thermalctl.environment.resources import Resources, check_memory, check_processor, measure_resources

GIB = 2**30


@pytest.fixture
def system(tmp_path: Path):
    """A machine of 16 GiB in files as the kernel writes them, and a process in the control group /docker/a."""
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (cgroups / "docker" / "a").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:   12582912 kB\n")
    (proc / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Abacus 3000\nflags: x\n")
    (proc / "self" / "cgroup").write_text("1:name=systemd:/x\n0::/docker/a\n")

    def measure(**files: str) -> Resources:
        for name, text in files.items():
            (cgroups / "docker" / "a" / name.replace("_", ".")).write_text(text)
        return measure_resources(proc=proc, cgroups=cgroups)

    measure.cgroups = cgroups  # type: ignore[attr-defined]
    return measure


def make(**changes: object) -> Resources:
    values = {"processor": "Abacus 3000", "num_cores": 8, "num_allowed": 8, "memory_bytes": 16 * GIB}
    return Resources(**(values | {"available_bytes": 12 * GIB} | changes))  # type: ignore[arg-type]


def test_machine_without_limits_is_measured_whole(system) -> None:
    resources = system(cpu_max="max 100000\n", memory_max="max\n", memory_current="1\n")

    assert (resources.processor, resources.quota) == ("Abacus 3000", None)
    assert (resources.memory_bytes, resources.available_bytes) == (16 * GIB, 12 * GIB)
    assert resources.num_usable == resources.num_allowed == len(os.sched_getaffinity(0))


def test_limits_of_a_container_are_what_counts(system) -> None:
    resources = system(
        cpu_max="150000 100000\n",
        memory_max=f"{4 * GIB}\n",
        memory_current=f"{3 * GIB}\n",
        memory_stat=f"anon 1\ninactive_file {GIB // 2}\n",
    )

    assert resources.quota == 1.5
    # 4 GiB less 3 GiB in use, of which half a GiB is cache that can go.
    assert (resources.memory_bytes, resources.available_bytes) == (4 * GIB, GIB + GIB // 2)


def test_limit_of_a_group_above_counts_as_well(system) -> None:
    (system.cgroups / "docker" / "cpu.max").write_text("50000 100000\n")

    assert system(cpu_max="400000 100000\n").quota == 0.5


def test_system_that_says_nothing_is_not_judged(tmp_path: Path) -> None:
    resources = measure_resources(proc=tmp_path, cgroups=tmp_path)

    assert (resources.memory_bytes, resources.quota) == (None, None)
    assert check_memory(resources).status == "skipped"
    assert check_processor(resources).status == "ok"


@pytest.mark.parametrize(
    ("quota", "threads", "status", "fix"),
    [
        (None, None, "ok", None),
        (None, "8", "ok", None),
        (None, "8,2", "ok", None),
        (None, "16", "warning", "export OMP_NUM_THREADS=8"),
        (2.5, None, "warning", "export OMP_NUM_THREADS=3"),
        (2.5, "3", "ok", None),
        (2.5, "4", "warning", "export OMP_NUM_THREADS=3"),
        (0.5, "1", "ok", None),
        (None, "many", "ok", None),
    ],
)
def test_more_threads_than_can_run_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, threads: str | None, status: str, fix: str | None
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if threads is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)

    check = check_processor(make(quota=quota))

    assert (check.status, check.fix) == (status, fix)


def test_cores_of_a_job_are_told_beside_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")

    assert check_processor(make(num_allowed=4)).found == "4 of 8 cores, Abacus 3000, OMP_NUM_THREADS=2"


@pytest.mark.parametrize(("available", "status"), [(3 * GIB, "ok"), (3 * GIB - 1, "warning")])
def test_little_free_memory_is_a_warning(available: int, status: str) -> None:
    check = check_memory(make(available_bytes=available))

    assert (check.status, check.found) == (status, "3.0 GiB of 16 GiB available")
