"""What a model saw in a recording as a picture: a lane for each class, time from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from thermalctl.files import replace_file
from thermalctl.reports.preview.colours import choose_class_colour
from thermalctl.streams.frames import Interruption
from thermalctl.streams.track import Stretch

WIDTH_IN, LANE_IN, OTHER_IN, DPI = 12.0, 0.42, 1.7, 100
#: How strongly the least probable answer is drawn; the most probable one is at 1.
_LEAST_ALPHA = 0.25
#: People who are drawn beside each other in a lane; the next one shares the first one's place.
_PLACES = 4
_LANE_HEIGHT = 0.72
_INK, _GREY, _FAINT, _ALARM = "#1b1b1b", "#696969", "#e5e7eb", "#b91c1c"


@dataclass(frozen=True, kw_only=True)
class Span:
    """Something that lasted, as an event: its name, and from when to when, ms since 1970.

    Attributes:
        name: what is written beside it.
        start_ms: its beginning.
        end_ms: its end.
        raised_ms: when it could be told; None where that is no matter.
    """

    name: str
    start_ms: int
    end_ms: int
    raised_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What the picture shows.

    Attributes:
        title: the recording, and what answered.
        start_ms: where time begins, ms since 1970.
        end_ms: where it ends.
        window_s: how long one window is: an answer is about its middle.
        stride_ms: how far apart answers are; a stretch of one window is drawn so long.
        stretches: the answers.
        classes: class names in id order.
        interruptions: where nothing could be judged.
        events: what was told of them.
    """

    title: str
    start_ms: int
    end_ms: int
    window_s: float
    stride_ms: float
    stretches: Sequence[Stretch]
    classes: Sequence[str]
    interruptions: Sequence[Interruption] = ()
    events: Sequence[Span] = ()


def save_timeline(path: Path, timeline: Timeline) -> None:
    """Write the picture as PNG."""
    figure = draw_timeline(timeline)
    with replace_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)


def draw_timeline(timeline: Timeline) -> Figure:
    """Return the picture: lanes of the classes that occur, the most frequent on top, and events above them."""
    lanes = _choose_lanes(timeline)
    event_names = list(dict.fromkeys(event.name for event in timeline.events))
    height = OTHER_IN + LANE_IN * (len(lanes) + len(event_names))
    figure = Figure(figsize=(WIDTH_IN, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    rows = [*event_names, *lanes] or ["no answer"]
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), rows, fontsize=11, parse_math=False)
    for label in axes.get_yticklabels()[: len(event_names)]:
        label.set(color=_ALARM, fontweight="bold")
    _draw_interruptions(axes, timeline)
    _draw_stretches(axes, timeline, {name: row for row, name in enumerate(rows) if row >= len(event_names)})
    _draw_events(axes, timeline, event_names)
    _finish(axes, timeline)
    started = datetime.fromtimestamp(timeline.start_ms / 1000, tz=timezone.utc)
    figure.suptitle(
        f"{timeline.title}\n{started:%Y-%m-%d %H:%M:%S} UTC; each answer is about the middle of "
        f"{timeline.window_s:.1f} s; the stronger the colour, the more probable"
        f"{'; ○ the alarm is raised' if timeline.events else ''}",
        x=0.01,
        ha="left",
        fontsize=12,
        color=_INK,
        parse_math=False,
    )
    return figure


def _choose_lanes(timeline: Timeline) -> list[str]:
    counts: dict[str, int] = {}
    for stretch in timeline.stretches:
        if stretch.class_name is not None:
            counts[stretch.class_name] = counts.get(stretch.class_name, 0) + stretch.num_windows
    return sorted(counts, key=lambda name: -counts[name])


