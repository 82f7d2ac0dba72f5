from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.deploy.clip_models import ClipModel, ModelChoice, find_model
from thermalctl.engine.restore import restore_model
from thermalctl.engine.score import score_split
from thermalctl.errors import RequestError
from thermalctl.prediction.pictures import save_answers
from thermalctl.prediction.single import predict_frame, predict_sample


@pytest.fixture
def dataset(simulated_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(simulated_dataset))


@pytest.fixture
def model(trained_run: Path) -> ClipModel:
    return ModelChoice(path=find_model(trained_run), device="cpu").load()


def test_sample_has_the_scores_that_test_gives_it(model: ClipModel, dataset: ThermalDataset, trained_run: Path) -> None:
    scores = score_split(restore_model(find_model(trained_run)), dataset, "val")
    for index, sample_id in enumerate(scores.sample_ids[:4]):
        answer = predict_sample(model, dataset, sample_id)
        np.testing.assert_allclose(answer.probabilities, scores.scores[index], atol=1e-5)
        assert answer.label == dataset.classes[scores.labels[index]]
        assert answer.class_name == dataset.classes[int(scores.scores[index].argmax())]


def test_frame_of_a_recording_is_the_sample_with_that_keyframe(model: ClipModel, dataset: ThermalDataset) -> None:
    sample = dataset.samples("val")[3]
    path = dataset.layout.frames_dir / f"{sample.recording}.h5"
    [answer] = predict_frame(model, path, sample.keyframe)
    np.testing.assert_array_equal(answer.probabilities, predict_sample(model, dataset, sample.sample_id).probabilities)
    assert (answer.keyframe, answer.timestamp_ms, answer.label) == (sample.keyframe, sample.timestamp_ms, None)


def test_frame_at_the_edge_is_answered_too(model: ClipModel, dataset: ThermalDataset) -> None:
    path = dataset.layout.frames_dir / f"{dataset.samples('val')[0].recording}.h5"
    assert predict_frame(model, path, 0)[0].clip_c.shape == (8, 16, 24)
    assert predict_frame(model, path, 99)


def test_frame_that_the_recording_lacks_is_refused(model: ClipModel, dataset: ThermalDataset) -> None:
    path = dataset.layout.frames_dir / f"{dataset.samples('val')[0].recording}.h5"
    with pytest.raises(RequestError, match=r"--at 100: .* holds 100 frames"):
        predict_frame(model, path, 100)


def test_unknown_sample_is_refused_with_one_that_there_is(model: ClipModel, dataset: ThermalDataset) -> None:
    with pytest.raises(RequestError, match=r"--sample nobody: .* has no such sample") as refused:
        predict_sample(model, dataset, "nobody")
    assert dataset.samples("train")[0].sample_id in str(refused.value.hint)


def test_picture_is_drawn_of_one_clip(model: ClipModel, dataset: ThermalDataset, tmp_path: Path) -> None:
    answer = predict_sample(model, dataset, dataset.samples("val")[0].sample_id)
    save_answers(tmp_path / "one.png", [answer])
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
