from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from thermalctl.errors import PredictionsError
from thermalctl.evaluation.resampling import Interval
from thermalctl.reports.comparing import compare_models, format_difference

CLASSES = ("a", "b", "c")
LABELS = [0] * 12 + [1] * 8


def test_models_are_compared_clip_by_clip_whatever_their_order(answer: Any) -> None:
    first = answer(LABELS, LABELS, CLASSES)
    second = answer(LABELS, [0] * 20, CLASSES)
    shuffled = dataclasses.replace(
        second,
        sample_ids=second.sample_ids[::-1],
        labels=second.labels[::-1].copy(),
        scores=second.scores[::-1].copy(),
    )
    found = compare_models(first, shuffled)
    assert (found.first_top1, found.second_top1) == (1.0, 0.6)
    assert (found.first_mean_class, found.second_mean_class) == (1.0, 0.5)
    assert [one.name for one in found.classes] == ["b", "a"]
    assert (found.classes[0].first, found.classes[0].second, found.classes[0].num_clips) == (1.0, 0.0, 8)
    assert found.classes[0].mcnemar.p == pytest.approx(2 / 2**8)
    assert found.sentence == (
        "The first is better by 40.0 points of top-1: it alone is right on 8 against 0 clips, which chance would "
        "hardly do (p = 0.0078)."
    )


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (LABELS, "Both are right on the same 20 of 20 clips: top-1 does not tell them apart."),
        (
            [2, *LABELS[1:]],
            "The first is ahead by 5.0 points of top-1, but it alone is right on only 1 against 0 clips",
        ),
    ],
)
def test_what_may_be_chance_is_called_so(second: list[int], words: str, answer: Any) -> None:
    assert compare_models(answer(LABELS, LABELS, CLASSES), answer(LABELS, second, CLASSES)).sentence.startswith(words)


def test_equally_good_models_may_differ(answer: Any) -> None:
    first, second = [2, *LABELS[1:]], [*LABELS[:-1], 2]
    found = compare_models(answer(LABELS, first, CLASSES), answer(LABELS, second, CLASSES))
    assert found.sentence == "On 2 clips of 20 one alone is right, each on half of them."


def test_models_that_judged_other_things_are_refused(answer: Any) -> None:
    first = answer(LABELS, LABELS, CLASSES)
    with pytest.raises(PredictionsError, match="know different classes"):
        compare_models(first, answer(LABELS, LABELS, ("a", "b", "d")))
    with pytest.raises(PredictionsError, match=r"judged 20 clips, .* 10, and they share 10"):
        compare_models(first, answer(LABELS[:10], LABELS[:10], CLASSES))
    with pytest.raises(PredictionsError, match="different labels"):
        compare_models(first, answer([1, *LABELS[1:]], LABELS, CLASSES))


def test_differences_have_signs() -> None:
    assert format_difference(0.055, Interval(low=-0.0137, high=0.123)) == "+5.5 [-1.4, +12.3]"
    assert format_difference(-0.02, None) == "-2.0"
    assert np.sign(-0.0) == 0


def test_models_that_are_wrong_alike_are_said_to_be_right_on_few(answer: Any) -> None:
    wrong = [2] * 15 + LABELS[15:]
    found = compare_models(answer(LABELS, wrong, CLASSES), answer(LABELS, wrong, CLASSES))
    assert found.sentence == "Both are right on the same 5 of 20 clips: top-1 does not tell them apart."


def test_difference_that_one_session_alone_shows_is_called_unsteady(answer: Any) -> None:
    labels = [0] * 40
    first, second = [0] * 40, [1] * 20 + [0] * 20
    sessions = ("x",) * 20 + ("y",) * 20
    found = compare_models(
        answer(labels, first, CLASSES, sessions=sessions), answer(labels, second, CLASSES, sessions=sessions)
    )
    assert found.overall.mcnemar.p < 0.001
    assert found.sentence.endswith("but not the same from session to session.")
