from __future__ import annotations

from pathlib import Path

import pytest

from thermalctl.dataset.layout import DatasetLayout, find_dataset
from thermalctl.errors import DatasetError

HINT = "a dataset folder holds frames/*.h5 and annotations/train.json"


def make_dataset(root: Path) -> Path:
    """Only names matter here: empty files will do."""
    for file in (root / "frames" / "R1.h5", root / "annotations" / "train.json"):
        file.parent.mkdir(parents=True)
        file.touch()
    return root


def test_files_lie_where_the_format_says() -> None:
    layout = DatasetLayout(Path("d"))
    assert layout.recording_file("R1") == Path("d/frames/R1.h5")
    assert layout.annotation_file("val") == Path("d/annotations/val.json")
    assert layout.class_mapping_file == Path("d/annotations/class_mapping.json")
    assert layout.statistics_dir == Path("d/statistics")
    assert layout.info_file == Path("d/dataset_info.json")


def test_only_train_val_and_test_are_splits(tmp_path: Path) -> None:
    layout = DatasetLayout(make_dataset(tmp_path))
    for name in ("test", "val", "class_mapping", "train_backup"):
        layout.annotation_file(name).touch()
    assert layout.find_splits() == ("train", "val", "test")


def test_named_folder_comes_before_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, other = make_dataset(tmp_path / "named"), make_dataset(tmp_path / "other")
    monkeypatch.setenv("THERMALCTL_DATA", str(other))
    found = find_dataset(named)
    assert (found.layout.root, found.how) == (named, "from --data")


def test_variable_comes_before_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_dataset(tmp_path / "here" / "near")
    far = make_dataset(tmp_path / "far")
    monkeypatch.setenv("THERMALCTL_DATA", str(far))
    found = find_dataset(None, current_folder=tmp_path / "here")
    assert (found.layout.root, found.how) == (far, "from $THERMALCTL_DATA")


def test_what_a_run_was_trained_on_comes_before_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERMALCTL_DATA", str(make_dataset(tmp_path / "named")))
    trained_on = make_dataset(tmp_path / "fold_1")
    found = find_dataset(None, trained_on=trained_on)
    assert (found.layout.root, found.how) == (trained_on, "what the run was trained on")
    assert find_dataset(None, trained_on=tmp_path / "gone").how == "from $THERMALCTL_DATA"
    assert find_dataset(tmp_path / "named", trained_on=trained_on).how == "from --data"


def test_only_dataset_below_is_found_two_folders_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_dataset(tmp_path / "ThermalDataGen" / "thermal_action_dataset")
    monkeypatch.chdir(tmp_path)
    found = find_dataset(None)
    assert found.layout.root == Path("ThermalDataGen/thermal_action_dataset")
    assert found.how == "found below the current folder"


def test_current_folder_may_be_the_dataset(tmp_path: Path) -> None:
    found = find_dataset(None, current_folder=make_dataset(tmp_path))
    assert (found.layout.root, found.how) == (tmp_path, "the current folder")


@pytest.mark.parametrize("hidden", [".venv", "node_modules", "work_dirs", "folds", "a/b/c/d"])
def test_search_stays_out_of_foreign_and_deep_folders(tmp_path: Path, hidden: str) -> None:
    make_dataset(tmp_path / hidden)
    wanted = make_dataset(tmp_path / "wanted")
    assert find_dataset(None, current_folder=tmp_path).layout.root == wanted


def test_search_does_not_look_inside_a_dataset(tmp_path: Path) -> None:
    outer = make_dataset(tmp_path / "outer")
    make_dataset(outer / "inner")
    assert find_dataset(None, current_folder=tmp_path).layout.root == outer


def test_two_datasets_below_are_listed(tmp_path: Path) -> None:
    one, two = make_dataset(tmp_path / "one"), make_dataset(tmp_path / "two")
    with pytest.raises(DatasetError, match=f"2 datasets below .*: {one}, {two}") as error:
        find_dataset(None, current_folder=tmp_path)
    assert error.value.hint == f"name the one that is meant, as in --data {one}"
    assert error.value.exit_code == 2


def test_nothing_below_is_said_with_what_a_dataset_is(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no dataset at or below") as error:
        find_dataset(None, current_folder=tmp_path)
    assert error.value.hint == f"name one with --data DIR or $THERMALCTL_DATA; {HINT}"


def test_misspelt_folder_is_met_with_its_neighbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_dataset(tmp_path / "thermal_action_dataset")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError) as error:
        find_dataset(Path("thermal_acton_dataset"))
    assert error.value.message == "thermal_acton_dataset: no such folder. Is thermal_action_dataset meant?"
    assert error.value.hint == HINT


def test_missing_folder_without_a_similar_neighbour_is_only_missing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere/at/all: no such folder\.$"):
        find_dataset(tmp_path / "nowhere" / "at" / "all")


def test_parent_of_the_dataset_is_met_with_the_dataset(tmp_path: Path) -> None:
    inside = make_dataset(tmp_path / "ThermalDataGen" / "thermal_action_dataset")
    with pytest.raises(DatasetError, match=f"ThermalDataGen: is not a dataset. Is {inside} meant"):
        find_dataset(tmp_path / "ThermalDataGen")


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        (["annotations/train.json"], r"no annotations/train\.json$"),
        (["frames/R1.h5"], r"no frames/\*\.h5$"),
        (["annotations/train.json", "frames/R1.h5"], r"no annotations/train\.json and no frames/\*\.h5$"),
    ],
)
def test_what_a_folder_lacks_is_named(tmp_path: Path, lacking: list[str], message: str) -> None:
    root = make_dataset(tmp_path / "data")
    for name in lacking:
        (root / name).unlink()
    with pytest.raises(DatasetError, match=message):
        find_dataset(root)


def test_file_is_no_dataset_folder(tmp_path: Path) -> None:
    (tmp_path / "data.zip").touch()
    with pytest.raises(DatasetError, match="is a file, not a folder"):
        find_dataset(tmp_path / "data.zip")
