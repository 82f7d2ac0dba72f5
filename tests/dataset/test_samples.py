from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.annotations.coco import Box
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import (
    ThermalDataset,
    clip_indices,
    count_classes,
    load_dataset,
    uniform_clip_indices,
)
from thermalctl.errors import DatasetError

Folder = Any


@pytest.fixture
def dataset(folder: Folder) -> ThermalDataset:
    return load_dataset(folder.layout)


@pytest.fixture(scope="module")
def real(real_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(real_dataset))


def test_frame_sample_is_a_keyframe_with_everyone_in_it(dataset: ThermalDataset) -> None:
    sample = dataset.samples("train")[1]
    assert (sample.sample_id, sample.recording, sample.keyframe, sample.label) == ("hall_1_40", "hall_1", 40, 1)
    assert (sample.session, sample.timestamp_ms) == ("hall", 1_700_000_004_000)
    assert sample.boxes == (Box(0.25, 0.5, 0.2, 0.4), Box(0.5, 0.5, 0.2, 0.4))


def test_person_sample_has_the_persons_label_and_only_their_box(dataset: ThermalDataset) -> None:
    samples = dataset.samples("train", "person")
    assert [(sample.sample_id, sample.label) for sample in samples] == [
        ("hall_1_10#100", 0),
        ("hall_1_40#200", 1),
        ("hall_1_40#201", 1),
        ("lab_35#300", 1),
        ("lab_35#301", 0),
    ]
    assert samples[4].boxes == (Box(0.5, 0.5, 0.2, 0.4),)


@pytest.mark.parametrize(("labels", "expected"), [([1, 0], 0), ([2, 1, 2], 2), ([2, 1], 1), ([1], 1)])
def test_frame_label_is_the_most_frequent_ties_to_the_lowest_id(
    folder: Folder, labels: list[int], expected: int
) -> None:
    folder.add_keyframe("train", "lab", 60, labels)
    folder.write()
    assert load_dataset(folder.layout).samples("train")[-1].label == expected


def test_all_is_every_split_in_order_without_repeats(folder: Folder) -> None:
    folder.documents["test"] = folder.documents["val"]  # a test split copied from val is common
    folder.write()
    ids = [sample.sample_id for sample in load_dataset(folder.layout).samples("all")]
    assert ids == ["hall_1_10", "hall_1_40", "lab_35", "hall_2_35", "lab_50"]


def test_split_that_is_not_there_is_answered_with_those_that_are(dataset: ThermalDataset) -> None:
    with pytest.raises(DatasetError, match='has no split "test"') as error:
        dataset.samples("test")
    assert error.value.hint == "it has train, val, all"


@given(
    st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))),
    st.integers(1, 100),
)
def test_clip_is_the_window_around_the_keyframe_with_edges_repeated(place: tuple[int, int], num_frames: int) -> None:
    keyframe, num_recorded = place
    indices = clip_indices(keyframe, num_frames, num_recorded)
    start = keyframe - num_frames // 2
    assert indices.tolist() == [min(max(i, 0), num_recorded - 1) for i in range(start, start + num_frames)]
    assert indices[num_frames // 2] == keyframe


@pytest.mark.parametrize(
    ("keyframe", "num_frames", "expected"),
    [(5, 4, [3, 4, 5, 6]), (5, 3, [4, 5, 6]), (0, 4, [0, 0, 0, 1]), (9, 4, [7, 8, 9, 9]), (5, 1, [5])],
)
def test_clip_indices_by_hand(keyframe: int, num_frames: int, expected: list[int]) -> None:
    assert clip_indices(keyframe, num_frames, 10).tolist() == expected


@given(
    st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))),
    st.integers(1, 40),
    st.integers(0, 20),
)
def test_context_continues_the_clip_on_both_sides(place: tuple[int, int], num_frames: int, context_frames: int) -> None:
    keyframe, num_recorded = place
    longer = clip_indices(keyframe, num_frames, num_recorded, context_frames=context_frames)
    assert len(longer) == num_frames + 2 * context_frames
    first = keyframe - num_frames // 2 - context_frames
    assert longer.tolist() == [min(max(first + i, 0), num_recorded - 1) for i in range(len(longer))]
    inner = longer[context_frames : context_frames + num_frames]
    np.testing.assert_array_equal(inner, clip_indices(keyframe, num_frames, num_recorded))


def test_uniform_context_is_as_far_apart_as_the_clips_own_frames() -> None:
    stamps = np.arange(0, 10_000, 50, dtype=np.int64)
    # 4 frames over 0.8 s are 200 ms apart, which is every fourth frame.
    assert uniform_clip_indices(100, 4, 0.8, stamps).tolist() == [92, 96, 100, 104]
    longer = uniform_clip_indices(100, 4, 0.8, stamps, context_frames=2)
    assert longer.tolist() == [84, 88, 92, 96, 100, 104, 108, 112]


