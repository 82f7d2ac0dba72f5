from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from thermalctl.benchmarking.contenders import Contender
from thermalctl.benchmarking.turns import take_turns
from thermalctl.errors import NotHeldError

SMALL = Contender(name="small", config="slowfast-tiny", in_memory=True)
ANEW = Contender(name="anew", config="slowfast-tiny", in_memory=False)


def ask(data: Path, **options: Any) -> dict[str, Any]:
    options = {"batch_size": 2, "num_batches": 2} | options
    return {"data": str(data), "device": "cpu", "threads": 1, "options": options}


def test_contenders_take_turns_on_the_same_clips(simulated_dataset: Path) -> None:
    told: list[tuple[int, int, str]] = []
    found = take_turns(
        "data",
        (SMALL, ANEW),
        num_rounds=2,
        stay=True,
        asked=ask(simulated_dataset),
        on_turn=lambda *turn: told.append(turn),
    )
    assert told == [(0, 4, "small"), (1, 4, "anew"), (2, 4, "small"), (3, 4, "anew")]
    assert [len(turns) for turns in found] == [2, 2]
    for turn in (turn for turns in found for turn in turns):
        assert turn["num_bytes"] == 64 * 16 * 24 * 4
        assert turn["read_s"] > 0
        assert turn["prepare_s"] > 0


@pytest.mark.parametrize("stay", [True, False])
def test_side_that_fails_says_why(stay: bool, tmp_path: Path) -> None:
    with pytest.raises(NotHeldError, match=r"small: its process ended \(.*annotations"):
        take_turns("data", (SMALL,), num_rounds=1, stay=stay, asked=ask(tmp_path), on_turn=lambda *turn: None)
