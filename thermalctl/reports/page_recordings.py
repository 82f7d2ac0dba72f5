"""Charts along the time of recordings: gaps between frames, incomplete ones, and where each split's keyframes lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from thermalctl.dataset.clips import find_clip_spans
from thermalctl.dataset.findings import percent
from thermalctl.dataset.leakage import find_overlapping
from thermalctl.dataset.samples import Sample, ThermalDataset
from thermalctl.dataset.statistics import RecordingStatistics
from thermalctl.recordings.blocks import read_blocks
from thermalctl.recordings.health import find_incomplete_frames
from thermalctl.reports.page_axes import TRACK_WIDTH, TimeAxes, make_log_axis, make_time_axes
from thermalctl.reports.page_chart import (
    TRACK_HEIGHT,
    Chart,
    Mark,
    Row,
    draw_bar,
    draw_dot,
    draw_histogram,
    draw_line,
    draw_ticks,
    make_chart,
    put_first,
)

#: Stretches that a recording is cut into; in each the share of incomplete frames is drawn.
NUM_STRETCHES = 160

_LEGEND = (
    ("train", "train"),
    ("shared", "judged, shares frames with a train clip"),
    ("free", "judged, shares none"),
)


def chart_arrival(recordings: Sequence[RecordingStatistics]) -> Chart | None:
    """Return the gaps between each recording's frames; None where no recording has two frames."""
    known = [(entry, entry.timing) for entry in recordings if entry.timing]
    if not known:
        return None
    axis = make_log_axis([value for _, each in known for value in (each.gap_p5_ms, each.largest_gap_ms)], "ms")
    rows = []
    for entry, each in put_first(known, key=lambda pair: pair[1].largest_gap_ms):
        numbers = f"{each.median_gap_ms:.0f} ({each.gap_p5_ms:.0f} to {each.gap_p95_ms:.0f})"
        text = f"{numbers}, longest {each.largest_gap_ms:,.0f}"
        p5, median, p95, longest = (
            axis.place(value) for value in (each.gap_p5_ms, each.median_gap_ms, each.gap_p95_ms, each.largest_gap_ms)
        )
        rows.append(
            Row(
                name=entry.recording,
                marks=(
                    Mark(kind="range", path=draw_line(p5, p95)),
                    Mark(kind="mean", path=draw_dot(median)),
                    Mark(kind="extreme", path=draw_ticks([longest], top=4, bottom=20)),
                ),
                text=text,
                alt=f"{entry.recording}: median and nine tenths {text} ms",
            )
        )
    return make_chart(
        rows,
        noun="recordings",
        note="Time between neighbouring frames, ms; the axis is logarithmic.",
        legend=[("mean", "median"), ("range", "5th to 95th percentile"), ("extreme", "longest")],
        axis=axis,
        num_rows=len(known),
        order="The longest gaps come first.",
    )


def chart_incomplete(dataset: ThermalDataset, recordings: Sequence[RecordingStatistics]) -> Chart | None:
    """Return when frames came incomplete, in the recordings that have such; None where none has.

    Args:
        dataset: where the frames are; those of the recordings drawn are read.
        recordings: what is known of each.

    Raises:
        RecordingError: if a recording is damaged.
    """
    affected = [entry for entry in recordings if entry.num_incomplete]
    if not affected:
        return None
    drawn = put_first(affected, key=lambda entry: entry.num_incomplete / entry.num_frames)
    incomplete = _find_incomplete(dataset, [entry.recording for entry in drawn])
    axes = make_time_axes({name: _measure_duration(dataset, name) for name in incomplete})
    rows = []
    for entry in drawn:
        text = f"{entry.num_incomplete:,} of {entry.num_frames:,} ({percent(entry.num_incomplete / entry.num_frames)})"
        marks = (Mark(kind="incomplete", path=_draw_incomplete(dataset, entry.recording, incomplete, axes)),)
        rows.append(Row(name=entry.recording, marks=marks, text=text, alt=f"{entry.recording}: {text} incomplete"))
    return make_chart(
        rows,
        noun="recordings",
        note="Height: the share of frames that came incomplete at that time, up to all of them. "
        f"{len(recordings) - len(affected)} of {len(recordings)} recordings have none and are not drawn.",
        axis=axes.axis,
        num_rows=len(affected),
        order="The worst come first.",
    )