@given(
    st.lists(st.integers(0, 5_000), min_size=1, max_size=40).map(sorted),
    st.integers(1, 20),
    st.integers(0, 10),
    st.floats(0.1, 5.0),
    st.data(),
)
def test_uniform_clip_is_the_middle_of_the_one_with_context(
    stamps: list[int], num_frames: int, context_frames: int, window_s: float, data: st.DataObject
) -> None:
    keyframe = data.draw(st.integers(0, len(stamps) - 1))
    array = np.array(stamps, dtype=np.int64)
    longer = uniform_clip_indices(keyframe, num_frames, window_s, array, context_frames=context_frames)
    assert len(longer) == num_frames + 2 * context_frames
    inner = longer[context_frames : context_frames + num_frames]
    np.testing.assert_array_equal(inner, uniform_clip_indices(keyframe, num_frames, window_s, array))


def test_uniform_clip_takes_the_frame_that_arrived_nearest_to_each_instant() -> None:
    stamps = np.array([0, 100, 110, 120, 400, 500, 900], dtype=np.int64)
    # 4 frames over 0.8 s around frame 4 (400 ms): wanted 0, 200, 400, 600 ms.
    assert uniform_clip_indices(4, 4, 0.8, stamps).tolist() == [0, 3, 4, 5]


def test_uniform_clip_of_an_even_recording_is_the_consecutive_one() -> None:
    stamps = np.arange(100, dtype=np.int64) * 50
    for keyframe in (0, 1, 50, 98, 99):
        uniform = uniform_clip_indices(keyframe, 16, 16 * 0.05, stamps)
        np.testing.assert_array_equal(uniform, clip_indices(keyframe, 16, 100))


def test_uniform_clip_takes_the_earlier_of_two_equally_near() -> None:
    stamps = np.array([0, 100, 300], dtype=np.int64)
    assert uniform_clip_indices(2, 2, 0.2, stamps).tolist() == [1, 2]  # 200 ms lies between 100 and 300


def test_uniform_clip_has_the_keyframe_in_the_middle_even_if_another_frame_arrived_with_it() -> None:
    stamps = np.array([0, 100, 100, 100, 200], dtype=np.int64)
    assert uniform_clip_indices(3, 3, 0.3, stamps)[1] == 3


def test_uniform_clip_survives_a_clock_that_was_set_back() -> None:
    stamps = np.array([500, 600, 100, 200, 300], dtype=np.int64)
    assert uniform_clip_indices(3, 3, 0.3, stamps).tolist() == [2, 3, 4]


@given(
    st.lists(st.integers(0, 5_000), min_size=1, max_size=40).map(sorted),
    st.integers(1, 20),
    st.floats(0.1, 5.0),
    st.data(),
)
def test_no_frame_is_nearer_to_an_instant_than_the_one_taken(
    stamps: list[int], num_frames: int, window_s: float, data: st.DataObject
) -> None:
    keyframe = data.draw(st.integers(0, len(stamps) - 1))
    array = np.array(stamps, dtype=np.int64)
    taken = array[uniform_clip_indices(keyframe, num_frames, window_s, array)]
    wanted = array[keyframe] + (np.arange(num_frames) - num_frames // 2) * window_s * 1000 / num_frames
    np.testing.assert_allclose(np.abs(taken - wanted), np.abs(array[None] - wanted[:, None]).min(axis=1), atol=1e-6)


def test_fingerprint_stays_when_the_dataset_is_copied(folder: Folder, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder.root, copy)
    assert load_dataset(DatasetLayout(copy)).fingerprint() == load_dataset(folder.layout).fingerprint()


def change_label(folder: Folder) -> None:
    folder.documents["val"]["annotations"][0].update(category_id=0, category_name="stand")
    folder.write()


def change_arrival_time(folder: Folder) -> None:
    with h5py.File(folder.layout.recording_file("lab"), "r+") as recording:
        recording["timestamps"][3] += 1


def add_recording(folder: Folder) -> None:
    folder.add_recording("cellar", start_ms=0)


@pytest.mark.parametrize("change", [change_label, change_arrival_time, add_recording])
def test_fingerprint_changes_with_the_dataset(folder: Folder, change: Any) -> None:
    before = load_dataset(folder.layout).fingerprint()
    change(folder)
    assert load_dataset(folder.layout).fingerprint() != before


@pytest.mark.real
def test_real_val_frame_labels_are_those_of_the_recorded_protocol(real: ThermalDataset) -> None:
    counts = count_classes(real.samples("val"), real.num_classes)
    assert sorted(counts[counts > 0].tolist(), reverse=True) == [37, 25, 4, 3, 2, 1, 1]
    assert counts.max() / counts.sum() == pytest.approx(0.507, abs=0.0005)


@pytest.mark.real
def test_real_people_are_counted_as_in_the_datasets_own_statistics(real: ThermalDataset) -> None:
    stats = json.loads((real.layout.statistics_dir / "dataset_stats.json").read_text())
    for split in ("train", "val"):
        counts = count_classes(real.samples(split, "person"), real.num_classes)
        found = {name: int(count) for name, count in zip(real.classes, counts, strict=True) if count}
        assert found == stats[split]["class_distribution"]


@pytest.mark.real
def test_real_dataset_has_two_sessions(real: ThermalDataset) -> None:
    assert set(real.sessions.items()) == {
        (f"{session}_R{n}", session) for session in ("SL14", "SL18") for n in range(1, 5)
    }


@pytest.mark.real
def test_real_keyframes_carry_their_frames_arrival_times(real: ThermalDataset) -> None:
    for sample in real.samples("all"):
        assert real.recordings[sample.recording].timestamps_ms[sample.keyframe] == sample.timestamp_ms
