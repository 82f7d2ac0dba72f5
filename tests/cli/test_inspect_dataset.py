from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from thermalctl.cli.inspect_dataset import inspect_dataset
from thermalctl.errors import DatasetError, RecordingError, RequestError
from thermalctl.recordings.hdf5 import Recording, write_recording


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One recording of 20 frames of 2x3; train on its frames 2 and 8, val on 12. The second class has a markup name."""
    root = tmp_path / "tiny"
    recording = Recording(
        sensor_id="R1",
        mac_address="02:00",
        frames_c=np.linspace(18, 30, 120, dtype=np.float32).reshape(20, 2, 3),
        timestamps_ms=np.arange(20, dtype=np.int64) * 100,
        frame_seqs=np.arange(20, dtype=np.int64),
    )
    write_recording(root / "frames" / "R1.h5", recording)
    (root / "annotations").mkdir()
    for split, keyframes in {"train": [(2, 0), (8, 1)], "val": [(12, 1)]}.items():
        image = {"sensor_id": "R1", "width": 3, "height": 2}
        person = {"bbox": [0.5, 0.5, 0.2, 0.2]}
        document = {
            "images": [{**image, "id": f"i{k}", "timestamp": 100 * k, "frame_idx": k} for k, _ in keyframes],
            "annotations": [{**person, "id": k, "image_id": f"i{k}", "category_id": label} for k, label in keyframes],
            "categories": [{"id": 0, "name": "stand"}, {"id": 1, "name": "lie [red]down"}],
        }
        (root / "annotations" / f"{split}.json").write_text(json.dumps(document))
    return root


#: What takes longest, and is tested below.
NO_TREES = ("--skip", "learnability", "--skip", "labels")


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(inspect_dataset)
    return CliRunner().invoke(app, arguments)


def test_screen_says_what_was_inspected_then_findings_then_tables(data: Path) -> None:
    lines = run("--data", str(data), *NO_TREES).stdout.splitlines()
    assert "".join(lines[:2]).replace(" ", "").startswith(f"{data}(from--data)".replace(" ", ""))
    text = "\n".join(lines)
    places = [
        text.index(part)
        for part in (
            "1 recording · 1 session · 20 frames of 2x3",
            "error    leakage",
            "class ",
            "recording  session",
            "1 error",
        )
    ]
    assert places == sorted(places)


def test_screen_fits_80_columns(simulated: Path) -> None:
    output = run("--data", str(simulated)).stdout
    assert "learned without a network" in output
    assert max(len(line) for line in output.splitlines()) <= 80


def test_names_in_brackets_are_shown_as_they_are(data: Path) -> None:
    assert "lie [red]down" in run("--data", str(data), *NO_TREES).stdout


def test_json_is_the_whole_of_standard_output(data: Path) -> None:
    result = run("--data", str(data), "--json", "--frame-window", "16", *NO_TREES)
    inspection = json.loads(result.stdout)
    assert inspection["sample_shape"] == [16, 2, 3]
    assert [row["keyframes"] for row in inspection["classes"]] == [{"train": 1, "val": 0}, {"train": 1, "val": 1}]
    assert (inspection["learnability"], inspection["suspects"]) == (None, None)
    assert inspection["sections"] == ["structure", "leakage", "health", "statistics"]
    assert result.stderr == ""


def test_only_what_is_asked_for_is_shown(data: Path) -> None:
    result = run("--data", str(data), "--only", "leakage")
    assert "leakage" in result.stdout
    assert "1 recording · 1 session" in result.stdout
    for other in ("recording  session", "people  weight", "range", "learned without"):
        assert other not in result.stdout
    assert isinstance(run("--data", str(data), "--only", "leakage", *NO_TREES).exception, RequestError)


def test_baselines_and_doubtful_labels_are_shown(simulated: Path) -> None:
    result = run("--data", str(simulated), "--only", "learnability", "--only", "labels", "--json")
    inspection = json.loads(result.stdout)
    terms = {(row["target"], row["terms"], row["baseline"]) for row in inspection["learnability"]["results"]}
    for target in ("frame", "person"):
        assert (target, "given split", "trees") in terms
        assert (target, "session held out", "trees") in terms
    assert isinstance(inspection["suspects"], list)


def test_strict_fails_on_a_leak_and_on_nothing_less(data: Path, simulated: Path) -> None:
    assert run("--data", str(data), *NO_TREES).exit_code == 0
    assert run("--data", str(data), *NO_TREES, "--strict").exit_code == 1
    assert run("--data", str(data), "--only", "health", "--strict").exit_code == 0
    outcome = run("--data", str(simulated), *NO_TREES, "--strict")  # warnings, but sessions are held out
    assert outcome.exit_code == 0, outcome.stdout


def test_every_problem_of_a_broken_dataset_is_listed(data: Path) -> None:
    path = data / "annotations" / "train.json"
    document = json.loads(path.read_text())
    document["images"] = [{"id": f"i{number}"} for number in range(4)]
    path.write_text(json.dumps(document))

    result = run("--data", str(data))
    assert result.exit_code == 2
    problems = [line for line in result.stdout.splitlines() if line.startswith(str(path))]
    assert len(problems) >= 4 * 5
    assert f"{data}: {len(problems)} problems" in result.stdout.replace("\n", "")

    assert json.loads(run("--data", str(data), "--json").stdout)["problems"] == problems


def test_recording_that_ends_the_process_is_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inspection runs in a process of its own; here one that ends at once, as HDF5 does on some damage."""
    monkeypatch.setenv("PYTHONFAULTHANDLER", "0")
    monkeypatch.setattr("thermalctl.reports.inspection.report_dataset", os._exit)
    result = run("--data", str(data), *NO_TREES)
    assert isinstance(result.exception, RecordingError)
    assert "exit code" in result.exception.message


def test_page_is_written_and_not_overwritten(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run("--data", str(data), *NO_TREES, "--html", str(page))
    assert result.exit_code == 0
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert "written: " in result.stderr
    again = run("--data", str(data), *NO_TREES, "--html", str(page))
    assert isinstance(again.exception, RequestError)
    assert run("--data", str(data), *NO_TREES, "--html", str(page), "--force").exit_code == 0


def test_missing_folder_is_a_dataset_error(tmp_path: Path) -> None:
    result = run("--data", str(tmp_path / "gone"))
    assert isinstance(result.exception, DatasetError)


def test_command_imports_nothing_heavy() -> None:
    program = (
        "import sys, thermalctl.cli.inspect_dataset; "
        "print(sorted({'numpy', 'h5py', 'scipy', 'sklearn', 'torch', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.real
def test_real_screen_names_leakage_first(real_dataset: Path) -> None:
    lines = run("--data", str(real_dataset), *NO_TREES).stdout.splitlines()
    first_finding = next(line for line in lines if line.startswith("error"))
    assert first_finding.rstrip() == "error    leakage  all 73 val clips overlap a train clip (median 6 frames apart)"
    assert any("84.9 %, mean class 45.7 %" in line for line in lines)
