from __future__ import annotations

from thermalctl.reports.page_chart import (
    Row,
    draw_bar,
    draw_histogram,
    draw_ticks,
    make_chart,
    put_first,
)


def make_rows(number: int) -> list[Row]:
    return [Row(name=f"R{place}", marks=(), text="", alt="") for place in range(number)]


def test_first_rows_are_shown_the_next_folded_and_the_rest_counted() -> None:
    chart = make_chart(make_rows(12), noun="recordings")
    assert (len(chart.rows), len(chart.folded), chart.num_left_out) == (12, 0, 0)
    chart = make_chart(make_rows(100), noun="recordings", num_rows=230)
    assert (len(chart.rows), len(chart.folded), chart.num_left_out) == (12, 88, 130)
    chart = make_chart(make_rows(120), noun="classes", first_rows=20)
    assert [row.name for row in (*chart.rows, *chart.folded)] == [f"R{place}" for place in range(100)]
    assert (len(chart.rows), chart.num_left_out) == (20, 20)


def test_order_is_told_only_where_rows_are_folded() -> None:
    assert make_chart(make_rows(12), noun="", note="Gaps.", order="Longest first.").note == "Gaps."
    assert make_chart(make_rows(13), noun="", note="Gaps.", order="Longest first.").note == "Gaps. Longest first."


def test_few_items_keep_their_order_and_of_many_the_highest_come_first() -> None:
    assert put_first([1, 3, 2], key=float) == [1, 3, 2]
    assert put_first(list(range(150)), key=float)[:3] == [149, 148, 147]
    assert len(put_first(list(range(150)), key=float)) == 100


def test_bar_is_a_closed_rectangle() -> None:
    assert draw_bar(0, 512.34, top=3, bottom=11) == "M0 3H512.3V11H0Z"


def test_ticks_that_fall_together_are_drawn_once() -> None:
    assert draw_ticks([10.4, 10.2, 700.0], top=1, bottom=11) == "M10 1V11M700 1V11"
    assert len(draw_ticks([place / 50 for place in range(50_000)], top=1, bottom=11)) < 12_000


def test_histogram_is_as_high_as_shares_are_and_leaves_out_nothing() -> None:
    # A share of 1 reaches from the bottom, 24, to the top; of 0.5 to 12; a small one is still 0.12 * 24 = 2.9 high.
    path = draw_histogram([0, 250, 500, 750, 1000], [1.0, 0.0, 0.5, 0.01])
    assert path == "M0 0H250V24H0Z" + "M500 12H750V24H500Z" + "M750 21.1H1000V24H750Z"
