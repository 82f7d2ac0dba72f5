from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from thermalctl.clip_spec import ClipSpec
from thermalctl.compat import prepare_mmaction

prepare_mmaction()

from mmaction.structures import ActionDataSample  # noqa: E402

from thermalctl.pipeline.preprocessor import ClipTransform, ThermalDataPreprocessor  # noqa: E402

CLASSES = ("sitting", "lying")
EVERYTHING = {
    "crop_area": (0.5, 1.0),
    "crop_aspect": (0.8, 1.2),
    "flip": 0.5,
    "flip_vertical": 0.5,
    "brightness": 0.3,
    "contrast": 0.3,
    "erase": 0.5,
}


def make_spec(**options: Any) -> ClipSpec:
    plain: dict[str, Any] = {"mean": (0.0,), "std": (1.0,), "channels": "fold", "input_size": (40, 60), "num_frames": 6}
    return ClipSpec(classes=CLASSES, **(plain | options))


def make_preprocessor(augment: dict[str, Any] | None = None, **options: Any) -> ThermalDataPreprocessor:
    return ThermalDataPreprocessor(clip_spec=make_spec(**options).to_dict(), augment=augment)


def make_clip(seed: int = 0, size: tuple[int, int] = (40, 60)) -> Tensor:
    """A clip (6, H, W) of 15 to 35 deg C."""
    return 15 + 20 * torch.rand(6, *size, generator=torch.Generator().manual_seed(seed))


def make_sample(*box: float) -> ActionDataSample:
    sample = ActionDataSample(metainfo={"sample_id": "one", "boxes": [box or (0.5, 0.5, 0.2, 0.4)]})
    sample.set_gt_label(1)
    return sample


def run(preprocessor: ThermalDataPreprocessor, *clips: Tensor, training: bool = False) -> Tensor:
    inputs: Tensor = preprocessor({"inputs": list(clips), "data_samples": [make_sample() for _ in clips]}, training)[
        "inputs"
    ]
    return inputs


@pytest.mark.parametrize("input_size", [(256, 384), (224, 224), (40, 60), (20, 33)])
def test_without_augmentation_it_is_range_and_opencv_resize(input_size: tuple[int, int]) -> None:
    clip = make_clip()
    inputs = run(make_preprocessor(input_size=input_size), clip, training=True)
    assert (inputs.shape, inputs.dtype) == ((1, 1, 1, 6, *input_size), torch.float32)
    for frame, image in zip(clip.double().numpy(), inputs[0, 0, 0], strict=True):
        expected = cv2.resize((frame - 5) * 255 / 40, input_size[::-1], interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(image.numpy(), expected, atol=1e-3)


def test_range_is_a_parameter_and_clips_what_lies_beyond() -> None:
    clip = torch.tensor([-30.0, -20.0, 0.0, 20.0, 60.0, 70.0]).repeat(6, 1, 1)
    inputs = run(make_preprocessor(temperature_range_c=(-20.0, 60.0), input_size=(1, 6)), clip)
    assert inputs[0, 0, 0, 0, 0].tolist() == [0, 0, 63.75, 127.5, 255, 255]


def test_quantised_input_is_that_of_the_guides_pictures() -> None:
    from thermalctl.pipeline.thermal_hdf5 import quantise

    clip = make_clip(3)
    inputs = run(make_preprocessor(quantize=True), clip)
    assert np.array_equal(inputs[0, 0, 0].numpy(), quantise(clip.numpy(), (5, 45)))


def test_range_is_applied_before_resizing() -> None:
    clip = torch.tensor([5.0, 85.0]).repeat(6, 1, 1)  # 85 deg C counts as 45, so that the middle is 25 and not 45
    inputs = run(make_preprocessor(input_size=(1, 4)), clip)
    assert inputs[0, 0, 0, 0, 0].tolist() == pytest.approx([0, 63.75, 191.25, 255])


def test_mean_and_std_of_each_channel() -> None:
    clip = torch.full((6, 40, 60), 25.0)
    inputs = run(make_preprocessor(channels="copy", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)), clip)
    assert inputs.shape == (1, 1, 3, 6, 40, 60)
    expected = [(127.5 - 123.675) / 58.395, (127.5 - 116.28) / 57.12, (127.5 - 103.53) / 57.375]
    assert inputs[0, 0, :, 0, 0, 0].tolist() == pytest.approx(expected, abs=1e-6)


def test_one_mean_makes_three_equal_channels() -> None:
    inputs = run(make_preprocessor(channels="copy", mean=(114.495,), std=(57.63,)), make_clip())
    assert inputs.shape[2] == 3
    assert torch.equal(inputs[:, :, 0], inputs[:, :, 1])
    assert torch.equal(inputs[:, :, 0], inputs[:, :, 2])


@pytest.mark.parametrize("training", [False, True])
def test_incomplete_frame_is_repaired_before_anything_else(training: bool) -> None:
    clip = make_clip()
    broken = clip.clone()
    broken[4, 30:] = -273.2
    broken[0] = torch.nan
    repaired = clip[[1, 1, 2, 3, 3, 5]]
    preprocessor = make_preprocessor({"brightness": 0.3, "contrast": 0.3}, input_size=(64, 96))
    torch.manual_seed(1)
    inputs = run(preprocessor, broken, training=training)
    torch.manual_seed(1)
    assert torch.equal(inputs, run(preprocessor, repaired, training=training))


def test_without_repair_broken_pixels_are_the_coldest() -> None:
    clip = make_clip()
    clip[4, 30:] = -273.2
    clip[0, 3, 7] = torch.nan
    inputs = run(make_preprocessor(repair="none"), clip)
    assert (inputs[0, 0, 0, 4, 30:] == 0).all()
    assert inputs[0, 0, 0, 0, 3, 7] == 0
    assert (inputs[0, 0, 0, 4, :30] > 0).all()


