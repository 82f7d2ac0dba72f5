from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.evaluation import features as features_module
from thermalctl.evaluation.features import extract_features
from thermalctl.recordings.pool import RecordingPool

MakeDataset = Any


def make_frames(num_frames: int, height: int, width: int, *, seed: int = 0) -> np.ndarray:
    return 22 + np.random.default_rng(seed).normal(size=(num_frames, height, width)).astype(np.float32)


@pytest.fixture
def flashing() -> np.ndarray:
    """Four frames of 4x6 at 20 deg C in which pixel (1, 2) is 20, 24, 30 and 22."""
    frames_c = np.full((4, 4, 6), 20, dtype=np.float32)
    frames_c[:, 1, 2] = 20, 24, 30, 22
    return frames_c


def test_pictures_by_hand(make_dataset: MakeDataset, flashing: np.ndarray) -> None:
    dataset = make_dataset({"a": flashing}, {"train": [("a", 2, [(0, 2.5 / 6, 1.5 / 4)])]})
    found = extract_features(dataset, dataset.samples("train", "person"), target="person", num_frames=4)
    # The square is half of 4 pixels long, rows 0..1 and columns 1..2 around (1.5, 2.5), which round to even: (2, 2).
    assert found.pictures.shape == (1, 5, 2, 2)
    mean, deviation, keyframe, motion, background = found.pictures[0]
    assert mean == pytest.approx(np.array([[0, 4], [0, 0]]))
    assert deviation == pytest.approx(np.array([[0, np.sqrt((16 + 0 + 36 + 4) / 4)], [0, 0]]))
    assert keyframe == pytest.approx(np.array([[0, 10], [0, 0]]))
    assert motion == pytest.approx(np.array([[0, (4 + 6 + 8) / 3], [0, 0]]))
    assert background == pytest.approx(np.array([[0, 23 - 20], [0, 0]]))


def test_whole_frame_is_described_by_mean_deviation_and_keyframe(
    make_dataset: MakeDataset, flashing: np.ndarray
) -> None:
    dataset = make_dataset({"a": flashing}, {"train": [("a", 2, [(0,)])]})
    found = extract_features(dataset, dataset.samples("train"), target="frame", num_frames=4)
    assert found.pictures.shape == (1, 3, 4, 6)
    assert found.pictures[0, :, 1, 2] == pytest.approx(np.array([4, np.sqrt(14), 10]))
    assert found.rows.shape == (1, 72)
    assert found.rows.dtype == np.float32


def test_warmer_room_is_no_difference(make_dataset: MakeDataset) -> None:
    frames_c = make_frames(10, 6, 8)
    keyframes = [("cool", 5, [(0,)]), ("warm", 5, [(1,)])]
    dataset = make_dataset({"cool": frames_c, "warm": frames_c + 5}, {"train": keyframes})
    for target in ("frame", "person"):
        cool, warm = extract_features(dataset, dataset.samples("train", target), target=target, num_frames=8).pictures
        assert cool == pytest.approx(warm, abs=1e-4)


@pytest.mark.parametrize("lost_pixel", [-273.2, np.nan, -np.inf])
def test_incomplete_frame_gives_way_to_its_nearest(make_dataset: MakeDataset, lost_pixel: float) -> None:
    frames_c = make_frames(8, 6, 8)
    broken_c = frames_c.copy()
    broken_c[3, 5] = lost_pixel
    repaired_c = frames_c.copy()
    repaired_c[3] = frames_c[2]
    dataset = make_dataset(
        {"broken": broken_c, "repaired": repaired_c}, {"train": [(name, 4, [(0,)]) for name in ("broken", "repaired")]}
    )
    found = extract_features(dataset, dataset.samples("train"), target="frame", num_frames=8)
    assert np.array_equal(found.pictures[0], found.pictures[1])
    assert found.num_repaired == 1


def test_as_recorded_neither_repairs_nor_takes_away_the_room(make_dataset: MakeDataset) -> None:
    frames_c = make_frames(8, 6, 8)
    frames_c[3, 5] = -273.2
    dataset = make_dataset({"a": frames_c}, {"train": [("a", 4, [(0,)])]})
    found = extract_features(dataset, dataset.samples("train"), target="frame", num_frames=8, as_recorded=True)
    lost_c = np.float32(-273.15)  # no pixel is colder
    assert found.pictures[0, 0, 5] == pytest.approx((frames_c[[0, 1, 2, 4, 5, 6, 7], 5].sum(axis=0) + lost_c) / 8)
    assert found.pictures[0, 2] == pytest.approx(frames_c[4])
    assert found.num_repaired == 0


