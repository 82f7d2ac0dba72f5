from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.reports.preview.choice import ClipRequest, choose_clips
from thermalctl.reports.preview.clips import PreviewClip, read_clips, spread_steps


def read(dataset: ThermalDataset, sample_id: str, *, raw: bool = False, **spec: Any) -> PreviewClip:
    clip_spec = ClipSpec(classes=dataset.classes, **({"num_frames": 4} | spec))
    chosen = choose_clips(dataset, clip_spec, ClipRequest(sample_ids=(sample_id,))).clips
    [clip] = read_clips(dataset, chosen, clip_spec, raw=raw)
    return clip


def test_clip_has_its_frames_and_their_times_from_the_keyframe(dataset: ThermalDataset) -> None:
    clip = read(dataset, "B_1_k10")
    assert clip.frames_c[:, 0, 0].tolist() == [8, 9, 10, 11]
    np.testing.assert_allclose(clip.times_s, [-0.2, -0.1, 0, 0.1])
    assert (clip.keyframe, clip.label, clip.split, clip.num_incomplete) == (2, "standing", "train", 0)
    assert clip.time.isoformat() == "1970-01-02T00:00:01+00:00"


def test_incomplete_frame_is_shown_as_the_nearest_complete_one(dataset: ThermalDataset) -> None:
    clip = read(dataset, "A_1_k8")  # frames 6, 7, 8, 9, of which 6 and 7 are lost
    assert clip.frames_c[:, 3, 0].tolist() == [8, 8, 8, 9]
    assert clip.incomplete.tolist() == [True, True, False, False]
    assert clip.num_incomplete == 2


def test_raw_clip_is_as_recorded(dataset: ThermalDataset) -> None:
    clip = read(dataset, "A_1_k8", raw=True)
    assert clip.frames_c[0, 3, 0] == np.float32(-273.2)
    assert clip.frames_c[0, 0, 0] == 6


def test_clip_without_a_complete_frame_is_shown_as_recorded(dataset: ThermalDataset) -> None:
    spec = ClipSpec(classes=dataset.classes, num_frames=1)
    [chosen] = choose_clips(dataset, spec, ClipRequest(sample_ids=("A_1_k8",))).clips
    lost = replace(chosen, sample=replace(chosen.sample, keyframe=6))
    [clip] = read_clips(dataset, [lost], spec)
    assert clip.frames_c[0, :, 0].tolist() == [6, 6, np.float32(-273.2), np.float32(-273.2)]
    assert clip.incomplete.tolist() == [True]


def test_uniform_sampling_is_by_arrival_time(dataset: ThermalDataset) -> None:
    clip = read(dataset, "B_1_k10", time_sampling="uniform", window_s=1.2)
    assert clip.frames_c[:, 0, 0].tolist() == [4, 7, 10, 13]
    np.testing.assert_allclose(clip.times_s, [-0.6, -0.3, 0, 0.3])


def test_frame_shows_everyone_and_person_only_themselves(dataset: ThermalDataset) -> None:
    assert [person.label for person in read(dataset, "A_1_k8").people] == [0, 1]
    [person] = read(dataset, "A_1_k8#2", target="person").people
    assert (person.label, person.box.cx) == (1, 0.75)


def test_taken_frames_keep_the_keyframe(dataset: ThermalDataset) -> None:
    clip = read(dataset, "B_1_k10").take([0, 2])
    assert clip.frames_c[:, 0, 0].tolist() == [8, 10]
    assert (clip.keyframe, clip.num_frames) == (1, 4)
    with pytest.raises(ValueError, match="is not in list"):
        clip.take([0])  # a sheet always shows the keyframe


@given(st.integers(1, 200), st.integers(1, 200))
def test_steps_are_spread_over_the_clip_with_the_keyframe_among_them(num_frames: int, num_steps: int) -> None:
    steps = spread_steps(num_frames, num_steps)
    assert len(steps) == min(num_frames, num_steps)
    assert num_frames // 2 in steps
    assert steps[0] >= 0 and steps[-1] < num_frames
    gaps = np.diff(steps)
    assert (gaps > 0).all()
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 2


def test_steps_of_a_common_sheet() -> None:
    assert spread_steps(64, 8) == [0, 8, 16, 24, 32, 40, 48, 56]
    assert spread_steps(64, 1) == [32]
