from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.environment.material import check_dataset, check_weights
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


@pytest.mark.parametrize(("needed", "status"), [(True, "failed"), (False, "warning")])
def test_absent_weights_fail_where_train_needs_them(cache: Path, tmp_path: Path, needed: bool, status: str) -> None:
    check = check_weights(tmp_path, needed=needed)

    assert (check.status, check.fix) == (status, f"thermalctl download-weights {DEFAULT_WEIGHTS}")


def test_damaged_weights_fail(cache: Path, tmp_path: Path) -> None:
    (cache / get_entry(DEFAULT_WEIGHTS).file_names[0]).write_bytes(b"damaged")

    check = check_weights(tmp_path, needed=False)

    assert (check.status, check.fix) == ("failed", f"thermalctl download-weights {DEFAULT_WEIGHTS} --force")


def test_whole_weights_are_ok(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = get_entry(DEFAULT_WEIGHTS)
    (cache / entry.file_names[0]).write_bytes(b"the published content, as far as the hash can tell")
    monkeypatch.setattr(verify, "hash_file", lambda path: entry.sha256_prefix + "0" * 56)

    assert check_weights(tmp_path, needed=True).status == "ok"


def test_no_dataset_is_nothing_to_look_at(tmp_path: Path) -> None:
    assert check_dataset(None, tmp_path).status == "skipped"


def test_dataset_below_the_current_folder_is_found_and_counted(tmp_path: Path) -> None:
    write_dataset(tmp_path / "thermal")

    check = check_dataset(None, tmp_path)

    assert check.status == "ok"
    assert check.found == "thermal, found below the current folder; recordings: 1; keyframes: 1 train; classes: 1"


def test_two_datasets_are_a_warning(tmp_path: Path) -> None:
    write_dataset(tmp_path / "one")
    write_dataset(tmp_path / "two")

    check = check_dataset(None, tmp_path)

    assert check.status == "warning"
    assert "--data" in str(check.fix)


def test_named_folder_that_is_no_dataset_fails(tmp_path: Path) -> None:
    check = check_dataset(tmp_path / "absent", tmp_path)

    assert check.status == "failed"
    assert "no such folder" in check.found


def test_contradictory_dataset_fails_and_points_to_its_inspection(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "thermal")
    annotations = root / "annotations" / "train.json"
    annotations.write_text(annotations.read_text().replace('"frame_idx": 40', '"frame_idx": 400'))

    check = check_dataset(root, tmp_path)

    assert (check.status, check.fix) == ("failed", f"thermalctl inspect-dataset --data {root}")
    assert "400" in check.found


@pytest.mark.real
def test_real_dataset_is_ok(real_dataset: Path, tmp_path: Path) -> None:
    check = check_dataset(real_dataset, tmp_path)

    assert check.status == "ok"
    assert "recordings: 8; keyframes: 314 train, 73 val; classes: 14" in check.found
