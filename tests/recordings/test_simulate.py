from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from thermalctl.annotations.classes import THERMAL_ACTION_CLASSES
from thermalctl.errors import RequestError
from thermalctl.recordings.health import find_incomplete_frames
from thermalctl.recordings.simulate import SimulatedRecording, SimulationOptions, simulate_session
from thermalctl.recordings.simulate_actions import ABSENT, ACTIVITIES, Action
from thermalctl.recordings.timing import summarise_timing

SMALL = SimulationOptions(num_sessions=2, recordings_per_session=2, frames_per_recording=120)


@pytest.fixture(scope="module")
def bad_link() -> list[SimulatedRecording]:
    """A session of four recordings of 500 frames, with a link that loses packets."""
    return simulate_session(SimulationOptions(), 0)


@pytest.fixture(scope="module")
def good_link() -> list[SimulatedRecording]:
    return simulate_session(SimulationOptions(), 1)


def collect(parts: list[SimulatedRecording]) -> tuple[np.ndarray, np.ndarray]:
    """The label and the warmest pixel (deg C) of each person wholly in view, frame by frame."""
    labels, warmest = [], []
    for part in parts:
        for person in part.people:
            for row in np.flatnonzero((person.labels != ABSENT) & (person.visible > 0.95) & ~part.incomplete):
                left, top, right, bottom = person.boxes_px[row]
                labels.append(person.labels[row])
                warmest.append(part.recording.frames_c[row, top:bottom, left:right].max())
    return np.array(labels), np.array(warmest)


def test_actions_are_the_classes_of_the_real_recordings() -> None:
    assert len(Action) == len(THERMAL_ACTION_CLASSES)
    assert THERMAL_ACTION_CLASSES[Action.LYING_ON_BED] == "lying down-lying on the bed/couch"
    assert THERMAL_ACTION_CLASSES[Action.KNEELING] == "lower position-kneeling"
    assert THERMAL_ACTION_CLASSES[Action.LOWER_POSITION_OTHER] == "lower position-other"
    held = {activity.label for activity in ACTIVITIES}
    changed = {activity.transition for activity in ACTIVITIES}
    assert held | changed == set(Action)


def test_same_options_make_the_same_arrays() -> None:
    for first, second in zip(simulate_session(SMALL, 0), simulate_session(SMALL, 0), strict=True):
        for field in fields(first.recording):
            np.testing.assert_array_equal(getattr(first.recording, field.name), getattr(second.recording, field.name))
        for person, other in zip(first.people, second.people, strict=True):
            np.testing.assert_array_equal(person.labels, other.labels)
            np.testing.assert_array_equal(person.boxes_px, other.boxes_px)


def test_another_seed_makes_other_arrays() -> None:
    first, second = simulate_session(SMALL, 0)[0], simulate_session(replace(SMALL, seed=1), 0)[0]
    assert not np.array_equal(first.recording.frames_c, second.recording.frames_c)


def test_neighbours_share_frames_and_stamps(bad_link: list[SimulatedRecording]) -> None:
    for part, following in pairwise(bad_link):
        stamps, next_stamps = part.recording.timestamps_ms, following.recording.timestamps_ms
        shared = int(np.isin(stamps, next_stamps).sum())
        assert 140 <= shared <= 151
        np.testing.assert_array_equal(stamps[-shared:], next_stamps[:shared])
        np.testing.assert_array_equal(part.recording.frames_c[-shared:], following.recording.frames_c[:shared])


def test_sessions_share_no_stamps(bad_link: list[SimulatedRecording], good_link: list[SimulatedRecording]) -> None:
    stamps, others = (
        np.concatenate([part.recording.timestamps_ms for part in session]) for session in (bad_link, good_link)
    )
    assert not np.isin(stamps, others).any()


def test_incomplete_frames_are_where_the_truth_says(
    bad_link: list[SimulatedRecording], good_link: list[SimulatedRecording]
) -> None:
    for part in bad_link + good_link:
        np.testing.assert_array_equal(find_incomplete_frames(part.recording.frames_c), part.incomplete)
    assert 0.04 < np.mean([part.incomplete for part in bad_link]) < 0.11
    assert not any(part.incomplete.any() for part in good_link)


def test_incomplete_frame_has_lost_packets_at_its_end(bad_link: list[SimulatedRecording]) -> None:
    for part in bad_link:
        pixels = part.recording.frames_c[part.incomplete].reshape(-1, 2400)
        lost = pixels < -200
        assert set(lost.sum(axis=1)) <= {576, 1152, 1728, 2304}
        assert (np.diff(lost.astype(int), axis=1) >= 0).all(), "once a pixel is lost, so are all after it"
        assert (pixels[lost] == np.float32(-273.2)).all()


def test_frames_arrive_in_bursts(bad_link: list[SimulatedRecording], good_link: list[SimulatedRecording]) -> None:
    for session, slowest_ms, fastest_ms in ((bad_link, 60, 30), (good_link, 170, 130)):
        for part in session:
            timing = summarise_timing(part.recording.timestamps_ms, window_frames=64)
            assert timing.num_out_of_order == 0
            assert fastest_ms < timing.median_gap_ms < slowest_ms
            assert 400 < timing.largest_gap_ms < 2700
            assert timing.clip_span is not None
            assert 8.0 < timing.clip_span.min_s < timing.clip_span.max_s < 15.0


