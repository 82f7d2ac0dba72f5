"""`thermalctl inspect-dataset`: structure, statistics, recording health and leakage of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from thermalctl.cli import console
from thermalctl.cli.options import DataOption, JsonOption
from thermalctl.cli.progress import show_progress

if TYPE_CHECKING:
    from thermalctl.dataset.findings import Finding
    from thermalctl.dataset.inspect import Inspection
    from thermalctl.dataset.statistics import ClassStatistics, RecordingStatistics

#: Characters of the longest bar in the class table.
BAR_WIDTH = 10


def inspect_dataset(
    data: DataOption = None,
    frame_window: Annotated[int, typer.Option("--frame-window", min=1, help="Frames in a clip.", metavar="T")] = 64,
    as_json: JsonOption = False,
) -> None:
    """Show what a dataset holds and what to mend before training on it."""
    from thermalctl.dataset.inspect import inspect_dataset as inspect
    from thermalctl.dataset.layout import find_dataset

    found = find_dataset(data)
    with show_progress("reading recordings") as on_progress:
        inspection = inspect(found.layout, window_frames=frame_window, on_progress=on_progress)
    if as_json:
        console.print_json(inspection)
    else:
        show_inspection(inspection, how=found.how)


def show_inspection(inspection: Inspection, *, how: str) -> None:
    """Print an inspection, what matters first."""
    console.print_line(f"{inspection.root}  ({how})", style="bold")
    console.print_line(_describe_totals(inspection))
    console.print_line(_describe_samples(inspection), style="dim")
    console.print_line()
    console.print_table(_tabulate_findings(inspection.findings))
    console.print_line()
    console.print_table(_tabulate_classes(inspection))
    console.print_line()
    console.print_table(_tabulate_recordings(inspection.recordings))
    console.print_line()
    console.print_line(_count_findings(inspection.findings))


def _describe_totals(inspection: Inspection) -> str:
    height, width = inspection.frame_size
    return " · ".join(
        [
            _count(len(inspection.recordings), "recording"),
            _count(len(inspection.sessions), "session"),
            f"{inspection.num_frames:,} frames of {height}x{width}",
            _count(sum(split.num_keyframes for split in inspection.splits), "keyframe"),
            f"{sum(split.num_people for split in inspection.splits):,} people",
        ]
    )


def _describe_samples(inspection: Inspection) -> str:
    shape = " x ".join(str(size) for size in inspection.sample_shape)
    coldest, warmest = inspection.frame_range_c or (float("nan"), float("nan"))
    lowest, highest = inspection.label_range
    return (
        f"clips {shape}, {coldest:.1f} to {warmest:.1f} deg C · labels {lowest} to {highest} "
        f"of {_count(len(inspection.classes), 'class', 'classes')} · {inspection.num_bytes / 1e6:.1f} MB"
    )


def _tabulate_findings(findings: tuple[Finding, ...]) -> Table:
    table = console.plain_table("", "", "")
    for finding in findings:
        table.add_row(console.style_status(finding.status), finding.topic, finding.text)
        if finding.detail:
            table.add_row("", "", Text(finding.detail))
        if finding.fix:
            table.add_row("", "", Text(f"fix: {finding.fix}", style="cyan"))
    return table


def _tabulate_classes(inspection: Inspection) -> Table:
    splits = [split.split for split in inspection.splits]
    table = console.plain_table("class", *splits, "people", "weight", "", right=(*splits, "people", "weight"))
    most = max(sum(entry.keyframes.values()) for entry in inspection.classes)
    for entry in sorted(inspection.classes, key=lambda entry: -sum(entry.keyframes.values())):
        table.add_row(
            Text(entry.name),
            *(str(entry.keyframes[split]) for split in splits),
            str(sum(entry.people.values())),
            f"{entry.weight:.2f}",
            _draw_bar(entry, most),
            style="" if entry.keyframes["train"] else "dim",
        )
    return table


def _draw_bar(entry: ClassStatistics, most: int) -> Text:
    """Return a bar as long as the class is frequent, in eighths of a character, and at least one where it occurs."""
    eighths = -(-sum(entry.keyframes.values()) * BAR_WIDTH * 8 // most)
    whole, rest = divmod(eighths, 8)
    return Text("█" * whole + " ▏▎▍▌▋▊▉"[rest].strip(), style="cyan")


def _tabulate_recordings(recordings: tuple[RecordingStatistics, ...]) -> Table:
    numbers = ("frames", "keyframes", "incomplete", "gap ms", "clip s", "deg C")
    table = console.plain_table("recording", "session", *numbers, right=numbers)
    for entry in recordings:
        timing, temperatures = entry.timing, entry.temperatures
        span = timing.clip_span if timing else None
        table.add_row(
            Text(entry.recording),
            Text(entry.session),
            f"{entry.num_frames:,}",
            str(entry.num_keyframes),
            f"{100 * entry.num_incomplete / entry.num_frames:.1f} %" if entry.num_incomplete else "-",
            f"{timing.median_gap_ms:.0f}" if timing else "-",
            f"{span.min_s:.1f}-{span.max_s:.1f}" if span else "-",
            f"{temperatures.min_c:.1f}-{temperatures.max_c:.1f}" if temperatures else "-",
        )
    return table


def _count_findings(findings: tuple[Finding, ...]) -> str:
    errors = sum(finding.status == "error" for finding in findings)
    warnings = sum(finding.status == "warning" for finding in findings)
    if not errors and not warnings:
        return "Nothing to mend."
    return f"{_count(errors, 'error')}, {_count(warnings, 'warning')}."


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
