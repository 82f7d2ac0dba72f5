from __future__ import annotations

import dataclasses
from types import MappingProxyType

import numpy as np
import pytest

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.real_clips import RealClips, choose_clips, find_frame_size, find_rgb_shape
from thermalctl.engine.restore import RestoredModel
from thermalctl.engine.score import score_split
from thermalctl.errors import DatasetError, RequestError


@pytest.mark.parametrize(
    ("num_incomplete", "num_clips", "expected"),
    [
        ([0, 0, 0, 0, 0, 0], 3, [0, 2, 4]),
        ([0, 1, 0, 2, 0, 3], 4, [0, 1, 2, 3]),
        ([0, 0, 0, 0, 0, 5], 2, [0, 5]),
        ([1, 1, 1, 1, 1, 0], 4, [0, 1, 3, 5]),
        ([1, 0, 1], 1, [1]),
        ([1, 1], 1, [0]),
        ([0, 1, 0], 100, [0, 1, 2]),
    ],
)
def test_half_the_clips_have_incomplete_frames_where_there_are_such(
    num_incomplete: list[int], num_clips: int, expected: list[int]
) -> None:
    assert choose_clips(np.array(num_incomplete), num_clips) == expected


def test_clips_come_with_what_test_answers(model: RestoredModel, dataset: ThermalDataset) -> None:
    clips = list(RealClips(model, dataset, "val", input_kind="raw", frame_size=(12, 18), num_clips=100))
    predictions = score_split(model, dataset, "val")
    assert tuple(clip.sample_id for clip in clips) == predictions.sample_ids
    np.testing.assert_allclose([clip.test_scores for clip in clips], predictions.scores, atol=2e-6)
    assert all(clip.values.shape == (16, 12, 18) and clip.values.dtype == np.float32 for clip in clips)
    assert [clip.num_incomplete for clip in clips] == [
        int((clip.values.min(axis=(1, 2)) < -50).sum()) for clip in clips
    ]


def test_people_are_followed_or_looked_for_in_one_place(
    person_model: RestoredModel, fixed_person_model: RestoredModel, dataset: ThermalDataset
) -> None:
    samples = {sample.sample_id: sample for sample in dataset.samples("val", "person")}
    for restored, shape in ((person_model, (16, 4)), (fixed_person_model, (4,))):
        clips = list(RealClips(restored, dataset, "val", input_kind="raw", frame_size=None, num_clips=100))
        assert [clip.sample_id for clip in clips] == list(samples)
        for clip in clips:
            assert clip.boxes is not None and clip.regions is not None
            assert clip.boxes.shape == clip.regions.shape == shape
            in_keyframe = clip.boxes.reshape(-1, 4)[len(clip.boxes.reshape(-1, 4)) // 2]
            assert tuple(in_keyframe) == samples[clip.sample_id].boxes[0]


def test_models_of_the_guide_are_given_degrees_but_tested_on_their_own_pipeline(
    guide_model: RestoredModel, dataset: ThermalDataset
) -> None:
    clips = list(RealClips(guide_model, dataset, "val", input_kind="raw", frame_size=None, num_clips=100))
    assert clips[0].values.shape == (16, 12, 18)
    expected = score_split(guide_model, dataset, "val").scores
    np.testing.assert_allclose([clip.test_scores for clip in clips], expected, atol=2e-6)


def test_own_input_is_what_the_pipeline_makes(guide_model: RestoredModel, dataset: ThermalDataset) -> None:
    clip = next(iter(RealClips(guide_model, dataset, "val", input_kind="rgb", frame_size=None, num_clips=1)))
    assert clip.values.shape == (3, 16, 24, 36)
    # The three channels hold the same levels: normalised back they are equal, and whole after an 8-bit resize.
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    levels = clip.values * std[:, None, None, None] + mean[:, None, None, None]
    np.testing.assert_allclose(levels, np.broadcast_to(levels[0].round(), levels.shape), atol=1e-4)


def test_shape_of_the_own_input_is_seen_on_a_clip(guide_model: RestoredModel, dataset: ThermalDataset) -> None:
    assert find_rgb_shape(guide_model, dataset, "val") == (3, 16, 24, 36)


def test_clips_of_another_size_are_passed_over(model: RestoredModel, dataset: ThermalDataset) -> None:
    with pytest.raises(DatasetError, match='split "val" has no clip of 24x32 pixels'):
        RealClips(model, dataset, "val", input_kind="raw", frame_size=(24, 32), num_clips=4)


def test_size_of_the_frames_is_the_recordings(dataset: ThermalDataset) -> None:
    assert find_frame_size(dataset) == (12, 18)


def test_recordings_of_several_sizes_need_one_to_be_named(dataset: ThermalDataset) -> None:
    name, first = next(iter(dataset.recordings.items()))
    other = dict(dataset.recordings) | {name: dataclasses.replace(first, frame_size=(24, 32))}
    with pytest.raises(RequestError, match="has frames of 12x18, 24x32 pixels"):
        find_frame_size(dataclasses.replace(dataset, recordings=MappingProxyType(other)))


def test_all_clips_are_taken_unless_a_number_is_named(model: RestoredModel, dataset: ThermalDataset) -> None:
    clips = RealClips(model, dataset, "val", input_kind="raw", frame_size=None)
    assert len(clips) == len(list(clips)) == len(dataset.samples("val"))


def test_clips_have_their_labels_and_are_inputs_by_name(person_model: RestoredModel, dataset: ThermalDataset) -> None:
    clips = list(RealClips(person_model, dataset, "val", input_kind="raw", frame_size=None, is_tested=False))
    assert [clip.label for clip in clips] == [sample.label for sample in dataset.samples("val", "person")]
    assert all(clip.test_scores is None for clip in clips)
    shapes = {name: values.shape for name, values in clips[0].to_inputs().items()}
    assert shapes == {"input": (1, 16, 12, 18), "regions": (1, 16, 4)}
