from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmaction.evaluation.functional import top_k_accuracy
from mmengine.config import Config

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.engine.config import complete_config, load_config
from thermalctl.engine.exposure import find_exposure
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.restore import restore_model
from thermalctl.engine.score import find_views, score_split
from thermalctl.engine.soup import mix_soup
from thermalctl.engine.testing import TestOptions, run_test
from thermalctl.engine.train import train
from thermalctl.errors import CheckpointError, NotHeldError, RequestError
from thermalctl.evaluation.frames_of_people import find_label_probabilities
from thermalctl.evaluation.predictions import read_predictions


@pytest.fixture(scope="module")
def other_run(
    tiny: Config, dataset: ThermalDataset, small: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The work dir of one epoch from another seed; never changed."""
    work_dir = tmp_path_factory.mktemp("other") / "run"
    options = TrainOptions(epochs=1, seed=7, overrides=small | {"default_hooks.checkpoint.interval": 1})
    train(complete_config(tiny, options, dataset, work_dir=work_dir, device="cpu"), on_event=lambda event: None)
    return work_dir


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A copy of the usual run, to be written to."""
    return Path(shutil.copytree(trained_run, tmp_path / "run"))


def score(path: Path, dataset: ThermalDataset, **options: Any) -> Any:
    return run_test(path, TestOptions(**options), data=dataset.layout.root, device="cpu")


def test_predictions_hold_what_a_report_needs_of_baselines_and_of_the_model(run: Path, dataset: ThermalDataset) -> None:
    result, predictions = score(run, dataset)
    found = read_predictions(result.predictions)
    assert list(found.references) == list(predictions.references)
    assert "trees on frames" in found.references
    assert found.clip_spec is not None
    assert (found.clip_spec["num_frames"], found.protocol.num_trained) == (8, 0)
    assert f"torch {torch.__version__}" in found.provenance.versions
    _, without = score(run, dataset, baselines=False)
    assert without.references == {}


@pytest.mark.parametrize(("split", "message"), [("train", "12 of the 12 clips"), ("all", "12 of the 24 clips")])
def test_clips_that_were_trained_on_are_no_test(split: str, message: str, run: Path, dataset: ThermalDataset) -> None:
    with pytest.raises(NotHeldError, match=f"{message} of {split} were trained on"):
        score(run, dataset, split=split)
    assert not (run / f"predictions_{split}.npz").exists()
    notes: list[str] = []
    options = TestOptions(split=split, allow_seen=True)
    _, predictions = run_test(run, options, data=dataset.layout.root, device="cpu", on_note=notes.append)
    assert predictions.protocol.num_trained == 12
    assert any("were trained on: this is no test of the model" in note for note in notes)


def test_clips_are_known_again_under_other_names(run: Path, dataset: ThermalDataset, tmp_path: Path) -> None:
    """The dataset is built again: other ids, train and val exchanged. Only what the frames hold is still the same."""
    root = tmp_path / "renamed"
    shutil.copytree(dataset.layout.root, root)
    names = {name: f"room_{index}" for index, name in enumerate(dataset.recordings)}
    for old, new in names.items():
        (root / "frames" / f"{old}.h5").rename(root / "frames" / f"{new}.h5")
    texts = {}
    for split, other in (("train", "val"), ("val", "train")):
        document = json.loads((root / "annotations" / f"{split}.json").read_text())
        ids = {image["id"]: f"clip {index}" for index, image in enumerate(document["images"])}
        for image in document["images"]:
            image["id"], image["sensor_id"] = f"{other} {ids[image['id']]}", names[image["sensor_id"]]
        for person in document["annotations"]:
            person["image_id"] = f"{other} {ids[person['image_id']]}"
        texts[other] = json.dumps(document)
    for split, text in texts.items():
        (root / "annotations" / f"{split}.json").write_text(text)
    renamed = load_dataset(DatasetLayout(root))
    restored = restore_model(run / "epoch_1.pth")
    seen = find_exposure(restored, renamed, "val", num_frames=8, window_s=None)
    assert (seen.num_trained, seen.num_overlapping, seen.num_clips) == (12, 12, 12)
    unseen = find_exposure(restored, renamed, "train", num_frames=8, window_s=None)
    assert (unseen.num_trained, unseen.num_overlapping, unseen.sessions_in_train) == (0, 0, ())


def test_views_are_averaged(run: Path, dataset: ThermalDataset) -> None:
    restored = restore_model(run / "epoch_1.pth")
    views = find_views(restored)
    assert len(views) > 3
    alone = [score_split(restored, dataset, "val", views=(view,)).scores for view in views]
    assert alone[0] == pytest.approx(score_split(restored, dataset, "val").scores, abs=1e-6)
    assert np.ptp(alone, axis=0).max() > 1e-4
    result, found = score(run, dataset, tta=True, baselines=False)
    assert found.scores == pytest.approx(np.mean(alone, axis=0), abs=1e-6)
    assert found.provenance.views == tuple(view.name for view in views)
    assert result.predictions.name == "predictions_val_tta.npz"


def test_ensemble_averages_probabilities_and_soup_weights(run: Path, other_run: Path, dataset: ThermalDataset) -> None:
    one, other = (restore_model(path / "epoch_1.pth") for path in (run, other_run))
    parts = [score_split(restored, dataset, "val").scores for restored in (one, other)]
    result, found = score(run, dataset, ensemble=(other_run,), last=True, baselines=False)
    assert found.scores == pytest.approx(np.mean(parts, axis=0))
    assert result.predictions.name == "predictions_val_ensemble.npz"
    assert len(found.provenance.others) == 1
    _, soup = score(run, dataset, ensemble=(other_run,), soup=True, last=True, baselines=False)
    assert soup.protocol.selection.startswith("mean weights of 2 models")
    assert soup.provenance.others == found.provenance.others
    states = [restored.model.state_dict() for restored in (one, other)]
    name = "cls_head.fc_cls.weight"
    expected = (states[0][name] + states[1][name]) / 2
    assert torch.equal(mix_soup([one, other]).model.state_dict()[name], expected)


def test_soup_of_different_models_is_refused(run: Path, training: Any, dataset: ThermalDataset) -> None:
    training.work_dir = run.with_name("deeper")
    training.run(overrides={"model.backbone.slow_pathway.depth": 34, "model.backbone.fast_pathway.depth": 34})
    models = [restore_model(path / "epoch_1.pth") for path in (run, training.work_dir)]
    with pytest.raises(CheckpointError, match="is of another architecture"):
        mix_soup(models)
    score(run, dataset, ensemble=(training.work_dir,), baselines=False)  # their probabilities can be averaged


def test_dump_is_what_mmactions_tools_read(run: Path, dataset: ThermalDataset, tmp_path: Path) -> None:
    dump = tmp_path / "results.pkl"
    options = TestOptions(baselines=False)
    _, found = run_test(run, options, data=dataset.layout.root, device="cpu", dump=dump)
    rows = pickle.loads(dump.read_bytes())
    # As tools/analysis_tools/report_accuracy.py does.
    scores = [row["pred_score"].numpy() for row in rows]
    labels = [int(row["gt_label"]) for row in rows]
    assert labels == found.labels.tolist()
    (top1,) = top_k_accuracy(scores, labels, (1,))
    assert top1 == pytest.approx((found.scores.argmax(axis=1) == found.labels).mean())
    assert [int(row["pred_label"]) for row in rows] == found.scores.argmax(axis=1).tolist()


def test_checkpoint_can_be_chosen_by_its_epoch(run: Path, dataset: ThermalDataset) -> None:
    result, _ = score(run, dataset, epoch=1, baselines=False)
    assert result.checkpoint.name == "epoch_1.pth"
    with pytest.raises(RequestError, match=r"epoch_9\.pth: no such checkpoint") as caught:
        score(run, dataset, epoch=9)
    assert caught.value.hint == "epochs that were kept: 1"
    with pytest.raises(RequestError, match="--last and --epoch name different checkpoints"):
        score(run, dataset, epoch=1, last=True)
    with pytest.raises(RequestError, match=r"--best and .*epoch_1\.pth name different checkpoints"):
        score(run / "epoch_1.pth", dataset, best=True)
    for path in run.glob("best_*.pth"):
        path.unlink()
    with pytest.raises(RequestError, match="no checkpoint that validation chose"):
        score(run, dataset, best=True)


def test_soup_of_one_is_refused() -> None:
    with pytest.raises(RequestError, match="--soup: there is one model only"):
        TestOptions(soup=True)


@pytest.fixture(scope="module")
def run_of_people(simulated_dataset: Path, small: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    work_dir = tmp_path_factory.mktemp("people") / "run"
    options = TrainOptions(epochs=1, device="cpu", target="person", overrides=small | {"clip.input_size": (16, 16)})
    dataset = load_dataset(DatasetLayout(simulated_dataset))
    cfg = complete_config(load_config("slowfast-tiny"), options, dataset, work_dir=work_dir, device="cpu")
    train(cfg, on_event=lambda event: None)
    return work_dir


def test_model_of_people_judges_keyframes_by_everyone_in_them(run_of_people: Path, simulated_dataset: Path) -> None:
    dataset = load_dataset(DatasetLayout(simulated_dataset))
    _, people = run_test(run_of_people, TestOptions(baselines=False), device="cpu")
    result, frames = run_test(run_of_people, TestOptions(judges_frames=True), device="cpu")
    assert result.predictions.name == "predictions_val_frames.npz"
    samples = dataset.samples("val", "frame")
    assert frames.sample_ids == tuple(sample.sample_id for sample in samples)
    assert frames.labels.tolist() == [sample.label for sample in samples]
    assert (frames.protocol.target, frames.protocol.num_trained) == ("frame", 0)
    assert frames.train_counts is not None
    assert frames.train_counts.sum() == len(dataset.samples("train", "frame"))
    assert "trees on frames" in frames.references
    for row, sample_id in enumerate(frames.sample_ids):
        inside = [index for index, name in enumerate(people.sample_ids) if name.partition("#")[0] == sample_id]
        np.testing.assert_allclose(frames.scores[row], find_label_probabilities(people.scores[inside]))


def test_keyframes_of_trained_people_were_trained_on(run_of_people: Path) -> None:
    with pytest.raises(NotHeldError, match="12 of the 12 clips of train were trained on"):
        run_test(run_of_people, TestOptions(split="train", judges_frames=True), device="cpu")


def test_model_of_frames_is_not_asked_for_people(trained_run: Path) -> None:
    with pytest.raises(RequestError, match="--target frame: this model judges whole frames"):
        run_test(trained_run, TestOptions(judges_frames=True), device="cpu")
