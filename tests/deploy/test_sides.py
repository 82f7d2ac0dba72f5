from __future__ import annotations

from typing import Any

import numpy as np

from thermalctl.deploy.sides import Side, ask_each
from thermalctl.deploy.verification import Answers


def make_side(name: str, asked: list[str], seconds: float = 0.0) -> Side:
    """Return a side that answers each clip, a number, with it."""

    def ask(batch: Any) -> tuple[Answers, float]:
        asked.append(f"{name}{len(batch)}")
        return Answers(probabilities=np.array(batch, dtype=np.float32)[:, None]), seconds

    return Side(name=name, num_bytes=1, ask=ask)


def test_each_begins_in_turn_and_is_warmed_up_once() -> None:
    asked: list[str] = []
    sides = [make_side(name, asked) for name in "abc"]
    for number in range(4):
        batch: Any = [number]
        ask_each(sides, batch, first=number)
    assert " ".join(asked) == "a1 a1 b1 b1 c1 c1 b1 c1 a1 c1 a1 b1 a1 b1 c1"


def test_answers_are_kept_in_the_order_of_the_clips() -> None:
    sides = [make_side(name, []) for name in "ab"]
    batches: Any = ([1], [2, 3], [4])
    for number, batch in enumerate(batches):
        ask_each(sides, batch, first=number)
    assert [side.gather().probabilities.ravel().tolist() for side in sides] == [[1, 2, 3, 4]] * 2
    assert sides[0].gather().logits is None


def test_time_is_the_median_of_clips_by_themselves() -> None:
    side = make_side("a", [])
    batches: Any = ([1], [2, 3], [4], [5])
    for batch, seconds in zip(batches, (0.010, 0.500, 0.030, 0.020), strict=True):
        answers = Answers(probabilities=np.ones((len(batch), 1), dtype=np.float32))
        side.ask = lambda batch, answers=answers, seconds=seconds: (answers, seconds)
        ask_each([side], batch, first=0)
    assert side.ms == 20.0
