from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.errors import PredictionsError
from thermalctl.evaluation.gathering import gather_predictions
from thermalctl.evaluation.predictions import Predictions, write_predictions
from thermalctl.evaluation.runs import predictions_path
from thermalctl.evaluation.sweep_record import write_sweep
from thermalctl.evaluation.sweep_summary import RunOutcome, SweepResult


def make(make_predictions: Any, ids: str, right: int) -> Predictions:
    """Predictions of clips of one letter each, of which so many of the first are right."""
    labels = [index % 2 for index in range(len(ids))]
    scores = np.array(
        [[0.9, 0.1] if (label == 0) == (index < right) else [0.1, 0.9] for index, label in enumerate(labels)]
    )
    made: Predictions = make_predictions(labels, scores, classes=("a", "b"), sessions=(ids[0],) * len(ids))
    protocol = dataclasses.replace(made.protocol, num_overlapping=0, sessions_in_train=("z",))
    return dataclasses.replace(made, sample_ids=tuple(ids), protocol=protocol)


def write_runs(
    folder: Path, runs: dict[str, tuple[int | None, int | None, Predictions]], waiting: int | None = None
) -> None:
    outcomes = []
    for name, (seed, fold, predictions) in runs.items():
        write_predictions(predictions_path(folder / name, "val"), predictions)
        (folder / name / "last_checkpoint").write_text("epoch_1.pth")
        outcomes.append(RunOutcome(name=name, seed=seed, fold=fold, status="finished"))
    if waiting is not None:
        outcomes.append(RunOutcome(name="late", fold=waiting))
    write_sweep(
        SweepResult(work_dir=folder, runs=tuple(outcomes), last={}, best={}, pooled={}, pooled_clips=None, caveats=())
    )


def test_folds_are_taken_as_one(tmp_path: Path, make_predictions: Any) -> None:
    write_runs(
        tmp_path,
        {
            "fold-1": (None, 1, make(make_predictions, "abcd", 4)),
            "fold-2": (None, 2, make(make_predictions, "ef", 1)),
        },
        waiting=3,
    )
    found = gather_predictions([tmp_path])
    assert found.predictions.sample_ids == tuple("abcdef")
    assert [(run.name, run.num_clips, run.top1) for run in found.runs] == [("fold-1", 4, 1.0), ("fold-2", 2, 0.5)]
    assert found.spread == ("Over 2 folds: top-1 75.0 ± 35.4, mean class 75.0 ± 35.4 (mean and standard deviation).",)
    assert found.how == "as named; 1 of its 3 runs are not finished; 2 of 3 folds taken as one"
    # Each fold's own session was not trained on.
    assert (found.predictions.protocol.num_overlapping, found.predictions.protocol.sessions_in_train) == (0, ())


def test_folds_and_seeds_are_taken_as_one_by_seed(tmp_path: Path, make_predictions: Any) -> None:
    write_runs(
        tmp_path,
        {
            "fold-1-seed-1": (1, 1, make(make_predictions, "abcd", 4)),
            "fold-1-seed-2": (2, 1, make(make_predictions, "abcd", 2)),
            "fold-2-seed-1": (1, 2, make(make_predictions, "ef", 1)),
            "fold-2-seed-2": (2, 2, make(make_predictions, "ef", 2)),
        },
    )
    found = gather_predictions([tmp_path])
    assert found.predictions.num_samples == 6
    pooled = [(run.name, run.top1) for run in found.runs if run.is_pooled]
    assert pooled == [("seed 1, all folds", pytest.approx(5 / 6)), ("seed 2, all folds", pytest.approx(4 / 6))]
    assert len(found.spread) == 2
    assert "of seed 1" in found.how


def test_seeds_of_one_split_are_one_report_and_a_spread(tmp_path: Path, make_predictions: Any) -> None:
    for name, right in (("one", 4), ("two", 2)):
        write_predictions(predictions_path(tmp_path / name, "val"), make(make_predictions, "abcd", right))
    found = gather_predictions([tmp_path / "one" / "predictions_val.npz", tmp_path / "two"])
    assert found.predictions.num_samples == 4
    assert [run.top1 for run in found.runs] == [1.0, 0.5]
    assert found.spread[0].startswith("Over 2 runs: top-1 75.0 ± 35.4")
    assert "the first of 2 runs on the same clips, one" in found.how


def test_one_run_is_itself(tmp_path: Path, make_predictions: Any) -> None:
    write_predictions(predictions_path(tmp_path / "one", "val"), make(make_predictions, "abcd", 4))
    found = gather_predictions([tmp_path / "one"])
    assert (found.runs, found.spread, found.path) == ((), (), tmp_path / "one" / "predictions_val.npz")


def test_runs_that_share_some_clips_are_refused(tmp_path: Path, make_predictions: Any) -> None:
    for name, ids in (("one", "abcd"), ("two", "cdef")):
        write_predictions(predictions_path(tmp_path / name, "val"), make(make_predictions, ids, 4))
    with pytest.raises(PredictionsError, match="judge some clips in common, but not all"):
        gather_predictions([tmp_path / "one", tmp_path / "two"])


def test_sweep_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    write_runs(tmp_path, {}, waiting=1)
    with pytest.raises(PredictionsError, match="no run of the sweep is finished"):
        gather_predictions([tmp_path])


def test_seed_that_lacks_a_fold_is_not_taken_as_whole(tmp_path: Path, make_predictions: Any) -> None:
    write_runs(
        tmp_path,
        {
            "fold-1-seed-2": (2, 1, make(make_predictions, "abcd", 4)),
            "fold-1-seed-1": (1, 1, make(make_predictions, "abcd", 2)),
            "fold-2-seed-1": (1, 2, make(make_predictions, "ef", 1)),
        },
    )
    found = gather_predictions([tmp_path])
    assert found.predictions.num_samples == 6
    assert "all 2 folds taken as one, of seed 1" in found.how
    assert not [run for run in found.runs if run.is_pooled]
    assert len(found.spread) == 1
