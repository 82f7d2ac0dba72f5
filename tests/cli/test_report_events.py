from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from thermalctl.cli.report import report
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.errors import PredictionsError, RequestError, ThermalctlError
from thermalctl.evaluation.event_truth import list_annotated
from thermalctl.events.files import SUFFIX, write_events
from thermalctl.events.rules import EventRule
from thermalctl.events.watcher import EventWatcher
from thermalctl.streams.answers import WindowAnswer

#: The simulated keyframes are 1.3 s apart and more, 6 a recording: standing for half of that is something.
RULE = EventRule(name="up", classes=("standing", "walking"), start_above=0.5, end_below=0.5, for_s=1.0)


@pytest.fixture(scope="module")
def dataset(simulated_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(simulated_dataset))


@pytest.fixture
def folder(dataset: ThermalDataset, tmp_path: Path) -> Path:
    """The events of a model that is always right about who stands or walks, and was trained on one recording."""
    annotated = list_annotated(dataset)
    for name, recording in annotated.items():
        watcher = EventWatcher([RULE], dataset.classes)
        for window, (keyframe, time_ms) in enumerate(zip(recording.keyframes, recording.times_ms, strict=True)):
            shown = recording.shown[window, [dataset.classes.index(each) for each in RULE.classes]].any()
            watcher.update(make_answer(name, window, int(keyframe), int(time_ms), dataset.classes, shown=bool(shown)))
        watcher.finish()
        about = {"trained_on": [min(annotated)]}
        write_events(tmp_path / f"{name}{SUFFIX}", watcher.record(about=about))
    return tmp_path


def make_answer(
    name: str, window: int, keyframe: int, time_ms: int, classes: Sequence[str], *, shown: bool
) -> WindowAnswer:
    probabilities = np.zeros(len(classes), dtype=np.float32)
    probabilities[classes.index("standing" if shown else "other")] = 1
    return WindowAnswer(
        recording=name,
        window=window,
        segment=0,
        first_frame=keyframe,
        keyframe=keyframe,
        last_frame=keyframe,
        start_ms=time_ms,
        keyframe_ms=time_ms,
        end_ms=time_ms + 500,
        probabilities=probabilities,
    )


def invoke(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(report)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def read_error(result: Result) -> ThermalctlError:
    assert isinstance(result.exception, ThermalctlError)
    return result.exception


def count_runs(dataset: ThermalDataset) -> int:
    """How many runs of two keyframes or more show somebody who stands or walks; all last more than a second."""
    ids = [dataset.classes.index(each) for each in RULE.classes]
    texts = [
        "".join("x" if row[ids].any() else "." for row in recording.shown)
        for recording in list_annotated(dataset).values()
    ]
    return sum(len(re.findall("xx+", text)) for text in texts)


def test_right_model_finds_every_event_and_raises_no_false_alarm(
    folder: Path, dataset: ThermalDataset, simulated_dataset: Path
) -> None:
    result = invoke("--events", folder, "--data", simulated_dataset)
    assert result.exit_code == 0, result.exception
    num = count_runs(dataset)
    assert num > 0
    lines = {line.partition("  ")[0]: line for line in result.stdout.splitlines()}
    assert f"{num} of {num}" in lines["events found (recall)"]
    assert f"{num} of {num}" in lines["alarms right (precision)"]
    assert lines["false alarms"].split()[2:6] == ["0", "0", "per", "hour"]


def test_terms_come_before_any_number(folder: Path, simulated_dataset: Path) -> None:
    text = " ".join(invoke("--events", folder, "--data", simulated_dataset).stdout.split())
    assert text.startswith("4 recordings of 2 sessions,")
    for sentence in ("Recordings of a session show one scene", "The model was trained on 1 of them"):
        assert 0 < text.index(sentence) < text.index("events found")
    assert "very few. A model that finds them all may still miss" in text


def test_screen_is_at_most_80_columns_wide(folder: Path, simulated_dataset: Path) -> None:
    lines = invoke("--events", folder, "--data", simulated_dataset).stdout.splitlines()
    assert max(map(len, lines)) <= 80


def test_missed_events_and_false_alarms_are_named_by_their_frames(
    folder: Path, dataset: ThermalDataset, simulated_dataset: Path
) -> None:
    name, recording = next(iter(list_annotated(dataset).items()))
    watcher = EventWatcher([RULE], dataset.classes)
    ids = [dataset.classes.index(each) for each in RULE.classes]
    for window, (keyframe, time_ms) in enumerate(zip(recording.keyframes, recording.times_ms, strict=True)):
        wrong = not recording.shown[window, ids].any()
        watcher.update(make_answer(name, window, int(keyframe), int(time_ms), dataset.classes, shown=wrong))
    watcher.finish()
    write_events(folder / f"{name}{SUFFIX}", watcher.record())
    out = invoke("--events", folder / f"{name}{SUFFIX}", "--data", simulated_dataset).stdout
    text = "".join("x" if row[ids].any() else "." for row in recording.shown)
    for what, pattern in (("missed", "xx+"), ("false alarm", r"\.\.+")):
        expected = [
            f"{what}: {name}, frames {recording.keyframes[run.start()]} to {recording.keyframes[run.end() - 1]}"
            for run in re.finditer(pattern, text)
        ]
        assert expected
        assert [line.rpartition(",")[0] for line in out.splitlines() if line.startswith(f"{what}: ")] == expected


def test_json_is_the_whole_of_standard_output(folder: Path, dataset: ThermalDataset, simulated_dataset: Path) -> None:
    result = invoke("--events", folder, "--data", simulated_dataset, "--json")
    (up,) = json.loads(result.stdout)["rules"]
    assert up["counts"]["num_true"] == count_runs(dataset)
    assert up["rule"]["name"] == "up"
    assert up["rates"]["recall"] == 1.0
    assert len(up["recordings"]) == 4


def test_rules_of_a_file_decide_which_events_count(folder: Path, tmp_path: Path, simulated_dataset: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: {up: {classes: [standing, walking], start_above: 0.5, for_s: 3600}}")
    result = invoke("--events", folder, "--data", simulated_dataset, "--rules", rules)
    assert "0 of 0" in result.stdout
    assert "up: standing, walking, for 3600 s" in result.stdout


def test_default_rules_are_not_those_of_other_alarms(folder: Path, simulated_dataset: Path) -> None:
    error = read_error(invoke("--events", folder, "--data", simulated_dataset, "--rules", "default"))
    assert error.message == 'no alarm was raised by a rule "fall"'


@pytest.mark.parametrize(
    "other", [["--html"], ["--confusion"], ["--compare", "x"], ["--fail-under", "top1=0.5"], ["run"]]
)
def test_what_makes_a_report_of_clips_does_not_go_with_events(folder: Path, other: list[str]) -> None:
    error = read_error(invoke("--events", folder, *other))
    assert isinstance(error, RequestError)
    assert "--events judges alarms, not clips" in error.message


@pytest.mark.parametrize("option", ["--data", "--rules"])
def test_options_of_events_need_events(option: str, tmp_path: Path) -> None:
    assert "go with --events" in read_error(invoke(option, tmp_path)).message


def test_folder_without_events_is_refused(tmp_path: Path, simulated_dataset: Path) -> None:
    error = read_error(invoke("--events", tmp_path, "--data", simulated_dataset))
    assert isinstance(error, PredictionsError)
    assert "holds no file of events" in error.message
