"""Each rule at its threshold, with figures by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from thermalctl.engine.figures import Circumstances, EpochFigures, History, Judgement
from thermalctl.engine.troubles import (
    find_divergence,
    find_explosion,
    find_gap,
    find_rise,
    find_standstill,
    find_starvation,
    find_unpredicted,
)

HALF = 0.5


def circumstances(**changes: Any) -> Circumstances:
    values: dict[str, Any] = {
        "num_classes": 14,
        "majority_share": 0.4,
        "warmup_epochs": 0,
        "lr": 0.02,
        "num_workers": 0,
        "dropout": 0.2,
        "is_natural": True,
        "in_use": frozenset(),
    }
    return Circumstances(**values | changes)


def remember(
    losses: list[float], accuracies: list[float | None] | None = None, *, first: int = 1, num_steps: int = 20
) -> History:
    history = History()
    for place, loss in enumerate(losses):
        accuracy = accuracies[place] if accuracies else None
        history.epochs.append(EpochFigures(epoch=first + place, num_steps=num_steps, loss=loss, accuracy=accuracy))
    return history


def judge(history: History, **series: list[Any]) -> History:
    num_clips, num_true = 100, 7
    for place in range(len(next(iter(series.values())))):
        values = {name: entries[place] for name, entries in series.items()}
        known = {"top1": None, "log_loss": None, "num_predicted": None, "num_clips": num_clips, "num_true": num_true}
        history.judgements.append(Judgement(epoch=place + 1, **known | values))
    return history


def step(losses: list[float]) -> History:
    history = History()
    for loss in losses:
        history.add_step(loss, None, 0.0)
    return history


def test_loss_three_times_that_of_guessing_explodes() -> None:
    guessing = math.log(14)
    trouble = find_explosion(step([2.0, 2.0, 2.0, *[3.01 * guessing] * 5]), circumstances())
    assert trouble is not None
    assert trouble.topic == "learning rate"
    assert trouble.text == "the loss explodes: 7.94 over the last 5 steps, 2 at first"
    assert trouble.advice == "--lr 0.002, a tenth of now"
    assert find_explosion(step([2.0, 2.0, 2.0, *[2.99 * guessing] * 5]), circumstances()) is None


def test_loss_that_began_high_has_to_be_three_times_as_high() -> None:
    assert find_explosion(step([20.0] * 3 + [59.0] * 5), circumstances()) is None
    assert find_explosion(step([20.0] * 3 + [61.0] * 5), circumstances()) is not None


def test_one_odd_batch_is_no_explosion() -> None:
    assert find_explosion(step([2.0] * 6 + [500.0, 2.0, 2.0]), circumstances()) is None


def test_three_rising_epochs_are_told() -> None:
    trouble = find_rise(remember([2.0, 1.0, 1.1, 1.2, 1.31]), circumstances())
    assert trouble is not None
    assert trouble.text == "the loss has risen for 3 epochs, from 1 to 1.31"


@pytest.mark.parametrize(
    "losses",
    [
        [1.0, 1.1, 1.2],  # too few
        [2.0, 1.0, 1.1, 1.2, 1.29],  # too little
        [2.0, 1.0, 1.5, 1.4, 1.6],  # not in a row
        [3.0, 2.0, 1.5, 1.2],
    ],
)
def test_loss_that_falls_or_wavers_does_not_rise(losses: list[float]) -> None:
    assert find_rise(remember(losses), circumstances()) is None


def test_epochs_that_are_not_known_are_no_rise() -> None:
    history = remember([1.0, 1.1, 1.2, 1.35])
    for entry, epoch in zip(list(history.epochs), (5, 10, 15, 16), strict=True):
        history.epochs.append(dataclasses.replace(entry, epoch=epoch))
    assert find_rise(history, circumstances()) is None


def test_loss_where_it_began_is_a_standstill() -> None:
    trouble = find_standstill(remember([2.6, 2.6, 2.5, 2.6, 2.6], [0.3] * 5), circumstances())
    assert trouble is not None
    assert trouble.text == "the loss is 2.57 after 5 epochs, and was 2.6 in epoch 1"
    assert trouble.advice.startswith("--lr 0.2, ten times as much")


def test_standstill_is_not_judged_during_warmup() -> None:
    history = remember([2.6] * 12)
    assert find_standstill(history, circumstances(warmup_epochs=8)) is None
    assert find_standstill(history, circumstances(warmup_epochs=7)) is not None


@pytest.mark.parametrize(
    ("losses", "accuracy", "num_steps"),
    [
        ([2.6, 2.5, 2.5, 2.5, 2.5], 0.3, 20),  # 4 % lower
        ([0.1] * 5, 0.95, 20),  # went on from a trained model
        ([2.6] * 5, 0.3, 1),  # 5 steps in all
    ],
)
def test_loss_that_fell_or_had_no_chance_to_is_no_standstill(
    losses: list[float], accuracy: float, num_steps: int
) -> None:
    history = remember(losses, [accuracy] * 5, num_steps=num_steps)
    assert find_standstill(history, circumstances()) is None


def test_rate_of_nothing_is_not_multiplied() -> None:
    trouble = find_standstill(remember([2.6] * 5), circumstances(lr=0.0))
    assert trouble is not None
    assert trouble.advice.startswith("a rate above 0 (--lr)")


def test_half_the_time_spent_waiting_is_starvation() -> None:
    history = History()
    for _ in range(22):
        history.add_step(1.0, 0.1, 0.2)
    assert find_starvation(history, circumstances()) is None  # the first 3 are left out
    history.add_step(1.0, 0.1, 0.2)
    trouble = find_starvation(history, circumstances(num_workers=4))
    assert trouble is not None
    assert trouble.text == "50% of each step is spent waiting for clips (0.1 of 0.2 s)"
    assert trouble.advice.startswith("--num-workers 8, ")
    for _ in range(20):
        history.add_step(1.0, 0.09, 0.2)
    assert find_starvation(history, circumstances()) is None


def test_steps_whose_times_are_not_measured_starve_nothing() -> None:
    assert find_starvation(step([1.0] * 40), circumstances()) is None


def test_three_validations_far_below_train_are_overfitting() -> None:
    history = judge(remember([1.0, 0.8, 0.6], [0.8, 0.85, 0.9]), top1=[0.6, 0.6, 0.64])
    trouble = find_gap(history, circumstances())
    assert trouble is not None
    assert trouble.topic == "overfitting"
    assert trouble.text == "accuracy in train is 26 points above val (90% and 64%)"
    assert trouble.advice == "--dropout 0.5, --augment overhead, --freeze-backbone 10 or --early-stopping 20"


def test_gap_that_so_few_clips_leave_open_is_not_told() -> None:
    # 2 standard errors of 12 clips at 50 % are 28.9 points.
    history = judge(remember([1.0] * 3, [0.78] * 3), top1=[HALF] * 3, num_clips=[12] * 3)
    assert find_gap(history, circumstances()) is None
    history = judge(remember([1.0] * 3, [0.79] * 3), top1=[HALF] * 3, num_clips=[12] * 3)
    assert find_gap(history, circumstances()) is not None


@pytest.mark.parametrize(
    ("accuracies", "top1", "changes"),
    [
        ([0.9, 0.9], [0.5, 0.5], {}),  # too few
        ([0.9, 0.6, 0.9], [0.5, 0.5, 0.5], {}),  # not each time
        ([0.9, 0.9, None], [0.5, 0.5, 0.5], {}),  # mixed labels
        ([0.9, 0.9, 0.9], [0.5, 0.5, None], {}),  # not measured in val
        ([0.9, 0.9, 0.9], [0.5, 0.5, 0.5], {"is_natural": False}),
    ],
)
def test_accuracies_that_do_not_compare_are_no_gap(
    accuracies: list[float | None], top1: list[float | None], changes: dict[str, Any]
) -> None:
    history = judge(remember([1.0] * len(top1), accuracies), top1=top1)
    assert find_gap(history, circumstances(**changes)) is None


def test_rising_loss_in_val_is_overfitting_even_where_labels_are_mixed() -> None:
    history = judge(remember([2.0, 1.5, 1.2, 1.0, 0.9]), log_loss=[1.4, 1.0, 1.5, 1.6, 1.7])
    trouble = find_divergence(history, circumstances(dropout=0.9, in_use=frozenset({"--early-stopping"})))
    assert trouble is not None
    assert trouble.text == (
        "the loss in val is 1.7, 1.7 times its lowest (epoch 2), while that in train fell from 1.5 to 0.9"
    )
    assert trouble.advice == "--augment overhead or --freeze-backbone 10"


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ([2.0, 1.5, 1.6, 1.7, 1.8], [1.4, 1.0, 1.5, 1.6, 1.7]),  # rises in both
        ([2.0, 1.5, 1.2, 1.0, 0.9], [1.4, 1.0, 1.4, 1.4, 1.4]),  # too little
        ([2.0, 1.5, 1.2, 1.0, 0.9], [1.4, 1.0, 1.6, 1.2, 1.7]),  # not each time
        ([2.0, 1.5, 1.2], [1.0, 1.6, 1.7]),  # too few
    ],
)
def test_losses_that_go_together_are_no_overfitting(train: list[float], val: list[float]) -> None:
    assert find_divergence(judge(remember(train), log_loss=val), circumstances()) is None


def test_two_of_seven_classes_are_told() -> None:
    history = judge(remember([1.0] * 2), num_predicted=[1, 2, 2, 1, 2])
    trouble = find_unpredicted(history, circumstances(), num_validations=5)
    assert trouble is not None
    assert trouble.text == "only 2 of the 7 classes in val are ever predicted"
    assert trouble.advice == "--class-weights effective, --loss balanced-softmax or --sampler balanced"


def test_what_the_run_has_already_is_not_advised() -> None:
    history = judge(remember([1.0] * 2), num_predicted=[1] * 5)
    in_use = frozenset({"--class-weights", "--loss", "--sampler"})
    trouble = find_unpredicted(history, circumstances(in_use=in_use), num_validations=5)
    assert trouble is not None
    assert trouble.text == "only 1 of the 7 classes in val is ever predicted"
    assert trouble.advice == "a longer training, or another rate than --lr 0.02"


@pytest.mark.parametrize(
    ("num_predicted", "num_true", "warmup_epochs", "num_steps"),
    [
        ([1, 1, 3, 1, 1], 7, 0, 10),
        ([1, 1, 1, 1], 7, 0, 10),
        ([1] * 5, 1, 0, 10),  # val has no other
        ([1] * 5, 7, 1, 20),
        ([1] * 5, 7, 0, 9),  # 18 steps in all
        ([1, 1, None, 1, 1], 7, 0, 10),  # before a run was resumed
    ],
)
def test_classes_are_not_missed_too_early(
    num_predicted: list[int | None], num_true: int, warmup_epochs: int, num_steps: int
) -> None:
    history = remember([1.0] * 2, num_steps=num_steps)
    judge(history, num_predicted=num_predicted, num_true=[num_true] * len(num_predicted))
    assert find_unpredicted(history, circumstances(warmup_epochs=warmup_epochs), num_validations=5) is None
