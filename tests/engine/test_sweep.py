"""What a sweep consists of, before anything is trained or written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.resplit import resplit_into_folds
from thermalctl.dataset.samples import load_dataset
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.sweep import SweepPlan, parse_seeds, plan_sweep
from thermalctl.engine.sweep_folds import find_folds, parse_folds
from thermalctl.errors import ConfigError, RequestError

Plan = Callable[..., SweepPlan]


@pytest.fixture
def plan(simulated_dataset: Path, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Plan a sweep of the small SlowFast on the simulated dataset: (seeds, folds, split_rule, **options)."""
    monkeypatch.chdir(tmp_path)

    def plan(**asked: Any) -> SweepPlan:
        own = {name: asked.pop(name) for name in ("seeds", "folds", "split_rule") if name in asked}
        named = {"config": "slowfast-tiny", "data": simulated_dataset, "work_dir": None}
        named = {name: asked.pop(name, value) for name, value in named.items()}
        options = TrainOptions(**({"epochs": 1, "device": "cpu", "overrides": small} | asked))
        return plan_sweep(**named, options=options, **own)

    return plan


@pytest.fixture(scope="session")
def folds(simulated_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `split-dataset --folds 2` writes of the simulated dataset."""
    output = tmp_path_factory.mktemp("prepared") / "folds"
    dataset = load_dataset(DatasetLayout(simulated_dataset))
    resplit_into_folds(dataset, output, "session", num_folds=2, seed=42, window_frames=8)
    return output


@pytest.mark.parametrize(("text", "seeds"), [("42,123,456", (42, 123, 456)), ("7", (7,)), ("0, 1", (0, 1))])
def test_seeds_are_read_from_a_list(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "wrong"), [("42,x", "'x'"), ("", "''"), ("1,,2", "''"), ("-1", "'-1'"), ("1.5", "'1.5'")]
)
def test_what_is_no_seed_is_named(text: str, wrong: str) -> None:
    with pytest.raises(RequestError, match=f"{wrong} is no seed"):
        parse_seeds(text)


def test_folds_are_a_number_or_a_folder() -> None:
    assert (parse_folds("3"), parse_folds("folds/3")) == (3, Path("folds/3"))


def test_each_seed_is_one_run(plan: Plan) -> None:
    planned = plan(seeds=(42, 123))
    assert [(run.name, run.seed, run.fold, run.status) for run in planned.runs] == [
        ("seed-42", 42, None, "waiting"),
        ("seed-123", 123, None, "waiting"),
    ]
    assert planned.work_dir == Path("work_dirs/slowfast-tiny-sweep")
    assert planned.first is not None
    assert planned.first.cfg.randomness == {"seed": 42, "deterministic": False}
    assert planned.first.cfg.work_dir == "work_dirs/slowfast-tiny-sweep/seed-42"


def test_each_fold_is_trained_with_each_seed(plan: Plan, folds: Path) -> None:
    planned = plan(seeds=(5, 6), folds=folds, data=None)
    assert [(run.name, run.fold, run.seed, run.data) for run in planned.runs] == [
        (f"fold-{fold}-seed-{seed}", fold, seed, str(folds / f"fold_{fold}")) for fold in (1, 2) for seed in (5, 6)
    ]
    assert planned.first is not None
    assert planned.first.cfg.train_dataloader.dataset.data_root == str(folds / "fold_1")


def test_folds_without_seeds_keep_the_one_that_is_asked_for(plan: Plan, folds: Path) -> None:
    planned = plan(folds=folds, data=None, seed=9)
    assert [run.name for run in planned.runs] == ["fold-1", "fold-2"]
    assert planned.first is not None
    assert planned.first.cfg.randomness.seed == 9


def test_planning_writes_nothing(plan: Plan, tmp_path: Path) -> None:
    planned = plan(folds=2, work_dir=tmp_path / "sweep")
    assert planned.new_folds is not None
    assert planned.new_folds.rule == "session"
    assert "folds: 2 by session, dealt anew from train and val into" in " ".join(planned.notes)
    assert not list(tmp_path.iterdir())


def test_folds_are_found_in_the_order_of_their_numbers(folds: Path, tmp_path: Path) -> None:
    for number in (10, 2, 1):
        (tmp_path / f"fold_{number}").symlink_to(folds / "fold_1")
    (tmp_path / "fold_3").mkdir()  # no dataset
    assert list(find_folds(tmp_path)) == [1, 2, 10]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"seeds": (1, 2), "seed": 3}, "--seed 3 and --seeds 1,2"),
        ({"seeds": (1, 2, 1)}, "--seeds: 1 is there twice"),
        ({"seeds": (1, 2), "split_rule": "session"}, "--split-by session"),
        ({"folds": 3}, "2 sessions cannot be dealt to 3 parts"),
        ({"folds": 1}, "--folds 1: one part cannot"),
        ({"folds": Path("nowhere"), "data": None}, "--folds nowhere: no such folder, and no number"),
        ({"folds": Path("nowhere")}, "--folds nowhere and --data"),
        ({"folds": Path("nowhere"), "data": None, "split_rule": "random"}, "--split-by random"),
        ({"seeds": (1,), "resume": True, "work_dir": Path("nowhere")}, "nowhere holds no sweep"),
    ],
)
def test_impossible_sweep_is_refused(plan: Plan, asked: dict[str, Any], named: str) -> None:
    with pytest.raises(RequestError, match=named) as raised:
        plan(**asked)
    assert raised.value.hint


def test_configuration_that_does_not_fit_is_refused_before_folds_are_dealt(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"clip\.num_frames is 7"):
        plan(folds=2, frames=7, work_dir=tmp_path / "sweep")
    assert not list(tmp_path.iterdir())


def test_folder_that_holds_something_else_is_left_alone(plan: Plan, trained_run: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="holds a run; a sweep has a folder of its own"):
        plan(seeds=(1, 2), work_dir=trained_run)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(RequestError, match="is not an empty folder"):
        plan(seeds=(1, 2), work_dir=tmp_path)
    with pytest.raises(RequestError, match="is not an empty folder"):
        plan(seeds=(1, 2), work_dir=tmp_path / "notes.txt")


def test_sweep_is_not_begun_twice(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text(json.dumps({}))
    with pytest.raises(RequestError, match="holds a sweep already") as raised:
        plan(seeds=(1, 2), work_dir=tmp_path)
    assert "--resume" in str(raised.value.hint)
