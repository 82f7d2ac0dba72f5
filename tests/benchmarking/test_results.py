from __future__ import annotations

import pytest

from thermalctl.benchmarking.results import (
    compare_rounds,
    find_bound,
    list_guide_hours,
    summarise_data,
    summarise_train,
)


def test_rounds_are_compared_with_those_of_the_same_round() -> None:
    # 12 / 4, 8 / 4 and 30 / 5; the ratio of the medians would be 12 / 4 as well, of the sums 50 / 13.
    ratio = compare_rounds([4.0, 4.0, 5.0], [12.0, 8.0, 30.0])
    assert (ratio.median, ratio.least, ratio.most) == (3.0, 2.0, 6.0)


def test_data_row_is_of_both_halves() -> None:
    turns = [{"read_s": read, "prepare_s": 0.02, "num_bytes": 614_400.0} for read in (0.03, 0.01, 0.02)]
    stock = [{"read_s": 0.2, "prepare_s": 0.1, "num_bytes": 18_874_368.0}] * 3
    row = summarise_data("ours", True, turns, stock)
    assert (row.read_s, row.prepare_s, row.bytes_per_clip) == (0.02, 0.02, 614_400)
    assert row.clips_per_second == pytest.approx(25)
    assert row.speedup.median == pytest.approx(7.5)
    assert (row.speedup.least, row.speedup.most) == (pytest.approx(6), pytest.approx(10))


def make_turn(wait: float, prepare: float, forward: float, backward: float) -> dict[str, float]:
    step = {"wait_s": wait, "step_s": prepare + forward + backward, "prepare_s": prepare}
    return step | {"forward_s": forward, "backward_s": backward, "convolution_share": 0.8, "peak_bytes": 2.0**30}


def test_train_row_has_shares_hours_and_what_it_is_bound_by() -> None:
    ours = [make_turn(0.1, 0.2, 0.3, 0.4)] * 2
    stock = [make_turn(2.0, 1.0, 0.4, 0.6), make_turn(3.0, 2.0, 0.4, 0.6)]
    row = summarise_train("ours", ours, stock, batch_size=4, num_train=314)
    assert row.clips_per_second == pytest.approx(4)
    shares = (row.wait_share, row.prepare_share, row.forward_share, row.backward_share, row.ready_share)
    assert shares == pytest.approx((0.1, 0.2, 0.3, 0.4, 0.7))
    assert row.hours == pytest.approx(100 * 314 / 4 / 3600)
    assert row.speedup.median == pytest.approx(5)
    assert row.step_speedup.median == pytest.approx(1 / 0.7)
    assert row.peak_bytes == 2**30
    assert row.bound_by == "the network (70%), of which convolutions 80%"


def test_whatever_takes_most_is_named() -> None:
    shares = {"wait": 0.5, "prepare": 0.2, "forward": 0.1, "backward": 0.2}
    assert find_bound(shares, 0.9) == "reading clips (50%)"
    assert find_bound(shares | {"wait": 0.1, "prepare": 0.6}, 0.9) == "preparing clips (60%)"


def test_hours_of_the_guides_machines() -> None:
    hours = list_guide_hours(314)
    assert hours["RTX 3090"] == pytest.approx(0.5815, abs=1e-4)  # 31,400 clips at 15 a second
    assert hours["V100"] == pytest.approx(0.7269, abs=1e-4)
    assert hours["two RTX 3090"] == pytest.approx(hours["RTX 3090"] / 2)
