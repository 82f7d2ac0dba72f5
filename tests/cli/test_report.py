from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from thermalctl.cli.report import report
from thermalctl.errors import NotHeldError, PredictionsError, RequestError, ThermalctlError
from thermalctl.evaluation.predictions import Predictions, write_predictions
from thermalctl.evaluation.protocol import ProtocolRecord, Provenance
from thermalctl.evaluation.runs import predictions_path

CLASSES = ("sitting", "standing", "walking", "lying with risk", "leaning", "other")
#: True and predicted classes of 10 clips: top-1 8/10; recalls 5/6, 3/3, 0/1, so mean class 61.1 and acc/mean1 45.8.
LABELS = [0] * 6 + [1] * 3 + [3]
PREDICTED = [0, 0, 0, 0, 0, 1, 1, 1, 1, 5]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path()


def make_predictions() -> Predictions:
    scores = np.tile(np.linspace(0.1, 0.2, len(CLASSES)), (len(LABELS), 1))
    scores[np.arange(len(LABELS)), PREDICTED] += 1
    return Predictions(
        sample_ids=tuple(f"sample {index}" for index in range(len(LABELS))),
        labels=np.array(LABELS),
        scores=scores / scores.sum(axis=1, keepdims=True),
        sessions=("SL14",) * len(LABELS),
        recordings=("SL14_R1",) * len(LABELS),
        keyframes=np.arange(len(LABELS)),
        timestamps_ms=np.arange(len(LABELS)),
        classes=CLASSES,
        train_counts=np.array([20, 10, 4, 2, 1, 0]),
        protocol=ProtocolRecord(
            split="val",
            split_rule="given",
            selection="best acc/top1 on val",
            selection_split="val",
            num_overlapping=len(LABELS),
            sessions_in_train=("SL14",),
        ),
        provenance=Provenance(
            checkpoint="work_dirs/a/epoch_3.pth",
            checkpoint_sha256="0123456789abcdef" * 4,
            epoch=3,
            dataset="thermal_action_dataset",
            dataset_fingerprint="f00d",
            thermalctl_version="0.1.0",
            created="2026-01-02T03:04:05+00:00",
        ),
    )


@pytest.fixture
def run(here: Path) -> Path:
    folder = here / "work_dirs/thermal_slowfast"
    write_predictions(predictions_path(folder, "val"), make_predictions())
    (folder / "last_checkpoint").write_text("epoch_3.pth")
    return folder


def invoke(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(report)
    return CliRunner().invoke(app, list(arguments))


def read_error(result: Result) -> ThermalctlError:
    assert isinstance(result.exception, ThermalctlError)
    return result.exception


def test_bare_report_is_on_the_newest_run_and_says_so_on_standard_error(run: Path) -> None:
    result = invoke()
    assert result.exit_code == 0
    assert "predictions_val.npz" in result.stderr
    assert "the only run below work_dirs" in result.stderr
    assert "predictions_val" not in result.stdout


def test_protocol_comes_before_any_number(run: Path) -> None:
    lines = invoke(str(run)).stdout.splitlines()
    assert lines[0].startswith('val, 10 clips, split "given": every clip overlaps a training clip.')
    text = " ".join(line.strip() for line in lines)
    assert text.index("the numbers are optimistic") < text.index("this model")


def test_scores_stand_beside_the_baselines(run: Path) -> None:
    plain = re.sub(r"\[.*?\]", "", invoke(str(run)).stdout)  # without the intervals
    rows = {line[:20].strip(): line[20:].split() for line in plain.splitlines()}
    # F1: 2*5/(6+5), 2*3/(3+4), 0.
    assert rows["this model"] == ["80.0", "61.1", "58.9"]
    assert rows["always the majority"] == ["60.0", "33.3", "25.0"]
    assert rows["drawn evenly"] == ["16.7", "16.7", "-"]


def test_both_means_are_printed_where_they_differ(run: Path) -> None:
    text = " ".join(invoke(str(run)).stdout.split())
    assert "MMAction2's acc/mean1 is 45.8: it also averages over 1 class that the model answered" in text


def test_classes_are_listed_by_their_number_of_clips(run: Path) -> None:
    lines = invoke(str(run)).stdout.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("class "))
    assert lines[start].split() == ["class", "clips", "recall", "precision", "most", "often", "taken", "for"]
    assert lines[start + 1].split() == ["sitting", "6", "83", "100", "standing"]
    assert lines[start + 2].split() == ["standing", "3", "100", "75", "-", "(few", "clips)"]
    assert lines[start + 3].split() == ["lying", "with", "risk", "1", "0", "-", "not", "evaluable", "(1", "clip)"]
    assert "no clip: walking, leaning, other" in lines


