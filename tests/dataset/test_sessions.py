from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from thermalctl.dataset.sessions import find_sessions, shared_frames


def times(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def one_device(timestamps: dict[str, NDArray[np.int64]]) -> dict[str, str]:
    return dict.fromkeys(timestamps, "02:00")


def test_recordings_that_share_frames_through_a_third_are_one_session() -> None:
    stamps = {"SL14_R1": times(1, 2, 3), "SL14_R2": times(3, 4, 5), "SL14_R3": times(5, 6), "SL18_R1": times(90, 91)}
    assert find_sessions(stamps, one_device(stamps)) == {
        "SL14_R1": "SL14",
        "SL14_R2": "SL14",
        "SL14_R3": "SL14",
        "SL18_R1": "SL18_R1",
    }


def test_overlap_in_time_without_a_shared_frame_joins_nothing() -> None:
    stamps = {"a": times(1, 3, 5), "b": times(2, 4, 6)}
    assert find_sessions(stamps, one_device(stamps)) == {"a": "a", "b": "b"}


def test_devices_that_record_at_once_are_separate_sessions() -> None:
    stamps = {"a": times(1, 2), "b": times(1, 2)}
    assert find_sessions(stamps, {"a": "02:00", "b": "02:01"}) == {"a": "a", "b": "b"}


def test_sessions_of_the_same_common_name_are_named_by_first_and_last() -> None:
    stamps = {"lab_1": times(1, 2), "lab_2": times(2, 3), "lab_3": times(10, 11), "lab_4": times(11, 12)}
    assert set(find_sessions(stamps, one_device(stamps)).values()) == {"lab_1..lab_2", "lab_3..lab_4"}


def test_recordings_with_nothing_in_common_name_their_session_by_first_and_last() -> None:
    stamps = {"door": times(1, 2), "window": times(2, 3)}
    assert set(find_sessions(stamps, one_device(stamps)).values()) == {"door..window"}


def test_common_name_is_made_of_whole_parts() -> None:
    stamps = {"room12-a": times(1, 2), "room12-b": times(2, 3)}
    assert set(find_sessions(stamps, one_device(stamps)).values()) == {"room12"}


def test_shared_frames_are_counted_by_pair() -> None:
    stamps = {"b": times(3, 4, 5, 6), "a": times(1, 2, 3, 4), "c": times(1, 6)}
    assert shared_frames(stamps, one_device(stamps)) == {("a", "b"): 2, ("a", "c"): 1, ("b", "c"): 1}


def test_no_recordings_make_no_sessions() -> None:
    assert find_sessions({}, {}) == {}


def test_empty_recording_is_its_own_session() -> None:
    stamps = {"a": times(), "b": times(1)}
    assert find_sessions(stamps, one_device(stamps)) == {"a": "a", "b": "b"}


@given(st.dictionaries(st.text("ab_", min_size=1, max_size=4), st.sets(st.integers(0, 15)), max_size=6))
def test_two_recordings_are_in_one_session_exactly_if_a_chain_of_shared_frames_joins_them(
    stamps: dict[str, set[int]],
) -> None:
    arrays = {name: times(*sorted(values)) for name, values in stamps.items()}
    sessions = find_sessions(arrays, one_device(arrays))
    reached = {name: {name} for name in stamps}  # grown until nothing changes: slow and plain
    for _ in stamps:
        for name, names in reached.items():
            frames = set().union(*(stamps[other] for other in names))
            reached[name] = names | {other for other, values in stamps.items() if values & frames}
    for first in stamps:
        for second in stamps:
            assert (sessions[first] == sessions[second]) == (second in reached[first])
