from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import typer
from click.testing import Result
from onnx import numpy_helper
from typer.testing import CliRunner

from thermalctl.cli.export_onnx import export_onnx, parse_outputs
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.dataset.simulate import simulate_dataset
from thermalctl.engine.config import complete_config, load_config
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.train import train
from thermalctl.errors import CheckpointError, DatasetError, NotHeldError, RequestError, ThermalctlError
from thermalctl.evaluation.predictions import write_predictions
from thermalctl.files import hash_file
from thermalctl.recordings.simulate import SimulationOptions

RUN = Path("work_dirs/tiny")
BEST = RUN / "best_acc_top1_epoch_1.onnx"
CARD = BEST.with_suffix(".md")
#: The older exporter needs a tenth of the newer one's time.
FAST = ("--opset", "17")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset of 12x18 pixels and a run of one epoch on it."""
    root = tmp_path_factory.mktemp("trained")
    options = SimulationOptions(
        num_sessions=3, recordings_per_session=1, frames_per_recording=60, keyframes_per_recording=6,
        frame_size=(12, 18), incomplete_share=(0.2, 0.3),
    )  # fmt: skip
    simulate_dataset(root / "simulated", options)
    cfg = load_config("slowfast-tiny")
    cfg.clip.update(num_frames=16, input_size=(24, 36))
    dataset = load_dataset(DatasetLayout(root / "simulated"))
    cfg = complete_config(
        cfg, TrainOptions(epochs=1, warmup_epochs=0, device="cpu", seed=0), dataset, work_dir=root / RUN, device="cpu"
    )
    train(cfg, on_event=lambda event: None)
    return root


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, the current folder."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / RUN / "run.json").unlink()  # which says where the dataset was
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shift_bias(path: Path) -> None:
    """Change the last layer of an ONNX file."""
    model = onnx.load(path)
    bias = next(each for each in model.graph.initializer if each.name.endswith("fc_cls.bias"))
    changed = numpy_helper.to_array(bias).copy()
    changed[0] += 0.01
    bias.CopyFrom(numpy_helper.from_array(changed, bias.name))
    onnx.save(model, path)


def retrain(checkpoint: Path, other: Path) -> None:
    """Write a checkpoint with one weight changed."""
    import torch

    from thermalctl.engine.trust import load_checkpoint_safely

    content = load_checkpoint_safely(checkpoint)
    content["state_dict"]["cls_head.fc_cls.bias"][0] += 0.01
    torch.save(content, other)


def write_own_predictions(checkpoint: Path, *, num_wrong: int) -> None:
    """Write predictions of a checkpoint that are sure of all clips, and wrong about some of them."""
    from thermalctl.engine.restore import restore_model
    from thermalctl.engine.score import score_split

    predictions = score_split(restore_model(checkpoint), load_dataset(DatasetLayout(Path("simulated"))), "val")
    answers = predictions.labels.copy()
    answers[1 : 1 + num_wrong] = (answers[1 : 1 + num_wrong] + 1) % 14
    logits = 9.0 * np.eye(14)[answers]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    write_predictions(
        checkpoint.parent / "predictions_val.npz", dataclasses.replace(predictions, logits=logits, scores=scores)
    )


def invoke(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(export_onnx)
    return CliRunner().invoke(app, list(arguments))


def read_error(result: Result) -> ThermalctlError:
    assert isinstance(result.exception, ThermalctlError), result.exception
    return result.exception


def test_bare_export_is_of_the_newest_run_and_says_so_on_standard_error(here: Path) -> None:
    result = invoke()
    assert result.exit_code == 0, result.exception
    assert "model: work_dirs/tiny/best_acc_top1_epoch_1.pth (the only run below work_dirs)" in result.stderr
    assert "dataset: simulated (found below the current folder)" in result.stderr
    assert [entry.version for entry in onnx.load(BEST).opset_import if not entry.domain] == [20]


def test_screen_says_what_goes_in_and_how_much_it_differs(here: Path) -> None:
    result = invoke(*FAST)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[:2] == [[str(BEST)], [str(CARD)]]
    assert ["input", "(N,", "16,", "12,", "18)", "deg", "C", "as", "recorded"] in lines
    assert ["output", "(N,", "14)", "class", "probabilities"] in lines
    row = next(line for line in lines if line[:2] == ["ok", "PyTorch"])
    assert 0 < float(row[2]) < 1e-5
    assert row[3:] == ["6", "of", "6"]
    assert next(line for line in lines if line[:3] == ["ok", "thermalctl", "test"])[4:] == ["6", "of", "6"]
    assert "6 val clips, 5 with incomplete frames; batches of 1, 2, 3; " in result.stdout
    assert [line[0] for line in lines if line[:1] == ["PyTorch"] or line[:2] == ["ONNX", "fp32"]] == ["PyTorch", "ONNX"]
    assert result.stdout.splitlines()[-1] == "The file is the same model, to within 0.0001."
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_json_is_all_of_standard_output(here: Path) -> None:
    printed = json.loads(invoke("--json", *FAST).stdout)
    assert printed["exported"]["path"] == str(BEST)
    assert printed["exported"]["inputs"] == {"input": [16, 12, 18]}
    assert printed["exported"]["num_bytes"] == BEST.stat().st_size
    assert printed["verification"]["holds"] is True
    assert printed["verification"]["num_clips"] == 6


def test_own_input_last_checkpoint_and_another_name(here: Path) -> None:
    result = invoke("--input", "rgb", "--last", "--output", "models/tiny.onnx", "--clips", "2", *FAST)
    assert result.exit_code == 0, result.exception
    assert "epoch_1.pth (" in result.stderr
    assert "best_acc" not in result.stderr
    assert "(N, 1, 16, 24, 36)  normalised; one channel, the stem is folded" in result.stdout
    assert "2 val clips" in result.stdout
    assert Path("models/tiny.onnx").is_file()


def test_nothing_is_overwritten_without_force(here: Path) -> None:
    BEST.write_bytes(b"old")
    error = read_error(invoke(*FAST))
    assert isinstance(error, RequestError)
    assert error.exit_code == 2
    assert error.message == f"{BEST}: is there already"
    assert BEST.read_bytes() == b"old"
    assert not CARD.exists()
    assert invoke("--force", *FAST).exit_code == 0
    assert BEST.stat().st_size > 1_000_000
    BEST.unlink()
    assert read_error(invoke(*FAST)).message == f"{CARD}: is there already"
    assert not BEST.exists()


def test_folder_for_a_file_is_refused(here: Path) -> None:
    assert "is a folder" in read_error(invoke("--output", "work_dirs", "--force")).message


def test_card_needs_a_name_of_its_own(here: Path) -> None:
    assert "is the name of its card" in read_error(invoke("--output", "model.md")).message


def test_outputs_and_temperature_are_shown_and_written(here: Path) -> None:
    result = invoke("--outputs", "features", "--outputs", "logits", "--temperature", "2", *FAST)
    assert result.exit_code == 0, result.exception
    lines = [line.split() for line in result.stdout.splitlines()]
    assert "14 classes, temperature 2" in result.stdout
    assert ["features", "(N,", "160)", "what", "the", "last", "layer", "sees"] in lines
    assert [line[:3] for line in lines if line[0:1] == ["ok"]] == [
        ["ok", "PyTorch", next(line for line in lines if line[:2] == ["ok", "PyTorch"])[2]],
        ["ok", "PyTorch,", "logits"],
        ["ok", "PyTorch,", "features"],
        ["ok", "thermalctl", "test"],
    ]
    assert [value.name for value in onnx.load(BEST).graph.output] == ["output", "logits", "features"]
    assert "- temperature: 2.000, given by hand" in CARD.read_text()
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_temperature_is_fitted_on_the_runs_own_predictions_and_what_it_does_is_told(here: Path) -> None:
    """Six clips of an epoch's training may have no best temperature; answers that are wrong twice have one."""
    checkpoint = RUN / "best_acc_top1_epoch_1.pth"
    write_own_predictions(checkpoint, num_wrong=2)
    result = invoke("--temperature", "fit", "--json", *FAST)
    assert result.exit_code == 0, result.exception
    exported = json.loads(result.stdout)["exported"]
    assert exported["fit"]["num_clips"] == 6
    assert exported["temperature"] == exported["fit"]["temperature"]
    # Logits of 9 and 0: where p of the one that is answered is the share of right answers, 4 of 6, and 13 others have
    # (1 - p) / 13 each, 9 / T is the logarithm of 26.
    assert exported["temperature"] == pytest.approx(9 / math.log(26), rel=1e-3)
    shown = invoke("--verify", str(BEST)).stdout
    assert f"temperature {exported['temperature']:.3f}, fitted on 6 val clips" in shown
    assert f"log loss {exported['fit']['log_loss']:.3f} before and" in shown


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_reduced_file_is_shown_beside_the_one_in_float32(here: Path, precision: str) -> None:
    """Right or not: a network of one epoch, with six clips, is no matter for the verdict."""
    result = invoke("--precision", precision, "--calibration-clips", "5", *FAST)
    assert not isinstance(result.exception, ThermalctlError), result.exception
    reduced = BEST.with_name(f"best_acc_top1_epoch_1_{precision}.onnx")
    assert reduced.is_file()
    assert not BEST.exists()
    assert f"opset 17, {precision}, 14 classes" in result.stdout
    for text in ("ok  fp32 against PyTorch", "ok  fp32 against thermalctl test", f"{precision} against fp32"):
        assert text in result.stdout
    names = [line.split("  ")[0] for line in result.stdout.splitlines()]
    assert [name for name in names if name.startswith("ONNX")] == ["ONNX fp32", f"ONNX {precision}"]
    assert f"{precision} takes" in result.stdout.splitlines()[-1]
    assert "fp32" in result.stdout.splitlines()[-1]
    if precision == "int8":
        assert "measured on 5 training clips" in reduced.with_suffix(".md").read_text()


