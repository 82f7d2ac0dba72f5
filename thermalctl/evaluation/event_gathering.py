"""Files of events and the dataset whose annotations judge them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.evaluation.event_scores import EventScores, score_events
from thermalctl.evaluation.event_truth import list_annotated
from thermalctl.events.files import list_event_files, read_events
from thermalctl.events.rule_files import DEFAULT_RULES, read_rules


def judge_event_files(paths: Sequence[Path], dataset: ThermalDataset, *, rules: Path | None = None) -> EventScores:
    """Return what the alarms in files of events are worth.

    Args:
        paths: files, and folders of them.
        dataset: with the recordings' annotations.
        rules: a file of rules by which true events are found, "default" for the shipped ones; None: the rules that the
            alarms were raised by.

    Raises:
        PredictionsError: if a file is none of events.
        RequestError: if the rules cannot be read, or the events cannot be judged by them or by this dataset.
    """
    records = [read_events(path) for path in list_event_files(paths)]
    chosen = None
    if rules is not None:
        is_default = str(rules) == DEFAULT_RULES and not rules.exists()
        chosen = read_rules(None if is_default else rules, dataset.classes)
    return score_events(records, list_annotated(dataset), dataset.classes, rules=chosen)
