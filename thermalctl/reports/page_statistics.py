"""Charts of what a dataset holds: classes, people, clips and temperatures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from thermalctl.dataset.findings import percent
from thermalctl.dataset.inspect import Inspection, SplitSize
from thermalctl.dataset.people import PeopleStatistics, Spread
from thermalctl.dataset.statistics import RecordingStatistics
from thermalctl.reports.page_axes import Axis, make_axis
from thermalctl.reports.page_chart import (
    TRACK_HEIGHT,
    Chart,
    Mark,
    Row,
    draw_bar,
    draw_dot,
    draw_line,
    make_chart,
    put_first,
)
from thermalctl.reports.sentences import count

#: Classes shown at once.
FIRST_CLASSES = 20
#: A class that occurs is seen, however rare it is: so long is its bar at least, in units of a track.
MIN_BAR = 4.0


def chart_classes(inspection: Inspection) -> Chart:
    """Return each class's share of each split's keyframes, the most frequent first."""
    splits = [split.split for split in inspection.splits]
    axis = make_axis(
        [100 * share for entry in inspection.classes for share in entry.shares.values()], "%", from_zero=True
    )
    lane = TRACK_HEIGHT / len(splits)
    rows = []
    for entry in sorted(inspection.classes, key=lambda entry: -sum(entry.keyframes.values())):
        marks = tuple(
            Mark(
                kind=split,
                path=draw_bar(
                    0.0,
                    max(MIN_BAR, axis.place(100 * entry.shares[split])),
                    top=number * lane + 1.5,
                    bottom=(number + 1) * lane - 1.5,
                ),
            )
            for number, split in enumerate(splits)
            if entry.keyframes[split]
        )
        text = ", ".join(f"{entry.keyframes[split]:,} {split}" for split in splits)
        shares = ", ".join(f"{percent(entry.shares[split])} of {split}" for split in splits)
        rows.append(Row(name=entry.name, marks=marks, text=text, alt=f"{entry.name}: {shares}"))
    return make_chart(
        rows,
        noun="classes",
        note="Share of each split's keyframes, by the keyframe's one label.",
        legend=[(split, split) for split in splits],
        axis=axis,
        first_rows=FIRST_CLASSES,
    )


def chart_people(people: PeopleStatistics) -> Chart:
    """Return how many keyframes show so many people."""
    numbers = people.keyframes_by_people
    axis = make_axis(numbers, "keyframes", from_zero=True)
    rows = [
        Row(
            name=count(number, "person", "people"),
            marks=(Mark(kind="plain", path=draw_bar(0.0, max(MIN_BAR, axis.place(keyframes)))),),
            text=f"{keyframes:,} ({percent(keyframes / sum(numbers))})",
            alt=f"{count(keyframes, 'keyframe')} with {count(number, 'person', 'people')}",
        )
        for number, keyframes in enumerate(numbers)
        if keyframes
    ]
    return make_chart(rows, noun="numbers of people", axis=axis)


def chart_boxes(people: PeopleStatistics) -> Chart | None:
    """Return how wide and high people's boxes are; None where there is no box."""
    sides = {"width": people.box_width_px, "height": people.box_height_px}
    if not all(math.isfinite(side.median) for side in sides.values()):
        return None
    axis = make_axis([value for side in sides.values() for value in (side.p5, side.p95)], "pixels", from_zero=True)
    rows = [
        Row(
            name=name,
            marks=_draw_spread(axis, side),
            text=f"{side.median:.1f} ({side.p5:.1f} to {side.p95:.1f})",
            alt=f"{name}: median {side.median:.1f}, nine tenths from {side.p5:.1f} to {side.p95:.1f} pixels",
        )
        for name, side in sides.items()
    ]
    area = people.box_area_px
    return make_chart(
        rows,
        noun="sides",
        note="In the recording's own pixels; the line holds nine tenths of the boxes. "
        f"Areas: median {area.median:.0f}, nine tenths from {area.p5:.0f} to {area.p95:.0f} pixels.",
        legend=[("mean", "median"), ("range", "5th to 95th percentile")],
        axis=axis,
    )


