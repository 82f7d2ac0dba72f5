from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.annotations.segment_keyframes import NO_FRAME, NO_RECORDING, expand_segments
from thermalctl.annotations.segments import Clock, Segment
from thermalctl.errors import DatasetError, RequestError

START_MS = 1_736_154_000_000
#: 40 frames, 4 in a second: 0 to 9.75 s.
TIMES_MS = START_MS + 250 * np.arange(40, dtype=np.int64)
PATH = Path("who.csv")


def make_segment(
    start: float, end: float, action: str = "walking", *, line: int = 2, recording: str = "R1", person: str = "",
    clock: Clock = "seconds",
) -> Segment:  # fmt: skip
    return Segment(
        path=PATH, line=line, recording=recording, clock=clock, start=start, end=end, action=action, person=person
    )


def expand(*segments: Segment, step_s: float = 1.0, **recordings: np.ndarray) -> dict[int, list[str]]:
    """The actions at each keyframe of R1, by frame."""
    source = expand_segments(segments, {"R1": TIMES_MS} | recordings, step_s=step_s)
    assert all(keyframe.timestamp_ms == TIMES_MS[keyframe.frame_idx] for keyframe in source.keyframes)
    return {keyframe.frame_idx: [person.action for person in keyframe.people] for keyframe in source.keyframes}


def test_keyframes_lie_in_the_middles_of_steps() -> None:
    assert expand(make_segment(2, 5)) == {10: ["walking"], 14: ["walking"], 18: ["walking"]}  # 2.5, 3.5, 4.5 s


def test_end_is_not_part_of_a_segment() -> None:
    assert list(expand(make_segment(0, 1.5))) == [2]
    assert list(expand(make_segment(0, 1.501))) == [2, 6]


def test_step_is_told() -> None:
    assert list(expand(make_segment(2, 5), step_s=2.0)) == [12]  # 3 s; 1 s and 5 s lie outside
    assert list(expand(make_segment(2, 3), step_s=0.25)) == [8, 9, 10, 11]


@pytest.mark.parametrize(
    ("start", "end", "clock"),
    [(2, 5, "seconds"), (START_MS + 2000, START_MS + 5000, "epoch_ms"), (8, 20, "frames")],
)
def test_clocks_agree(start: float, end: float, clock: Clock) -> None:
    assert list(expand(make_segment(start, end, clock=clock))) == [10, 14, 18]


def test_people_acting_at_the_same_moment_share_a_keyframe() -> None:
    acting = expand(
        make_segment(0, 3, "walking", line=2, person="anna"), make_segment(1.2, 4, "sitting", line=3, person="ben")
    )
    assert acting == {2: ["walking"], 6: ["walking", "sitting"], 10: ["walking", "sitting"], 14: ["sitting"]}


def test_action_shorter_than_a_step_gets_a_keyframe_with_everybody_in_it() -> None:
    acting = expand(make_segment(0, 2, "walking", line=2), make_segment(0.75, 1.25, "falling", line=3))
    assert acting == {2: ["walking"], 4: ["walking", "falling"], 6: ["walking"]}


@pytest.mark.parametrize(
    ("people", "numbers"), [(("7", "12"), [7, 12]), (("anna", "7"), [0, 1]), (("", "anna"), [None, 0])]
)
def test_people_are_numbered(people: tuple[str, str], numbers: list[int | None]) -> None:
    segments = [make_segment(0, 1, line=2 + place, person=person) for place, person in enumerate(people)]
    [keyframe] = expand_segments(segments, {"R1": TIMES_MS}, step_s=1.0).keyframes
    assert [person.object_id for person in keyframe.people] == numbers
    assert [person.box for person in keyframe.people] == [None, None]
    assert (keyframe.where, keyframe.recording, keyframe.split) == ("who.csv: line 2", "R1", None)


