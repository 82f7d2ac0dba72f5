from __future__ import annotations

from typing import Any

import pytest

from thermalctl.engine.diagnosis import Diagnosis
from thermalctl.engine.figures import Circumstances, EpochFigures, Judgement
from thermalctl.evaluation.run_records import Finding, ValidationDone


@pytest.fixture
def diagnosis() -> Diagnosis:
    return Diagnosis(
        Circumstances(
            num_classes=4,
            majority_share=0.4,
            warmup_epochs=0,
            lr=0.02,
            num_workers=0,
            dropout=0.2,
            is_natural=True,
            in_use=frozenset(),
        )
    )


def figures(epoch: int, loss: float, accuracy: float | None = None) -> EpochFigures:
    return EpochFigures(epoch=epoch, num_steps=10, loss=loss, accuracy=accuracy)


def judgement(epoch: int, **values: Any) -> Judgement:
    known = {"num_clips": 100, "top1": None, "log_loss": None, "num_true": 4, "num_predicted": None}
    return Judgement(epoch=epoch, **known | values)


def step(diagnosis: Diagnosis, loss: float, epoch: int = 1) -> list[Finding]:
    return diagnosis.add_step(epoch=epoch, step=3, loss=loss, wait_s=0.0, step_s=0.1)


def test_loss_that_is_not_a_number_is_told_at_once_and_once(diagnosis: Diagnosis) -> None:
    assert step(diagnosis, 1.0) == []
    assert step(diagnosis, float("nan"), epoch=2) == [
        Finding(
            epoch=2,
            topic="loss not a number",
            text="the loss is nan in step 3 of epoch 2",
            advice="--lr 0.002, a tenth of now, or training without --amp",
        )
    ]
    assert step(diagnosis, float("inf")) == []


def test_each_topic_is_told_once(diagnosis: Diagnosis) -> None:
    for epoch in range(1, 5):
        diagnosis.add_epoch(figures(epoch, 0.5, accuracy=0.9))
    told = [finding for epoch in range(1, 9) for finding in diagnosis.add_validation(judgement(epoch, top1=0.5))]
    assert [(finding.topic, finding.epoch) for finding in told] == [("overfitting", 3)]


def test_what_follows_from_an_explosion_is_not_told_beside_it(diagnosis: Diagnosis) -> None:
    told = [finding for loss in [1.0] * 3 + [50.0] * 5 for finding in step(diagnosis, loss)]
    assert [finding.topic for finding in told] == ["learning rate"]
    for epoch in range(1, 9):
        assert diagnosis.add_epoch(figures(epoch, 50.0)) == []
        assert diagnosis.add_validation(judgement(epoch, num_predicted=1)) == []


def test_end_of_a_run_asks_for_less(diagnosis: Diagnosis) -> None:
    for epoch in range(1, 4):
        diagnosis.add_epoch(figures(epoch, 2.0 / epoch))
        assert diagnosis.add_validation(judgement(epoch, num_predicted=1)) == []
    assert [finding.topic for finding in diagnosis.finish()] == ["classes never predicted"]


def test_run_without_validation_ends_in_silence(diagnosis: Diagnosis) -> None:
    diagnosis.add_epoch(figures(1, 2.0))
    assert diagnosis.finish() == []


def test_resumed_run_goes_on_with_what_was_known(diagnosis: Diagnosis) -> None:
    before = [
        ValidationDone(epoch=epoch, metrics={"acc/top1": 0.5}, train_loss=1.0, is_best=False, train_accuracy=0.9)
        for epoch in (1, 2)
    ]
    diagnosis.recall(before, [], num_clips=100)
    diagnosis.add_epoch(figures(3, 0.9, accuracy=0.9))
    assert [finding.topic for finding in diagnosis.add_validation(judgement(3, top1=0.5))] == ["overfitting"]


def test_resumed_run_is_not_told_again(diagnosis: Diagnosis) -> None:
    before = [
        ValidationDone(epoch=epoch, metrics={"acc/top1": 0.5}, train_loss=1.0, is_best=False, train_accuracy=0.9)
        for epoch in (1, 2)
    ]
    diagnosis.recall(before, [Finding(epoch=2, topic="overfitting", text="", advice="")], num_clips=100)
    diagnosis.add_epoch(figures(3, 0.9, accuracy=0.9))
    assert diagnosis.add_validation(judgement(3, top1=0.5)) == []


def test_training_that_goes_well_is_told_nothing(diagnosis: Diagnosis) -> None:
    told: list[Finding] = []
    for epoch in range(1, 31):
        loss = 0.3 + 1.1 * 0.85**epoch
        for wobble in (0.8, 1.3, 1.0, 0.7, 1.2):
            told += diagnosis.add_step(epoch=epoch, step=1, loss=loss * wobble, wait_s=0.03, step_s=0.1)
        told += diagnosis.add_epoch(figures(epoch, loss, accuracy=0.9 - 0.5 * 0.9**epoch))
        told += diagnosis.add_validation(
            judgement(epoch, top1=0.8 - 0.4 * 0.9**epoch, log_loss=0.7 + 0.7 * 0.9**epoch, num_predicted=min(4, epoch))
        )
    assert told + diagnosis.finish() == []
