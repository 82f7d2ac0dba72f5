from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from thermalctl.clip_spec import ClipSpec
from thermalctl.deploy.exporters import choose_exporter, trace
from thermalctl.errors import ConfigError
from thermalctl.pipeline.channels import find_background, find_room, make_images, relate_images, resize_images
from thermalctl.pipeline.preprocessor import ClipTransform


def make_spec(**options: Any) -> ClipSpec:
    motion = {"channels": "motion", "mean": (110.0, 127.5, 127.5), "std": (30.0, 25.5, 25.5)}
    return ClipSpec(classes=("a", "b"), **({"num_frames": 6, "input_size": (8, 12)} | motion | options))


def make_clips(num_frames: int = 6, num: int = 3) -> Tensor:
    """Clips (num, T, 8, 12) of 15 to 35 deg C."""
    return 15 + 20 * torch.rand(num, num_frames, 8, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("num_frames", [1, 2, 5, 6, 7, 64])
def test_background_is_each_pixels_median(num_frames: int) -> None:
    clips = make_clips(num_frames)
    expected = np.median(clips.double().numpy(), axis=1, keepdims=True)
    np.testing.assert_allclose(find_background(clips).numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("num_frames", "height"), [(5, 8), (6, 8), (5, 7), (64, 40)])
def test_room_is_the_median_of_the_background(num_frames: int, height: int) -> None:
    clips = make_clips(num_frames)[:, :, :height, :11] if height <= 8 else 15 + 20 * torch.rand(2, num_frames, 40, 60)
    background = np.median(clips.double().numpy(), axis=1)
    expected = np.median(background.reshape(len(clips), -1), axis=1)
    assert find_room(clips).shape == (len(clips), 1, 1, 1)
    np.testing.assert_allclose(find_room(clips).flatten().numpy(), expected, rtol=0, atol=1e-5)


def test_relative_temperatures_are_above_the_room_and_motion_is_as_it_was() -> None:
    clips = make_clips()
    spec = make_spec(temperatures="relative", temperature_range_c=(-5.0, 5.0))
    images = relate_images(make_images(clips, spec), spec)
    expected = (clips - find_room(clips) + 5) * 25.5
    assert expected.min() < 0 and expected.max() > 255
    torch.testing.assert_close(images[:, 0], expected.clamp(0, 255), rtol=0, atol=1e-3)
    assert torch.equal(images[:, 1:], make_images(clips, make_spec())[:, 1:])
    rounded = make_spec(temperatures="relative", temperature_range_c=(-5.0, 5.0), quantize=True)
    assert torch.equal(relate_images(make_images(clips, rounded), rounded)[:, 0], images[:, 0].floor())


def test_relative_temperatures_are_above_what_surrounds_a_person() -> None:
    clips = 18 + make_clips() / 40
    clips[..., 6:] += 3  # half of the frame is warmer
    spec = make_spec(temperatures="relative", temperature_range_c=(-15.0, 25.0), mean=(0.0,) * 3, std=(1.0,) * 3)
    regions = torch.tensor([[0.0, 0.0, 5.0, 8.0], [7.0, 0.0, 5.0, 8.0], [7.0, 0.0, 5.0, 8.0]])
    shown = ClipTransform(spec)(clips, regions)[:, 0]
    assert ((shown - 15 * 6.375).abs() < 0.6 * 6.375).all()


def test_relative_temperatures_are_the_same_in_a_room_of_any_temperature() -> None:
    clips = make_clips()
    transform = ClipTransform(make_spec(temperatures="relative", temperature_range_c=(-15.0, 25.0)))
    torch.testing.assert_close(transform(clips + 9), transform(clips), rtol=0, atol=1e-5)
    assert (ClipTransform(make_spec())(clips + 9) - ClipTransform(make_spec())(clips)).abs().max() > 1


def test_incomplete_frames_that_stay_are_not_the_room() -> None:
    clips = 18 + make_clips() / 40  # still, but for the noise of a sensor
    broken = clips.clone()
    broken[:, 1] = -273.15
    spec = make_spec(temperatures="relative", temperature_range_c=(-15.0, 25.0), repair="none")
    assert ((find_room(broken) - find_room(clips)).abs() < 0.1).all()
    assert (relate_images(make_images(broken, spec), spec)[:, 0, 1] == 0).all()


def test_motion_is_temperature_difference_from_background_and_from_the_frame_before() -> None:
    clips = make_clips()
    images = make_images(clips, make_spec()).double().numpy()
    assert images.shape == (3, 3, 6, 8, 12)
    clips_c = clips.double().numpy()
    from_background_c = clips_c - np.median(clips_c, axis=1, keepdims=True)
    from_before_c = np.diff(clips_c, axis=1, prepend=clips_c[:, :1])
    # 5 to 45 deg C and -10 to 10 deg C on 0 to 255, clipped: 6.375 and 12.75 steps a degree.
    np.testing.assert_allclose(images[:, 0], (clips_c - 5) * 6.375, atol=1e-3)
    np.testing.assert_allclose(images[:, 1], np.clip(127.5 + from_background_c * 12.75, 0, 255), atol=1e-3)
    np.testing.assert_allclose(images[:, 2], np.clip(127.5 + from_before_c * 12.75, 0, 255), atol=1e-3)
    assert (images[:, 2, 0] == 127.5).all()
    assert images[:, 2].min() == 0  # somewhere 20 deg C were lost


def test_still_scene_is_the_middle_of_both_differences() -> None:
    still = make_clips(1).expand(-1, 6, -1, -1)
    assert (make_images(still, make_spec())[:, 1:] == 127.5).all()


def test_quantised_pictures_are_whole_steps_rounded_down() -> None:
    clips = make_clips()
    assert torch.equal(make_images(clips, make_spec(quantize=True)), make_images(clips, make_spec()).floor())


@pytest.mark.parametrize("channels", ["copy", "fold"])
def test_other_channels_are_one_picture(channels: str) -> None:
    images = make_images(make_clips(), make_spec(channels=channels, mean=(110.0,), std=(30.0,)))
    assert torch.equal(images, make_images(make_clips(), make_spec())[:, :1])


def test_pictures_are_resized_as_each_alone() -> None:
    images, regions = torch.rand(2, 3, 5, 8, 12), torch.tensor([[1.0, 2.0, 5.0, 4.0], [9.0, 1.0, -6.0, 6.0]])
    together = resize_images(images, regions, (16, 20))
    assert together.shape == (2, 3, 5, 16, 20)
    for picture in range(3):
        alone = resize_images(images[:, picture : picture + 1], regions, (16, 20))
        torch.testing.assert_close(together[:, picture : picture + 1], alone, rtol=0, atol=1e-5)


def test_region_that_moves_is_the_same_in_each_picture() -> None:
    images = torch.rand(1, 3, 2, 8, 12)
    regions = torch.tensor([[[0.0, 0.0, 4.0, 4.0], [5.0, 2.0, 4.0, 4.0]]])
    resized = resize_images(images, regions, (4, 4))
    assert torch.equal(resized[:, :, 0], images[:, :, 0, :4, :4])
    torch.testing.assert_close(resized[:, :, 1], images[:, :, 1, 2:6, 5:9], rtol=0, atol=1e-5)


def test_each_channel_has_its_own_mean_and_std() -> None:
    clips, spec = make_clips(), make_spec()
    images, inputs = make_images(clips, spec).double(), ClipTransform(spec)(clips).double()
    for channel, (mean, std) in enumerate(((110, 30), (127.5, 25.5), (127.5, 25.5))):
        torch.testing.assert_close(inputs[:, channel], (images[:, channel] - mean) / std, rtol=0, atol=1e-5)


def test_incomplete_frame_moves_nothing() -> None:
    clips = make_clips(1).repeat(1, 6, 1, 1)
    clips[:, 3, 5:] = -273.2
    assert (ClipTransform(make_spec())(clips)[:, 1:] == 0).all()


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("num_frames", [5, 6])
@pytest.mark.parametrize("temperatures", ["absolute", "relative"])
def test_pictures_are_exported_by_both_exporters(opset: int, num_frames: int, temperatures: str) -> None:
    clips = make_clips(num_frames)
    clips[1, 2, 4:] = -273.2
    spec = make_spec(num_frames=num_frames, input_size=(16, 20), temperatures=temperatures)
    transform = ClipTransform(spec).eval()
    exporter = choose_exporter(opset)
    model = trace(transform, {"clips": clips[:2]}, outputs=["inputs"], opset=opset, exporter=exporter)
    [inputs] = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"clips": clips.numpy()})
    np.testing.assert_allclose(inputs, transform(clips).numpy(), rtol=0, atol=1e-5)


def test_motion_needs_three_means_and_two_frames() -> None:
    with pytest.raises(ConfigError, match=r"clip\.mean is \(110\.0,\), expected three values"):
        make_spec(mean=(110.0,))
    with pytest.raises(ConfigError, match=r"clip\.std is \(30\.0,\), expected three values.*, more than 0"):
        make_spec(std=(30.0,))
    with pytest.raises(ConfigError, match=r"clip\.num_frames is 1, expected 2 or more"):
        make_spec(num_frames=1)
    assert make_spec().num_channels == 3
