from __future__ import annotations

from typing import Any, get_args

from thermalctl.evaluation.learnability import Baseline, BaselineResult, Learnability
from thermalctl.reports.page_scores import BASELINES, describe_carry_over, group_scores


def make_result(**changes: Any) -> BaselineResult:
    fields: dict[str, Any] = {
        "target": "frame",
        "terms": "given split",
        "split": "val",
        "baseline": "trees",
        "num_judged": 73,
        "top1": 0.904,
        "mean_class": 0.512,
        "macro_f1": 0.5,
        "top1_spread": None,
        "mean_class_spread": None,
    }
    return BaselineResult(**(fields | changes))


def make_learnability(*results: BaselineResult) -> Learnability:
    return Learnability(num_frames=64, seeds=(0, 1), results=results, remarks=())


def test_scores_on_the_same_samples_stand_together() -> None:
    groups = group_scores(
        make_learnability(
            make_result(baseline="majority", top1=0.5),
            make_result(),
            make_result(split="test"),
            make_result(target="person", terms="session held out", split="all", num_judged=1),
        )
    )
    assert [(group.samples, group.terms, group.num_judged) for group in groups] == [
        ("Whole frames", "trained on train, judged on val", "73 frames"),
        ("Whole frames", "trained on train, judged on test", "73 frames"),
        ("People", "each session held out in turn", "1 person"),
    ]
    assert [row.name for row in groups[0].rows] == ["majority", "trees"]


def test_score_is_a_bar_as_long_as_the_rate_and_tells_its_spread() -> None:
    [group] = group_scores(make_learnability(make_result(top1=0.25, top1_spread=0.013)))
    assert group.rows[0].top1.text == "25.0 ± 1.3"
    assert group.rows[0].top1.path == "M0 4H250V20H0Z"
    assert group.rows[0].macro_f1.text == "50.0"


def test_what_carries_over_to_unseen_sessions_is_told_where_both_are_known() -> None:
    given, held_out = make_result(), make_result(terms="session held out", split="all", top1=0.426, mean_class=0.087)
    [sentence] = describe_carry_over(make_learnability(given, held_out))
    assert sentence.replace("\N{NO-BREAK SPACE}", " ") == (
        "Whole frames: the same trees answer 90.4 % rightly on the given split and 42.6 % in sessions that they never "
        "saw; mean class 51.2 % and 8.7 %."
    )
    assert describe_carry_over(make_learnability(given)) == ()


def test_every_baseline_is_explained() -> None:
    assert {name for name, _ in BASELINES} == set(get_args(Baseline))
