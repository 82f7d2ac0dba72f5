from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from thermalctl.clip_spec import ClipSpec
from thermalctl.compat import prepare_mmaction
from thermalctl.errors import ConfigError

prepare_mmaction()

from mmaction.structures import ActionDataSample  # noqa: E402

from thermalctl.pipeline.mixing import Mix  # noqa: E402
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
    "erase_mode": "cuboid",
    "quarter_turns": 0.5,
    "gain": 0.1,
    "offset_c": 2.0,
    "noise_c": 0.25,
    "row_dropout": 0.1,
    "temporal_jitter": 2.0,
    "temporal_crop": 0.9,
    "speed": 0.5,
    "frame_dropout": 0.1,
}
MOTION = {"channels": "motion", "mean": (110.0, 127.5, 127.5), "std": (30.0, 25.5, 25.5)}


def make_spec(**options: Any) -> ClipSpec:
    plain: dict[str, Any] = {"mean": (0.0,), "std": (1.0,), "channels": "fold", "input_size": (40, 60), "num_frames": 6}
    return ClipSpec(classes=CLASSES, **(plain | options))


def make_preprocessor(augment: dict[str, Any] | None = None, **options: Any) -> ThermalDataPreprocessor:
    return ThermalDataPreprocessor(clip_spec=make_spec(**options).to_dict(), augment=augment)


def make_clip(seed: int = 0, size: tuple[int, int] = (40, 60)) -> Tensor:
    """A clip (6, H, W) of 15 to 35 deg C."""
    return 15 + 20 * torch.rand(6, *size, generator=torch.Generator().manual_seed(seed))


def make_sample(*box: float, label: int = 1, num_frames: int = 6) -> ActionDataSample:
    box = box or (0.5, 0.5, 0.2, 0.4)
    sample = ActionDataSample(metainfo={"sample_id": "one", "boxes": [box], "track": [box] * num_frames})
    sample.set_gt_label(label)
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
@pytest.mark.parametrize("options", [{}, MOTION, {"temperatures": "relative"}], ids=["fold", "motion", "relative"])
def test_augmentation_that_is_off_equals_the_test_bit_by_bit(target: str, options: dict[str, Any]) -> None:
    preprocessor = make_preprocessor(target=target, input_size=(40, 60), person_crop="fixed", **options)
    clips = [make_clip(seed) for seed in range(3)]
    assert torch.equal(run(preprocessor, *clips, training=True), run(preprocessor, *clips))


def test_offset_is_nothing_to_relative_temperatures() -> None:
    clip, options = make_clip(), {"temperatures": "relative", "temperature_range_c": (-15.0, 25.0)}
    moved = run(make_preprocessor({"offset_c": 9.0}, **options), clip, training=True)
    torch.testing.assert_close(moved, run(make_preprocessor(**options), clip), rtol=0, atol=1e-3)


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


def test_person_crop_shows_the_square_with_the_frames_edge_repeated() -> None:
    clip = make_clip()
    preprocessor = make_preprocessor(target="person", person_crop="fixed", person_margin=1.5, input_size=(24, 24))
    # Box centre (30, 10), 12 wide and 16 high in a 40x60 frame: a square of 1.5 * 16 = 24 from (18, -2).
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


def test_context_frames_are_dropped_where_time_is_not_varied() -> None:
    clip = torch.cat([make_clip(1)[:3], make_clip(), make_clip(2)[:3]])
    assert torch.equal(run(make_preprocessor(), clip, training=True), run(make_preprocessor(), make_clip()))


def test_time_is_varied_over_the_context_frames_too() -> None:
    frames = torch.arange(12.0)[:, None, None].expand(12, 4, 6) + 10  # frame i of 12 is at 10 + i deg C
    preprocessor = make_preprocessor({"temporal_jitter": 2.0}, input_size=(4, 6), temperature_range_c=(0.0, 255.0))
    torch.manual_seed(0)
    starts = set()
    for _ in range(60):
        shown = run(preprocessor, frames, training=True)[0, 0, 0, :, 0, 0] - 10
        steps = shown.round().long()
        torch.testing.assert_close(shown, steps.float(), rtol=0, atol=1e-3)
        assert torch.equal(steps, steps[0] + torch.arange(6))
        starts.add(int(steps[0]))
    assert starts == {1, 2, 3, 4, 5}  # 3 in the middle, up to 2 earlier or later


def test_region_that_moves_goes_with_the_frames_that_are_taken() -> None:
    # One warm pixel goes from left to right, a pixel a frame, and the box with it: it is in the middle of every crop.
    clip = torch.full((10, 12, 24), 20.0)
    clip[torch.arange(10), 6, torch.arange(10) + 7] = 40.0
    sample = make_sample(0.5, 0.5, 0.2, 0.4)
    track = [((7.5 + frame) / 24, 6.5 / 12, 5 / 24, 5 / 12) for frame in range(10)]
    sample.set_metainfo({"track": track, "boxes": [track[5]]})
    preprocessor = make_preprocessor(
        {"temporal_jitter": 2.0, "speed": 0.3, "frame_dropout": 0.3},
        target="person", person_crop="follow", person_margin=1.0, input_size=(5, 5),
    )  # fmt: skip
    torch.manual_seed(0)
    for _ in range(20):
        shown = preprocessor({"inputs": [clip], "data_samples": [sample]}, training=True)["inputs"][0, 0, 0]
        expected = torch.full((6, 5, 5), (20 - 5) * 255 / 40)
        expected[:, 2, 2] = (40 - 5) * 255 / 40
        torch.testing.assert_close(shown, expected, rtol=0, atol=1e-2)


