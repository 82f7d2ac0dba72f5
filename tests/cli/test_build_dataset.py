from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def delivered(folder: Path, simulated: Path) -> Path:
    """What sensors and annotators delivered: `rec/*.h5` and `ann/*.json`; nothing else is in the folder."""
    shutil.rmtree(folder / "ThermalDataGen")
    shutil.copytree(simulated / "frames", folder / "rec", ignore=shutil.ignore_patterns("*.json"))
    (folder / "ann").mkdir()
    for split in ("train", "val"):
        shutil.copy(simulated / "annotations" / f"{split}.json", folder / "ann")
    return folder


def test_files_named_by_the_shell_are_all_taken(delivered: Path, thermalctl: Run) -> None:
    recordings, annotations = sorted((delivered / "rec").iterdir()), sorted((delivered / "ann").iterdir())

    outcome = thermalctl(
        "build-dataset", "--recordings", *recordings, "--annotations", *annotations, "--output", "new", "--window", "16"
    )

    assert outcome.code == 0, outcome.err
    assert "2 recordings, 600 frames" in outcome.out
    assert "14 classes: as the annotation files define them" in outcome.out
    assert "nothing was left out" in outcome.out
    assert "val shares no frame and no session with train" in outcome.out
    assert "next: thermalctl inspect-dataset --data new" in outcome.err
    assert thermalctl("inspect-dataset", "--data", "new").code == 0


def test_folders_are_taken_and_what_was_left_out_is_counted(delivered: Path, thermalctl: Run) -> None:
    outcome = thermalctl("build-dataset", "--recordings", "rec", "--annotations", "ann", "--output", "new")
    assert outcome.code == 0, outcome.err
    document = json.loads((delivered / "new" / "manifest.json").read_text())["skipped"]
    number = sum(document["counts"].values())
    assert number == len(document["records"])
    assert (f"left out: {number} " in outcome.out) == bool(number)


def test_reason_is_shown_with_its_records(delivered: Path, thermalctl: Run) -> None:
    outcome = thermalctl(
        "build-dataset", "--recordings", "rec", "--annotations", "ann", "--output", "new", "--window", "250"
    )
    assert outcome.code == 0, outcome.err
    assert "its window reaches past the recording" in outcome.out
    assert "train.json: image" in outcome.out
    assert "        and " in outcome.out


def test_json_is_the_whole_of_standard_output(delivered: Path, thermalctl: Run) -> None:
    outcome = thermalctl("build-dataset", "--recordings", "rec", "--annotations", "ann", "--output", "new", "--json")
    built = json.loads(outcome.out)
    assert (built["num_recordings"], built["split"]["rule"]) == (2, "session")


def test_classes_are_named_and_merged(delivered: Path, thermalctl: Run) -> None:
    (delivered / "names.txt").write_text("standing\nwalking\nsitting\nlying down-lying with risk\n")
    outcome = thermalctl(
        *("build-dataset", "--recordings", "rec", "--annotations", "ann", "--output", "new", "--window", "16"),
        *("--classes", "names.txt", "--merge-classes", "upright=standing,walking", "low=sitting"),
    )
    assert outcome.code == 0, outcome.err
    mapping = json.loads((delivered / "new" / "annotations" / "class_mapping.json").read_text())
    assert mapping["classes"] == ["upright", "low", "lying down-lying with risk"]
    assert "is not among the classes" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), "neither --output nor --extend was given"),
        (("--output", "rec"), "rec: holds something that is no dataset"),
        (("--output", "new", "--frame-size", "40"), "--frame-size 40: expected HEIGHTxWIDTH"),
        (("--output", "new", "--merge-classes", "a=b"), '"b" is not a class'),
        (("--output", "new", "--classes", "absent.txt"), "absent.txt: cannot be read"),
        (("--extend", "rec"), "rec: is not a dataset"),
        (("--output", "new", "--annotations", "absent.json"), "absent.json"),
        (("--output", "new", "--recordings", "absent.h5"), "absent.h5"),
    ],
)
def test_impossible_request_is_two_lines_and_writes_nothing(
    delivered: Path, arguments: tuple[str, ...], error: str, thermalctl: Run
) -> None:
    outcome = thermalctl("build-dataset", "--recordings", "rec", "--annotations", "ann", *arguments)
    assert outcome.code == 2
    first, second = outcome.err.splitlines()[-2:]
    assert first.startswith("error: ")
    assert error in first
    assert second.startswith("hint: ")
    assert sorted(path.name for path in delivered.iterdir()) == ["ann", "rec"]


def test_dataset_is_extended_where_it_is(delivered: Path, thermalctl: Run) -> None:
    first, second = sorted(path.name for path in (delivered / "rec").iterdir())
    build = ("build-dataset", "--annotations", "ann", "--window", "16")
    assert thermalctl(*build, "--recordings", f"rec/{first}", "--split-by", "random", "--output", "new").code == 0

    outcome = thermalctl(*build, "--recordings", f"rec/{second}", "--extend", "new", "--force")

    assert outcome.code == 0, outcome.err
    assert "2 recordings, 600 frames" in outcome.out
    assert "split by extended" in outcome.out
    assert thermalctl("inspect-dataset", "--data", "new").code == 0


def test_dataset_is_split_anew_without_a_path(folder: Path, thermalctl: Run) -> None:
    outcome = thermalctl("split-dataset")
    assert outcome.code == 0, outcome.err
    assert "thermal_action_dataset_by_session  (split by session)" in outcome.out
    assert "next: thermalctl train --data thermal_action_dataset_by_session" in outcome.err
    assert thermalctl("split-dataset", "--data", "ThermalDataGen/thermal_action_dataset").code == 2


def test_folds_are_datasets_of_their_own(folder: Path, thermalctl: Run) -> None:
    outcome = thermalctl("split-dataset", "--by", "random", "--folds", "3", "--output", "folds")
    assert outcome.code == 0, outcome.err
    for number in (1, 2, 3):
        assert f"folds/fold_{number}  (split by random)" in outcome.out
        assert thermalctl("inspect-dataset", "--data", f"folds/fold_{number}").code == 0


def test_too_few_sessions_are_told(folder: Path, thermalctl: Run) -> None:
    outcome = thermalctl("split-dataset", "--folds", "3")
    assert outcome.code == 2
    assert "2 sessions cannot be dealt to 3 parts" in outcome.err
    assert thermalctl("split-dataset", "--folds", "2", "--val-split", "0.3").code == 2