def test_nothing_is_made_up_where_frames_are_missing() -> None:
    with_gap_ms = np.delete(TIMES_MS, range(9, 21))  # nothing from 2.25 to 5.25 s
    source = expand_segments([make_segment(0, 7)], {"R1": with_gap_ms}, step_s=1.0)
    seconds = [(keyframe.timestamp_ms - START_MS) / 1000 for keyframe in source.keyframes]
    assert seconds == [0.5, 1.5, 2.0, 5.5, 6.5]  # 2.0 is the nearest to 2.5; none is near 3.5 and 4.5


def test_frames_out_of_order_are_found_by_their_time() -> None:
    shuffled_ms = TIMES_MS.copy()
    shuffled_ms[[10, 11]] = TIMES_MS[[11, 10]]
    source = expand_segments([make_segment(2, 3)], {"R1": shuffled_ms}, step_s=1.0)
    assert [keyframe.frame_idx for keyframe in source.keyframes] == [11]


def test_segments_without_frame_or_recording_are_skipped_and_told() -> None:
    segments = [
        make_segment(0, 1, line=2), make_segment(50, 60, line=3), make_segment(0.3, 0.4, line=4),
        make_segment(0, 1, line=5, recording="R9"),
    ]  # fmt: skip
    source = expand_segments(segments, {"R1": TIMES_MS}, step_s=1.0)
    assert [(skipped.where, skipped.reason) for skipped in source.skipped] == [
        ("who.csv: line 3", NO_FRAME), ("who.csv: line 4", NO_FRAME), ("who.csv: line 5", NO_RECORDING),
    ]  # fmt: skip
    assert (source.path, source.kind, len(source.keyframes)) == (PATH, "segment table", 1)


def test_table_of_other_recordings_is_refused() -> None:
    with pytest.raises(DatasetError, match=r'who\.csv: line 2 has "file": "R9", .*given are: R1'):
        expand_segments([make_segment(0, 1, recording="R9")], {"R1": TIMES_MS}, step_s=1.0)


@pytest.mark.parametrize(
    ("clock", "span"), [("seconds", "0 to 9.75 s"), ("frames", "frames 0 to 39"), ("epoch_ms", f"{START_MS} to")]
)
def test_table_in_another_unit_is_refused_with_what_the_recording_has(clock: Clock, span: str) -> None:
    with pytest.raises(DatasetError, match=rf"who\.csv: line 2 goes from 12000 to 15000, .*R1 has {span}"):
        expand_segments([make_segment(12000, 15000, clock=clock)], {"R1": TIMES_MS}, step_s=1.0)


@pytest.mark.parametrize("step_s", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_step_is_refused(step_s: float) -> None:
    with pytest.raises(RequestError, match="the step between keyframes is"):
        expand_segments([make_segment(0, 1)], {"R1": TIMES_MS}, step_s=step_s)


@given(
    spans=st.lists(st.tuples(st.integers(0, 9000), st.integers(260, 4000)), min_size=1, max_size=5),
    step_s=st.floats(0.1, 5),
    gaps_ms=st.lists(st.integers(0, 400), min_size=40, max_size=40),
)
def test_every_keyframe_names_exactly_those_who_act_in_it(
    spans: list[tuple[int, int]], step_s: float, gaps_ms: list[int]
) -> None:
    times_ms = START_MS + np.cumsum(gaps_ms)
    segments = [
        make_segment(START_MS + start, START_MS + start + length, f"action {place}", line=place, clock="epoch_ms")
        for place, (start, length) in enumerate(spans)
    ]
    covered = [any(segment.start <= time < segment.end for time in times_ms) for segment in segments]
    if not any(covered):
        return
    source = expand_segments(segments, {"R1": times_ms}, step_s=step_s)
    for keyframe in source.keyframes:
        assert [person.action for person in keyframe.people] == [
            segment.action for segment in segments if segment.start <= keyframe.timestamp_ms < segment.end
        ]
    seen = {person.action for keyframe in source.keyframes for person in keyframe.people}
    assert seen == {segment.action for segment, holds in zip(segments, covered, strict=True) if holds}
