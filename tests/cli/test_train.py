from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

Run = Callable[..., Any]
#: A real SlowFast that trains in seconds.
QUICK = ("--config", "slowfast-tiny", "--device", "cpu", "--epochs", "1", "--batch-size", "4")
SMALL = ("--cfg-options", "clip.num_frames=16", "clip.input_size=(16,24)")


@pytest.mark.slow
def test_whole_journey_needs_no_paths(folder: Path, thermalctl: Run) -> None:
    """`inspect-dataset`, `train --amp`, `test`, `report --confusion` and `export-onnx` work bare."""
    outcome = thermalctl("inspect-dataset")
    assert outcome.code == 0, outcome.err
    assert "ThermalDataGen/thermal_action_dataset  (found below the current folder)" in outcome.out
    outcome = thermalctl("train", "--amp", "--epochs", "1", *SMALL)
    assert outcome.code == 0, outcome.err
    assert "config: thermal-small (the default on a CPU)" in outcome.err
    assert "bfloat16" in outcome.err
    outcome = thermalctl("test")
    assert outcome.code == 0, outcome.err
    assert "the only run below work_dirs" in outcome.err
    assert (folder / "work_dirs/thermal-small/predictions_val.npz").is_file()
    outcome = thermalctl("report", "--confusion")
    assert outcome.code == 0, outcome.err
    assert (folder / "work_dirs/thermal-small/report_val/confusion.png").is_file()
    outcome = thermalctl("export-onnx")
    assert outcome.code == 0, outcome.err
    assert list((folder / "work_dirs/thermal-small").glob("*.onnx"))


def test_one_line_per_validation_and_none_of_mmengines(trained: Path, simulated: Path, thermalctl: Run) -> None:
    outcome = thermalctl(
        "train", "--data", simulated, "--work-dir", trained.parent / "again", "--epochs", "2", *QUICK[:4], *SMALL
    )
    assert outcome.code == 0, outcome.err
    assert [line[:8] for line in outcome.err.splitlines() if line.startswith("epoch")] == ["epoch 1 ", "epoch 2 "]
    assert "mmengine" not in outcome.err.lower()
    assert outcome.out.splitlines()[0].startswith("trained for 2 epochs")
    assert max(map(len, outcome.err.splitlines())) < 200


def test_print_config_shows_every_edit_and_writes_nothing(folder: Path, thermalctl: Run) -> None:
    outcome = thermalctl("train", *QUICK, "--dropout", "0.25", "--lr", "0.5", "--print-config", *SMALL)
    assert outcome.code == 0, outcome.err
    for text in ("max_epochs=1", "batch_size=4", "dropout_ratio=0.25", "lr=0.5", "num_frames=16", "num_classes=14"):
        assert text in outcome.out.replace(" ", "")
    assert not (folder / "work_dirs").exists()


def test_dry_run_tells_and_writes_nothing(folder: Path, thermalctl: Run) -> None:
    outcome = thermalctl("train", *QUICK, "--dry-run", *SMALL)
    assert outcome.code == 0, outcome.err
    assert "4 x 1 x 1 x 16 x 16 x 24 goes in" in outcome.out
    assert re.search(
        r"^cost     \S+ GMACs a clip, a training step about \d+ MiB in float32$", outcome.out, re.MULTILINE
    )
    assert "Training can start; nothing was written." in outcome.out
    assert not (folder / "work_dirs").exists()


def test_dry_run_says_why_training_would_stop(folder: Path, thermalctl: Run) -> None:
    outcome = thermalctl("train", *QUICK, "--load-from", "slowfast_r50_4x16_kinetics400", "--dry-run", *SMALL)
    assert outcome.code == 1
    assert "thermalctl download-weights slowfast_r50_4x16_kinetics400" in outcome.out


