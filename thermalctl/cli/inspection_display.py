"""What the screen shows of an inspection: findings worst first, then tables."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from thermalctl.cli import console

if TYPE_CHECKING:
    from thermalctl.clip_spec import Target
    from thermalctl.dataset.findings import Finding
    from thermalctl.dataset.inspect import Inspection
    from thermalctl.dataset.statistics import ClassStatistics, RecordingStatistics
    from thermalctl.evaluation.label_errors import SuspectLabel
    from thermalctl.evaluation.learnability import BaselineResult, Learnability
    from thermalctl.reports.inspection import DatasetReport

#: Characters of the longest bar in the class table.
BAR_WIDTH = 10
#: What a baseline is called where its name would mislead: by (terms, baseline).
_NAMES = {
    ("session held out", "majority"): "best one answer for all",
    ("session held out", "training majority"): "majority of the others",
}
#: How many doubtful labels are listed; the page and the JSON have all.
_MAX_SUSPECTS = 5


def show_report(report: DatasetReport, *, how: str) -> None:
    """Print an inspection, what matters first."""
    inspection = report.inspection
    console.print_line(f"{inspection.root}  ({how})", style="bold")
    console.print_line(_describe_totals(inspection))
    console.print_line(_describe_samples(inspection), style="dim")
    console.print_line()
    console.print_table(_tabulate_findings(report.findings))
    if "statistics" in report.sections:
        console.print_line()
        console.print_table(_tabulate_classes(inspection))
    if "health" in report.sections:
        console.print_line()
        console.print_table(_tabulate_recordings(inspection.recordings))
    if report.learnability is not None:
        console.print_line()
        _show_learnability(report.learnability)
    if report.suspects:
        console.print_line()
        _show_suspects(report.suspects, inspection.root)
    console.print_line()
    console.print_line(_count_findings(report.findings))


def _show_learnability(learnability: Learnability) -> None:
    """Print what simple baselines score: a block for each way of judging, a row for each baseline."""
    targets = tuple(dict.fromkeys(result.target for result in learnability.results))
    columns = [column for target in targets for column in (f"{target} top-1", "mean class")]
    console.print_line("learned without a network, percent", style="bold")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for terms, split in dict.fromkeys((result.terms, result.split) for result in learnability.results):
        title = f"given split, judged on {split}" if terms == "given split" else "each session held out"
        table.add_row(Text(title, style="dim"))
        results = [result for result in learnability.results if (result.terms, result.split) == (terms, split)]
        for baseline in dict.fromkeys(result.baseline for result in results):
            table.add_row(f"  {_NAMES.get((terms, baseline), baseline)}", *_score_cells(results, baseline, targets))
    console.print_table(table)
    for remark in learnability.remarks:
        console.print_line(remark, style="dim")


def _score_cells(results: list[BaselineResult], baseline: str, targets: tuple[Target, ...]) -> list[str]:
    cells = []
    for target in targets:
        found = next((result for result in results if (result.target, result.baseline) == (target, baseline)), None)
        cells += [f"{100 * found.top1:.1f}", f"{100 * found.mean_class:.1f}"] if found else ["-", "-"]
    return cells


def _show_suspects(suspects: tuple[SuspectLabel, ...], root: Path) -> None:
    """Print the labels to look at again, the most doubtful first."""
    console.print_line(
        f"{_count(len(suspects), 'label')} to look at again; scores of trees that never saw the clip", style="bold"
    )
    for suspect in suspects[:_MAX_SUSPECTS]:
        console.print_line(suspect.sample_id)
        console.print_line(f"  {suspect.label}{_score(suspect.label_score)}")
        reason = " as before and after it" if suspect.suspicion == "flicker" else _score(suspect.suggested_score)
        console.print_line(f"  rather {suspect.suggested}{reason}")
    more = len(suspects) - _MAX_SUSPECTS
    if more > 0:
        console.print_line(f"and {more} more; all of them with pictures:")
        console.print_unwrapped(f"thermalctl preview --finding doubtful --data {shlex.quote(str(root))}")


def _score(probability: float | None) -> str:
    """Return what the trees give a class, to stand behind its name."""
    return "" if probability is None else f" ({probability:.2f})"


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
