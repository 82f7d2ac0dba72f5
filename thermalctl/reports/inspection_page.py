"""An inspection as one page: a single file that needs no network, for light and dark, paper and phones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.errors import DatasetError
from thermalctl.files import replace_file
from thermalctl.reports.inspection import DatasetReport, Section
from thermalctl.reports.page_chart import FIRST_ROWS, MAX_ROWS
from thermalctl.reports.page_findings import describe_verdict, list_findings
from thermalctl.reports.page_pictures import MAX_EXAMPLES, MAX_STRIPS, make_pictures
from thermalctl.reports.page_recordings import chart_arrival, chart_incomplete, chart_keyframes
from thermalctl.reports.page_scores import BASELINES, describe_carry_over, group_scores
from thermalctl.reports.page_statistics import (
    chart_boxes,
    chart_classes,
    chart_clip_lengths,
    chart_motion,
    chart_people,
    chart_temperatures,
)
from thermalctl.reports.page_template import load_template
from thermalctl.version import __version__

#: The sections' headings.
TITLES: Mapping[Section, str] = {
    "structure": "Structure",
    "leakage": "Leakage",
    "health": "Recording health",
    "statistics": "Statistics",
    "learnability": "Learnability",
    "labels": "Labels",
}


def write_inspection_page(report: DatasetReport, path: Path, *, now: datetime | None = None) -> None:
    """Write the page to `path`, whole or not at all.

    Args:
        report: what to tell; its frames are read again for the pictures.
        path: the HTML file.
        now: the time to be told as that of the page; None for the clock's.

    Raises:
        DatasetError: if the dataset has gone or changed since it was inspected.
        RecordingError: if a recording is damaged.
    """
    page = render_inspection_page(report, now=now or datetime.now(timezone.utc))
    with replace_file(path) as temporary:
        # Names may hold half a surrogate pair, which UTF-8 has no bytes for.
        temporary.write_bytes(page.encode("utf-8", errors="xmlcharrefreplace"))


def render_inspection_page(report: DatasetReport, *, now: datetime) -> str:
    """Return the page as HTML; see `write_inspection_page`."""
    inspection = report.inspection
    dataset = load_dataset(DatasetLayout(inspection.root))
    if dataset.fingerprint() != inspection.fingerprint:
        raise DatasetError(
            f"{inspection.root}: has changed since it was inspected", hint="run thermalctl inspect-dataset again"
        )
    window_frames = inspection.sample_shape[0]
    recordings = inspection.recordings
    wanted = set(report.sections)
    charts: dict[str, Any] = {}
    if "leakage" in wanted:
        charts |= {"keyframes": chart_keyframes(dataset, window_frames)}
    if "health" in wanted:
        charts |= {"arrival": chart_arrival(recordings), "incomplete": chart_incomplete(dataset, recordings)}
    if "statistics" in wanted:
        charts |= {
            "classes": chart_classes(inspection),
            "people": chart_people(inspection.people),
            "boxes": chart_boxes(inspection.people),
            "clip_lengths": chart_clip_lengths(inspection.splits, window_frames),
            "temperatures": chart_temperatures(recordings),
            "motion": chart_motion(recordings),
        }
    suspects = report.suspects or ()
    return load_template("inspection").render(
        name=inspection.root.resolve().name,
        now=f"{now.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC",
        version=__version__,
        inspection=inspection,
        window_frames=window_frames,
        num_keyframes=sum(split.num_keyframes for split in inspection.splits),
        num_people=sum(split.num_people for split in inspection.splits),
        titles={section: TITLES[section] for section in report.sections},
        left_out=[title for section, title in TITLES.items() if section not in wanted],
        verdict=describe_verdict(report.findings),
        findings=list_findings(report.findings, inspection),
        charts=charts,
        pictures=make_pictures(dataset, suspects, window_frames=window_frames, with_examples="statistics" in wanted),
        learnability=report.learnability,
        scores=group_scores(report.learnability) if report.learnability else (),
        carry_over=describe_carry_over(report.learnability) if report.learnability else (),
        baselines=BASELINES,
        suspects=report.suspects,
        first_rows=FIRST_ROWS,
        max_rows=MAX_ROWS,
        max_examples=MAX_EXAMPLES,
        max_strips=MAX_STRIPS,
    )
