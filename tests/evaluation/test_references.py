from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.evaluation.references import answer_references


@pytest.fixture(scope="module")
def dataset(simulated_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(simulated_dataset))


def test_baselines_answer_every_judged_clip(dataset: ThermalDataset) -> None:
    trained, judged = dataset.samples("train"), dataset.samples("val")
    found = {one.name: one.answers for one in answer_references(dataset, "val", target="frame", num_frames=16)}
    assert list(found) == ["always the majority", "nearest keyframe", "most similar clip", "trees on frames"]
    labels = [sample.label for sample in trained]
    majority = int(np.bincount(labels).argmax())
    assert set(found["always the majority"].tolist()) == {majority}
    # Sessions are held out: no recording of theirs has a training keyframe to copy.
    assert found["nearest keyframe"].tolist() == [majority] * len(judged)
    for answers in found.values():
        assert answers.dtype == np.int64
        assert len(answers) == len(judged)
        assert set(answers.tolist()) <= set(labels)


def test_people_are_seen_close_up_and_in_their_frame(dataset: ThermalDataset) -> None:
    found = answer_references(dataset, "val", target="person", num_frames=16)
    assert [one.name for one in found][-2:] == ["trees on box crops", "trees on frames"]
    assert {len(one.answers) for one in found} == {len(dataset.samples("val", "person"))}


@pytest.mark.parametrize("split", ["train", "all"])
def test_nothing_is_learnt_from_what_is_judged(split: str, dataset: ThermalDataset) -> None:
    assert answer_references(dataset, split, target="frame", num_frames=16) == ()


@pytest.mark.real
def test_baselines_of_the_real_split_score_what_the_inspection_says(real_dataset: Path) -> None:
    dataset = load_dataset(DatasetLayout(real_dataset))
    labels = np.array([sample.label for sample in dataset.samples("val")])
    found = answer_references(dataset, "val", target="frame", num_frames=64)
    scores = {one.name: (one.answers == labels).mean() for one in found}
    assert scores["always the majority"] == pytest.approx(37 / 73)
    assert scores["nearest keyframe"] == pytest.approx(62 / 73)  # 84.9 %
    assert scores["trees on frames"] == pytest.approx(0.904, abs=0.03)
