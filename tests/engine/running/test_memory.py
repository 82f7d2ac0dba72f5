from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmaction.models import SlowFastHead

from thermalctl.engine.cost import measure_cost
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.running import memory
from thermalctl.engine.running.memory import (
    KEEPING_FACTOR,
    KEEPING_SHARE,
    PEAK_FACTOR,
    RESERVED_BYTES,
    find_largest,
    fit_batch,
    has_room_to_keep,
    step_fits,
)
from thermalctl.environment.resources import Resources
from thermalctl.errors import NotHeldError, RequestError

ASKED = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 79 GiB, of which 1 GiB is free."


@given(largest=st.integers(0, 300), most=st.integers(1, 300))
def test_largest_number_that_fits_is_found_with_few_tries(largest: int, most: int) -> None:
    tried: list[int] = []

    def fits(number: int) -> bool:
        tried.append(number)
        return number <= largest

    assert find_largest(fits, most) == min(largest, most)
    assert len(tried) <= 2 + math.ceil(math.log2(most + 1))


def set_free(monkeypatch: pytest.MonkeyPatch, available_bytes: int) -> None:
    resources = Resources(processor="", num_cores=1, num_allowed=1, available_bytes=available_bytes)
    monkeypatch.setattr(memory, "measure_resources", lambda: resources)


def test_batch_that_fits_is_accumulated_to_the_one_that_was_asked_for(
    training: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = training.prepare()
    cost = measure_cost(cfg)
    set_free(monkeypatch, RESERVED_BYTES + int(PEAK_FACTOR * cost.estimate_step_bytes(5)) + 1)
    fit = fit_batch(cfg, 16)
    assert (fit.batch_size, fit.accumulate) == (4, 4)  # 5 would fit, and four steps of 4 do it as well
    assert fit.flags == "--batch-size 4 --accumulate 4"
    set_free(monkeypatch, RESERVED_BYTES)
    with pytest.raises(NotHeldError, match="not even one clip fits into memory"):
        fit_batch(cfg, 16)


def test_freed_memory_is_kept_where_it_is_plentiful(training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bool] = []
    monkeypatch.setattr("thermalctl.engine.train.keep_freed_memory", lambda: kept.append(True))
    cfg = training.prepare()
    step_bytes = measure_cost(cfg).estimate_step_bytes(cfg.train_dataloader.batch_size)
    least = int(PEAK_FACTOR * KEEPING_FACTOR * step_bytes / KEEPING_SHARE)
    set_free(monkeypatch, least - 10)
    assert not has_room_to_keep(cfg)
    training.run()
    assert not kept
    set_free(monkeypatch, least + 10)
    assert has_room_to_keep(cfg)
    training.work_dir = training.work_dir.with_name("plentiful")
    training.run()
    assert kept == [True]


def test_model_that_looks_at_values_is_trained_without_counting(training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = SlowFastHead.forward

    def look(self: SlowFastHead, features: Any, **kwargs: Any) -> Any:
        assert features[0].sum().item() > 0
        return forward(self, features, **kwargs)

    monkeypatch.setattr(SlowFastHead, "forward", look)
    assert not has_room_to_keep(training.prepare())
    assert training.run().epochs == 1


def limit_clips(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    forward = SlowFastHead.forward

    def forward_some(self: SlowFastHead, features: Any, **kwargs: Any) -> Any:
        if len(features[0]) > most and features[0].device.type != "meta":
            raise torch.OutOfMemoryError(ASKED)
        return forward(self, features, **kwargs)

    monkeypatch.setattr(SlowFastHead, "forward", forward_some)


def test_step_is_tried_for_real(training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = training.prepare()
    limit_clips(monkeypatch, 3)
    assert [step_fits(cfg, number) for number in (2, 3, 4)] == [True, True, False]
    monkeypatch.setattr(SlowFastHead, "forward", lambda *given, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        step_fits(cfg, 2)


@pytest.mark.parametrize("amp", [False, True])
def test_running_out_of_memory_says_what_fits(training: Any, monkeypatch: pytest.MonkeyPatch, amp: bool) -> None:
    limit_clips(monkeypatch, 2)
    cost = measure_cost(training.prepare())
    set_free(monkeypatch, RESERVED_BYTES + int(PEAK_FACTOR * cost.estimate_step_bytes(2)) + 1)
    training.overrides |= {"train_dataloader.batch_size": 6, "val_dataloader.batch_size": 2}
    with pytest.raises(NotHeldError) as caught:
        training.run(amp=amp)
    assert caught.value.message == f"a step of 6 clips does not fit into memory: {ASKED}"
    assert str(caught.value.hint).startswith("--batch-size 2 --accumulate 3 fits (worked out: ")
    training.overrides["train_dataloader.batch_size"] = 2
    training.work_dir = training.work_dir.with_name("smaller")
    assert training.run(amp=amp, accumulate=3).epochs == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": "auto", "accumulate": 2}, "--accumulate 2 and --batch-size auto contradict"),
        ({"batch_size": "auto", "resume": True}, "--batch-size auto and --resume contradict"),
        ({"accumulate": 0}, "--accumulate is 0, expected a number of steps from 1"),
    ],
)
def test_impossible_choices_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        TrainOptions(**options)