def test_clip_without_a_complete_frame_is_left_out_and_named(make_dataset: MakeDataset) -> None:
    frames_c = make_frames(40, 6, 8)
    frames_c[:20, 5] = -273.2
    dataset = make_dataset({"a": frames_c}, {"train": [("a", 10, [(0,)]), ("a", 30, [(1,)])]})
    found = extract_features(dataset, dataset.samples("train"), target="frame", num_frames=8)
    assert found.lost == ("a_10",)
    assert [sample.sample_id for sample in found.samples] == ["a_30"]
    assert found.labels.tolist() == [1]
    assert len(found.pictures) == 1


def test_nothing_to_describe_is_no_error(make_dataset: MakeDataset) -> None:
    dataset = make_dataset({"a": np.full((8, 6, 8), -273.2)}, {"train": [("a", 4, [(0,)])]})
    found = extract_features(dataset, dataset.samples("train"), target="frame", num_frames=8)
    assert found.lost == ("a_4",)
    assert len(found.rows) == len(found.labels) == 0


def test_persons_square_repeats_the_frames_edge(make_dataset: MakeDataset) -> None:
    frames_c = np.arange(48, dtype=np.float32).reshape(1, 6, 8)
    dataset = make_dataset({"a": frames_c}, {"train": [("a", 0, [(0, 0.06, 0.06)])]})
    found = extract_features(
        dataset, dataset.samples("train", "person"), target="person", num_frames=1, as_recorded=True
    )
    # Around row and column 0: rows and columns -1 (repeated), 0 and 1.
    assert found.pictures[0, 0].tolist() == [[0, 0, 1], [0, 0, 1], [8, 8, 9]]


def test_everyone_in_a_keyframe_is_described_from_one_reading(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyframes = [("a", 20, [(0, 0.2, 0.5), (1, 0.8, 0.5)]), ("a", 10, [(1, 0.5, 0.5)])]
    dataset = make_dataset({"a": make_frames(40, 8, 10)}, {"train": keyframes})
    read: list[tuple[str, int]] = []

    class CountingPool(RecordingPool):
        def read(self, sensor_id: str, indices: Any) -> Any:
            read.append((sensor_id, int(indices[4])))
            return super().read(sensor_id, indices)

    monkeypatch.setattr(features_module, "RecordingPool", CountingPool)
    samples = dataset.samples("train", "person")
    found = extract_features(dataset, samples, target="person", num_frames=8)
    assert read == [("a", 10), ("a", 20)]
    assert found.samples == tuple(samples)
    assert not np.array_equal(found.pictures[0], found.pictures[1])
    alone = extract_features(dataset, samples[1:2], target="person", num_frames=8)
    assert np.array_equal(found.pictures[1], alone.pictures[0])


@pytest.mark.parametrize(
    ("frame_size", "whole", "square"),
    [
        ((40, 60), (40, 60), 20),
        ((60, 40), (60, 40), 20),
        ((24, 32), (24, 32), 12),
        ((8, 8), (8, 8), 4),
        ((60, 80), (60, 80), 15),
        ((120, 160), (60, 80), 20),
        ((121, 161), (41, 54), 20),
    ],
)
def test_larger_sensors_are_averaged_down(
    make_dataset: MakeDataset, frame_size: tuple[int, int], whole: tuple[int, int], square: int
) -> None:
    dataset = make_dataset({"a": make_frames(4, *frame_size)}, {"train": [("a", 2, [(0,)])]})
    for target, size in (("frame", whole), ("person", (square, square))):
        found = extract_features(dataset, dataset.samples("train", target), target=target, num_frames=4)
        assert found.pictures.shape[2:] == size


def test_averaging_down_is_over_squares_of_pixels(make_dataset: MakeDataset) -> None:
    frames_c = make_frames(1, 120, 160)
    dataset = make_dataset({"a": frames_c}, {"train": [("a", 0, [(0,)])]})
    found = extract_features(dataset, dataset.samples("train"), target="frame", num_frames=1, as_recorded=True)
    assert found.pictures[0, 0, 3, 7] == pytest.approx(frames_c[0, 6:8, 14:16].mean(), rel=1e-6)