def test_still_pixels_are_as_noisy_as_asked() -> None:
    options = replace(SMALL, second_person_share=0.0, noise_c=0.25)
    frames_c = simulate_session(options, 1)[0].recording.frames_c
    steps = np.diff(frames_c.astype(np.float64), axis=0)
    # The quietest quarter of the pixels sees nobody. A step between two frames has twice the variance of one.
    noise_c = np.sort(steps.std(axis=0).ravel())[:600].mean() / np.sqrt(2)
    assert noise_c == pytest.approx(0.25, abs=0.03)


def test_temperatures_are_those_of_a_room_with_people(good_link: list[SimulatedRecording]) -> None:
    for part in good_link:
        assert 20.5 < np.median(part.recording.frames_c) < 25.0
    _, warmest = collect(good_link)
    assert 28.0 < np.percentile(warmest, 1) < np.percentile(warmest, 99) < 36.0


def test_boxes_cover_the_warm_pixels() -> None:
    options = replace(SMALL, second_person_share=0.0, noise_c=0.0)
    part = simulate_session(options, 1)[0]
    room_c = np.median(part.recording.frames_c)
    person = part.people[0]
    # A body is at least 4 deg C warmer than the room; the appliance at the wall is too, but it does not move.
    warm = part.recording.frames_c > room_c + 4.0
    moving = warm & ~warm.all(axis=0)
    checked = 0
    for row in range(0, 120, 5):
        left, top, right, bottom = person.boxes_px[row]
        lines, columns = np.nonzero(moving[row])
        assert left <= columns.min() <= columns.max() < right
        assert top <= lines.min() <= lines.max() < bottom
        # Nor is the box much larger than the body: its rim is at a quarter of full coverage.
        assert (right - left) <= columns.max() - columns.min() + 5
        assert (bottom - top) <= lines.max() - lines.min() + 5
        checked += 1
    assert checked == 24


def test_temperature_does_not_tell_lying_from_standing() -> None:
    options = SimulationOptions(recordings_per_session=4)
    areas = []
    for session in range(3):
        labels, warmest = collect(simulate_session(options, session))
        chosen = np.isin(labels, (Action.STANDING, Action.LYING_WITH_RISK))
        areas.append(roc_auc_score(labels[chosen] == Action.LYING_WITH_RISK, warmest[chosen]))
    assert 0.25 < np.mean(areas) < 0.75


def test_walking_person_moves_and_a_standing_one_hardly(good_link: list[SimulatedRecording]) -> None:
    moved = {Action.WALKING: [], Action.STANDING: []}
    for part in good_link:
        person = part.people[0]
        centres = (person.boxes_px[:, :2] + person.boxes_px[:, 2:]) / 2
        for row in range(480):
            labels = set(person.labels[row : row + 12])
            for action, distances in moved.items():
                if labels == {action}:
                    distances.append(np.hypot(*(centres[row + 11] - centres[row])))
    assert np.median(moved[Action.STANDING]) < 2.0 < 6.0 < np.median(moved[Action.WALKING])


def test_person_lying_on_the_floor_is_longer_than_one_standing(good_link: list[SimulatedRecording]) -> None:
    longest = {Action.LYING_WITH_RISK: [], Action.STANDING: []}
    for part in good_link:
        person = part.people[0]
        sizes = (person.boxes_px[:, 2:] - person.boxes_px[:, :2]).max(axis=1)
        for action, lengths in longest.items():
            lengths.extend(sizes[person.labels == action])
    assert np.median(longest[Action.LYING_WITH_RISK]) > 1.3 * np.median(longest[Action.STANDING])


@pytest.mark.parametrize("frame_size", [(16, 16), (24, 32), (80, 60)])
def test_other_sensors_can_be_simulated(frame_size: tuple[int, int]) -> None:
    parts = simulate_session(replace(SMALL, frame_size=frame_size, frames_per_recording=64), 0)
    height, width = frame_size
    for part in parts:
        assert part.recording.frames_c.shape == (64, height, width)
        np.testing.assert_array_equal(find_incomplete_frames(part.recording.frames_c), part.incomplete)
        boxes = part.people[0].boxes_px
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes[:, 2:] <= (width, height)).all()
    assert any(part.incomplete.any() for part in parts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_sessions": 0}, "num_sessions is 0, expected at least 1"),
        ({"frames_per_recording": 3}, "frames_per_recording is 3, expected at least 16"),
        ({"frame_size": (4, 60)}, r"frame_size is \(4, 60\), expected at least 8"),
        ({"frame_size": (8, 60)}, r"frame_size is \(8, 60\), expected one side at most twice the other"),
        ({"incomplete_share": (0.3, 0.1)}, r"incomplete_share \(0.3, 0.1\) .* the smaller first"),
        ({"second_person_share": 1.5}, r"second_person_share 1.5 .* expected 0 to 1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_impossible_options_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        replace(SMALL, **change)
