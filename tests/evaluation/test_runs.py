from __future__ import annotations

import os
from pathlib import Path

import pytest

from thermalctl.errors import PredictionsError, RequestError
from thermalctl.evaluation.runs import (
    find_predictions,
    find_run,
    find_trained_dataset_folder,
    list_runs,
    predictions_path,
)


def make_run(folder: Path, *, trained: int, tested: int | None = None, split: str = "val") -> Path:
    """Make a run whose checkpoint and predictions have these times (s)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("last_checkpoint", "epoch_1.pth"):
        (folder / name).write_text("x")
        os.utime(folder / name, (trained, trained))
    if tested is not None:
        path = predictions_path(folder, split)
        path.write_text("x")
        os.utime(path, (tested, tested))
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path()


def test_predictions_are_kept_in_the_work_dir_by_split() -> None:
    assert predictions_path(Path("work_dirs/a"), "val") == Path("work_dirs/a/predictions_val.npz")


def test_named_work_dir_is_taken(here: Path) -> None:
    folder = make_run(here / "elsewhere", trained=1)
    make_run(here / "work_dirs/a", trained=2)
    found = find_run(folder)
    assert (found.folder, found.file, found.how) == (folder, None, "as named")


@pytest.mark.parametrize("name", ["epoch_1.pth", "predictions_val.npz"])
def test_named_file_stands_for_its_work_dir(here: Path, name: str) -> None:
    folder = make_run(here / "elsewhere", trained=1, tested=2)
    found = find_run(folder / name)
    assert (found.folder, found.file) == (folder, folder / name)


def test_newest_run_is_the_one_trained_last_however_deep(here: Path) -> None:
    make_run(here / "work_dirs/old", trained=100, tested=999)
    newest = make_run(here / "work_dirs/sweep/two", trained=300)
    make_run(here / "work_dirs/sweep/one", trained=200)
    found = find_run(None)
    assert found.folder == newest
    assert found.how == "the newest of 3 runs below work_dirs"


def test_only_run_is_taken(here: Path) -> None:
    folder = make_run(here / "work_dirs/a", trained=1)
    found = find_run(None)
    assert (found.folder, found.how) == (folder, "the only run below work_dirs")


def test_demo_run_is_taken_where_there_is_no_other(here: Path) -> None:
    demo = make_run(here / "thermalctl_demo/work_dirs/demo", trained=9)
    assert find_run(None).folder == demo
    own = make_run(here / "work_dirs/a", trained=1)
    assert find_run(None).folder == own


def test_runs_are_looked_for_below_the_folder_given(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "work_dirs/a", trained=1, tested=2)
    assert find_run(None, current_folder=tmp_path).folder == folder
    assert find_predictions(None, current_folder=tmp_path).path == folder / "predictions_val.npz"


def test_no_run_at_all_says_where_was_looked(here: Path) -> None:
    (here / "work_dirs/logs").mkdir(parents=True)
    with pytest.raises(RequestError, match="no run below work_dirs or thermalctl_demo") as caught:
        find_run(None)
    assert "thermalctl train" in str(caught.value.hint)
    assert caught.value.exit_code == 2


def test_runs_of_the_same_moment_are_not_guessed_between(here: Path) -> None:
    make_run(here / "work_dirs/a", trained=5)
    make_run(here / "work_dirs/b", trained=5)
    make_run(here / "work_dirs/c", trained=4)
    with pytest.raises(RequestError, match="2 runs below work_dirs are equally new") as caught:
        find_run(None)
    assert caught.value.hint == "name one: work_dirs/a, work_dirs/b"


def test_folder_of_several_runs_lists_them(here: Path) -> None:
    for index in range(7):
        make_run(here / f"work_dirs/run{index}", trained=index + 1)
    with pytest.raises(RequestError, match="work_dirs: holds 7 runs, expected one") as caught:
        find_run(here / "work_dirs")
    hint = "name one: " + ", ".join(f"work_dirs/run{index}" for index in (6, 5, 4, 3, 2)) + ", ..."
    assert caught.value.hint == hint


def test_folder_of_one_run_stands_for_it(here: Path) -> None:
    folder = make_run(here / "sweep/a", trained=1)
    found = find_run(here / "sweep")
    assert (found.folder, found.how) == (folder, "the only run below sweep")


def test_folder_without_a_run_is_refused(here: Path) -> None:
    (here / "empty").mkdir()
    with pytest.raises(RequestError, match="empty: holds no run"):
        find_run(here / "empty")


def test_misspelt_name_is_met_with_the_one_that_is_there(here: Path) -> None:
    make_run(here / "work_dirs/thermal_slowfast", trained=1)
    with pytest.raises(RequestError, match=r"no such file or folder\. Is work_dirs/thermal_slowfast meant\?"):
        find_run(here / "work_dirs/thermal_slowfst")
    with pytest.raises(RequestError, match=r"nowhere/x: no such file or folder\.$"):
        find_run(here / "nowhere/x")


def test_report_folder_is_no_run(here: Path) -> None:
    folder = make_run(here / "work_dirs/a", trained=1, tested=2)
    (folder / "report_val").mkdir()
    (folder / "report_val/report.json").write_text("{}")
    assert list_runs(here / "work_dirs") == [folder]


def test_predictions_alone_make_a_run(here: Path) -> None:
    folder = here / "work_dirs/copied"
    folder.mkdir(parents=True)
    (folder / "predictions_val.npz").write_text("x")
    assert find_predictions(None).path == folder / "predictions_val.npz"


def test_newest_predictions_of_a_run_are_taken(here: Path) -> None:
    folder = make_run(here / "work_dirs/a", trained=1, tested=30, split="val")
    make_run(folder, trained=1, tested=20, split="test")
    found = find_predictions(folder)
    assert found.path == folder / "predictions_val.npz"
    assert found.how == "the newest of 2 predictions files below work_dirs/a"


def test_named_predictions_file_is_taken(here: Path) -> None:
    folder = make_run(here / "work_dirs/a", trained=1, tested=30, split="val")
    make_run(folder, trained=1, tested=20, split="test")
    assert find_predictions(folder / "predictions_test.npz").path == folder / "predictions_test.npz"


def test_checkpoint_stands_for_the_predictions_beside_it(here: Path) -> None:
    folder = make_run(here / "work_dirs/a", trained=1, tested=30)
    assert find_predictions(folder / "epoch_1.pth").path == folder / "predictions_val.npz"


def test_run_that_was_not_tested_says_to_test_it(here: Path) -> None:
    folder = make_run(here / "work_dirs/a", trained=1)
    for path in (folder, None):
        with pytest.raises(PredictionsError, match="work_dirs/a: holds no predictions") as caught:
            find_predictions(path)
        assert "thermalctl test work_dirs/a" in str(caught.value.hint)


def test_bare_takes_the_newest_tested_run_and_names_the_newer_one(here: Path) -> None:
    make_run(here / "work_dirs/oldest", trained=1, tested=90)
    tested = make_run(here / "work_dirs/tested", trained=2, tested=50)
    make_run(here / "work_dirs/new", trained=3)
    found = find_predictions(None)
    assert found.path == tested / "predictions_val.npz"
    assert "thermalctl test work_dirs/new" in found.how


def test_any_other_file_is_taken_for_predictions_and_not_for_its_neighbours(here: Path) -> None:
    folder = make_run(here / "work_dirs/a", trained=1, tested=30)
    (folder / "notes.txt").write_text("x")
    assert find_predictions(folder / "notes.txt").path == folder / "notes.txt"


@pytest.mark.parametrize("record", [None, "", "[1]", "{}", '{"dataset": null}', '{"dataset": 3}'])
def test_run_whose_record_says_no_dataset_has_none(tmp_path: Path, record: str | None) -> None:
    if record is not None:
        (tmp_path / "run.json").write_text(record)
    assert find_trained_dataset_folder(tmp_path) is None


def test_dataset_that_a_run_was_trained_on_is_read_from_its_record(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"dataset": "/data/rooms"}')
    assert find_trained_dataset_folder(tmp_path) == Path("/data/rooms")
