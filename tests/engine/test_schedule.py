from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from thermalctl.engine.schedule import is_warmup, relate_lowest_rate, set_warmup, stretch_schedule

LR, LOWEST = 0.005, 1e-4
#: The finetuning guide's plan for 100 epochs.
PLAN: list[dict[str, Any]] = [
    {"type": "LinearLR", "start_factor": 0.01, "by_epoch": True, "begin": 0, "end": 10, "convert_to_iter_based": True},
    {"type": "CosineAnnealingLR", "T_max": 90, "eta_min": LOWEST, "by_epoch": True, "begin": 10, "end": 100},
]
STEPS_PER_EPOCH = 4


def run_scheduler(plan: list[dict[str, Any]], num_epochs: int) -> list[list[float]]:
    """Return the rate of each step of each epoch, from MMEngine's own schedulers driven as its hook drives them."""
    optimizer = OptimWrapper(torch.optim.SGD(nn.Linear(2, 1).parameters(), lr=LR))
    schedulers = [
        PARAM_SCHEDULERS.build(dict(scheduler), default_args={"optimizer": optimizer, "epoch_length": STEPS_PER_EPOCH})
        for scheduler in plan
    ]
    rates = []
    for _ in range(num_epochs):
        rates.append([])
        for _ in range(STEPS_PER_EPOCH):
            rates[-1].append(optimizer.get_lr()["lr"][0])
            optimizer.step()
            for scheduler in schedulers:
                if not scheduler.by_epoch:
                    scheduler.step()
        for scheduler in schedulers:
            if scheduler.by_epoch:
                scheduler.step()
    return rates


def expect_rate(epoch: int, step: int, *, warmup: int, num_epochs: int) -> float:
    """The formula: linear from 1 % to the full rate, then half a cosine down to the lowest rate, by epoch."""
    if epoch < warmup:
        share = (epoch * STEPS_PER_EPOCH + step) / (warmup * STEPS_PER_EPOCH - 1)
        return LR * (0.01 + 0.99 * share)
    return LOWEST + (LR - LOWEST) * (1 + math.cos(math.pi * (epoch - warmup) / (num_epochs - warmup))) / 2


def assert_follows_formula(plan: list[dict[str, Any]], *, warmup: int, num_epochs: int) -> None:
    for epoch, rates in enumerate(run_scheduler(plan, num_epochs)):
        expected = [expect_rate(epoch, step, warmup=warmup, num_epochs=num_epochs) for step in range(STEPS_PER_EPOCH)]
        assert rates == pytest.approx(expected, rel=1e-6), f"epoch {epoch}"


@pytest.mark.parametrize(("num_epochs", "warmup"), [(100, 10), (20, 2), (5, 0), (37, 4), (250, 25)])
def test_stretched_plan_warms_up_and_decays_in_proportion(num_epochs: int, warmup: int) -> None:
    plan = stretch_schedule(PLAN, num_epochs / 100)
    assert_follows_formula(plan, warmup=warmup, num_epochs=num_epochs)


def test_plan_of_a_hundred_epochs_becomes_one_of_twenty() -> None:
    linear, cosine = stretch_schedule(PLAN, 0.2)
    assert (linear["begin"], linear["end"]) == (0, 2)
    assert (cosine["begin"], cosine["end"], cosine["T_max"]) == (2, 20, 18)
    assert (linear["start_factor"], cosine["eta_min"]) == (0.01, 1e-4)


@pytest.mark.parametrize("warmup", [0, 1, 3, 40])
def test_other_warmup_is_followed_by_the_decay(warmup: int) -> None:
    assert_follows_formula(set_warmup(PLAN, warmup), warmup=warmup, num_epochs=100)


def test_warmup_is_put_before_a_plan_without_one() -> None:
    cosine = {"type": "CosineAnnealingLR", "T_max": 30, "eta_min": LOWEST, "by_epoch": True, "begin": 0, "end": 30}
    assert_follows_formula(set_warmup([cosine], 6), warmup=6, num_epochs=30)


