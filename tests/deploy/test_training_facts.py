from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.training_facts import TrainingFacts, find_own_predictions, find_training_facts
from thermalctl.engine.restore import RestoredModel
from thermalctl.engine.score import score_split
from thermalctl.errors import PredictionsError
from thermalctl.evaluation.predictions import write_predictions


def test_facts_are_of_the_dataset_that_the_model_was_trained_on(model: RestoredModel, dataset: ThermalDataset) -> None:
    trained = dataclasses.replace(model, trained_dataset=dataset.fingerprint())
    facts = find_training_facts(trained, dataset, None)
    samples = dataset.samples("train")
    numbers = Counter(sample.label for sample in samples)
    assert facts.counts == tuple(numbers[label] for label in range(14))
    assert facts.num_clips == len(samples)
    assert facts.num_recordings == len({sample.recording for sample in samples})
    assert facts.num_sessions == len({sample.session for sample in samples})
    assert facts.clip_s is not None
    gaps_ms = [np.diff(recording.timestamps_ms) for recording in dataset.recordings.values()]
    assert 15 * min(gap.min() for gap in gaps_ms) <= 1000 * facts.clip_s[0] <= 1000 * facts.clip_s[1]
    assert 1000 * facts.clip_s[1] <= 15 * max(gap.max() for gap in gaps_ms)


def test_of_another_dataset_only_the_fingerprint_and_counts_are_known(
    model: RestoredModel, dataset: ThermalDataset
) -> None:
    other = dataclasses.replace(model, trained_dataset="of another")
    assert find_training_facts(other, dataset, None) == TrainingFacts(fingerprint="of another")
    predictions = score_split(model, dataset, "val")
    assert predictions.train_counts is not None
    facts = find_training_facts(other, dataset, predictions)
    assert facts == TrainingFacts(fingerprint="of another", counts=tuple(predictions.train_counts.tolist()))


def test_predictions_of_another_checkpoint_or_of_several_views_are_not_its_own(
    model: RestoredModel, dataset: ThermalDataset, tmp_path: Path
) -> None:
    assert find_own_predictions(tmp_path, model, "val") is None
    predictions = score_split(model, dataset, "val")
    for changes, is_own in (({}, True), ({"checkpoint_sha256": "0" * 64}, False), ({"views": ("as it is",)}, False)):
        origin = dataclasses.replace(predictions.provenance, **changes)
        write_predictions(tmp_path / "predictions_val.npz", dataclasses.replace(predictions, provenance=origin))
        assert (find_own_predictions(tmp_path, model, "val") is not None) == is_own


def test_damaged_predictions_are_not_passed_over(model: RestoredModel, tmp_path: Path) -> None:
    (tmp_path / "predictions_val.npz").write_bytes(b"no archive")
    with pytest.raises(PredictionsError, match=r"predictions_val\.npz"):
        find_own_predictions(tmp_path, model, "val")
