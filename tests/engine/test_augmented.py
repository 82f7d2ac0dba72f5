from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from thermalctl.annotations.coco import Box
from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.engine.augmented import TrainingInput, prepare_training_input
from thermalctl.errors import ConfigError
from thermalctl.pipeline.preprocessor import ThermalDataPreprocessor

BOXES = (Box(0.5, 0.5, 0.5, 0.5),)


def make_input(*, augment: dict[str, Any] | None = None, **spec: Any) -> TrainingInput:
    values = {"classes": ("a", "b"), "num_frames": 4, "input_size": (6, 8), **spec}
    return TrainingInput(
        config="known", preprocessor=ThermalDataPreprocessor(ClipSpec(**values).to_dict(), augment=augment)
    )


@pytest.fixture
def clip_c() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).uniform(10, 40, (4, 6, 8)).astype(np.float32)


@pytest.mark.parametrize("channels", ["copy", "fold"])
def test_without_augmentation_the_draw_is_the_clip_in_degrees(clip_c: Any, channels: str) -> None:
    draws_c = make_input(channels=channels).draw(clip_c, BOXES, num_draws=2, seed=0, steps=[0, 2, 3])
    assert draws_c.shape == (2, 3, 6, 8)
    assert draws_c.dtype == np.float32
    np.testing.assert_allclose(draws_c, np.stack([clip_c[[0, 2, 3]]] * 2), atol=1e-4)


def test_means_of_each_channel_are_undone(clip_c: Any) -> None:
    training = make_input(mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4))
    np.testing.assert_allclose(training.draw(clip_c, BOXES, num_draws=1, seed=0, steps=range(4))[0], clip_c, atol=1e-4)


def test_what_lies_outside_the_range_is_shown_as_the_model_sees_it(clip_c: Any) -> None:
    training = make_input(temperature_range_c=(20.0, 30.0))
    draws_c = training.draw(clip_c, BOXES, num_draws=1, seed=0, steps=range(4))
    np.testing.assert_allclose(draws_c[0], clip_c.clip(20, 30), atol=1e-4)


def test_incomplete_frame_is_repaired_as_in_training(clip_c: Any) -> None:
    clip_c[1, 3:] = -273.2
    draws_c = make_input().draw(clip_c, BOXES, num_draws=1, seed=0, steps=[1])
    np.testing.assert_allclose(draws_c[0, 0], clip_c[0], atol=1e-4)


def test_mirrored_clip_is_mirrored(clip_c: Any) -> None:
    draws_c = make_input(augment={"flip": 1.0}).draw(clip_c, BOXES, num_draws=1, seed=0, steps=[2])
    np.testing.assert_allclose(draws_c[0, 0], clip_c[2, :, ::-1], atol=1e-3)


def test_person_is_cropped_around_their_box() -> None:
    clip_c = np.full((4, 40, 40), 15, dtype=np.float32)
    clip_c[:, 10:30, 10:30] = 35
    training = make_input(target="person", person_margin=1.0, input_size=(20, 20))
    draws_c = training.draw(clip_c, BOXES, num_draws=1, seed=0, steps=[2])
    np.testing.assert_allclose(draws_c, 35, atol=1e-3)


def test_draws_differ_repeat_with_their_seed_and_leave_the_random_state_alone(clip_c: Any) -> None:
    training = make_input(augment={"crop_area": (0.3, 0.9), "brightness": 0.2})
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    draws_c = training.draw(clip_c, BOXES, num_draws=3, seed=5, steps=range(4))
    torch.testing.assert_close(torch.rand(3), expected)
    assert not np.allclose(draws_c[0], draws_c[1], atol=0.1)
    np.testing.assert_array_equal(draws_c[1:], training.draw(clip_c, BOXES, num_draws=2, seed=6, steps=range(4)))


@pytest.fixture(scope="module")
def dataset(simulated_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(simulated_dataset))


def test_draw_is_what_the_configurations_own_preprocessor_hands_the_model(dataset: ThermalDataset) -> None:
    training = prepare_training_input("slowfast-tiny", dataset, None)
    clip_c = np.random.default_rng(1).uniform(18, 30, (64, 16, 24)).astype(np.float32)
    torch.manual_seed(3)
    handed = training.preprocessor({"inputs": [torch.from_numpy(clip_c)], "data_samples": [None]}, training=True)
    [draw_c] = training.draw(clip_c, BOXES, num_draws=1, seed=3, steps=range(64))
    # slowfast-tiny: 5 to 45 deg C on 0..255, less 110, by 30.
    np.testing.assert_allclose((draw_c - 5) * 255 / 40, handed["inputs"][0, 0, 0].numpy() * 30 + 110, atol=1e-3)
    assert training.text.startswith("slowfast-tiny: crop_area=(0.7, 1.0), crop_aspect=(0.85, 1.15), flip=0.5")
    assert "input 40x60, 5 to 45 °C" in training.text


def test_target_overrides_the_configurations(dataset: ThermalDataset) -> None:
    assert prepare_training_input("slowfast-tiny", dataset, "person").spec.target == "person"
    assert prepare_training_input("slowfast-tiny", dataset, None).spec.classes == dataset.classes


def test_nothing_varied_is_said() -> None:
    assert make_input().text.startswith("known: nothing is varied; input 6x8")


def test_configuration_with_a_pipeline_of_its_own_is_refused(dataset: ThermalDataset, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("model = dict(type='Recognizer3D')\n")
    with pytest.raises(ConfigError, match="has no `clip`"):
        prepare_training_input(str(tmp_path / "own.py"), dataset, None)