def test_warmup_of_one_epoch_reaches_the_full_rate() -> None:
    """In steps of an epoch it would stay at 1 % for good: MMEngine's cosine goes on from the rate that it finds."""
    by_epochs = [{key: value for key, value in PLAN[0].items() if key != "convert_to_iter_based"}, PLAN[1]]
    for plan in (set_warmup(by_epochs, 1), stretch_schedule(set_warmup(by_epochs, 10), 0.1)):
        rates = run_scheduler(plan, 10 if plan[1]["end"] == 10 else 100)
        assert rates[0][-1] == pytest.approx(LR)
        assert rates[1][0] == pytest.approx(LR)


def test_warmup_in_iterations_is_replaced_by_one_in_epochs() -> None:
    by_iterations = {"type": "LinearLR", "start_factor": 0.01, "by_epoch": False, "begin": 0, "end": 500}
    cosine = {"type": "CosineAnnealingLR", "T_max": 30, "eta_min": LOWEST, "by_epoch": True, "end": 30}
    assert_follows_formula(set_warmup([by_iterations, cosine], 3), warmup=3, num_epochs=30)


def test_what_counts_in_iterations_is_not_stretched() -> None:
    by_iterations = {"type": "LinearLR", "start_factor": 0.01, "by_epoch": False, "begin": 0, "end": 500}
    assert stretch_schedule([by_iterations], 0.1) == [by_iterations]


def test_steps_and_milestones_are_stretched() -> None:
    steps = {"type": "StepLR", "step_size": 30, "by_epoch": True}
    milestones = {"type": "MultiStepLR", "milestones": [40, 80], "by_epoch": True, "begin": 0, "end": 100}
    assert stretch_schedule([steps, milestones], 0.25) == [
        {"type": "StepLR", "step_size": 8, "by_epoch": True},  # 7.5, rounded to even
        {"type": "MultiStepLR", "milestones": [10, 20], "by_epoch": True, "begin": 0, "end": 25},
    ]
    assert stretch_schedule([steps], 0.01)[0]["step_size"] == 1


def test_milestones_stay_at_their_epochs_behind_a_warmup() -> None:
    milestones = {"type": "MultiStepLR", "milestones": [8, 12], "gamma": 0.1, "by_epoch": True, "end": 15}
    rates = [epoch[0] for epoch in run_scheduler(set_warmup([milestones], 5), 15)]
    assert rates[5:] == pytest.approx([LR] * 3 + [LR / 10] * 4 + [LR / 100] * 3)


def test_plan_itself_is_not_changed() -> None:
    before = [dict(scheduler) for scheduler in PLAN]
    stretch_schedule(PLAN, 0.3)
    set_warmup(PLAN, 3)
    assert before == PLAN


def test_warmup_before_a_cosine_that_names_no_end_leaves_its_end_where_it_was() -> None:
    plan = [{**PLAN[0]}, {key: value for key, value in PLAN[1].items() if key != "end"}]
    assert_follows_formula(set_warmup(plan, 30), warmup=30, num_epochs=100)
    assert_follows_formula(set_warmup(plan, 0), warmup=0, num_epochs=100)


def test_linear_decay_is_no_warmup() -> None:
    decay = {"type": "LinearLR", "start_factor": 1.0, "end_factor": 0.01, "begin": 0, "end": 100}
    assert not is_warmup(decay)
    assert set_warmup([decay], 3)[-1]["end_factor"] == 0.01


def test_lowest_rate_as_a_share_holds_for_every_part_of_the_model() -> None:
    weights = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": weights[0], "lr": LR / 100}, {"params": weights[1], "lr": LR}])
    plan = [dict(scheduler) for scheduler in PLAN]
    relate_lowest_rate(plan, LR)
    wrapper = OptimWrapper(optimizer)
    schedulers = [PARAM_SCHEDULERS.build(one, default_args={"optimizer": wrapper, "epoch_length": 1}) for one in plan]
    for _ in range(100):
        wrapper.step()
        for scheduler in schedulers:
            scheduler.step()
    assert wrapper.get_lr()["lr"] == pytest.approx([LOWEST / 100, LOWEST], rel=0.02)  # a step before the very end
