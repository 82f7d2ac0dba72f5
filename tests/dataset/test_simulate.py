from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.neighbors import KNeighborsClassifier

from thermalctl.annotations.classes import THERMAL_ACTION_CLASSES
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, clip_indices, load_dataset
from thermalctl.dataset.simulate import SimulationSummary, choose_keyframes, simulate_dataset
from thermalctl.errors import DatasetError, RequestError
from thermalctl.recordings.hdf5 import RecordingFile
from thermalctl.recordings.health import find_incomplete_frames, repair_incomplete_frames
from thermalctl.recordings.simulate import DEMO_SIMULATION, SimulationOptions

TINY = SimulationOptions(num_sessions=2, recordings_per_session=2, frames_per_recording=96, keyframes_per_recording=9)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SimulationSummary:
    return simulate_dataset(tmp_path_factory.mktemp("tiny") / "dataset", TINY)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> SimulationSummary:
    return simulate_dataset(tmp_path_factory.mktemp("demo") / "dataset", DEMO_SIMULATION)


def load(summary: SimulationSummary) -> ThermalDataset:
    return load_dataset(DatasetLayout(summary.root))


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def describe_shape(document: Any) -> Any:
    """The keys and types of a JSON document; of a list, those of its first entry."""
    if isinstance(document, dict):
        return {key: describe_shape(value) for key, value in document.items()}
    return [describe_shape(document[0])] if isinstance(document, list) else type(document).__name__


def describe_folder(root: Path, sensor_id: str) -> dict[str, Any]:
    """What a dataset folder's JSON files hold: key by key, without what depends on the classes in it."""
    sensor_info = read(root / "frames" / "sensor_info.json")
    train, val = (read(root / "annotations" / f"{split}.json") for split in ("train", "val"))
    statistics = read(root / "statistics" / "dataset_stats.json")
    for split in ("train", "val"):
        statistics[split]["class_distribution"] = {}  # which classes occur is not a matter of format
    for document in (train, val):
        document["info"].pop("split_rule", None)
    return {
        "sensor_info": describe_shape(sensor_info[sensor_id]),
        "train": describe_shape(train),
        "val": describe_shape(val),
        "class_mapping": read(root / "annotations" / "class_mapping.json"),
        "statistics": describe_shape(statistics),
        "dataset_info": describe_shape(read(root / "dataset_info.json")),
    }


def test_folder_holds_what_a_dataset_folder_holds(tiny: SimulationSummary) -> None:
    files = {path.relative_to(tiny.root).as_posix() for path in tiny.root.rglob("*") if path.is_file()}
    assert files == {
        "frames/SIM01_R1.h5", "frames/SIM01_R2.h5", "frames/SIM02_R1.h5", "frames/SIM02_R2.h5",
        "frames/sensor_info.json", "annotations/train.json", "annotations/val.json", "annotations/class_mapping.json",
        "statistics/dataset_stats.json", "dataset_info.json",
    }  # fmt: skip


def test_image_and_annotation_have_the_documented_fields(tiny: SimulationSummary) -> None:
    train = read(tiny.root / "annotations" / "train.json")
    image, annotation = train["images"][0], train["annotations"][0]
    assert list(image) == ["id", "sensor_id", "mac_address", "timestamp", "width", "height", "frame_idx"]
    assert image["id"] == f"{image['sensor_id']}_{image['timestamp']}"
    assert list(annotation) == [
        "id", "image_id", "bbox", "category_id", "category_name", "object_id", "attribute_obscured",
    ]  # fmt: skip
    assert annotation["category_name"] == THERMAL_ACTION_CLASSES[annotation["category_id"]]
    assert [category["name"] for category in train["categories"]] == list(THERMAL_ACTION_CLASSES)


@pytest.mark.real
def test_files_hold_the_same_keys_as_the_real_ones(tiny: SimulationSummary, real_dataset: Path) -> None:
    assert describe_folder(tiny.root, "SIM01_R1") == describe_folder(real_dataset, "SL14_R1")