def test_screen_is_at_most_80_columns_wide_but_for_paths(run: Path) -> None:
    lines = invoke(str(run), "--confusion").stdout.splitlines()
    assert max(len(line) for line in lines if "work_dirs" not in line) <= 80


def test_files_are_written_beside_the_predictions_without_a_picture(run: Path) -> None:
    result = invoke(str(run))
    assert "report: work_dirs/thermal_slowfast/report_val/report.txt" in result.stdout.splitlines()
    assert sorted(path.name for path in (run / "report_val").iterdir()) == [
        "confusion.csv",
        "report.json",
        "report.txt",
    ]
    assert "confusion matrix" not in result.stdout


def test_confusion_draws_the_picture(run: Path) -> None:
    result = invoke("--confusion")
    path = run / "report_val/confusion.png"
    assert f"confusion matrix: {path}" in result.stdout.splitlines()
    assert path.read_bytes().startswith(b"\x89PNG")


def test_long_path_is_printed_whole(run: Path) -> None:
    folder = "a folder with a long name " * 4 + "/report"
    result = invoke("--output", folder)
    assert f"report: {folder}/report.txt" in result.stdout.splitlines()
    assert not (run / "report_val").exists()


def test_json_is_all_of_standard_output(run: Path) -> None:
    result = invoke("--json")
    printed = json.loads(result.stdout)
    assert printed == json.loads((run / "report_val/report.json").read_text())
    assert printed["metrics"]["top1"] == 0.8
    assert printed["metrics"]["classes"][5]["recall"] is None


def test_report_can_be_repeated(run: Path) -> None:
    assert invoke().stdout == invoke().stdout


def test_run_that_was_not_tested_is_pointed_to_test(here: Path) -> None:
    folder = here / "work_dirs/a"
    folder.mkdir(parents=True)
    (folder / "last_checkpoint").write_text("x")
    error = read_error(invoke())
    assert isinstance(error, PredictionsError)
    assert error.message == "work_dirs/a: holds no predictions"
    assert "thermalctl test work_dirs/a" in str(error.hint)


def test_no_run_is_an_error_of_the_request(here: Path) -> None:
    error = read_error(invoke())
    assert isinstance(error, RequestError)
    assert error.exit_code == 2


def test_damaged_predictions_are_refused_by_name(run: Path) -> None:
    path = predictions_path(run, "val")
    path.write_bytes(path.read_bytes()[:500])
    assert read_error(invoke(str(path))).message.startswith(f"{path}: is not a whole predictions file")
    assert not (run / "report_val").exists()


def test_command_is_imported_without_the_heavy_libraries() -> None:
    code = (
        "import sys, thermalctl.cli.report; "
        "print([name for name in ('numpy', 'matplotlib', 'sklearn', 'torch') if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


def test_report_imports_no_torch_and_draws_nothing_unasked(run: Path) -> None:
    code = (
        "import sys, typer; from thermalctl.cli.report import report; app = typer.Typer(); app.command()(report); "
        "app(standalone_mode=False); "
        "print([name for name in ('torch', 'mmengine', 'mmaction', 'matplotlib') if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_two_models_are_compared(run: Path) -> None:
    same = invoke(str(run), "--compare", str(run))
    assert same.exit_code == 0
    assert "Both are right on the same 8 of 10 clips: top-1 does not tell them apart." in same.stdout
    assert max(map(len, same.stdout.splitlines()[3:])) <= 80
    result = json.loads(invoke(str(run), "--compare", str(run), "--json").stdout)
    assert result["overall"]["mcnemar"] == {"num_first": 0, "num_second": 0, "p": 1.0}


def test_comparison_is_no_report(run: Path) -> None:
    refused = invoke(str(run), "--compare", str(run), "--confusion")
    assert isinstance(refused.exception, RequestError)


def test_score_that_falls_short_fails_after_the_report(run: Path) -> None:
    reached = invoke(str(run), "--fail-under", "top1=0.8,mean_class=0.6")
    assert reached.exit_code == 0
    missed = invoke(str(run), "--fail-under", "top1=0.85")
    assert isinstance(missed.exception, NotHeldError)
    assert missed.exception.message == "top1 is 0.8, expected 0.85 or more"
    assert "this model" in missed.stdout
    unknown = invoke(str(run), "--fail-under", "accuracy=0.85")
    assert isinstance(unknown.exception, RequestError)
