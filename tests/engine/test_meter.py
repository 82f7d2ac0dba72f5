from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.logging import HistoryBuffer
from torch.utils.data import DataLoader

from thermalctl.engine.meter import StepMeter, list_batch_sizes, recall_epoch


def fill(*steps: tuple[float, float | None, int]) -> StepMeter:
    meter = StepMeter()
    for loss, accuracy, num_clips in steps:
        outputs = {"loss": torch.tensor(loss, dtype=torch.float64)}
        if accuracy is not None:
            outputs["top1_acc"] = torch.tensor(accuracy, dtype=torch.float64)
        meter.add(outputs, num_clips=num_clips)
    return meter


def test_every_clip_counts_the_same() -> None:
    meter = fill((1.0, 1.0, 4), (6.0, 0.0, 1))
    assert (meter.mean_loss, meter.accuracy) == (2.0, 0.8)


def test_epoch_with_mixed_labels_has_no_accuracy() -> None:
    assert fill((1.0, 1.0, 4), (2.0, None, 4)).accuracy is None
    assert math.isnan(StepMeter().mean_loss)


def make_runner(num_done: int, losses: list[float], accuracies: list[float]) -> Any:
    scalars = {
        "train/loss": HistoryBuffer(losses, [1] * len(losses)),
        "train/top1_acc": HistoryBuffer(accuracies, [1] * len(accuracies)),
    }
    return SimpleNamespace(
        train_loop=SimpleNamespace(num_done=num_done),
        train_dataloader=DataLoader(range(5), batch_size=2),  # type: ignore[arg-type]
        message_hub=SimpleNamespace(log_scalars=scalars),
    )


def test_last_batch_may_be_smaller() -> None:
    assert list_batch_sizes(make_runner(0, [], []).train_dataloader) == [2, 2, 1]


@pytest.mark.parametrize(
    ("num_done", "losses", "expected"),
    [
        (2, [9.0, 9.0, 9.0, 1.0, 3.0], 2.0),  # two steps of the second epoch, of two clips each
        (0, [9.0, 9.0, 9.0, 1.0, 3.0, 7.0], 3.0),  # all of it: (2 * 1 + 2 * 3 + 7) / 5
        (0, [], None),
    ],
)
def test_steps_before_a_run_was_resumed_are_recalled(
    num_done: int, losses: list[float], expected: float | None
) -> None:
    meter = recall_epoch(make_runner(num_done, losses, [0.5] * len(losses)))
    assert meter.mean_loss == expected if expected is not None else math.isnan(meter.mean_loss)
    assert meter.accuracy == (0.5 if losses else None)


def test_accuracies_that_not_every_step_had_are_not_recalled() -> None:
    assert recall_epoch(make_runner(2, [1.0, 2.0], [0.5])).accuracy is None