def test_augmentation_is_for_training_only() -> None:
    preprocessor = make_preprocessor(EVERYTHING, input_size=(64, 64))
    clips = [make_clip(seed) for seed in range(4)]
    plain = run(make_preprocessor(input_size=(64, 64)), *clips)
    assert torch.equal(run(preprocessor, *clips), plain)
    assert not torch.allclose(run(preprocessor, *clips, training=True), plain, atol=5)


@pytest.mark.parametrize("target", ["frame", "person"])
def test_augmentation_that_is_off_equals_the_test(target: str) -> None:
    preprocessor = make_preprocessor(target=target, input_size=(40, 60))
    clips = [make_clip(seed) for seed in range(3)]
    assert torch.equal(run(preprocessor, *clips, training=True), run(preprocessor, *clips))


@pytest.mark.parametrize(("option", "axis"), [("flip", -1), ("flip_vertical", -2)])
def test_certain_flip_is_exact(option: str, axis: int) -> None:
    clip = make_clip()
    plain = run(make_preprocessor(), clip)
    assert torch.equal(run(make_preprocessor({option: 1.0}), clip, training=True), plain.flip(axis))


def test_seeded_batches_repeat() -> None:
    preprocessor = make_preprocessor(EVERYTHING)
    clips = [make_clip(seed) for seed in range(4)]

    def draw(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return run(preprocessor, *clips, training=True)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_jitter_is_in_degrees_before_the_range_clips() -> None:
    # At 44 deg C a brighter clip would leave the range; at 40 deg C its double distance from 5 would.
    clip = torch.full((6, 40, 60), 44.0)
    torch.manual_seed(0)
    inputs = run(make_preprocessor({"brightness": 0.3}), *[clip] * 50, training=True)
    torch.manual_seed(0)
    factors = 0.3 * (2 * torch.rand(2, 50).double()[0] - 1) + 1
    expected = ((5 + 39 * factors).clamp(5, 45) - 5) * 255 / 40
    torch.testing.assert_close(inputs[:, 0, 0, 0, 0, 0].double(), expected, rtol=0, atol=1e-3)


def test_clips_of_several_frame_sizes_share_a_batch_in_order() -> None:
    preprocessor = make_preprocessor(input_size=(30, 45))
    clips = [make_clip(0), make_clip(1, (16, 24)), make_clip(2, (16, 24)), make_clip(3)]
    together = run(preprocessor, *clips)
    assert together.shape == (4, 1, 1, 6, 30, 45)
    for clip, inputs in zip(clips, together, strict=True):
        torch.testing.assert_close(inputs[None], run(preprocessor, clip), rtol=0, atol=1e-4)


def test_person_region_is_a_square_around_the_box() -> None:
    preprocessor = make_preprocessor(target="person", person_margin=1.5)
    # Box centre (30, 10), 12 wide and 16 high in a 40x60 frame: a square of 1.5 * 16 = 24 from (18, -2).
    region = preprocessor.find_region(make_clip(), make_sample(0.5, 0.25, 0.2, 0.4))
    assert region.tolist() == pytest.approx([18, -2, 24, 24], abs=1e-5)


def test_person_crop_shows_the_square_with_the_frames_edge_repeated() -> None:
    clip = make_clip()
    preprocessor = make_preprocessor(target="person", person_margin=1.5, input_size=(24, 24))
    data = {"inputs": [clip], "data_samples": [make_sample(0.5, 0.25, 0.2, 0.4)]}
    shown = preprocessor(data)["inputs"][0, 0, 0]
    padded = np.pad(clip.numpy(), ((0, 0), (2, 0), (0, 0)), mode="edge")[:, :24, 18:42]
    np.testing.assert_allclose(shown.numpy(), (padded - 5) * 255 / 40, atol=1e-3)


def test_samples_come_back_with_their_labels() -> None:
    data = make_preprocessor()({"inputs": [make_clip()], "data_samples": [make_sample()]})
    assert data["data_samples"][0].gt_label.tolist() == [1]
    assert data["data_samples"][0].sample_id == "one"


def test_clips_without_samples_are_prepared_too() -> None:
    clip = make_clip()
    preprocessor = make_preprocessor()
    data = preprocessor({"inputs": [clip]})
    assert data["data_samples"] is None
    assert torch.equal(data["inputs"], run(preprocessor, clip))


def test_resampling_keeps_its_precision_in_mixed_precision() -> None:
    preprocessor, clip = make_preprocessor(input_size=(64, 96)), make_clip()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inputs = run(preprocessor, clip)
    assert inputs.dtype == torch.float32
    assert torch.equal(inputs, run(preprocessor, clip))


def test_exported_part_equals_the_preprocessor() -> None:
    spec = make_spec(channels="copy", mean=(114.495,), std=(57.63,), input_size=(64, 96))
    clip = make_clip()
    clip[2] = -273.2
    whole = ThermalDataPreprocessor(clip_spec=spec.to_dict())
    assert torch.equal(ClipTransform(spec)(clip[None]), run(whole, clip)[:, 0])


def test_input_needs_no_gradient() -> None:
    assert not run(make_preprocessor(EVERYTHING), make_clip().requires_grad_(), training=True).requires_grad


def test_region_of_a_frame_target_ignores_boxes() -> None:
    sample: Any = SimpleNamespace(metainfo={"boxes": []})
    assert make_preprocessor().find_region(make_clip(), sample).tolist() == [0, 0, 60, 40]