def chart_keyframes(dataset: ThermalDataset, window_frames: int) -> Chart:
    """Return where the keyframes of all splits lie in each recording, and how far their clips reach.

    Args:
        dataset: from `load_dataset`.
        window_frames: T, frames in a clip.
    """
    judged = [split for split in dataset.splits if split != "train"]
    groups: dict[str, dict[str, list[Sample]]] = {name: {} for name in dataset.recordings}
    trained = dataset.samples("train")
    _group(groups, "train", trained)
    for split in judged:
        samples = dataset.samples(split)
        overlaps = find_overlapping(dataset, trained, samples, window_frames=window_frames)
        for kind, mask in (("shared", overlaps), ("free", ~overlaps)):
            _group(groups, kind, [samples[place] for place in np.flatnonzero(mask)])
    annotated = [name for name, kinds in groups.items() if kinds]
    drawn = put_first(annotated, key=lambda name: (len(groups[name].get("shared", ())), len(groups[name])))
    axes = make_time_axes({name: _measure_duration(dataset, name) for name in drawn})
    note = "Each tick is a keyframe, the band behind it what its clip covers."
    if judged:
        note += f" Train is below, {' and '.join(judged)} above; recordings of one session may share frames too."
    return make_chart(
        [_draw_keyframes(dataset, name, groups[name], axes, window_frames, judged) for name in drawn],
        noun="recordings",
        note=note,
        legend=_LEGEND if judged else _LEGEND[:1],
        axis=axes.axis,
        num_rows=len(annotated),
        order="Those with the most overlap come first.",
    )


def _group(groups: dict[str, dict[str, list[Sample]]], kind: str, samples: Sequence[Sample]) -> None:
    for sample in samples:
        groups[sample.recording].setdefault(kind, []).append(sample)


def _draw_keyframes(
    dataset: ThermalDataset,
    name: str,
    kinds: Mapping[str, Sequence[Sample]],
    axes: TimeAxes,
    window_frames: int,
    judged: Sequence[str],
) -> Row:
    times_s = _list_times(dataset, name)
    bands, ticks = [], []
    for kind, samples in kinds.items():
        middle = TRACK_HEIGHT / 2
        top, bottom = (middle + 1, TRACK_HEIGHT - 1) if kind == "train" else (1, middle - 1)
        keyframes = [sample.keyframe for sample in samples]
        spans = _join(find_clip_spans(keyframes, window_frames, len(times_s)))
        ends = axes.place(name, np.array([sorted((times_s[first], times_s[stop - 1])) for first, stop in spans]))
        band = "".join(draw_bar(start, stop, top=top + 2, bottom=bottom - 2) for start, stop in ends.tolist())
        bands.append(Mark(kind=f"{kind}-clips", path=band))
        if kind == "free":
            top = middle / 2  # shorter, so that it is not told from "shared" by its colour alone
        ticks.append(Mark(kind=kind, path=draw_ticks(axes.place(name, times_s[keyframes]), top=top, bottom=bottom)))
    num_shared, num_free = len(kinds.get("shared", ())), len(kinds.get("free", ()))
    text = f"{len(kinds.get('train', ()))} train"
    if num_shared or num_free:
        text += f", {num_shared + num_free} {' and '.join(judged)}: {num_shared} overlap"
    return Row(name=name, marks=(*bands, *ticks), text=text, alt=f"{name}: keyframes over time; {text}")


def _join(spans: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return the stretches (first, stop) that spans (K, 2) cover together."""
    joined: list[tuple[int, int]] = []
    for first, stop in sorted(spans.tolist()):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((first, stop))
    return joined


def _find_incomplete(dataset: ThermalDataset, names: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    by_path = {dataset.recordings[name].path: name for name in names}
    parts: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in names}
    for block in read_blocks(by_path):
        parts[by_path[block.path]].append(find_incomplete_frames(block.frames_c))
    return {name: np.concatenate(masks) for name, masks in parts.items()}


def _draw_incomplete(
    dataset: ThermalDataset, name: str, incomplete: Mapping[str, NDArray[np.bool_]], axes: TimeAxes
) -> str:
    edges = np.linspace(0, TRACK_WIDTH, NUM_STRETCHES + 1)
    places = axes.place(name, _list_times(dataset, name))
    in_all, _ = np.histogram(places, edges)
    lost, _ = np.histogram(places[incomplete[name]], edges)
    return draw_histogram(edges.tolist(), (lost / np.maximum(1, in_all)).tolist())


def _list_times(dataset: ThermalDataset, name: str) -> NDArray[np.float64]:
    """Return when each frame arrived, (N,) seconds since the earliest."""
    timestamps_ms = dataset.recordings[name].timestamps_ms
    times_s: NDArray[np.float64] = (timestamps_ms - timestamps_ms.min()) / 1000.0
    return times_s


def _measure_duration(dataset: ThermalDataset, name: str) -> float:
    return float(_list_times(dataset, name).max())
