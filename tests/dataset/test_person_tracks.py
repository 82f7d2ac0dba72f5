from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.person_tracks import PersonTrack, find_person_tracks, number_people
from thermalctl.dataset.samples import ThermalDataset, find_clip, load_dataset
from thermalctl.recordings.hdf5 import Recording, write_recording

Folder = Any
Box = tuple[float, float, float, float]
#: (split, keyframe in the recording "lab", people there), a person's (number, box).
Entry = tuple[str, int, Sequence[tuple[int | None, Box]]]


def box_at(x: float, y: float = 0.5, *, width: float = 0.5, height: float = 0.75) -> Box:
    """A box 3 of the frame's 4x6 pixels long either way, unless told otherwise."""
    return (x, y, width, height)


def make(folder: Folder, entries: Sequence[Entry]) -> ThermalDataset:
    """Return a dataset whose only keyframes are these, all in the recording "lab"."""
    for split in folder.documents:
        folder.layout.annotation_file(split).unlink()
    folder.documents.clear()
    for split, keyframe, people in entries:
        folder.add_keyframe(split, "lab", keyframe, [0] * len(people))
        for annotation, (number, box) in zip(
            folder.documents[split]["annotations"][-len(people) :], people, strict=True
        ):
            annotation["bbox"] = list(box)
            del annotation["object_id"]
            if number is not None:
                annotation["object_id"] = number
    folder.write()
    return load_dataset(folder.layout)


def locate(dataset: ThermalDataset, split: str, place: int, frames: Sequence[int]) -> np.ndarray:
    """Return where the split's person number `place` is, (T, 4)."""
    sample = dataset.samples(split, "person")[place]
    return find_person_tracks(dataset)[sample.sample_id].locate(np.array(frames))


def test_person_is_on_a_straight_line_between_keyframes_and_stays_at_its_ends(folder: Folder) -> None:
    dataset = make(
        folder,
        [
            ("train", 10, [(3, (0.2, 0.4, 0.2, 0.2))]),
            ("val", 20, [(3, (0.4, 0.4, 0.2, 0.4))]),
            ("train", 40, [(3, (0.4, 0.8, 0.3, 0.4))]),
        ],
    )
    expected = [
        [0.2, 0.4, 0.2, 0.2],  # before the first keyframe as in it
        [0.2, 0.4, 0.2, 0.2],
        [0.3, 0.4, 0.2, 0.3],  # half way to frame 20
        [0.4, 0.4, 0.2, 0.4],
        [0.4, 0.5, 0.225, 0.4],  # a quarter of the way to frame 40
        [0.4, 0.8, 0.3, 0.4],
        [0.4, 0.8, 0.3, 0.4],
    ]
    for split, place in (("train", 0), ("train", 1), ("val", 0)):
        found = locate(dataset, split, place, [0, 10, 15, 20, 25, 40, 69])
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_frames_may_repeat_and_come_in_any_order(folder: Folder) -> None:
    dataset = make(folder, [("train", 10, [(3, box_at(0.2))]), ("train", 20, [(3, box_at(0.4))])])
    assert locate(dataset, "train", 0, [20, 10, 10, 15])[:, 0] == pytest.approx([0.4, 0.2, 0.2, 0.3])


def test_people_of_several_numbers_go_their_own_ways(folder: Folder) -> None:
    dataset = make(
        folder,
        [
            ("train", 10, [(1, box_at(0.2)), (2, box_at(0.8))]),
            ("train", 20, [(2, box_at(0.6)), (1, box_at(0.4))]),
        ],
    )
    assert [locate(dataset, "train", place, [15])[0, 0] for place in range(4)] == pytest.approx([0.3, 0.7, 0.7, 0.3])


def test_unnumbered_person_is_followed_where_nobody_else_is_seen_and_else_stays_in_their_box(folder: Folder) -> None:
    dataset = make(
        folder,
        [
            ("train", 10, [(None, box_at(0.2))]),
            ("train", 20, [(None, box_at(0.5)), (None, box_at(0.8))]),
            ("train", 30, [(None, box_at(0.4))]),
        ],
    )
    assert [locate(dataset, "train", place, [0, 20, 40])[:, 0].tolist() for place in (1, 2)] == [[0.5] * 3, [0.8] * 3]
    for place in (0, 3):
        assert locate(dataset, "train", place, [10, 20, 30])[:, 0] == pytest.approx([0.2, 0.3, 0.4])


def test_number_that_two_people_of_a_keyframe_bear_identifies_neither(folder: Folder) -> None:
    dataset = make(
        folder,
        [("train", 10, [(1, box_at(0.2)), (1, box_at(0.8))]), ("train", 20, [(1, box_at(0.4))])],
    )
    assert list(number_people(dataset).values()) == [None, None, 1]
    assert [locate(dataset, "train", place, [10, 20])[:, 0].tolist() for place in range(3)] == [
        [0.2, 0.2],
        [0.8, 0.8],
        [0.4, 0.4],
    ]


def test_people_of_other_recordings_are_others_whatever_their_number(folder: Folder) -> None:
    dataset = load_dataset(folder.layout)  # number 0 is in the hall's two recordings and in the lab
    tracks = {
        sample.sample_id: find_person_tracks(dataset)[sample.sample_id] for sample in dataset.samples("all", "person")
    }
    assert tracks["hall_2_35#100"].keyframes.tolist() == [35]
    assert tracks["hall_1_10#100"].keyframes.tolist() == [10, 40]


