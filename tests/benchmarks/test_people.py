from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from thermalctl.annotations.coco import Box

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "people.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_people", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_overlap_counts_only_what_is_in_the_frame(program: ModuleType) -> None:
    """0.2 x 0.4 and 0.2 x 0.4 share 0.1 x 0.4: a third. Beyond the frame's left edge there is nothing to share."""
    assert program.measure_overlap(Box(0.3, 0.5, 0.2, 0.4), Box(0.4, 0.5, 0.2, 0.4)) == pytest.approx(1 / 3)
    assert program.measure_overlap(Box(0.0, 0.5, 0.2, 0.4), Box(0.05, 0.5, 0.1, 0.4)) == pytest.approx(1.0)
    assert program.measure_overlap(Box(0.2, 0.5, 0.2, 0.4), Box(0.8, 0.5, 0.2, 0.4)) == 0.0


def test_each_found_box_is_one_persons(program: ModuleType) -> None:
    """One box between two people who stand close is the nearer one's; the other is missed."""
    people = [
        program.Truth(recording="lab", frame=3, box=Box(x, 0.5, 0.2, 0.4), label="standing", who=who)
        for who, x in enumerate((0.40, 0.50))
    ]
    missed, found = program.match_boxes(people, {7: Box(0.48, 0.5, 0.2, 0.4)})
    assert (missed.overlap, missed.found_as) == (0.0, None)
    assert (found.overlap, found.found_as) == (pytest.approx(0.18 / 0.22), 7)


def test_switches_are_counted_by_person_and_recording(program: ModuleType) -> None:
    def match(recording: str, frame: int, who: int, found_as: int | None) -> object:
        truth = program.Truth(recording=recording, frame=frame, box=Box(0.5, 0.5, 0.2, 0.2), label="", who=who)
        return program.Match(truth=truth, overlap=0.6 if found_as is not None else 0.0, found_as=found_as)

    matches = (
        match("lab", 30, 0, 5), match("lab", 10, 0, 4), match("lab", 20, 0, None), match("lab", 40, 0, 5),
        match("lab", 10, 1, 9), match("hall", 10, 0, 1),
    )  # fmt: skip
    score = program.Score(matches=matches, num_unmatched=2, num_frames=4)
    assert score.num_switches == 1
    assert score.recall(0.5) == pytest.approx(5 / 6)
    assert score.f1 == pytest.approx(2 * 5 / (6 + 5 + 2))


def test_choice_is_the_middle_one_of_those_that_are_as_good(program: ModuleType) -> None:
    assert program.choose({"a": 0.5, "b": 0.948, "c": 0.95, "d": 0.947, "e": 0.94}) == "c"


def test_simulated_dataset_is_judged(
    program: ModuleType, simulated_dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["people.py", "--data", str(simulated_dataset)])
    program.main()
    lines = {line[:42].strip(): line[42:].split() for line in capsys.readouterr().out.splitlines() if line}
    num_people = int(lines["all"][0])
    assert num_people == sum(int(lines[session][0]) for session in ("SIM01", "SIM02"))
    assert float(lines["all"][1]) > 0.8
