from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from thermalctl.cli.run_lines import (
    StepLine,
    choose_facts,
    describe_finding,
    describe_validation,
    format_time,
)
from thermalctl.evaluation.run_records import Finding, StepDone, ValidationDone


def step(**changes: Any) -> StepDone:
    values: dict[str, Any] = {
        "epoch": 12,
        "max_epochs": 100,
        "step": 52,
        "num_steps": 79,
        "loss": 0.9137,
        "lr": 0.000512,
        "clips_per_s": 38.2,
        "memory_gib": 5.13,
        "seconds_left": 2470.0,
    }
    return StepDone(**values | changes)


def test_all_facts_are_shown_where_there_is_room() -> None:
    assert choose_facts(step(), 80) == "loss 0.914  lr 0.00051  38 clips/s  5.1 GiB  41:10 left"


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (54, "loss 0.914  38 clips/s  5.1 GiB  41:10 left"),
        (40, "loss 0.914  38 clips/s  41:10 left"),
        (30, "loss 0.914  41:10 left"),
        (5, "loss 0.914"),  # less makes no sense
    ],
)
def test_least_wanted_facts_go_first(width: int, expected: str) -> None:
    assert choose_facts(step(), width) == expected


@pytest.mark.parametrize("width", [60, 80, 120])
def test_moving_line_fits_into_the_terminal(width: int) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, color_system=None, legacy_windows=False)
    with StepLine(console) as line:
        line.show(step())
        line.show(step(epoch=100, max_epochs=1000, step=9999, num_steps=10000, loss=1234.5, seconds_left=400000.0))
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).strip() for line in re.split(r"[\r\n]", screen.getvalue())]
    shown = [line for line in lines if "loss" in line]
    assert any("9999/10000" in line for line in shown)
    assert max(map(len, lines)) <= width
    assert "…" not in screen.getvalue()


def test_longest_validation_fits_into_80_columns() -> None:
    metrics = {"acc/top1": 1.0, "acc/top3": 1.0, "acc/mean_class": 1.0, "acc/log_loss": 0.01}
    done = ValidationDone(epoch=1000, metrics=metrics, train_loss=1.234, is_best=True)
    text = describe_validation(done).plain
    assert text == "epoch 1000 loss 1.234  top-1 100.0  top-3 100.0  mean class 100.0  best so far"
    assert len(text) <= 80


def test_finding_is_wrapped_beside_its_label() -> None:
    screen = io.StringIO()
    finding = Finding(epoch=3, topic="overfitting", text="seen " * 20, advice="--dropout 0.5 or [--augment]")
    Console(file=screen, width=80).print(describe_finding(finding))
    lines = [line.rstrip() for line in screen.getvalue().splitlines()]
    assert lines[0].startswith("note: seen seen")
    assert lines[1].startswith("      seen")
    assert lines[-1] == "      try: --dropout 0.5 or [--augment]"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("seconds", "expected"), [(0.4, "0:00"), (61, "1:01"), (3723.6, "1:02:04")])
def test_times(seconds: float, expected: str) -> None:
    assert format_time(seconds) == expected
