from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.person_tracks import find_person_tracks
from thermalctl.dataset.samples import Sample, ThermalDataset, find_clip, load_dataset
from thermalctl.engine.augmented import TrainingInput, prepare_training_input
from thermalctl.errors import ConfigError
from thermalctl.pipeline.clip_dataset import ClipDataset
from thermalctl.pipeline.preprocessor import ThermalDataPreprocessor
from thermalctl.recordings.health import find_incomplete_frames, repair_incomplete_frames
from thermalctl.recordings.pool import RecordingPool

MOTION = {"channels": "motion", "mean": (110.0, 127.5, 127.5), "std": (30.0, 25.5, 25.5)}


@pytest.fixture(scope="module")
def dataset(simulated_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(simulated_dataset))


@pytest.fixture(scope="module")
def sample(dataset: ThermalDataset) -> Sample:
    return dataset.samples("train")[2]


def make_input(dataset: ThermalDataset, *, augment: Any = None, layout: Any = "clip", **spec: Any) -> TrainingInput:
    values = {"classes": dataset.classes, "num_frames": 8, "input_size": (16, 24), **spec}
    preprocessor = ThermalDataPreprocessor(ClipSpec(**values).to_dict(), augment=augment, layout=layout)
    return TrainingInput(config="known", preprocessor=preprocessor, dataset=dataset)


def read_repaired(dataset: ThermalDataset, sample: Sample, spec: ClipSpec) -> NDArray[np.float32]:
    with closing(RecordingPool(dataset.layout.frames_dir)) as recordings:
        clip_c = recordings.read(sample.recording, find_clip(sample, dataset, spec))
    return repair_incomplete_frames(clip_c, find_incomplete_frames(clip_c))


