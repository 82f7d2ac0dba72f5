"""The report on one model and one split: every number, and the sentences that keep them honest."""

from __future__ import annotations

import csv
import dataclasses
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermalctl.evaluation.baselines import BaselineScore, majority_baseline, random_baseline, uniform_baseline
from thermalctl.evaluation.breakdown import Mistake, SessionScore, list_mistakes, score_sessions
from thermalctl.evaluation.calibration import Calibration, calibrate
from thermalctl.evaluation.costs import CostView, OperatingPoint, find_operating_point, weigh_costs
from thermalctl.evaluation.gathering import RunScore
from thermalctl.evaluation.judgement import Judgement, judge
from thermalctl.evaluation.metrics import Metrics, compute_metrics
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.protocol import ProtocolRecord, Provenance
from thermalctl.files import replace_file, write_json
from thermalctl.reports.judged import (
    describe_alarm,
    describe_calibration,
    describe_cost,
    describe_sureness,
    describe_tests,
    describe_unbeaten,
    list_other_numbers,
    list_rows,
)
from thermalctl.reports.sentences import describe_averaging, describe_conventions, describe_protocol, describe_verdict
from thermalctl.reports.text import format_classes, format_rows, format_runs

#: Mistakes that are listed.
MAX_MISTAKES = 12
#: Width at which the text report breaks its sentences.
TEXT_WIDTH = 80


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """What there is to say about one model on one split.

    Attributes:
        protocol_text: sentences on how the judged clips relate to the training clips; read before any number.
        metrics: the model's numbers.
        judgement: how sure they are, and what the model is worth beside the baselines of its predictions file.
        calibration: whether probabilities mean what they say.
        sessions: how it fares in each session, the worst first.
        mistakes: those of which it was surest.
        cost: what mistakes come to where they do not cost the same; None where nobody said so.
        operating_points: where to raise an alarm for the recall that was asked for.
        runs: what each of several runs scores, which these predictions are a part of; none for a single one.
        baselines: what needs no model, to stand in the same table.
        verdict: which baselines the model does not beat; None where it beats them all.
        remarks: what else a reader must know, a sentence each: the baselines' notes, then the numbers that another
            tool would give differently, then how sure the numbers are.
        protocol: the protocol as recorded.
        provenance: which checkpoint gave the scores.
    """

    protocol_text: tuple[str, ...]
    metrics: Metrics
    judgement: Judgement
    calibration: Calibration
    sessions: tuple[SessionScore, ...]
    mistakes: tuple[Mistake, ...]
    cost: CostView | None
    operating_points: tuple[OperatingPoint, ...]
    runs: tuple[RunScore, ...]
    baselines: tuple[BaselineScore, ...]
    verdict: str | None
    remarks: tuple[str, ...]
    protocol: ProtocolRecord
    provenance: Provenance


@dataclass(frozen=True, kw_only=True)
class ReportFiles:
    """Where a report was written.

    Attributes:
        json: everything, for machines.
        text: the classification report, for people.
        confusion_csv: the confusion matrix, a row for each true class.
        confusion_picture: the same as a picture; None where none was asked for.
        page: all of it to look at; None where none was asked for.
    """

    json: Path
    text: Path
    confusion_csv: Path
    confusion_picture: Path | None
    page: Path | None = None


def build_report(
    predictions: Predictions,
    *,
    costs: NDArray[np.float64] | None = None,
    recalls: Sequence[tuple[str, float]] = (),
    runs: tuple[RunScore, ...] = (),
    spread: tuple[str, ...] = (),
) -> Report:
    """Return the report on the predictions.

    Args:
        predictions: of N clips.
        costs: (K, K) of taking a clip of class (row) for class (column); None where all mistakes cost the same.
        recalls: classes, and the recall wanted of each.
        runs: what each of several runs scores that the predictions are a part of.
        spread: how far these lie apart, a sentence each.

    Raises:
        RequestError: if a recall cannot be had.
    """
    metrics = compute_metrics(predictions)
    judgement = judge(predictions)
    baselines = _score_baselines(predictions)
    verdict = describe_unbeaten(metrics, judgement) or describe_verdict(metrics, baselines)
    notes = tuple(baseline.note for baseline in baselines if baseline.note is not None)
    return Report(
        protocol_text=describe_protocol(predictions.protocol, predictions.sessions),
        metrics=metrics,
        judgement=judgement,
        calibration=calibrate(predictions),
        sessions=score_sessions(predictions),
        mistakes=list_mistakes(predictions, MAX_MISTAKES),
        cost=None if costs is None else weigh_costs(predictions, costs),
        runs=runs,
        operating_points=tuple(find_operating_point(predictions, name, recall) for name, recall in recalls),
        baselines=baselines,
        verdict=verdict,
        remarks=(
            *describe_averaging(predictions.provenance),
            *spread,
            *notes,
            *describe_conventions(metrics),
            *describe_sureness(judgement),
        ),
        protocol=predictions.protocol,
        provenance=predictions.provenance,
    )