def chart_clip_lengths(splits: Sequence[SplitSize], window_frames: int) -> Chart:
    """Return how long clips of equally many frames last in each split."""
    axis = make_axis([value for split in splits for value in (split.clip_length.min_s, split.clip_length.max_s)], "s")
    rows = []
    for split in splits:
        length = split.clip_length
        text = f"{length.median_s:.1f} s ({length.min_s:.1f} to {length.max_s:.1f})"
        marks = (
            Mark(kind="range", path=draw_line(axis.place(length.min_s), axis.place(length.max_s))),
            Mark(kind="mean", path=draw_dot(axis.place(length.median_s))),
        )
        rows.append(Row(name=split.split, marks=marks, text=text, alt=f"{split.split}: median {text}"))
    return make_chart(
        rows,
        noun="splits",
        note=f"From the arrival of a clip's first frame to that of its last, {window_frames} frames in all.",
        legend=[("mean", "median"), ("range", "shortest to longest")],
        axis=axis,
    )


def chart_temperatures(recordings: Sequence[RecordingStatistics]) -> Chart | None:
    """Return each recording's temperatures; None where no frame is complete."""
    known = [(entry, entry.temperatures) for entry in recordings if entry.temperatures]
    if not known:
        return None
    axis = make_axis([value for _, each in known for value in (each.min_c, each.max_c)], "deg C")
    rows = []
    for entry, each in put_first(known, key=lambda pair: pair[1].max_c - pair[1].min_c):
        low_c, high_c = max(each.min_c, each.mean_c - each.std_c), min(each.max_c, each.mean_c + each.std_c)
        rows.append(
            Row(
                name=entry.recording,
                marks=(
                    Mark(kind="range", path=draw_line(axis.place(each.min_c), axis.place(each.max_c))),
                    Mark(kind="spread", path=draw_line(axis.place(low_c), axis.place(high_c))),
                    Mark(kind="mean", path=draw_dot(axis.place(each.mean_c))),
                ),
                text=f"{each.mean_c:.1f} ± {each.std_c:.1f} ({each.min_c:.1f} to {each.max_c:.1f})",
                alt=f"{entry.recording}: mean {each.mean_c:.1f}, from {each.min_c:.1f} to {each.max_c:.1f} deg C",
            )
        )
    return make_chart(
        rows,
        noun="recordings",
        note="Over all pixels of complete frames, deg C.",
        legend=[("mean", "mean"), ("spread", "± one standard deviation"), ("range", "coldest to warmest pixel")],
        axis=axis,
        num_rows=len(known),
        order="The widest ranges come first.",
    )


def chart_motion(recordings: Sequence[RecordingStatistics]) -> Chart | None:
    """Return how much changes from frame to frame in each recording; None where nothing could be measured."""
    known = [(entry, entry.motion_c) for entry in recordings if entry.motion_c is not None]
    if not known:
        return None
    axis = make_axis([motion_c for _, motion_c in known], "deg C", from_zero=True)
    rows = []
    for entry, motion_c in put_first(known, key=lambda pair: pair[1]):
        still = entry.share_still_clips
        text = f"{motion_c:.2f}" + ("" if still is None else f", {100 * still:.0f} % of clips still")
        rows.append(
            Row(
                name=entry.recording,
                marks=(Mark(kind="plain", path=draw_bar(0.0, axis.place(motion_c))),),
                text=text,
                alt=f"{entry.recording}: {text}",
            )
        )
    return make_chart(
        rows,
        noun="recordings",
        note="Mean absolute change of a pixel from one complete frame to the next, deg C. "
        "The sensor's own noise is part of it: a still room's is not 0.",
        axis=axis,
        num_rows=len(known),
        order="The most comes first.",
    )


def _draw_spread(axis: Axis, spread: Spread) -> tuple[Mark, ...]:
    return (
        Mark(kind="range", path=draw_line(axis.place(spread.p5), axis.place(spread.p95))),
        Mark(kind="mean", path=draw_dot(axis.place(spread.median))),
    )
