"""What contradicts what between annotation files and recordings; each problem names the file and the field."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest

from thermalctl.dataset.checks import read_recording_info
from thermalctl.dataset.samples import load_dataset
from thermalctl.errors import DatasetError, RecordingError

Folder = Any


def load_spoilt(folder: Folder) -> str:
    folder.write()
    with pytest.raises(DatasetError) as error:
        load_dataset(folder.layout)
    assert error.value.hint is not None
    return error.value.message


def test_sound_dataset_loads(folder: Folder) -> None:
    dataset = load_dataset(folder.layout)
    recording = dataset.recordings["hall_1"]
    assert (recording.num_frames, recording.frame_size, recording.mac_address) == (70, (4, 6), "02:00:00:00:00:01")
    assert recording.num_bytes == recording.path.stat().st_size


def test_keyframe_past_the_end_is_named_with_the_length(folder: Folder) -> None:
    folder.documents["train"]["images"][0]["frame_idx"] = 70
    path = folder.layout.annotation_file("train")
    assert load_spoilt(folder) == (
        f'{path}: image "hall_1_10" has frame_idx 70, but frames/hall_1.h5 holds 70 frames (0 to 69).'
    )


def test_frame_size_that_differs_from_the_image_entry_is_named(folder: Folder) -> None:
    folder.documents["val"]["images"][0].update(width=4, height=6)
    assert load_spoilt(folder).endswith(
        'val.json: image "hall_2_35" has width 4 and height 6, '
        "but the frames of frames/hall_2.h5 are 6 wide and 4 high."
    )


def test_missing_recording_is_named_once_with_its_images_counted(folder: Folder) -> None:
    folder.layout.recording_file("hall_1").unlink()
    assert load_spoilt(folder).endswith(
        'train.json: 2 images have sensor_id "hall_1", but there is no frames/hall_1.h5.'
    )


def test_recording_that_is_not_hdf5_is_named_once(folder: Folder) -> None:
    file = folder.layout.recording_file("hall_1")
    file.write_text("version https://git-lfs.github.com/spec/v1")
    message = load_spoilt(folder)
    assert message.startswith(f"{file}: cannot be read as HDF5")
    assert len(message.splitlines()) == 1


def test_recording_with_more_frames_than_timestamps_is_named(folder: Folder) -> None:
    file = folder.layout.recording_file("lab")
    with h5py.File(file, "r+") as recording:
        del recording["timestamps"]
        recording["timestamps"] = np.arange(69)
    assert f"{file}: 70 frames but 69 timestamps" in load_spoilt(folder)


def test_recording_without_frames_is_named(folder: Folder) -> None:
    with h5py.File(folder.layout.recording_file("lab"), "r+") as recording:
        del recording["frames"]
    assert 'lab.h5: holds no dataset "frames" (it holds: frame_seqs, timestamps)' in load_spoilt(folder)


def test_recordings_of_different_sizes_are_listed(folder: Folder) -> None:
    folder.add_recording("small", start_ms=0, frames_c=np.full((3, 2, 2), 20.0, dtype=np.float32))
    assert load_spoilt(folder) == (
        "frames/: recordings differ in frame size (4x6: hall_1, hall_2, lab; 2x2: small), "
        "expected one sensor type in a dataset."
    )


def test_splits_with_different_class_names_are_told_apart(folder: Folder) -> None:
    folder.documents["val"]["categories"][2]["name"] = "tumble"
    assert 'val.json: class 2 is "tumble", but in' in load_spoilt(folder)


def test_class_mapping_with_another_number_of_classes_is_named(folder: Folder) -> None:
    folder.classes.append("jump")
    assert "class_mapping.json: has 4 classes, but" in load_spoilt(folder)


def test_annotation_file_and_recording_problems_come_together(folder: Folder) -> None:
    folder.documents["train"]["annotations"][0]["bbox"] = [1, 2, 3, 4]
    folder.documents["val"]["images"][0]["sensor_id"] = "../hall_2"
    folder.layout.recording_file("lab").write_bytes(b"")
    message = load_spoilt(folder)
    assert [part in message for part in ("lab.h5", 'annotation 100 has "bbox"', '"sensor_id": "../hall_2"')] == [
        True
    ] * 3


def test_damaged_json_is_named(folder: Folder) -> None:
    folder.layout.annotation_file("val").write_text('{"images": ')
    with pytest.raises(DatasetError, match=r"val\.json: is not JSON: Expecting value at line 1, column 12"):
        load_dataset(folder.layout)


def test_missing_train_file_is_named(folder: Folder) -> None:
    folder.layout.annotation_file("train").unlink()
    with pytest.raises(DatasetError, match=r"train\.json: no such file"):
        load_dataset(folder.layout)


def test_missing_recording_file_is_a_recording_error(folder: Folder) -> None:
    with pytest.raises(RecordingError, match=r"gone\.h5: no such file"):
        read_recording_info(folder.layout.recording_file("gone"))


def test_read_only_dataset_loads(folder: Folder) -> None:
    for path in [*folder.root.rglob("*"), folder.root]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert load_dataset(folder.layout).num_classes == 3
    finally:
        for path in [folder.root, *folder.root.rglob("*")]:
            path.chmod(0o755)