def report_folder(predictions_file: Path) -> Path:
    """Return where the report on a predictions file belongs: beside it, named after it; of several runs in theirs."""
    if predictions_file.suffix != ".npz":  # a folder of several runs
        return predictions_file / "report"
    return predictions_file.with_name(f"report_{predictions_file.stem.removeprefix('predictions_')}")


def write_report(report: Report, folder: Path, *, confusion_picture: bool = True) -> ReportFiles:
    """Write the report into `folder` and return where; a report that was there before is replaced.

    Args:
        report: the report.
        folder: made if it is not there.
        confusion_picture: also draw the confusion matrix, which takes a few seconds.

    Raises:
        RequestError: if there are too many classes to draw; nothing is written then.
    """
    files = ReportFiles(
        json=folder / "report.json",
        text=folder / "report.txt",
        confusion_csv=folder / "confusion.csv",
        confusion_picture=folder / "confusion.png" if confusion_picture else None,
    )
    if files.confusion_picture is not None:
        from thermalctl.reports.confusion import write_confusion_picture  # matplotlib takes half a second to import

        write_confusion_picture(files.confusion_picture, report.metrics, split=report.protocol.split)
    plain = dataclasses.asdict(report)
    plain["metrics"]["confusion"] = report.metrics.confusion.tolist()
    for session in plain["sessions"]:
        session["confusion"] = session["confusion"].tolist()
    write_json(files.json, plain)
    with replace_file(files.text) as temporary:
        temporary.write_text(_format_report(report), encoding="utf-8")
    _write_confusion_csv(files.confusion_csv, report.metrics)
    return files


def _score_baselines(predictions: Predictions) -> tuple[BaselineScore, ...]:
    labels, classes, train_counts = predictions.labels, predictions.classes, predictions.train_counts
    uniform = uniform_baseline(labels, classes)
    if train_counts is None:
        return (uniform,)
    return (
        majority_baseline(train_counts, labels, classes),
        random_baseline(train_counts, labels, classes),
        uniform,
    )


def _format_report(report: Report) -> str:
    metrics, source = report.metrics, report.provenance
    epoch = "" if source.epoch is None else f", epoch {source.epoch}"
    blocks = [
        [_wrap(" ".join(report.protocol_text))],
        [_wrap(report.verdict)] if report.verdict else [],
        format_rows(list_rows(metrics, report.judgement, report.baselines)),
        [f"{name:<24}{value}" for name, value in list_other_numbers(report.judgement)],
        format_runs(report.runs),
        [_wrap(describe_tests())] if report.judgement.references else [],
        [_wrap(sentence) for sentence in report.remarks],
        [_wrap(sentence) for sentence in describe_calibration(report.calibration)],
        [_wrap(sentence) for sentence in (*describe_cost(report.cost), *map(describe_alarm, report.operating_points))],
        format_classes(metrics),
        [
            f"checkpoint  {source.checkpoint}{epoch}",
            f"            SHA-256 {source.checkpoint_sha256}",
            f"dataset     {source.dataset} ({source.dataset_fingerprint})",
            f"predicted   {source.created} by thermalctl {source.thermalctl_version}",
        ],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _wrap(sentence: str) -> str:
    return textwrap.fill(sentence, TEXT_WIDTH, break_on_hyphens=False)


def _write_confusion_csv(path: Path, metrics: Metrics) -> None:
    names = [entry.name for entry in metrics.classes]
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["true class \\ predicted class", *names])
        for name, row in zip(names, metrics.confusion.tolist(), strict=True):
            writer.writerow([name, *row])