def test_side_of_a_followed_crop_is_that_of_the_frames_that_are_taken() -> None:
    # The box is large in the outermost frames only, which are delivered for the jitter and seldom taken.
    clip = torch.rand(8, 12, 24, generator=torch.Generator().manual_seed(0)) * 30
    sides = [0.8, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.8]
    boxes = [(0.5, 0.5, side / 2, side) for side in sides]
    sample, tested = make_sample(*boxes[4]), make_sample(*boxes[4])
    sample.set_metainfo({"track": boxes, "boxes": [boxes[4]]})
    tested.set_metainfo({"track": boxes[1:7], "boxes": [boxes[4]]})
    options = {"target": "person", "person_crop": "follow", "input_size": (6, 6)}
    test = make_preprocessor(**options)({"inputs": [clip[1:7]], "data_samples": [tested]})["inputs"]
    varied = make_preprocessor({"temporal_jitter": 1.0}, **options)
    torch.manual_seed(0)
    drawn = [varied({"inputs": [clip], "data_samples": [sample]}, training=True)["inputs"] for _ in range(20)]
    assert any(torch.equal(one, test) for one in drawn)


def test_motion_is_seen_in_the_frames_that_are_taken() -> None:
    # A frame lost shows the one before, and nothing moves; with every frame but the first lost, nothing ever does.
    preprocessor = make_preprocessor({"frame_dropout": 1.0}, **MOTION)
    assert (run(preprocessor, make_clip(), training=True)[0, 0, 1:] == 0).all()
    assert (run(preprocessor, make_clip())[0, 0, 1:] != 0).any()


@pytest.mark.parametrize("training", [False, True])
def test_layout_of_images_is_that_of_clips_with_frames_before_channels(training: bool) -> None:
    clips = [make_clip(0), make_clip(1)]
    spec = make_spec(channels="copy", mean=(110.0, 112.0, 108.0), std=(30.0, 31.0, 29.0)).to_dict()
    as_clip, as_images = (ThermalDataPreprocessor(clip_spec=spec, layout=layout) for layout in ("clip", "images"))
    images = run(as_images, *clips, training=training)
    assert images.shape == (2, 6, 3, 40, 60)
    assert images.is_contiguous()  # Recognizer2D views it as one row of images
    assert torch.equal(images, run(as_clip, *clips, training=training)[:, 0].transpose(1, 2))


def test_unknown_layout_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data_preprocessor\.layout is 'NCTHW', expected clip or images"):
        ThermalDataPreprocessor(clip_spec=make_spec().to_dict(), layout="NCTHW")  # type: ignore[arg-type]


def mix_batch(mode: str, labels: list[int], *, training: bool = True) -> tuple[Tensor, list[Tensor]]:
    mixing = {"mode": mode, "probability": 1.0, "mixup_alpha": 1.0}
    preprocessor = ThermalDataPreprocessor(clip_spec=make_spec().to_dict(), mixing=mixing)
    clips = [torch.full((6, 40, 60), 10.0 + 5 * number) for number in range(len(labels))]
    samples = [make_sample(label=label) for label in labels]
    data = preprocessor({"inputs": clips, "data_samples": samples}, training)
    assert [sample.gt_label.tolist() for sample in samples] == [[label] for label in labels]  # the loader's own stay
    return data["inputs"][:, 0, 0], [sample.gt_label for sample in data["data_samples"]]


@pytest.mark.parametrize("box", [None, (slice(3, 6), slice(0, 20), slice(0, 60))])
def test_batch_is_mixed_and_its_labels_say_how_much(
    box: tuple[slice, slice, slice] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = Mix(partners=torch.tensor([1, 2, 0]), share=0.75, box=box)  # half of the frames and rows: a quarter
    monkeypatch.setattr("thermalctl.pipeline.preprocessor.draw_mix", lambda *drawn: mix)
    inputs, labels = mix_batch("mixup", [0, 1, 1])
    # Clip i is at 10 + 5i deg C throughout, 31.875 (1 + i) on the scale, and so is the mean of the mixed one.
    expected = [31.875 * (0.75 * own + 0.25 * other) for own, other in ((1, 2), (2, 3), (3, 1))]
    assert inputs.double().mean(dim=(1, 2, 3)).tolist() == pytest.approx(expected, abs=1e-3)
    assert [clip.unique().numel() for clip in inputs] == ([1] * 3 if box is None else [2] * 3)
    assert [label.tolist() for label in labels] == [[0.75, 0.25], [0, 1], [0.25, 0.75]]
    assert all(label.dtype == torch.float32 for label in labels)


def test_batch_of_one_and_the_test_are_never_mixed() -> None:
    inputs, labels = mix_batch("mixup", [1])
    assert (inputs[0].unique().numel(), labels[0].tolist()) == (1, [1])
    inputs, labels = mix_batch("cutmix", [0, 1, 1], training=False)
    assert [clip.unique().numel() for clip in inputs] == [1, 1, 1]
    assert [label.tolist() for label in labels] == [[0], [1], [1]]


def test_mixed_batch_of_several_frame_sizes_is_one_batch() -> None:
    mixing = {"mode": "cutmix", "probability": 1.0}
    preprocessor = ThermalDataPreprocessor(clip_spec=make_spec(input_size=(16, 24)).to_dict(), mixing=mixing)
    data = {"inputs": [make_clip(), make_clip(1, (16, 24))], "data_samples": [make_sample(), make_sample(label=0)]}
    torch.manual_seed(1)
    ready = preprocessor(data, training=True)
    assert ready["inputs"].shape == (2, 1, 1, 6, 16, 24)
    assert ready["data_samples"][0].gt_label.shape == (2,)