def test_int8_without_clips_or_in_an_old_opset_is_refused(here: Path) -> None:
    assert "--opset 12: cannot hold int8" in read_error(invoke("--precision", "int8", "--opset", "12")).message
    shutil.rmtree("simulated")
    error = read_error(invoke("--precision", "int8", "--frame-size", "12x18"))
    assert error.message == "--precision int8: needs clips to measure its scales on"
    assert not BEST.exists()


def test_temperature_cannot_be_fitted_without_clips(here: Path) -> None:
    shutil.rmtree("simulated")
    error = read_error(invoke("--temperature", "fit", "--frame-size", "12x18"))
    assert error.message == "--temperature fit: needs clips to fit it on"


@pytest.mark.parametrize("text", ["0", "-1", "warm", "inf", "nan", ""])
def test_temperature_that_is_none_is_refused(here: Path, text: str) -> None:
    message = f"--temperature {text}: expected none, fit or a number above 0"
    assert read_error(invoke("--temperature", text)).message == message


def test_unknown_output_is_refused(here: Path) -> None:
    error = read_error(invoke("--outputs", "logits,boxes"))
    assert error.message == "--outputs logits,boxes: no such output: boxes"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], ("probabilities",)),
        (["features,logits"], ("probabilities", "logits", "features")),
        (["logits", "probabilities"], ("probabilities", "logits")),
    ],
)
def test_probabilities_are_among_the_outputs_always(texts: list[str], expected: tuple[str, ...]) -> None:
    assert parse_outputs(texts) == expected