def test_what_became_of_the_weights_is_told_by_layer_group(folder: Path, trained: Path, thermalctl: Run) -> None:
    checkpoint = torch.load(trained / "epoch_1.pth", weights_only=False)
    weights = checkpoint["state_dict"]
    stem = "backbone.slow_path.conv1.conv.weight"
    weights[stem] = weights[stem].expand(-1, 3, -1, -1, -1) / 3
    weights["cls_head.fc_cls.weight"] = torch.zeros(400, weights["cls_head.fc_cls.weight"].shape[1])
    torch.save({"state_dict": weights | {"roi_head.a": torch.zeros(1)}}, folder / "kinetics.pth")

    outcome = thermalctl("train", *QUICK, "--load-from", "kinetics.pth", "--dry-run", *SMALL)

    assert outcome.code == 0, outcome.err
    assert "weights  kinetics.pth" in outcome.out
    told = " ".join(outcome.out.split())
    assert "1 adapted (RGB stem summed to one channel: slow_path.conv1); 1 new (cls_head); 1 unused (roi_head)" in told
    row = next(line for line in outcome.out.splitlines() if line.startswith("backbone.slow_path.conv1 "))
    assert row.split() == ["backbone.slow_path.conv1", "5", "1"]


def test_start_from_random_weights_is_told(folder: Path, thermalctl: Run) -> None:
    outcome = thermalctl("train", *QUICK, "--load-from", "none", "--dry-run", *SMALL)
    assert outcome.code == 0, outcome.err
    assert "weights  none: the model starts from random weights" in outcome.out


def test_json_is_the_whole_of_standard_output(trained: Path, simulated: Path, thermalctl: Run) -> None:
    outcome = thermalctl("test", trained, "--data", simulated, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["metrics"]["num_samples"] == 8


# Bad input: what is done to the dataset or asked for, and what the first line must name.
def _break_json(root: Path) -> None:
    (root / "annotations/train.json").write_text('{"images": [')


def _break_hdf5(root: Path) -> None:
    next((root / "frames").glob("*.h5")).write_bytes(b"no HDF5 at all")


def _edit(root: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    path = root / "annotations/train.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def _move_past_end(root: Path) -> None:
    _edit(root, lambda content: content["images"][0].update(frame_idx=300))


def _name_unknown_class(root: Path) -> None:
    _edit(root, lambda content: content["annotations"][0].update(category_id=77))


@pytest.mark.parametrize("command", ["train", "inspect-dataset"])
@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (_break_json, "train.json"),
        (_break_hdf5, ".h5"),
        (_move_past_end, "holds 300 frames (0 to 299)"),
        (_name_unknown_class, "77"),
    ],
)
def test_broken_dataset_is_exit_2_and_named(
    folder: Path, thermalctl: Run, command: str, harm: Callable[[Path], None], named: str
) -> None:
    harm(folder / "ThermalDataGen" / "thermal_action_dataset")
    outcome = thermalctl(command)
    assert outcome.code == 2
    assert named in outcome.err
    assert "hint:" in outcome.err
    assert "Traceback" not in outcome.err
    assert not (folder / "work_dirs").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--data", "thermal_acton_dataset"], "no such folder"),
        (["--config", "slowfst-tiny"], "slowfast-tiny"),
        (["--config", "missing.py"], "missing.py"),
        (["--epochs", "0"], "--epochs is 0"),
        (["--lr", "-1"], "--lr"),
        (["--dropout", "1.5"], "--dropout"),
        (["--device", "tpu"], "--device tpu"),
        (["--deterministic", "--cudnn-benchmark"], "contradict"),
        (["--warmup-epochs", "3", "--epochs", "3"], "--warmup-epochs"),
        (["--cfg-options", "dry_run=True"], "--dry-run"),
        (["--cfg-options", "model.cls_head.dropot_ratio=0.5"], "dropout_ratio"),
        (["--cfg-options", "clip.temperature_range_c"], "KEY=VALUE"),
        (["--load-from", "nowhere.pth"], "nowhere.pth"),
        (["--resume", "--work-dir", "nowhere"], "nowhere"),
        (["what"], "what"),
        (["--cfg-options", "clip.num_frames=15"], "clip.num_frames is 15"),
        (["--config", "division.py"], "ZeroDivisionError"),
        (["--config", "almost_empty.py"], "has no model"),
        (["--work-dir", "/dev/null/run"], "/dev/null"),
    ],
)
def test_bad_request_is_exit_2_in_two_lines(folder: Path, thermalctl: Run, arguments: list[str], named: str) -> None:
    (folder / "division.py").write_text("x = 1 / 0")
    (folder / "almost_empty.py").write_text("x = 1")
    outcome = thermalctl("train", *arguments)
    assert outcome.code == 2, outcome.err
    assert named in outcome.err
    errors = [line for line in outcome.err.splitlines() if line.startswith(("error:", "hint:"))]
    assert len(errors) == 2
    assert "Traceback" not in outcome.err
    assert not list(folder.glob("work_dirs/*/*"))


