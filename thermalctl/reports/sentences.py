"""What a report says in words: on what the numbers were taken, and what they do not show."""

from __future__ import annotations

from collections.abc import Sequence

from thermalctl.evaluation.baselines import BaselineScore
from thermalctl.evaluation.metrics import Metrics
from thermalctl.evaluation.protocol import ProtocolRecord, Provenance


def describe_protocol(record: ProtocolRecord, sessions: Sequence[str]) -> tuple[str, ...]:
    """Return the sentences that a reader needs before any number.

    Args:
        record: the protocol.
        sessions: the session of each judged clip, one entry a clip.
    """
    judged = f'{record.split}, {count(len(sessions), "clip")}, split "{record.split_rule}"'
    if record.target != "frame":
        judged += f', target "{record.target}"'
    sentences = [f"{judged}: {_describe_overlap(record, sessions)}"]
    if record.num_overlapping or set(sessions) & set(record.sessions_in_train or ()):
        sentences.append(
            "This is not a measure of how the model does in a new room; holding out whole sessions is one."
        )
    if record.selection_split == record.split:
        sentences.append(f"The checkpoint was chosen on these clips ({record.selection}): the numbers are optimistic.")
    else:
        sentences.append(f"Checkpoint: {record.selection}.")
    return tuple(sentences)


def describe_verdict(metrics: Metrics, baselines: Sequence[BaselineScore]) -> str | None:
    """Return which baselines the model does not beat, and on what; None where it beats them all on both counts."""
    complaints = []
    for baseline in baselines:
        lost = [
            f"{name} ({100 * ours:.1f} against {100 * theirs:.1f})"
            for name, ours, theirs in (
                ("top-1", metrics.top1, baseline.top1),
                ("mean class accuracy", metrics.mean_class_accuracy, baseline.mean_class),
            )
            if ours <= theirs
        ]
        if lost:
            complaints.append(f'"{baseline.name}" on {" and ".join(lost)}')
    return f"The model does not beat {'; nor '.join(complaints)}." if complaints else None


def describe_averaging(provenance: Provenance) -> tuple[str, ...]:
    """Return over what the scores are averaged: models, views of a clip; nothing for one model and one view."""
    sentences = []
    if provenance.others:
        sentences.append(f"Of {1 + len(provenance.others)} models together, {provenance.checkpoint} the first.")
    if provenance.views:
        sentences.append(f"Each clip was shown in {len(provenance.views)} ways: {', '.join(provenance.views)}.")
    return tuple(sentences)


def name_model(provenance: Provenance) -> str:
    """Return a model in a word or two, apart from others of its checkpoint."""
    others = f" and {count(len(provenance.others), 'other')}" if provenance.others else ""
    return f"{provenance.checkpoint}{others}{f', {len(provenance.views)} views' if provenance.views else ''}"


def describe_conventions(metrics: Metrics) -> tuple[str, ...]:
    """Return a sentence for each number here that another tool would give differently; none where all agree."""
    sentences = []
    if metrics.mmaction_mean1 != metrics.mean_class_accuracy:
        wrong = sum(1 for entry in metrics.classes if entry.num_predicted and not entry.num_samples)
        sentences.append(
            f"MMAction2's acc/mean1 is {100 * metrics.mmaction_mean1:.1f}: it also averages over "
            f"{count(wrong, 'class', 'classes')} that the model answered but no clip here is of."
        )
    if metrics.num_ties:
        sentences.append(
            f"{count(metrics.num_ties, 'clip')} had several classes at the highest score; the higher id was taken."
        )
    return tuple(sentences)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return "1 clip", "2 clips", "1,200 clips"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _describe_overlap(record: ProtocolRecord, sessions: Sequence[str]) -> str:
    if record.num_overlapping is None:
        return "how many of them overlap a training clip is not known."
    if record.num_overlapping == len(sessions):
        return "every clip overlaps a training clip."
    if record.num_overlapping:
        return f"{record.num_overlapping} of the clips overlap a training clip."
    judged = set(sessions)
    if record.sessions_in_train is None:
        return "no clip overlaps a training clip; which sessions were trained on is not known."
    num_seen = len(judged & set(record.sessions_in_train))
    if num_seen:
        seen = f"{num_seen} of these {count(len(judged), 'session')}"
        return f"no clip overlaps a training clip, but the model was trained on {seen}."
    return f"{count(len(judged), 'session')}, none of them trained on."
