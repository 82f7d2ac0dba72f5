from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from thermalctl.evaluation.predictions import read_predictions

Run = Callable[..., Any]


def test_scores_are_written_where_report_looks(trained: Path, simulated: Path, thermalctl: Run) -> None:
    outcome = thermalctl("test", trained, "--data", simulated)
    assert outcome.code == 0, outcome.err
    predictions = read_predictions(trained / "predictions_val.npz")
    images = json.loads((simulated / "annotations/val.json").read_text())["images"]
    assert list(predictions.sample_ids) == [image["id"] for image in images]
    outcome = thermalctl("report", trained)
    assert outcome.code == 0, outcome.err
    assert "always the majority" in outcome.out
    assert "drawn as in training" in outcome.out


def test_dataset_that_the_run_was_trained_on_is_the_default(
    trained: Path, simulated: Path, folder: Path, thermalctl: Run
) -> None:
    outcome = thermalctl("test", trained, "--output", folder / "own.npz")
    assert outcome.code == 0, outcome.err
    assert f"dataset: {simulated} (what the run was trained on)" in " ".join(outcome.err.split())


def test_best_checkpoint_is_taken_unless_the_last_is_asked_for(
    trained: Path, simulated: Path, tmp_path: Path, thermalctl: Run
) -> None:
    outcome = thermalctl("test", trained, "--data", simulated, "--output", tmp_path / "best.npz")
    assert "best_acc_top1_epoch_1.pth" in outcome.err
    assert "optimistic" in outcome.err
    outcome = thermalctl("test", trained, "--data", simulated, "--output", tmp_path / "last.npz", "--last")
    assert "epoch_1.pth" in outcome.err
    assert "best_acc" not in outcome.err
    assert read_predictions(tmp_path / "last.npz").protocol.selection_split is None


def test_another_split_goes_into_a_file_of_its_own(trained: Path, simulated: Path, thermalctl: Run) -> None:
    outcome = thermalctl("test", trained, "--data", simulated, "--split", "train", "--allow-seen")
    assert outcome.code == 0, outcome.err
    assert read_predictions(trained / "predictions_train.npz").protocol.split == "train"


def test_unknown_split_is_exit_2(trained: Path, simulated: Path, thermalctl: Run) -> None:
    outcome = thermalctl("test", trained, "--data", simulated, "--split", "vall")
    assert outcome.code == 2
    assert "train, val" in outcome.err


def test_no_run_is_exit_2(folder: Path, thermalctl: Run) -> None:
    outcome = thermalctl("test")
    assert outcome.code == 2
    assert "thermalctl train" in outcome.err


def test_config_inside_a_checkpoint_is_not_executed(folder: Path, trained: Path, thermalctl: Run) -> None:
    shutil.copytree(trained, folder / "work_dirs" / "run")
    path = folder / "work_dirs/run/epoch_1.pth"
    checkpoint = torch.load(path, weights_only=False)
    checkpoint["meta"]["cfg"] = "import os\nos.system('touch executed')\n" + checkpoint["meta"]["cfg"]
    torch.save(checkpoint, path)
    outcome = thermalctl("test", "--last")
    assert outcome.code == 2, outcome.err
    assert "line 1" in outcome.err
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("command", ["test", "export-onnx"])
def test_file_that_is_no_checkpoint_is_exit_2(folder: Path, thermalctl: Run, command: str) -> None:
    (folder / "noise.pth").write_bytes(bytes(range(256)) * 10)
    outcome = thermalctl(command, "noise.pth")
    assert outcome.code == 2
    assert "noise.pth" in outcome.err
    assert "Traceback" not in outcome.err


def test_clips_that_were_trained_on_are_exit_1(trained: Path, simulated: Path, thermalctl: Run) -> None:
    outcome = thermalctl("test", trained, "--data", simulated, "--split", "train")
    assert outcome.code == 1
    assert "8 of the 8 clips of train were trained on: this is no test of the model" in outcome.err
    assert "--allow-seen" in outcome.err


def test_several_models_are_named_in_a_row(trained: Path, simulated: Path, thermalctl: Run) -> None:
    outcome = thermalctl("test", trained, "--data", simulated, "--ensemble", trained, trained, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("and: ") == 2
    assert json.loads(outcome.out)["predictions"].endswith("predictions_val_ensemble.npz")