@pytest.mark.parametrize(
    "spec",
    [
        {"channels": "copy"},
        {"channels": "fold"},
        {"channels": "copy", "mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4)},
        MOTION,
        {"temperatures": "relative", "temperature_range_c": (-15.0, 25.0)},
    ],
    ids=["copy", "fold", "means of each channel", "motion", "relative"],
)
@pytest.mark.parametrize("layout", ["clip", "images"])
def test_without_augmentation_the_draw_is_the_clip_in_degrees(
    dataset: ThermalDataset, sample: Sample, spec: dict[str, Any], layout: str
) -> None:
    training = make_input(dataset, layout=layout, **spec)
    draws_c = training.draw(sample, num_draws=2, seed=0, steps=[0, 2, 7])
    assert draws_c.shape == (2, 3, 16, 24)
    assert draws_c.dtype == np.float32
    clip_c = read_repaired(dataset, sample, training.spec)
    np.testing.assert_allclose(draws_c, np.stack([clip_c[[0, 2, 7]]] * 2), atol=1e-4)


def test_incomplete_frames_are_repaired_as_in_training(dataset: ThermalDataset) -> None:
    training = make_input(dataset)
    broken = [
        sample
        for sample in dataset.samples("train")
        if any(find_incomplete_frames(each["inputs"].numpy()).any() for each in _items(dataset, training, sample))
    ]
    assert broken
    draws_c = training.draw(broken[0], num_draws=1, seed=0, steps=range(8))
    np.testing.assert_allclose(draws_c[0], read_repaired(dataset, broken[0], training.spec), atol=1e-4)


def _items(dataset: ThermalDataset, training: TrainingInput, sample: Sample) -> list[dict[str, Any]]:
    clips = ClipDataset(str(dataset.layout.root), "train", training.spec.to_dict())
    return [clips[clips.sample_ids.index(sample.sample_id)]]


def test_what_lies_outside_the_range_is_shown_as_the_model_sees_it(dataset: ThermalDataset, sample: Sample) -> None:
    training = make_input(dataset, temperature_range_c=(21.0, 23.0))
    clip_c = read_repaired(dataset, sample, training.spec)
    assert (clip_c.min() < 21) and (clip_c.max() > 23)
    draws_c = training.draw(sample, num_draws=1, seed=0, steps=range(8))
    np.testing.assert_allclose(draws_c[0], clip_c.clip(21, 23), atol=1e-4)


def test_mirrored_clip_is_mirrored(dataset: ThermalDataset, sample: Sample) -> None:
    training = make_input(dataset, augment={"flip": 1.0})
    draws_c = training.draw(sample, num_draws=1, seed=0, steps=[2])
    clip_c = read_repaired(dataset, sample, training.spec)
    np.testing.assert_allclose(draws_c[0, 0], clip_c[2, :, ::-1], atol=1e-3)


def test_time_is_varied_over_the_frames_around_the_clip(dataset: ThermalDataset, sample: Sample) -> None:
    training = make_input(dataset, augment={"temporal_jitter": 2.0})
    longer = ClipSpec(classes=dataset.classes, num_frames=12, input_size=(16, 24))  # two more on each side
    around_c = read_repaired(dataset, sample, longer)
    draws_c = training.draw(sample, num_draws=30, seed=0, steps=range(8))
    starts = {
        start for draw_c in draws_c for start in range(5) if np.allclose(draw_c, around_c[start : start + 8], atol=1e-3)
    }
    assert starts == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("person_crop", ["follow", "fixed"])
def test_person_is_shown_as_in_training(dataset: ThermalDataset, person_crop: str) -> None:
    training = make_input(dataset, target="person", person_crop=person_crop, input_size=(12, 12))
    sample = dataset.samples("train", "person")[1]
    [item] = _items(dataset, training, sample)
    batch = {"inputs": [item["inputs"]], "data_samples": [item["data_samples"]]}
    expected = training.preprocessor(batch)["inputs"][0, 0, 0].numpy() * 57.63 + 114.495
    draws_c = training.draw(sample, num_draws=1, seed=0, steps=range(8))
    np.testing.assert_allclose((draws_c[0] - 5) * 255 / 40, expected, atol=1e-3)
    assert sample.sample_id in find_person_tracks(dataset)


def test_draws_differ_repeat_with_their_seed_and_leave_the_random_state_alone(
    dataset: ThermalDataset, sample: Sample
) -> None:
    training = make_input(dataset, augment={"crop_area": (0.3, 0.9), "brightness": 0.2})
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    draws_c = training.draw(sample, num_draws=3, seed=5, steps=range(8))
    torch.testing.assert_close(torch.rand(3), expected)
    assert not np.allclose(draws_c[0], draws_c[1], atol=0.1)
    np.testing.assert_array_equal(draws_c[1:], training.draw(sample, num_draws=2, seed=6, steps=range(8)))


def test_draw_is_what_the_configurations_own_preprocessor_hands_the_model(
    dataset: ThermalDataset, sample: Sample
) -> None:
    training = prepare_training_input("slowfast-tiny", dataset, None)
    [item] = _items(dataset, training, sample)
    torch.manual_seed(3)
    handed = training.preprocessor({"inputs": [item["inputs"]], "data_samples": [None]}, training=True)
    [draw_c] = training.draw(sample, num_draws=1, seed=3, steps=range(64))
    # slowfast-tiny: 5 to 45 deg C on 0..255, less 110, by 30.
    np.testing.assert_allclose((draw_c - 5) * 255 / 40, handed["inputs"][0, 0, 0].numpy() * 30 + 110, atol=1e-3)
    assert training.text.startswith("slowfast-tiny: crop_area=(0.7, 1.0), crop_aspect=(0.85, 1.15), flip=0.5")
    assert "input 40x60, 5 to 45 °C" in training.text


def test_target_overrides_the_configurations(dataset: ThermalDataset) -> None:
    assert prepare_training_input("slowfast-tiny", dataset, "person").spec.target == "person"
    assert prepare_training_input("slowfast-tiny", dataset, None).spec.classes == dataset.classes


def test_nothing_varied_is_said_and_mixing_is(dataset: ThermalDataset) -> None:
    assert make_input(dataset).text.startswith("known: nothing is varied; input 16x24")
    spec = ClipSpec(classes=dataset.classes).to_dict()
    preprocessor = ThermalDataPreprocessor(spec, mixing={"mode": "cuboid"})
    text = TrainingInput(config="known", preprocessor=preprocessor, dataset=dataset).text
    assert "nothing is varied; mixing with other clips (cuboid) is not shown; input 256x384" in text


def test_configuration_with_a_pipeline_of_its_own_is_refused(dataset: ThermalDataset, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("model = dict(type='Recognizer3D')\n")
    with pytest.raises(ConfigError, match="has no `clip`"):
        prepare_training_input(str(tmp_path / "own.py"), dataset, None)
