from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.dataset import BaseDataset, RepeatDataset

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.label_check import check_labels, list_labels
from thermalctl.errors import DatasetError
from thermalctl.pipeline.thermal_hdf5 import ThermalHDF5Dataset


class Listed(BaseDataset):
    """A user's own dataset, with labels as its list has them."""

    def __init__(self, labels: list[Any]) -> None:
        self.labels = labels
        super().__init__()

    def load_data_list(self) -> list[dict[str, Any]]:
        return [{"filename": f"{place}.mp4", "label": label} for place, label in enumerate(self.labels)]


def test_labels_come_with_the_names_of_their_samples(simulated_dataset: Path, dataset: ThermalDataset) -> None:
    clips = ThermalHDF5Dataset(
        simulated_dataset / "annotations" / "train.json", {"hdf5": simulated_dataset / "frames"}, frame_window=8
    )
    expected = [(sample.sample_id, sample.label) for sample in dataset.samples("train")]
    assert list_labels(clips) == list_labels(RepeatDataset(clips, times=3)) == expected


def test_every_label_out_of_range_is_named() -> None:
    with pytest.raises(DatasetError) as caught:
        check_labels(Listed([0, 3, -1, 2]), 3)
    assert caught.value.problems == (
        'sample "1.mp4": its label is 3, but the model tells 3 classes apart (0 to 2)',
        'sample "2.mp4": its label is -1, but the model tells 3 classes apart (0 to 2)',
    )
    check_labels(Listed([0, 1, 2]), 3)


def test_dataset_that_does_not_tell_its_labels_is_left_alone() -> None:
    assert list_labels([1, 2, 3]) == []
    check_labels(Listed([[0, 9], [1]]), 3)  # several labels each