@pytest.mark.parametrize(
    ("distance_px", "is_one"),
    # Boxes 3 pixels long, ten frames of 0.1 s apart: two of their lengths a second are 6 pixels, the frame's width.
    [(4.4, True), (4.6, False)],
)
def test_track_ends_where_nobody_could_walk(folder: Folder, distance_px: float, is_one: bool) -> None:
    short = {"width": 0.375, "height": 0.5}  # 2.25 pixels, and so 4.5 in a second
    far = 0.1 + distance_px / 6
    dataset = make(
        folder,
        [
            ("train", 10, [(1, box_at(0.05, **short))]),
            ("train", 20, [(1, box_at(0.1, **short))]),
            ("train", 30, [(1, box_at(far, **short))]),
        ],
    )
    before, at_end, after = (locate(dataset, "train", place, [10, 20, 25, 30])[:, 0] for place in range(3))
    half_way = (0.1 + far) / 2
    if is_one:
        for found in (before, at_end, after):
            assert found == pytest.approx([0.05, 0.1, half_way, far])
    else:
        assert before == pytest.approx([0.05, 0.1, 0.1, 0.1])
        assert at_end == pytest.approx(before)
        assert after == pytest.approx([far] * 4)


def test_burst_of_frames_that_arrived_at_once_does_not_end_a_track(folder: Folder) -> None:
    """Half a second's walk is no jump only because its frames were sent together."""
    times_ms = 1_700_000_000_000 + 86_400_000 + 100 * np.arange(70)
    times_ms[20:31] = times_ms[30]
    write_recording(
        folder.layout.recording_file("lab"),
        Recording(
            sensor_id="lab",
            mac_address="02:00:00:00:00:01",
            frames_c=np.full((70, 4, 6), 20.0, dtype=np.float32),
            timestamps_ms=times_ms.astype(np.int64),
            frame_seqs=np.arange(70, dtype=np.int64),
        ),
    )
    dataset = make(folder, [("train", 20, [(1, box_at(0.3))]), ("train", 30, [(1, box_at(0.7))])])
    assert locate(dataset, "train", 0, [25])[0, 0] == pytest.approx(0.5)


def test_keyframe_that_two_splits_list_counts_once(folder: Folder) -> None:
    entries: list[Entry] = [("train", 10, [(1, box_at(0.2))]), ("train", 20, [(1, box_at(0.4))])]
    dataset = make(folder, [*entries, ("val", 10, [(1, box_at(0.2))])])
    track = find_person_tracks(dataset)[dataset.samples("val", "person")[0].sample_id]
    assert track.keyframes.tolist() == [10, 20]


@given(
    st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1)), min_size=1, max_size=20, unique_by=lambda each: each[0]),
    st.lists(st.integers(-50, 550), min_size=1, max_size=40),
)
def test_located_boxes_lie_between_those_of_the_keyframes_around(
    sightings: list[tuple[int, float]], frames: list[int]
) -> None:
    sightings = sorted(sightings)
    keyframes = np.array([keyframe for keyframe, _ in sightings])
    values = np.array([value for _, value in sightings])
    track = PersonTrack(keyframes=keyframes, boxes=np.repeat(values[:, None], 4, axis=1))
    for frame, box in zip(frames, track.locate(np.array(frames)), strict=True):
        before, after = values[keyframes <= frame][-1:], values[keyframes >= frame][:1]
        around = np.concatenate([before, after])
        assert around.min() - 1e-12 <= box[0] <= around.max() + 1e-12
        if frame in keyframes:
            assert box[0] == values[keyframes == frame][0]


@pytest.fixture(scope="module")
def real(real_dataset: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(real_dataset))


@pytest.mark.real
@pytest.mark.parametrize("split", ["train", "val"])
def test_real_people_are_in_their_own_box_exactly_in_their_keyframe(real: ThermalDataset, split: str) -> None:
    spec = ClipSpec(classes=real.classes, target="person")
    tracks = find_person_tracks(real)
    for sample in real.samples(split, "person"):
        boxes = tracks[sample.sample_id].locate(find_clip(sample, real, spec))
        assert boxes.shape == (64, 4)
        assert tuple(boxes[32]) == sample.boxes[0]


@pytest.mark.real
def test_real_people_are_followed_without_a_break(real: ThermalDataset) -> None:
    """Twelve people by recording and number; the fastest of them walks at 1.4 lengths of their box a second."""
    tracks = {id(track): track for track in find_person_tracks(real).values()}
    lengths = sorted(len(track.keyframes) for track in tracks.values())
    assert lengths == sorted([46, 46, 34, 46, 42, 4, 29, 37, 54, 54, 54, 54])


@pytest.mark.real
def test_real_person_left_out_of_a_keyframe_is_found_nearer_than_by_the_next_box(real: ThermalDataset) -> None:
    missed, missed_by_nearest = [], []
    for track in {id(track): track for track in find_person_tracks(real).values()}.values():
        for middle in range(1, len(track.keyframes) - 1):
            ends = [middle - 1, middle + 1]
            shown = PersonTrack(keyframes=track.keyframes[ends], boxes=track.boxes[ends])
            true = track.boxes[middle, :2] * [60, 40]
            guess = shown.locate(track.keyframes[[middle]])[0, :2] * [60, 40]
            nearest = np.abs(track.keyframes[ends] - track.keyframes[middle]).argmin()
            missed.append(np.hypot(*(guess - true)))
            missed_by_nearest.append(np.hypot(*(track.boxes[ends[nearest], :2] * [60, 40] - true)))
    assert np.mean(missed) < 0.7 < 0.9 < np.mean(missed_by_nearest)
