from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from thermalctl.evaluation.baselines import BaselineScore
from thermalctl.evaluation.metrics import compute_metrics
from thermalctl.evaluation.protocol import ProtocolRecord
from thermalctl.reports.sentences import (
    count,
    describe_averaging,
    describe_conventions,
    describe_protocol,
    describe_verdict,
    name_model,
)

NEW_ROOM = "not a measure of how the model does in a new room"


def describe(sessions: tuple[str, ...] = ("a", "a", "b"), **fields: Any) -> str:
    values = {"split": "val", "split_rule": "given", "selection": "last epoch"} | fields
    return " ".join(describe_protocol(ProtocolRecord(**values), sessions))


def test_overlap_of_every_clip_is_said_first() -> None:
    text = describe(num_overlapping=3)
    assert text.startswith('val, 3 clips, split "given": every clip overlaps a training clip.')
    assert NEW_ROOM in text


def test_overlap_of_some_clips_is_counted() -> None:
    text = describe(num_overlapping=2)
    assert "2 of the clips overlap a training clip." in text
    assert NEW_ROOM in text


def test_sessions_trained_on_are_counted_where_no_clip_overlaps() -> None:
    text = describe(num_overlapping=0, sessions_in_train=("b", "c"))
    assert "no clip overlaps a training clip, but the model was trained on 1 of these 2 sessions." in text
    assert NEW_ROOM in text


def test_sessions_held_out_are_a_measure_of_a_new_room() -> None:
    text = describe(num_overlapping=0, sessions_in_train=("c",), split_rule="session")
    assert text == 'val, 3 clips, split "session": 2 sessions, none of them trained on. Checkpoint: last epoch.'


def test_what_is_not_known_is_said_to_be_not_known() -> None:
    assert "how many of them overlap a training clip is not known." in describe()
    assert "which sessions were trained on is not known." in describe(num_overlapping=0)


def test_choosing_the_checkpoint_on_the_judged_clips_is_called_optimistic() -> None:
    text = describe(selection="best acc/top1 on val", selection_split="val")
    assert "chosen on these clips (best acc/top1 on val): the numbers are optimistic." in text
    assert "optimistic" not in describe(split="test", selection="best acc/top1 on val", selection_split="val")


def test_target_is_named_where_it_is_not_the_frame() -> None:
    assert 'split "given", target "person":' in describe(target="person")


def baseline(name: str, top1: float, mean_class: float) -> BaselineScore:
    return BaselineScore(name=name, top1=top1, mean_class=mean_class, macro_f1=None)


def test_model_that_beats_every_baseline_has_no_verdict(answer: Any) -> None:
    metrics = compute_metrics(answer([0, 0, 1, 1], [0, 0, 1, 0], "ab"))
    assert describe_verdict(metrics, [baseline("weak", 0.5, 0.5)]) is None


@pytest.mark.parametrize(
    ("top1", "mean_class", "expected"),
    [
        (0.8, 0.5, 'The model does not beat "strong" on top-1 (75.0 against 80.0).'),
        (0.5, 0.75, 'The model does not beat "strong" on mean class accuracy (75.0 against 75.0).'),
        (
            0.9,
            0.8,
            'The model does not beat "strong" on top-1 (75.0 against 90.0) '
            "and mean class accuracy (75.0 against 80.0).",
        ),
    ],
)
def test_verdict_names_what_was_not_beaten(answer: Any, top1: float, mean_class: float, expected: str) -> None:
    metrics = compute_metrics(answer([0, 0, 1, 1], [0, 0, 1, 0], "ab"))
    assert describe_verdict(metrics, [baseline("weak", 0.1, 0.1), baseline("strong", top1, mean_class)]) == expected


def test_difference_to_mmaction_mean1_is_explained(answer: Any) -> None:
    metrics = compute_metrics(answer([0, 0, 1, 1], [0, 0, 1, 2], "abc"))
    assert describe_conventions(metrics) == (
        "MMAction2's acc/mean1 is 50.0: it also averages over 1 class that the model answered but no clip here is of.",
    )


def test_nothing_is_explained_where_the_tools_agree(answer: Any) -> None:
    assert describe_conventions(compute_metrics(answer([0, 0, 1, 1], [0, 0, 1, 0], "abc"))) == ()


def test_counts_are_in_words_that_fit() -> None:
    assert [count(number, "clip") for number in (0, 1, 1200)] == ["0 clips", "1 clip", "1,200 clips"]
    assert count(2, "class", "classes") == "2 classes"


def test_models_and_views_that_were_averaged_are_told(answer: Any) -> None:
    plain = answer([0], [0], "ab").provenance
    assert describe_averaging(plain) == ()
    assert name_model(plain) == "work_dirs/a/epoch_3.pth"
    several = dataclasses.replace(plain, others=("b.pth 12",), views=("as it is", "mirrored"))
    assert describe_averaging(several) == (
        "Of 2 models together, work_dirs/a/epoch_3.pth the first.",
        "Each clip was shown in 2 ways: as it is, mirrored.",
    )
    assert name_model(several) == "work_dirs/a/epoch_3.pth and 1 other, 2 views"
