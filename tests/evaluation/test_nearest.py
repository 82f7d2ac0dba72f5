from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.errors import RecordingError
from thermalctl.evaluation.nearest import predict_nearest_clip

MakeDataset = Any


def make_spot(row: int, *, room_c: float) -> np.ndarray:
    """20 frames of 6x8 with a person of 4 deg C above the room in one row."""
    frames_c = np.full((20, 6, 8), room_c, dtype=np.float32)
    frames_c[:, row, 2:4] += 4
    return frames_c + np.random.default_rng(row).normal(scale=0.1, size=frames_c.shape).astype(np.float32)


def test_label_of_the_most_similar_clip_is_copied_whatever_the_rooms_temperature(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(
        {
            "top": make_spot(1, room_c=20),
            "bottom": make_spot(4, room_c=26),
            "warm_top": make_spot(1, room_c=26),
            "cool_bottom": make_spot(4, room_c=20),
        },
        {
            "train": [("top", 10, [(1,)]), ("bottom", 10, [(2,)])],
            "val": [("cool_bottom", 10, [(0,)]), ("warm_top", 10, [(0,)])],
        },
    )
    train, val = dataset.samples("train"), dataset.samples("val")
    assert predict_nearest_clip(dataset, train, val, num_frames=8).tolist() == [2, 1]


def test_clip_without_a_complete_frame_is_refused_by_name(make_dataset: MakeDataset) -> None:
    frames_c = make_spot(1, room_c=20)
    frames_c[:, 5] = -273.2
    dataset = make_dataset(
        {"good": make_spot(1, room_c=20), "bad": frames_c},
        {"train": [("good", 10, [(1,)])], "val": [("bad", 10, [(1,)])]},
    )
    with pytest.raises(RecordingError, match='none of the 8 frames around "bad_10" is complete'):
        predict_nearest_clip(dataset, dataset.samples("train"), dataset.samples("val"), num_frames=8)
