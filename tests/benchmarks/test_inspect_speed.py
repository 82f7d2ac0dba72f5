from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from thermalctl.dataset.inspect import inspect_dataset
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.recordings.simulate import SimulationOptions

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "inspect_speed.py"
#: One recording of 40x60 in each of two sessions, 2.4 MB uncompressed.
BASE = SimulationOptions(num_sessions=2, recordings_per_session=1, frames_per_recording=250, keyframes_per_recording=5)


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("inspect_speed", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_memory_does_not_grow_with_the_frames_that_are_inspected(program: ModuleType, tmp_path: Path) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    program.make_dataset(few, copies=1, base=BASE)
    program.make_dataset(many, copies=60, base=BASE)
    read = program.measure_apart("reading", many)
    assert read["bytes"] == 120 * 250 * 40 * 60 * 4  # 288 MB
    least = program.measure_apart("inspecting", few)["memory_mb"]
    most = program.measure_apart("inspecting", many)["memory_mb"]
    assert most < least + 60
    assert most < program.MAX_MEMORY_MB


@pytest.mark.slow
def test_copies_are_sessions_of_their_own_in_which_nothing_is_wrong(program: ModuleType, tmp_path: Path) -> None:
    program.make_dataset(tmp_path / "made", copies=3, base=BASE)
    inspection = inspect_dataset(DatasetLayout(tmp_path / "made"))
    assert len(inspection.sessions) == len(inspection.recordings) == 6
    topics = {finding.topic: finding.status for finding in inspection.findings}
    assert (topics["copies"], topics["sensor"], topics["stamps"]) == ("ok", "ok", "ok")


def test_program_says_how_to_measure(program: ModuleType) -> None:
    assert set(program.MEASURES) == {"reading", "inspecting"}
    found = {
        "reading": {"seconds": 2.0, "memory_mb": 200.0, "bytes": 1e9},
        "inspecting": {"seconds": 4.0, "memory_mb": 300.0, "recordings": 8, "keyframes": 387},
    }
    assert program.show([found]) == 0
    slower = json.loads(json.dumps(found))
    slower["inspecting"]["seconds"] = 4.1
    assert program.show([slower]) == 1
    assert program.show([slower, found]) == 0  # the fastest counts