@pytest.mark.real
def test_recording_has_the_layout_of_a_real_one(tiny: SimulationSummary, real_dataset: Path) -> None:
    with (
        h5py.File(tiny.root / "frames" / "SIM01_R1.h5", "r", locking=False) as simulated,
        h5py.File(real_dataset / "frames" / "SL14_R1.h5", "r", locking=False) as real,
    ):
        assert {name: simulated[name].dtype for name in simulated} == {name: real[name].dtype for name in real}
        assert simulated["frames"].chunks == real["frames"].chunks
        assert simulated["frames"].compression == real["frames"].compression
        assert set(simulated.attrs) == set(real.attrs)


def test_dataset_is_loaded_and_the_last_session_is_held_out(tiny: SimulationSummary) -> None:
    dataset = load(tiny)
    assert tiny.recordings == (("SIM01_R1", "SIM01_R2"), ("SIM02_R1", "SIM02_R2"))
    assert dataset.sessions == {"SIM01_R1": "SIM01", "SIM01_R2": "SIM01", "SIM02_R1": "SIM02", "SIM02_R2": "SIM02"}
    assert {sample.session for sample in dataset.samples("train")} == {"SIM01"}
    assert {sample.session for sample in dataset.samples("val")} == {"SIM02"}
    assert (len(dataset.samples("train")), len(dataset.samples("val"))) == (tiny.num_train, tiny.num_val)
    assert dataset.splits["val"].split_rule == "session"


def test_random_split_mixes_sessions(tmp_path: Path) -> None:
    summary = simulate_dataset(tmp_path / "dataset", TINY, split="random")
    train, val = (load(summary).samples(split) for split in ("train", "val"))
    assert (summary.num_train, summary.num_val) == (len(train), len(val)) == (29, 7)  # a fifth of 36 keyframes
    assert {sample.session for sample in train} == {"SIM01", "SIM02"}
    assert {sample.session for sample in val} == {"SIM01", "SIM02"}


def test_one_session_cannot_be_held_out_of_one(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="one of 1 sessions cannot be held out"):
        simulate_dataset(tmp_path / "dataset", replace(TINY, num_sessions=1))
    assert simulate_dataset(tmp_path / "dataset", replace(TINY, num_sessions=1), split="random").num_val == 4


