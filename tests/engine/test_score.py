from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.engine.restore import RestoredModel, restore_model
from thermalctl.engine.score import score_split
from thermalctl.errors import CheckpointError, DatasetError, RequestError
from thermalctl.evaluation.predictions import read_predictions, write_predictions


@pytest.fixture
def restored(trained_run: Path) -> RestoredModel:
    return restore_model(trained_run / "epoch_1.pth")


@pytest.fixture
def their_restored(users_training: Any) -> RestoredModel:
    users_training.run(epochs=None)
    return restore_model(users_training.work_dir / "epoch_1.pth")


def test_every_sample_is_scored_in_order(restored: RestoredModel, dataset: ThermalDataset) -> None:
    found = score_split(restored, dataset, "val")
    samples = dataset.samples("val")
    assert found.sample_ids == tuple(sample.sample_id for sample in samples)
    assert found.labels.tolist() == [sample.label for sample in samples]
    assert found.sessions == tuple(sample.session for sample in samples)
    assert found.keyframes.tolist() == [sample.keyframe for sample in samples]
    assert found.classes == dataset.classes
    assert found.train_counts is not None
    assert found.train_counts.tolist() == [0, 0, 5, 0, 4, 0, 1, 0, 0, 0, 0, 0, 2, 0]
    assert found.boxes is None


def test_scores_are_those_of_the_model_on_each_clip(restored: RestoredModel, dataset: ThermalDataset) -> None:
    found = score_split(restored, dataset, "val", batch_size=5)
    assert found.logits is not None
    np.testing.assert_allclose(found.scores, softmax(found.logits, axis=1), atol=1e-6)
    transform = restored.model.data_preprocessor.transform
    import h5py

    for index in (0, 7, 11):
        file = dataset.layout.recording_file(found.recordings[index])
        with h5py.File(file, "r", locking=False) as recording:
            clip_c = torch.from_numpy(recording["frames"][found.keyframes[index] - 4 : found.keyframes[index] + 4])
        with torch.no_grad():
            logits = restored.model.cls_head(restored.model.backbone(transform(clip_c[None])))
        np.testing.assert_allclose(logits[0].numpy(), found.logits[index], atol=1e-4)


def test_batch_and_workers_make_no_difference(restored: RestoredModel, dataset: ThermalDataset) -> None:
    one, other = (score_split(restored, dataset, "val", batch_size=size) for size in (1, 12))
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


def test_progress_is_told(restored: RestoredModel, dataset: ThermalDataset) -> None:
    told: list[tuple[int, int]] = []
    score_split(restored, dataset, "val", batch_size=5, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 12), (10, 12), (12, 12)]


def test_predictions_say_on_what_terms(restored: RestoredModel, dataset: ThermalDataset, tmp_path: Path) -> None:
    found = score_split(restored, dataset, "val")
    assert (found.protocol.split, found.protocol.target) == ("val", "frame")
    assert (found.protocol.split_rule, found.protocol.num_overlapping) == ("session", 0)
    assert (found.protocol.selection, found.protocol.selection_split) == ("last epoch", None)
    assert found.provenance.checkpoint_sha256 == restored.sha256
    assert found.provenance.dataset_fingerprint == dataset.fingerprint()
    assert found.provenance.epoch == 1
    write_predictions(tmp_path / "predictions.npz", found)
    np.testing.assert_array_equal(read_predictions(tmp_path / "predictions.npz").scores, found.scores)


def test_training_split_overlaps_itself(restored: RestoredModel, dataset: ThermalDataset) -> None:
    assert score_split(restored, dataset, "train").protocol.num_overlapping == 12
    assert score_split(restored, dataset, "all").num_samples == 24


def test_person_model_scores_people_with_their_boxes(training: Any, dataset: ThermalDataset) -> None:
    training.run(overrides={"clip.target": "person", "clip.input_size": (16, 16)})
    found = score_split(restore_model(training.work_dir / "epoch_1.pth"), dataset, "val")
    people = dataset.samples("val", "person")
    assert found.sample_ids == tuple(person.sample_id for person in people)
    assert found.protocol.target == "person"
    assert found.boxes is not None
    np.testing.assert_allclose(found.boxes, [person.boxes[0] for person in people])


def change_classes(source: Path, target: Path, classes: list[str]) -> ThermalDataset:
    shutil.copytree(source, target)
    for path in (target / "annotations").glob("*.json"):
        document = json.loads(path.read_text())
        if "categories" in document:
            document["categories"] = [{"id": index, "name": name} for index, name in enumerate(classes)]
            for person in document["annotations"]:
                person["category_name"] = classes[person["category_id"]]
        else:
            document = {"classes": classes, "class_to_id": {name: index for index, name in enumerate(classes)}}
        path.write_text(json.dumps(document))
    return load_dataset(DatasetLayout(target))


def test_dataset_of_other_classes_is_refused(
    restored: RestoredModel, dataset: ThermalDataset, simulated_dataset: Path, tmp_path: Path
) -> None:
    more = change_classes(simulated_dataset, tmp_path / "more", [*dataset.classes, "dancing"])
    with pytest.raises(CheckpointError, match=r"epoch_1\.pth: tells 14 classes apart, but .*more has 15"):
        score_split(restored, more, "val")
    renamed = change_classes(simulated_dataset, tmp_path / "renamed", ["dancing", *dataset.classes[1:]])
    with pytest.raises(CheckpointError, match='class 0 is "sitting" in the model and "dancing" in the dataset'):
        score_split(restored, renamed, "val")


def test_split_that_is_not_there_is_refused(restored: RestoredModel, dataset: ThermalDataset) -> None:
    with pytest.raises(DatasetError, match='has no split "test"'):
        score_split(restored, dataset, "test")


def test_model_of_the_guides_scripts_is_restored_and_scored(
    their_restored: RestoredModel, dataset: ThermalDataset
) -> None:
    assert not their_restored.is_own
    assert their_restored.classes == dataset.classes
    assert their_restored.clip_spec is not None
    assert their_restored.clip_spec.quantize
    found = score_split(their_restored, dataset, "val", batch_size=5)
    assert found.sample_ids == tuple(sample.sample_id for sample in dataset.samples("val"))
    assert found.logits is not None
    np.testing.assert_allclose(found.scores, softmax(found.logits, axis=1), atol=1e-6)
    assert len(np.unique(found.scores.round(6), axis=0)) > 1
    with pytest.raises(RequestError, match="--split all: a model of the guide's scripts"):
        score_split(their_restored, dataset, "all")