def test_interrupted_training_says_how_to_go_on(
    simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thermalctl: Run
) -> None:
    from thermalctl.engine import hooks

    def interrupt(self: object, runner: Any, metrics: object = None) -> None:
        if runner.epoch == 2:
            raise KeyboardInterrupt

    arguments = ("train", "--data", simulated, "--work-dir", tmp_path / "run", *QUICK[:4], "--epochs", "3", *SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(hooks.EventHook, "after_val_epoch", interrupt)
        outcome = thermalctl(*arguments)
    assert outcome.code == 130
    assert f"thermalctl train --resume --work-dir {tmp_path / 'run'}" in outcome.err
    outcome = thermalctl("train", "--resume", "--work-dir", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("trained for 3 epochs")
    outcome = thermalctl("train", "--resume", "--work-dir", tmp_path / "run")
    assert outcome.out.startswith("nothing left to train: 3 of 3 epochs")


def test_clips_that_were_trained_on_are_told(trained: Path, simulated: Path, tmp_path: Path, thermalctl: Run) -> None:
    asked = ("--data", simulated, "--split", "all", "--allow-seen", "--output", tmp_path / "all.npz")
    outcome = thermalctl("test", trained, *asked)
    assert "8 of these 16 clips were trained on" in outcome.err


def test_cpu_threads_are_those_of_the_configuration(
    trained: Path, simulated: Path, tmp_path: Path, thermalctl: Run
) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        thermalctl("train", "--data", simulated, *QUICK, "--dry-run", *SMALL, "cpu_threads=3")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_two_datasets_are_ambiguous(folder: Path, thermalctl: Run) -> None:
    shutil.copytree(folder / "ThermalDataGen/thermal_action_dataset", folder / "another")
    outcome = thermalctl("train", *QUICK)
    assert outcome.code == 2
    assert "another" in outcome.err
    assert "thermal_action_dataset" in outcome.err


def test_environment_names_the_dataset(
    simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thermalctl: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THERMALCTL_DATA", str(simulated))
    outcome = thermalctl("train", *QUICK, "--print-config", *SMALL)
    assert outcome.code == 0, outcome.err
    assert "from $THERMALCTL_DATA" in outcome.err


def test_finished_run_is_not_overwritten(trained: Path, simulated: Path, thermalctl: Run) -> None:
    before = {path: path.read_bytes() for path in trained.iterdir() if path.is_file()}
    outcome = thermalctl("train", "--data", simulated, "--work-dir", trained, *QUICK, *SMALL)
    assert outcome.code == 2
    assert "--resume" in outcome.err
    assert {path: path.read_bytes() for path in trained.iterdir() if path.is_file()} == before


def test_checkpoint_of_another_class_count_is_refused(
    trained: Path, simulated: Path, tmp_path: Path, thermalctl: Run
) -> None:
    other = tmp_path / "other"
    shutil.copytree(simulated, other)
    for path in [other / "annotations/train.json", other / "annotations/val.json"]:
        content = json.loads(path.read_text())
        content["categories"].append({"id": 14, "name": "jumping"})
        path.write_text(json.dumps(content))
    mapping = other / "annotations/class_mapping.json"
    content = json.loads(mapping.read_text())
    content["classes"].append("jumping")
    content["class_to_id"]["jumping"] = 14
    mapping.write_text(json.dumps(content))
    outcome = thermalctl("test", trained, "--data", other)
    assert outcome.code == 2
    assert "14" in outcome.err
    assert "15" in outcome.err
    assert not (trained / "predictions_val.npz").exists() or "error" in outcome.err
