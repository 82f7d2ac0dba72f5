from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import classification_report

from thermalctl.evaluation.metrics import compute_metrics
from thermalctl.reports.text import format_classes, format_percent, format_rows

CLASSES = ("sitting", "lying on the bed", "walking", "other", "leaning")


def test_rates_that_are_not_defined_are_a_dash() -> None:
    assert (format_percent(None), format_percent(0.5068), format_percent(0.5068, digits=0)) == ("-", "50.7", "51")


def test_rows_line_up() -> None:
    rows = [
        ("this model", "75.0 [60.0, 90.0]", "66.7", "55.6", ""),
        ("majority", "50.0", "33.3", "-", "worse, p = 0.5"),
    ]
    header, model, majority = format_rows(rows)
    assert header.split() == ["percent", "top-1", "mean", "class", "macro", "F1", "than", "this", "model"]
    assert model.index("66.7") == majority.index("33.3") == header.index("mean class")
    assert model == model.rstrip()


def test_class_table_holds_scikit_learns_numbers(answer: Any) -> None:
    labels, predicted = [0, 0, 0, 1, 1, 2, 2, 2, 2], [0, 0, 1, 1, 2, 2, 2, 0, 2]
    lines = format_classes(compute_metrics(answer(labels, predicted, CLASSES)))
    expected = classification_report(
        labels, predicted, labels=[0, 1, 2], target_names=CLASSES[:3], zero_division=0, output_dict=True
    )
    found = {name: line.split()[-4:] for line in lines for name in CLASSES[:3] if line.strip().startswith(name)}
    for name, numbers in found.items():
        want = expected[name]
        assert numbers == [f"{want[key]:.2f}" for key in ("precision", "recall", "f1-score")] + [
            f"{want['support']:.0f}"
        ]
    assert len(found) == 3
    for ours, theirs in (("macro average", "macro avg"), ("weighted average", "weighted avg")):
        line = next(line for line in lines if line.strip().startswith(ours))
        want = expected[theirs]
        assert line.split()[2:] == [f"{want[key]:.2f}" for key in ("precision", "recall", "f1-score")] + ["9"]
    accuracy = next(line for line in lines if line.strip().startswith("accuracy"))
    assert accuracy.split()[1:] == [f"{expected['accuracy']:.2f}", "9"]


def test_class_table_marks_what_cannot_be_judged(answer: Any) -> None:
    predictions = answer([0, 0, 1], [0, 0, 4], CLASSES, train_counts=np.array([5, 0, 3, 0, 1]))
    lines = format_classes(compute_metrics(predictions))
    ends = {name: line for line in lines for name in CLASSES if line.strip().startswith(name)}
    assert ends["sitting"].endswith("2")
    assert ends["lying on the bed"].endswith("not evaluable (1 clip), never trained")
    assert ends["walking"].endswith("0  no clip")
    assert ends["other"].split()[1:] == ["-", "-", "-", "0", "no", "clip,", "never", "trained"]
    assert ends["leaning"].split()[1:4] == ["0.00", "-", "-"]
