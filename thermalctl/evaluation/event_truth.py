"""Events as annotators saw them: runs of keyframes that show a rule's classes, as long as the rule demands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from thermalctl.clip_spec import Target
from thermalctl.dataset.samples import ALL_SPLITS, ThermalDataset
from thermalctl.events.record import Span
from thermalctl.events.rules import EventRule

#: Keyframes further apart than so many times their median distance leave a hole, of which nobody knows what happened.
#: In the real recordings it is 1.1 to 1.5 s, and the longest distance, 3.3 s, 2.1 times as long as that recording's.
HOLE_TIMES = 3.0


@dataclass(frozen=True, kw_only=True, eq=False)
class AnnotatedRecording:
    """What annotators say of a recording, all splits together.

    Attributes:
        recording: its name.
        session: the group of recordings that it belongs to.
        keyframes: (N,) int64, indices of the annotated frames, in the order of their times.
        times_ms: (N,) int64, when they arrived, ascending.
        shown: (N, K) bool, which classes each shows.
    """

    recording: str
    session: str
    keyframes: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    shown: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class TrueEvent:
    """A run of keyframes that show a rule's classes; times in ms since 1970.

    Attributes:
        began_ms: the first.
        ended_ms: the last.
        first_keyframe: index of the first in the recording.
        last_keyframe: index of the last.
        begins_annotated: whether a keyframe before it shows that it was not yet so.
    """

    began_ms: int
    ended_ms: int
    first_keyframe: int
    last_keyframe: int
    begins_annotated: bool


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What annotators say of a recording that a rule would have told.

    Attributes:
        events: that are long enough.
        undecided: that are not, but begin or end where annotations do: they may be.
        annotated: the times of which annotators say something.
    """

    events: tuple[TrueEvent, ...]
    undecided: tuple[TrueEvent, ...]
    annotated: tuple[Span, ...]


def list_annotated(dataset: ThermalDataset, target: Target = "person") -> dict[str, AnnotatedRecording]:
    """Return by name what annotators say of each recording that has a keyframe.

    Args:
        dataset: the dataset.
        target: "person": a keyframe shows what anybody in it does; "frame": only its label as a whole.
    """
    shown: defaultdict[str, defaultdict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for sample in dataset.samples(ALL_SPLITS, target):
        shown[sample.recording][sample.keyframe].add(sample.label)
    found = {}
    for name, by_keyframe in sorted(shown.items()):
        times_ms = dataset.recordings[name].timestamps_ms
        keyframes = np.array(sorted(by_keyframe), dtype=np.int64)
        keyframes = keyframes[np.argsort(times_ms[keyframes], kind="stable")]
        table = np.zeros((len(keyframes), dataset.num_classes), dtype=np.bool_)
        for row, keyframe in zip(table, keyframes.tolist(), strict=True):
            row[list(by_keyframe[keyframe])] = True
        found[name] = AnnotatedRecording(
            recording=name,
            session=dataset.sessions[name],
            keyframes=keyframes,
            times_ms=times_ms[keyframes].astype(np.int64),
            shown=table,
        )
    return found


def find_truth(annotated: AnnotatedRecording, rule: EventRule, classes: Sequence[str]) -> Truth:
    """Return what a rule would tell of a recording if each keyframe were answered as it is annotated.

    Cool-downs are left out: they are about alarms, not about what happens.

    Args:
        annotated: the recording.
        rule: its `classes`, `for_s` and `merge_gap_s` count.
        classes: the dataset's class names in id order, the rule's among them.
    """
    bears: NDArray[np.bool_] = np.any(annotated.shown[:, [classes.index(name) for name in rule.classes]], axis=1)
    events: list[TrueEvent] = []
    undecided: list[TrueEvent] = []
    stretches = list(_split_at_holes(annotated.times_ms))
    for stretch in stretches:
        for first, last in _find_runs(annotated.times_ms, bears, stretch, 1000 * rule.merge_gap_s):
            began_ms, ended_ms = int(annotated.times_ms[first]), int(annotated.times_ms[last])
            event = TrueEvent(
                began_ms=began_ms,
                ended_ms=ended_ms,
                first_keyframe=int(annotated.keyframes[first]),
                last_keyframe=int(annotated.keyframes[last]),
                begins_annotated=first > stretch.start,
            )
            if ended_ms - began_ms >= 1000 * rule.for_s:
                events.append(event)
            elif first == stretch.start or last == stretch.stop - 1:
                undecided.append(event)
    return Truth(
        events=tuple(events),
        undecided=tuple(undecided),
        annotated=tuple(
            Span(int(annotated.times_ms[stretch.start]), int(annotated.times_ms[stretch.stop - 1]))
            for stretch in stretches
        ),
    )


def _split_at_holes(times_ms: NDArray[np.int64]) -> list[range]:
    """Return the stretches of keyframes between which there is no hole."""
    distances_ms = np.diff(times_ms)
    usual_ms = float(np.median(distances_ms)) if len(distances_ms) else 0.0
    holes = (np.flatnonzero(distances_ms > HOLE_TIMES * usual_ms) + 1).tolist()
    return [range(start, stop) for start, stop in pairwise([0, *holes, len(times_ms)])]


def _find_runs(
    times_ms: NDArray[np.int64], bears: NDArray[np.bool_], stretch: range, merge_gap_ms: float
) -> list[tuple[int, int]]:
    """Return the first and last place of each run, runs joined where the dip between them is shorter than the gap."""
    runs: list[tuple[int, int]] = []
    for place in stretch:
        if not bears[place]:
            continue
        # As the rule counts it: from the first keyframe that is otherwise to the first that is so again.
        if runs and (runs[-1][1] == place - 1 or times_ms[place] - times_ms[runs[-1][1] + 1] < merge_gap_ms):
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs
