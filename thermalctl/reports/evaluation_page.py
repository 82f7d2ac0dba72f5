"""A report as one page: a single file that needs no network, for light and dark, paper and phones."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.errors import DatasetError, RecordingError
from thermalctl.evaluation.breakdown import Mistake, order_by_similarity
from thermalctl.evaluation.calibration import Calibration
from thermalctl.evaluation.judgement import ClassSureness, Judgement
from thermalctl.evaluation.metrics import ClassMetrics, Metrics
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.resampling import Interval
from thermalctl.files import replace_file
from thermalctl.reports.classification import Report
from thermalctl.reports.judged import (
    describe_alarm,
    describe_calibration,
    describe_cost,
    describe_tests,
    find_shown,
    format_number,
    list_other_numbers,
    list_rows,
)
from thermalctl.reports.page_axes import Axis, make_axis
from thermalctl.reports.page_chart import MAX_ROWS, Chart, Mark, Row, draw_bar, draw_dot, draw_line, make_chart
from thermalctl.reports.page_frames import ColourScale, Picture
from thermalctl.reports.page_pictures import make_strips
from thermalctl.reports.page_template import load_template
from thermalctl.reports.sentences import count
from thermalctl.reports.text import format_percent
from thermalctl.version import __version__

#: More classes make no matrix that can be read.
MAX_MATRIX = 40
#: Sessions with a matrix of their own, the worst first.
MAX_SESSIONS = 12
_NO_VERDICT = "The model beats every baseline that it stands beside."
_NOT_COMPARED = "The model is above chance; no baseline was fitted on its training clips to be held against it."


@dataclass(frozen=True, kw_only=True)
class MistakeEntry:
    """A mistake, the frames of its clip where they are at hand, and what is to be seen."""

    mistake: Mistake
    pictures: tuple[Picture, ...]
    alt: str


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A class's numbers as they are written."""

    name: str
    num_samples: int
    num_train: int | None
    recall: str
    precision: str
    f1: str
    average_precision: str
    remark: str


def write_evaluation_page(
    report: Report,
    predictions: Predictions,
    path: Path,
    *,
    curves: Path | None = None,
    now: datetime | None = None,
) -> None:
    """Write the page to `path`, whole or not at all.

    Args:
        report: what to tell.
        predictions: what it is on; of the surest mistakes the frames are shown where the dataset is still there.
        path: the HTML file.
        curves: picture of how the training went, a PNG file; None, or one that is not there, for none.
        now: the time to be told as that of the page; None for the clock's.
    """
    page = render_evaluation_page(report, predictions, curves=curves, now=now or datetime.now(timezone.utc))
    with replace_file(path) as temporary:
        temporary.write_bytes(page.encode("utf-8", errors="xmlcharrefreplace"))


def render_evaluation_page(
    report: Report, predictions: Predictions, *, curves: Path | None = None, now: datetime
) -> str:
    """Return the page as HTML; see `write_evaluation_page`."""
    metrics, judgement, source = report.metrics, report.judgement, report.provenance
    mistakes, scale, strips_missing = _show_mistakes(report.mistakes, predictions)
    titles = {
        "scores": "Scores",
        "classes": "Classes",
        "confusion": "Confusion",
        "calibration": "How sure it is",
        "costs": "Costs",
        "sessions": "Sessions",
        "mistakes": "Surest mistakes",
        "training": "Training",
        "origin": "Where it comes from",
    }
    if report.cost is None and not report.operating_points:
        del titles["costs"]
    curves_uri = _embed(curves)
    if not curves_uri:
        del titles["training"]
    return load_template("evaluation").render(
        name=Path(source.checkpoint).parent.name or source.checkpoint,
        split=report.protocol.split,
        report=report,
        titles=list(titles.items()),
        no_verdict=_NO_VERDICT if judgement.references else _NOT_COMPARED,
        charts={
            "top1": _chart_scores(metrics.top1, judgement, "top1"),
            "mean_class": _chart_scores(metrics.mean_class_accuracy, judgement, "mean_class"),
            "reliability": _chart_reliability(report.calibration),
        },
        rows=list_rows(metrics, judgement, report.baselines),
        others=list_other_numbers(judgement),
        tests=describe_tests(),
        classes=[_write_class(*pair) for pair in zip(metrics.classes, judgement.classes, strict=True)],
        matrices=_list_matrices(metrics),
        session_matrices=_list_session_matrices(report),
        names=[entry.name for entry in metrics.classes],
        calibration=describe_calibration(report.calibration),
        costs=describe_cost(report.cost),
        operating=[describe_alarm(point) for point in report.operating_points],
        mistakes=mistakes,
        scale=scale,
        strips_missing=strips_missing,
        curves_uri=curves_uri,
        facts=_list_facts(report),
        max_rows=MAX_ROWS,
        now=f"{now.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC",
        version=__version__,
    )


def _chart_scores(value: float, judgement: Judgement, name: str) -> Chart:
    """Return the model above its baselines, each with its interval."""
    axis = make_axis([0.0, 100.0], "%")
    interval = find_shown(judgement.numbers[name], judgement)
    rows = [_draw_score("this model", value, interval, axis, "model", "interval")]
    for one in judgement.references:
        theirs: float = getattr(one, name)
        theirs_interval: Interval | None = getattr(one, f"{name}_interval")
        rows.append(_draw_score(one.name, theirs, theirs_interval, axis, "reference", "reference-interval"))
    return make_chart(rows, noun="baselines", axis=axis)


def _draw_score(name: str, value: float, interval: Interval | None, axis: Axis, dot: str, line: str) -> Row:
    text = format_number(value, interval)
    marks = [Mark(kind=dot, path=draw_dot(axis.place(100 * value)))]
    if interval is not None:
        path = draw_line(axis.place(100 * interval.low), axis.place(100 * interval.high))
        marks.insert(0, Mark(kind=line, path=path))
    return Row(name=name, marks=tuple(marks), text=text, alt=f"{name}: {text} percent")


def _chart_reliability(calibration: Calibration) -> Chart:
    """Return how often answers are right, by how sure they were."""
    axis = make_axis([0.0, 100.0], "%")
    rows = []
    for one in calibration.bins:
        if one.confidence is None or one.accuracy is None:
            continue
        name = f"{100 * one.low:.0f} to {100 * one.high:.0f} % sure"
        sure = axis.place(100 * one.confidence)
        text = f"{format_percent(one.accuracy, digits=0)} % right, {count(one.num_clips, 'clip')}"
        marks = (
            Mark(kind="accuracy", path=draw_bar(0, axis.place(100 * one.accuracy))),
            Mark(kind="confidence", path=f"M{sure:g} 2V22"),
        )
        rows.append(Row(name=name, marks=marks, text=text, alt=f"{name}: {text}"))
    return make_chart(
        rows,
        noun="bins",
        axis=axis,
        first_rows=len(rows),
        note="Bars: share that was right. Upright lines: how sure the answers were; a bar that ends before its line is "
        "of answers that were too sure.",
    )


def _write_class(entry: ClassMetrics, sureness: ClassSureness) -> ClassRow:
    if not entry.num_samples:
        remark = "no clip here"
    elif entry.num_samples == 1:
        remark = "not evaluable (1 clip)"
    else:
        remark = f"{entry.most_confused_with or '-'}{' (few clips)' if sureness.is_few else ''}"
    return ClassRow(
        name=entry.name,
        num_samples=entry.num_samples,
        num_train=entry.num_train,
        recall=format_number(entry.recall, sureness.recall),
        precision=format_number(entry.precision, sureness.precision),
        f1=format_number(entry.f1, sureness.f1),
        average_precision=format_number(sureness.average_precision, sureness.average_precision_interval),
        remark=remark,
    )


def _list_matrices(metrics: Metrics) -> list[tuple[str, tuple[int, ...]]]:
    """Return the orders in which the classes are shown, those that do not occur left out; none for too many."""
    confusion = metrics.confusion
    there = [index for index, entry in enumerate(metrics.classes) if entry.num_samples or entry.num_predicted]
    if len(there) > MAX_MATRIX:
        return []
    alike = tuple(index for index in order_by_similarity(confusion) if index in there)
    return [("By class", tuple(there)), ("Classes that are taken for each other side by side", alike)]


def _list_session_matrices(report: Report) -> list[tuple[str, tuple[int, ...], list[list[int]]]]:
    """Return (session, classes that occur in it, counts) of the worst sessions; none for a single session."""
    if len(report.sessions) == 1:
        return []
    found = []
    for session in report.sessions[:MAX_SESSIONS]:
        confusion = session.confusion
        there = tuple(int(index) for index in np.flatnonzero(confusion.sum(axis=0) + confusion.sum(axis=1)))
        if len(there) <= MAX_MATRIX:
            found.append((session.session, there, confusion.tolist()))
    return found


def _show_mistakes(
    mistakes: Sequence[Mistake], predictions: Predictions
) -> tuple[list[MistakeEntry], ColourScale | None, str]:
    """Return the mistakes with their frames, what the colours mean, and why there are no frames."""
    strips: list[tuple[Picture, ...]] = [()] * len(mistakes)
    scale, missing = None, ""
    spec = predictions.clip_spec or {}
    try:
        dataset = load_dataset(DatasetLayout(Path(predictions.provenance.dataset)))
        if mistakes:
            strips, scale = make_strips(
                dataset,
                [mistake.sample_id for mistake in mistakes],
                target="person" if predictions.protocol.target == "person" else "frame",
                window_frames=int(spec.get("num_frames", 64)),
            )
    except (DatasetError, RecordingError) as error:
        missing = f"Their frames are not shown: {error.message}"
    entries = [
        MistakeEntry(
            mistake=mistake,
            pictures=strip,
            alt=f"{count(len(strip), 'thermal frame')} around frame {mistake.keyframe} of {mistake.recording}",
        )
        for mistake, strip in zip(mistakes, strips, strict=True)
    ]
    return entries, scale, missing


def _embed(picture: Path | None) -> str:
    """Return a PNG file as a data URI; "" where there is none."""
    if picture is None or not picture.is_file():
        return ""
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode('ascii')}"


def _list_facts(report: Report) -> list[tuple[str, str]]:
    source = report.provenance
    facts = [
        ("checkpoint", source.checkpoint + ("" if source.epoch is None else f", epoch {source.epoch}")),
        ("SHA-256", source.checkpoint_sha256),
        *(("and", other) for other in source.others),
        ("dataset", f"{source.dataset} ({source.dataset_fingerprint})"),
        ("scored", f"{source.created} by thermalctl {source.thermalctl_version}"),
    ]
    if source.views:
        facts.append(("views", ", ".join(source.views)))
    if source.versions:
        facts.append(("versions", ", ".join(source.versions)))
    return facts