def test_file_that_is_there_is_checked_and_nothing_is_written(here: Path) -> None:
    assert invoke(*FAST).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    result = invoke("--verify", str(BEST))
    assert result.exit_code == 0, result.exception
    assert "model: work_dirs/tiny/best_acc_top1_epoch_1.pth" in result.stderr
    assert result.stdout.splitlines()[-1] == "The file is the same model, to within 0.0001."
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before


def test_file_that_was_changed_since_is_exit_code_1(here: Path) -> None:
    assert invoke(*FAST).exit_code == 0
    shift_bias(BEST)
    result = invoke("--verify", str(BEST), str(RUN))
    assert result.exit_code == 1
    assert "failed  PyTorch" in result.stdout


def test_file_of_another_checkpoint_is_named_and_exit_code_1(here: Path) -> None:
    assert invoke("--output", "m.onnx", *FAST).exit_code == 0
    retrain(RUN / "best_acc_top1_epoch_1.pth", RUN / "epoch_7.pth")
    error = read_error(invoke("--verify", "m.onnx", str(RUN / "epoch_7.pth")))
    assert isinstance(error, NotHeldError)
    assert error.exit_code == 1
    wanted, found = (hash_file(RUN / name)[:12] for name in ("best_acc_top1_epoch_1.pth", "epoch_7.pth"))
    assert f"SHA-256 {wanted}..., but work_dirs/tiny/epoch_7.pth has {found}..." in error.message
    assert error.hint == (
        "it was made from another one: thermalctl export-onnx work_dirs/tiny/best_acc_top1_epoch_1.pth --verify m.onnx"
    )


def test_options_that_make_a_file_are_refused_beside_verify(here: Path) -> None:
    error = read_error(invoke("--verify", "m.onnx", "--input", "rgb", "--opset", "20", "--force"))
    assert "it takes no --input, --opset, --force" in error.message


def test_file_to_verify_must_be_there(here: Path) -> None:
    assert read_error(invoke("--verify", "m.onnx")).message == "m.onnx: no such file"