def _draw_stretches(axes: Axes, timeline: Timeline, rows: dict[str, int]) -> None:
    ids = {name: class_id for class_id, name in enumerate(timeline.classes)}
    people = {stretch.person for stretch in timeline.stretches}
    num_places = min(_PLACES, len(people))
    height = _LANE_HEIGHT / max(1, num_places)
    for stretch, (left_ms, right_ms) in zip(timeline.stretches, _find_edges(timeline), strict=True):
        left_s, length_s = (left_ms - timeline.start_ms) / 1000, (right_ms - left_ms) / 1000
        if stretch.class_name is None:
            axes.axvspan(left_s, left_s + length_s, facecolor=_FAINT, hatch="///", edgecolor="white", linewidth=0)
            continue
        row = rows[stretch.class_name]
        place = (stretch.person or 0) % _PLACES if num_places > 1 else 0
        top = row - _LANE_HEIGHT / 2 + place * height
        red, green, blue = choose_class_colour(ids[stretch.class_name])
        alpha = _LEAST_ALPHA + (1 - _LEAST_ALPHA) * stretch.probability
        colour = (red / 255, green / 255, blue / 255, alpha)
        axes.broken_barh([(left_s, length_s)], (top, height * 0.94), facecolors=colour)
        if num_places > 1 and stretch.person is not None:
            axes.text(left_s, top + height / 2, f" {stretch.person}", fontsize=7, va="center", color=_INK, clip_on=True)


def _find_edges(timeline: Timeline) -> list[tuple[float, float]]:
    """Return from when to when each stretch is drawn: half a stride beyond its windows, or halfway to the next one."""
    half_ms = timeline.stride_ms / 2
    edges = [(stretch.start_ms - half_ms, stretch.end_ms + half_ms) for stretch in timeline.stretches]
    last: dict[int | None, int] = {}
    for index, stretch in enumerate(timeline.stretches):
        before = last.get(stretch.person)
        if before is not None and edges[before][1] > edges[index][0]:
            middle_ms = (timeline.stretches[before].end_ms + stretch.start_ms) / 2
            edges[before] = (edges[before][0], middle_ms)
            edges[index] = (middle_ms, edges[index][1])
        last[stretch.person] = index
    return edges


def _draw_interruptions(axes: Axes, timeline: Timeline) -> None:
    for interruption in timeline.interruptions:
        left_s, right_s = ((ms - timeline.start_ms) / 1000 for ms in (interruption.start_ms, interruption.end_ms))
        axes.axvspan(min(left_s, right_s), max(left_s, right_s), facecolor=_FAINT, edgecolor="none")
        axes.annotate(
            interruption.cause,
            xy=((left_s + right_s) / 2, 0.02),
            xycoords=("data", "axes fraction"),
            fontsize=8,
            color=_GREY,
            ha="center",
            rotation=90,
            annotation_clip=True,
        )


def _draw_events(axes: Axes, timeline: Timeline, names: Sequence[str]) -> None:
    for event in timeline.events:
        row = names.index(event.name)
        left_s, right_s = ((ms - timeline.start_ms) / 1000 for ms in (event.start_ms, event.end_ms))
        axes.broken_barh(
            [(left_s, right_s - left_s)], (row - _LANE_HEIGHT / 2, _LANE_HEIGHT), facecolors=_ALARM, alpha=0.85
        )
        if event.raised_ms is not None:
            raised_s = (event.raised_ms - timeline.start_ms) / 1000
            axes.plot([raised_s], [row], marker="o", markersize=7, color="white", markeredgecolor=_INK)


def _finish(axes: Axes, timeline: Timeline) -> None:
    duration_s = max(1e-3, (timeline.end_ms - timeline.start_ms) / 1000)
    axes.set_xlim(0, duration_s)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, steps=[1, 2, 3, 6, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _format_seconds(seconds, duration_s)))
    axes.set_xlabel("hours and minutes" if duration_s >= 3600 else "minutes and seconds", fontsize=11)
    axes.grid(axis="x", color=_FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _format_seconds(seconds: float, duration_s: float) -> str:
    whole = round(seconds)
    if duration_s >= 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}"
