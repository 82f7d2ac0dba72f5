"""`train --seeds` and `train --folds`, as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thermalctl.cli.sweep_display import show_sweep
from thermalctl.engine.hooks import EventHook
from thermalctl.evaluation.sweep_summary import RunOutcome, summarise_sweep

Run = Callable[..., Any]
#: A real SlowFast that trains in seconds.
QUICK = ("--config", "slowfast-tiny", "--device", "cpu", "--epochs", "1", "--batch-size", "8")
SMALL = (
    "--cfg-options",
    "clip.num_frames=8",
    "clip.input_size=(16,24)",
    "model.backbone.resample_rate=4",
    "model.backbone.slow_pathway.base_channels=8",
    "model.backbone.fast_pathway.base_channels=2",
    "model.cls_head.in_channels=80",
)


def test_seeds_are_trained_summarised_and_gone_on_with(
    simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thermalctl: Run
) -> None:
    def interrupt(self: object, runner: Any, metrics: object = None) -> None:
        if "seed-6" in runner.work_dir:
            raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(EventHook, "after_val_epoch", interrupt)
        outcome = thermalctl("train", "--data", simulated, *QUICK, "--seeds", "5,6", *SMALL)
    assert outcome.code == 130
    assert "interrupted; go on with: thermalctl train --resume --work-dir work_dirs/slowfast-tiny-sweep" in outcome.err
    assert (tmp_path / "work_dirs/slowfast-tiny-sweep/seed-5/curves.png").is_file()
    outcome = thermalctl("train", "--resume")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "work_dirs/slowfast-tiny-sweep/seed-6/curves.png").is_file()
    assert "sweep: work_dirs/slowfast-tiny-sweep, 1 of 2 runs are finished" in outcome.err
    assert [line for line in outcome.err.splitlines() if line.startswith("·")] == ["· run 2 of 2: seed-6"]
    rows = [line.split() for line in outcome.out.splitlines()]
    assert [row[0] for row in rows if row and row[0].startswith("seed-")] == ["seed-5", "seed-6"] * 2
    assert sum(row[:3] == ["mean", "±", "std"] for row in rows) == 2
    assert "With 2 seeds the mean is known to within 9.0 times the ± given" in outcome.out
    assert "next: thermalctl report work_dirs/slowfast-tiny-sweep/seed-5" in outcome.out
    assert thermalctl("report", "work_dirs/slowfast-tiny-sweep/seed-5").code == 0

    outcome = thermalctl("train", "--resume", "--work-dir", "work_dirs/slowfast-tiny-sweep", "--json")
    result = json.loads(outcome.out)
    assert [run["status"] for run in result["runs"]] == ["finished"] * 2
    assert result["last"]["acc/top1"]["num_runs"] == 2


def test_configuration_that_is_shown_is_that_of_the_first_run(folder: Path, thermalctl: Run) -> None:
    outcome = thermalctl("train", *QUICK, "--seeds", "5,6", "--folds", "2", "--print-config", *SMALL)
    assert outcome.code == 0, outcome.err
    assert "randomness = dict(deterministic=False, seed=5)" in outcome.out
    assert "work_dirs/slowfast-tiny-sweep/fold-1-seed-5" in outcome.out
    told = " ".join(outcome.err.split())
    assert "runs: fold-1-seed-5, fold-1-seed-6, fold-2-seed-5, fold-2-seed-6" in told
    assert "the whole dataset stands in" in told
    assert not (folder / "work_dirs").exists()


def test_dry_run_tries_the_first_run_and_writes_nothing(folder: Path, thermalctl: Run) -> None:
    outcome = thermalctl("train", *QUICK, "--seeds", "5,6", "--dry-run", *SMALL)
    assert outcome.code == 0, outcome.err
    assert "Training can start; nothing was written." in outcome.out
    assert "runs: seed-5, seed-6" in outcome.err
    assert not (folder / "work_dirs").exists()


def test_failed_run_is_exit_1_and_named(
    simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thermalctl: Run
) -> None:
    def fail(self: object, runner: Any, metrics: object = None) -> None:
        if "seed-5" in runner.work_dir:
            raise RuntimeError("the driver is gone")

    monkeypatch.setattr(EventHook, "after_val_epoch", fail)
    outcome = thermalctl("train", "--data", simulated, "--work-dir", tmp_path / "s", *QUICK, "--seeds", "5,6", *SMALL)
    assert outcome.code == 1
    assert "1 of 2 runs failed: seed-5 (RuntimeError: the driver is gone)" in outcome.err
    assert "Traceback" not in outcome.err
    row = next(line for line in outcome.out.splitlines() if line.startswith("seed-5"))
    assert row.split() == ["seed-5", "failed"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--seeds", "5,x"], "'x' is no seed"),
        (["--seeds", ""], "'' is no seed"),
        (["--seeds", "5,5"], "--seeds: 5 is there twice"),
        (["--seeds", "5,6", "--seed", "1"], "--seed 1 and --seeds 5,6"),
        (["--folds", "3"], "2 sessions cannot be dealt to 3 parts"),
        (["--folds", "1"], "--folds 1"),
        (["--folds", "nowhere"], "--folds nowhere: no such folder, and no number"),
        (["--split-by", "session"], "--split-by session"),
        (["--seeds", "5,6", "--work-dir", "ThermalDataGen"], "ThermalDataGen: is not an empty folder"),
        (["--seeds", "5,6", "--resume", "--work-dir", "nowhere"], "nowhere holds no sweep"),
        (["--seeds", "5,6", "--lr", "-1"], "--lr"),
        (["--seeds", "5,6", "--load-from", "nowhere.pth"], "nowhere.pth"),
    ],
)
def test_bad_request_is_exit_2_in_two_lines(folder: Path, thermalctl: Run, arguments: list[str], named: str) -> None:
    outcome = thermalctl("train", *arguments)
    assert outcome.code == 2, outcome.err
    assert named in " ".join(outcome.err.split())
    errors = [line for line in outcome.err.splitlines() if line.startswith(("error:", "hint:"))]
    assert len(errors) == 2
    assert "Traceback" not in outcome.err
    assert not (folder / "work_dirs").exists()


def test_table_of_many_runs_fits_into_80_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = {"acc/top1": 0.712, "acc/top3": 1.0, "acc/mean_class": 0.236}
    runs = [
        RunOutcome(
            name=f"fold-{fold}-seed-{seed}",
            seed=seed,
            fold=fold,
            status="finished",
            epochs=100,
            last=scores,
            best={name: value * (1 - fold / 10) for name, value in scores.items()},
            best_epoch=87,
            last_checkpoint="epoch_100.pth",
            best_checkpoint="best_acc_mean_class_epoch_87.pth",
        )
        for fold in (1, 2)
        for seed in (42, 123456)
    ]
    show_sweep(summarise_sweep(tmp_path, [*runs, RunOutcome(name="fold-3-seed-42", seed=42, fold=3)]))
    lines = capsys.readouterr().out.splitlines()
    rows = [" ".join(line.split()) for line in lines]
    assert "fold-1-seed-123456 100 71.2 100.0 23.6 epoch_100.pth" in rows
    assert "mean ± std 71.2 ± 0.0 100.0 ± 0.0 23.6 ± 0.0" in rows
    assert "mean ± std 60.5 ± 4.1 85.0 ± 5.8 20.1 ± 1.4" in rows  # of 0.9, 0.9, 0.8 and 0.8 times the last
    assert "fold-3-seed-42 waiting" in rows
    assert max(len(line.rstrip()) for line in lines if not line.startswith("next:")) <= 80