def test_file_that_is_another_model_is_exit_code_1(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import thermalctl.deploy.making as exporting

    real = exporting.export_onnx

    def export_badly(*args: Any, **kwargs: Any) -> object:
        exported = real(*args, **kwargs)
        shift_bias(exported.path)
        return exported

    monkeypatch.setattr(exporting, "export_onnx", export_badly)
    result = invoke(*FAST)
    assert result.exit_code == 1
    assert "failed  PyTorch" in result.stdout
    assert "The file differs by more than 0.0001: it is not the same model." in result.stdout
    assert invoke("--force", "--tolerance", "0.1", *FAST).exit_code == 0
    as_json = invoke("--force", "--json", *FAST)
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["verification"]["holds"] is False


def test_without_a_dataset_the_size_of_the_frames_is_asked_for(here: Path) -> None:
    shutil.rmtree("simulated")
    error = read_error(invoke())
    assert isinstance(error, DatasetError)
    assert "--data" in str(error.hint)
    assert "--frame-size" in str(error.hint)
    assert not BEST.exists()


def test_without_a_dataset_the_file_is_written_but_not_held_to_be_good(here: Path) -> None:
    shutil.rmtree("simulated")
    result = invoke("--frame-size", "24x32", *FAST)
    assert result.exit_code == 1
    assert "dataset: none (no dataset at or below" in result.stderr
    assert "(N, 16, 24, 32)" in result.stdout
    assert "Not checked: there is no dataset to compare it with PyTorch on." in result.stdout
    assert BEST.is_file()


def test_dataset_that_is_named_must_be_there(here: Path) -> None:
    error = read_error(invoke("--data", "simulatd", "--frame-size", "12x18"))
    assert "simulatd: no such folder. Is simulated meant?" in error.message


@pytest.mark.parametrize("text", ["40", "40x", "0x60", "40x-60", "40 x 60", "axb"])
def test_frame_size_that_is_none_is_refused(here: Path, text: str) -> None:
    assert read_error(invoke("--frame-size", text)).message == f"--frame-size {text}: expected HEIGHTxWIDTH in pixels"


def test_impossible_opset_is_refused_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "--opset 10: cannot be written, expected 11 to 23" in read_error(invoke("--opset", "10")).message


def test_no_run_is_an_error_of_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no run below" in read_error(invoke()).message


def test_checkpoint_of_the_guides_scripts_is_accepted(here: Path) -> None:
    write_guide_checkpoint(here / "guide" / "epoch_3.pth", {"cfg": GUIDE_CONFIG})
    result = invoke("guide", *FAST)
    assert result.exit_code == 0, result.exception
    assert "(N, 16, 12, 18)  deg C as recorded" in result.stdout
    assert "note  thermalctl test" in result.stdout
    rgb = invoke("guide", "--input", "rgb", "--force", *FAST)
    assert rgb.exit_code == 0, rgb.exception
    assert "(N, 3, 16, 24, 36)  normalised" in rgb.stdout
    assert "ok  thermalctl test" in rgb.stdout


def test_checkpoint_that_says_nothing_needs_its_configuration(here: Path) -> None:
    write_guide_checkpoint(here / "guide" / "epoch_3.pth", {})
    error = read_error(invoke("guide/epoch_3.pth", *FAST))
    assert isinstance(error, CheckpointError)
    assert "--config FILE" in str(error.hint)
    Path("guide.py").write_text(GUIDE_CONFIG)
    assert invoke("guide/epoch_3.pth", "--config", "guide.py", *FAST).exit_code == 0
    assert Path("guide/epoch_3.onnx").is_file()


def test_command_is_imported_without_the_heavy_libraries() -> None:
    code = (
        "import sys, thermalctl.cli.export_onnx; "
        "print([name for name in ('numpy', 'torch', 'onnx', 'onnxruntime', 'mmengine') if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


GUIDE_CONFIG = """
default_scope = "mmaction"
model = dict(
    type="Recognizer3D",
    backbone=dict(type="ResNet3dSlowOnly", depth=18, pretrained=None, base_channels=8, conv1_kernel=(1, 3, 3),
        conv1_stride_t=1, pool1_stride_t=1, inflate=(0, 0, 1, 1), norm_eval=False),
    cls_head=dict(type="I3DHead", in_channels=64, num_classes=14, spatial_type="avg", dropout_ratio=0.5,
        average_clips="prob"),
    data_preprocessor=dict(type="ActionDataPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
        format_shape="NCTHW"))
val_dataloader = dict(batch_size=4, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="ThermalHDF5Dataset", ann_file="annotations/val.json", data_prefix=dict(hdf5="frames"),
        frame_window=16, test_mode=True, pipeline=[
            dict(type="Resize", scale=(36, 24), keep_ratio=False), dict(type="FormatShape", input_format="NCTHW"),
            dict(type="PackActionInputs")]))
"""


def write_guide_checkpoint(path: Path, meta: dict[str, str]) -> None:
    import torch
    from mmengine.config import Config

    from thermalctl.engine.restore import build_model

    torch.manual_seed(0)
    model = build_model(Config.fromstring(GUIDE_CONFIG, file_format=".py"))
    torch.nn.init.normal_(model.cls_head.fc_cls.weight, std=1.0)
    path.parent.mkdir()
    torch.save({"state_dict": model.state_dict(), "meta": meta}, path)
