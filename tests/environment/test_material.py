from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.environment.diagnosis import Check
from thermalctl.environment.material import (
    check_dataset,
    check_weights,
    examine_dataset,
    examine_weights,
)
from thermalctl.environment.probe import ProbeResult
from thermalctl.recordings.hdf5 import Recording, write_recording
from thermalctl.weights import verify
from thermalctl.weights.catalog import DEFAULT_WEIGHTS, get_entry


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THERMALCTL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    return tmp_path / "cache" / "weights"


def write_dataset(root: Path) -> Path:
    """One recording of 70 frames with one annotated keyframe."""
    frames_c = np.linspace(20, 30, 70 * 4 * 6, dtype=np.float32).reshape(70, 4, 6)
    write_recording(
        root / "frames" / "A1.h5",
        Recording(
            sensor_id="A1",
            mac_address="02:00:00:00:00:01",
            frames_c=frames_c,
            timestamps_ms=np.arange(70, dtype=np.int64) * 100 + 1_700_000_000_000,
            frame_seqs=np.arange(70, dtype=np.int64),
        ),
    )
    person: dict[str, Any] = {"id": 0, "image_id": "A1_40", "bbox": [0.5, 0.5, 0.2, 0.4], "category_id": 0}
    image = {"id": "A1_40", "sensor_id": "A1", "mac_address": "02:00:00:00:00:01", "timestamp": 1_700_000_004_000}
    content = {
        "images": [image | {"width": 6, "height": 4, "frame_idx": 40}],
        "annotations": [person | {"category_name": "sitting", "object_id": 0}],
        "categories": [{"id": 0, "name": "sitting"}],
    }
    (root / "annotations").mkdir()
    (root / "annotations" / "train.json").write_text(json.dumps(content))
    return root


def judge_weights(folder: Path, *, needed: bool) -> Check:
    return check_weights(ProbeResult(facts=examine_weights(folder)), needed=needed)


def judge_dataset(data: Path | None, folder: Path, *, limit: int | None = None) -> Check:
    return check_dataset(ProbeResult(facts=examine_dataset(data, folder)), open_files_limit=limit)


def test_absent_weights_fail_where_train_needs_them(cache: Path, tmp_path: Path) -> None:
    check = judge_weights(tmp_path, needed=True)

    assert (check.status, check.fix) == ("failed", f"thermalctl download-weights {DEFAULT_WEIGHTS}")


def test_absent_weights_that_nothing_needs_are_no_fault(cache: Path, tmp_path: Path) -> None:
    check = judge_weights(tmp_path, needed=False)

    assert (check.status, check.fix) == ("skipped", None)
    assert "slowfast-r50" in check.why


@pytest.mark.parametrize(("needed", "status"), [(True, "failed"), (False, "warning")])
def test_damaged_weights_are_told(cache: Path, tmp_path: Path, needed: bool, status: str) -> None:
    (cache / get_entry(DEFAULT_WEIGHTS).file_names[0]).write_bytes(b"damaged")

    check = judge_weights(tmp_path, needed=needed)

    assert (check.status, check.fix) == (status, f"thermalctl download-weights {DEFAULT_WEIGHTS} --force")


def test_whole_weights_are_ok(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = get_entry(DEFAULT_WEIGHTS)
    (cache / entry.file_names[0]).write_bytes(b"the published content, as far as the hash can tell")
    monkeypatch.setattr(verify, "hash_file", lambda path: entry.sha256_prefix + "0" * 56)

    assert judge_weights(tmp_path, needed=True).status == "ok"


def test_weights_that_cannot_be_looked_for_are_told_with_the_exception() -> None:
    check = check_weights(ProbeResult(error="SyntaxError: invalid syntax"), needed=True)

    assert (check.status, check.found) == ("failed", "SyntaxError: invalid syntax")
    assert "doctor --report" in str(check.fix)


def test_no_dataset_is_nothing_to_look_at(tmp_path: Path) -> None:
    assert judge_dataset(None, tmp_path).status == "skipped"


def test_dataset_below_the_current_folder_is_found_and_counted(tmp_path: Path) -> None:
    write_dataset(tmp_path / "thermal")

    check = judge_dataset(None, tmp_path)

    assert check.status == "ok"
    assert check.found == "thermal, found below the current folder; recordings: 1; keyframes: 1 train; classes: 1"


def test_two_datasets_are_a_warning(tmp_path: Path) -> None:
    write_dataset(tmp_path / "one")
    write_dataset(tmp_path / "two")

    check = judge_dataset(None, tmp_path)

    assert check.status == "warning"
    assert "--data" in str(check.fix)


def test_named_folder_that_is_no_dataset_fails(tmp_path: Path) -> None:
    check = judge_dataset(tmp_path / "absent", tmp_path)

    assert check.status == "failed"
    assert "no such folder" in check.found


def test_one_problem_is_told_with_what_to_mend_for_inspect_dataset_knows_no_more(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "thermal")
    annotations = root / "annotations" / "train.json"
    annotations.write_text(annotations.read_text().replace('"frame_idx": 40', '"frame_idx": 400'))

    check = judge_dataset(root, tmp_path)

    assert (check.status, check.why) == ("failed", "")
    assert "400" in check.found
    assert str(check.fix).startswith(f"mend {root} or build it again; a dataset folder holds frames/*.h5")


@pytest.mark.parametrize(
    ("num_problems", "why"), [(2, "and 1 more problem"), (5, "and 4 more problems"), (9, "and 8 more problems")]
)
def test_more_problems_are_counted_and_inspect_dataset_tells_them(tmp_path: Path, num_problems: int, why: str) -> None:
    root = write_dataset(tmp_path / "my data")
    for number in range(num_problems):
        (root / "frames" / f"B{number}.h5").write_bytes(b"no HDF5")

    check = judge_dataset(root, tmp_path)

    assert "B0.h5: cannot be read as HDF5" in check.found
    assert (check.why, check.fix) == (why, f"thermalctl inspect-dataset --data '{root}'")


def test_more_recordings_than_a_process_may_open_are_a_warning(tmp_path: Path) -> None:
    write_dataset(tmp_path / "thermal")

    assert judge_dataset(None, tmp_path, limit=129).status == "ok"
    check = judge_dataset(None, tmp_path, limit=128)
    assert (check.status, check.fix) == ("warning", "ulimit -n 258")


def test_dataset_that_cannot_be_looked_at_fails_with_the_exception() -> None:
    check = check_dataset(ProbeResult(error="killed by SIGSEGV"))

    assert (check.status, check.found) == ("failed", "killed by SIGSEGV")


@pytest.mark.real
def test_real_dataset_is_ok(real_dataset: Path, tmp_path: Path) -> None:
    check = judge_dataset(real_dataset, tmp_path)

    assert check.status == "ok"
    assert "recordings: 8; keyframes: 314 train, 73 val; classes: 14" in check.found