def test_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match="the folder is not empty"):
        simulate_dataset(tmp_path, TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset").write_text("mine")
    with pytest.raises(DatasetError, match="is a file"):
        simulate_dataset(tmp_path / "dataset", TINY)


def test_progress_is_told_after_each_recording(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    simulate_dataset(tmp_path / "dataset", TINY, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_same_options_write_the_same_arrays_and_annotations(tiny: SimulationSummary, tmp_path: Path) -> None:
    again = simulate_dataset(tmp_path / "dataset", TINY)
    for name in ("annotations/train.json", "annotations/val.json"):
        assert (again.root / name).read_bytes() == (tiny.root / name).read_bytes()
    for path in sorted((tiny.root / "frames").glob("*.h5")):
        with RecordingFile(path) as first, RecordingFile(again.root / "frames" / path.name) as second:
            assert first.read_all().frames_c.tobytes() == second.read_all().frames_c.tobytes()
            assert first.timestamps_ms.tobytes() == second.timestamps_ms.tobytes()


def test_summary_names_the_incomplete_frames(tiny: SimulationSummary) -> None:
    for sensor_id, expected in tiny.incomplete_frames.items():
        with RecordingFile(tiny.root / "frames" / f"{sensor_id}.h5") as file:
            found = np.flatnonzero(find_incomplete_frames(file.read_all().frames_c))
        assert tuple(found.tolist()) == expected
    assert tiny.incomplete_frames["SIM01_R1"]
    assert not tiny.incomplete_frames["SIM02_R1"]


def test_keyframes_keep_away_from_both_ends() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 45, 54):
        rows = choose_keyframes(replace(DEMO_SIMULATION, keyframes_per_recording=count), rng)
        assert len(rows) == len(set(rows.tolist())) == count
        assert 70 <= rows.min() <= rows.max() < 430


def test_no_more_keyframes_than_frames_are_chosen() -> None:
    options = replace(TINY, frames_per_recording=20, keyframes_per_recording=50)
    rows = choose_keyframes(options, np.random.default_rng(0))
    assert rows.tolist() == list(range(3, 17))


def test_boxes_lie_in_the_frame(demo: SimulationSummary) -> None:
    for split in ("train", "val"):
        boxes = np.array([each["bbox"] for each in read(demo.root / "annotations" / f"{split}.json")["annotations"]])
        corners = np.concatenate((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2))
        assert corners.min() >= -1e-9
        assert corners.max() <= 1 + 1e-9


def test_all_classes_occur_and_two_dominate(demo: SimulationSummary) -> None:
    people = Counter(sample.label for sample in load(demo).samples("all", "person"))
    names = [THERMAL_ACTION_CLASSES[label] for label, _ in people.most_common()]
    assert len(names) == 14
    assert set(names[:2]) == {"lying down-lying with risk", "standing"}
    assert people[3] + people[1] > 0.45 * people.total()
    assert people.total() == demo.num_people


def test_most_keyframes_show_one_person_and_some_two(demo: SimulationSummary) -> None:
    sizes = Counter(len(sample.boxes) for sample in load(demo).samples("all"))
    assert set(sizes) == {1, 2}
    assert 0.05 < sizes[2] / sizes.total() < 0.3


def read_features(dataset: ThermalDataset, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean images (N, 2400); mean, deviation, keyframe and warmest above the median (N, 4, 40, 60); labels (N,)."""
    means, features, labels = [], [], []
    recordings = {}
    for sample in dataset.samples(split):
        if sample.recording not in recordings:
            with RecordingFile(dataset.layout.recording_file(sample.recording)) as file:
                frames_c = file.read_all().frames_c
            recordings[sample.recording] = repair_incomplete_frames(frames_c, find_incomplete_frames(frames_c))
        frames_c = recordings[sample.recording]
        clip = frames_c[clip_indices(sample.keyframe, 64, len(frames_c))]
        room_c = np.median(frames_c)  # one number for the recording: how warm the day was
        means.append(clip.mean(axis=0).ravel())
        features.append([clip.mean(axis=0) - room_c, clip.std(axis=0), clip[32] - room_c, clip.max(axis=0) - room_c])
        labels.append(sample.label)
    return np.array(means), np.array(features), np.array(labels)


def describe_body(features: np.ndarray) -> np.ndarray:
    """What does not change where the body is or how it is turned: sorted pixels, spreads and extents (N, F)."""
    rows, columns = np.mgrid[:40, :60]
    described = []
    for image in features:
        parts = [np.sort(channel.ravel())[::-1][[0, 10, 30, 60, 90, 120, 160, 220, 300, 400]] for channel in image]
        for channel in image:
            weight = np.clip(channel - 3.0 * (channel is not image[1]), 0, None) + 1e-6
            weight /= weight.sum()
            place = np.array([(weight * rows).sum(), (weight * columns).sum()])
            away = np.stack((rows - place[0], columns - place[1])).reshape(2, -1)
            parts.append(np.sqrt(np.linalg.eigvalsh((away * weight.ravel()) @ away.T)))
        described.append(np.concatenate(parts))
    return np.array(described)


def test_held_out_session_is_learnable_but_not_by_copying(demo: SimulationSummary) -> None:
    dataset = load(demo)
    means, features, labels = read_features(dataset, "train")
    val_means, val_features, val_labels = read_features(dataset, "val")
    majority = np.mean(val_labels == np.bincount(labels).argmax())
    scale = means.std(axis=0)
    nearest = max(
        KNeighborsClassifier(1).fit(means, labels).score(val_means, val_labels),
        KNeighborsClassifier(1).fit(means / scale, labels).score(val_means / scale, val_labels),
    )
    trees = ExtraTreesClassifier(300, min_samples_leaf=2, random_state=0)
    learned = trees.fit(describe_body(features), labels).score(describe_body(val_features), val_labels)
    assert majority < 0.6
    assert nearest < 0.6
    assert learned > max(majority, nearest) + 0.2
