"""Charts of a page as rows of a name, a drawn track and a text: they stay legible on a phone and to a screen reader.

A track is SVG without any text in it, stretched to whatever width there is. What is written stands beside it as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np

from thermalctl.reports.page_axes import Axis

#: Height of a track in its own units; both are stretched.
TRACK_HEIGHT = 24
#: Rows shown at once, the next ones folded, and those beyond only counted.
FIRST_ROWS, MAX_ROWS = 12, 100

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Something drawn on a track: `kind` decides its colour and width, `path` is SVG's, in the track's units."""

    kind: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a chart.

    Attributes:
        name: of what.
        marks: drawn one above the other.
        text: the numbers, beside the track.
        alt: what is to be seen, for who does not see it.
    """

    name: str
    marks: tuple[Mark, ...]
    text: str
    alt: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Rows on one axis.

    Attributes:
        note: how to read it.
        legend: what each kind of mark is.
        axis: None where the text says enough.
        rows: those shown at once.
        folded: those behind a fold.
        num_left_out: those not drawn.
        noun: what a row is, in the plural.
    """

    note: str
    legend: tuple[tuple[str, str], ...]
    axis: Axis | None
    rows: tuple[Row, ...]
    folded: tuple[Row, ...]
    num_left_out: int
    noun: str


def make_chart(
    rows: Iterable[Row],
    *,
    noun: str,
    note: str = "",
    legend: Sequence[tuple[str, str]] = (),
    axis: Axis | None = None,
    num_rows: int | None = None,
    first_rows: int = FIRST_ROWS,
    order: str = "",
) -> Chart:
    """Return a chart of rows, so many shown at once.

    Args:
        rows: at most `MAX_ROWS` of them are taken.
        noun: what a row is, in the plural.
        note: how to read it.
        legend: what each kind of mark is.
        axis: of the tracks.
        num_rows: how many rows there would be; None for those given.
        first_rows: how many are not folded.
        order: which come first where some are folded, a sentence.
    """
    drawn = tuple(rows)
    return Chart(
        note=" ".join(part for part in (note, order if len(drawn) > first_rows else "") if part),
        legend=tuple(legend),
        axis=axis,
        rows=drawn[:first_rows],
        folded=drawn[first_rows:MAX_ROWS],
        num_left_out=max(0, (len(drawn) if num_rows is None else num_rows) - MAX_ROWS),
        noun=noun,
    )


def put_first(items: Sequence[Item], key: Callable[[Item], float | tuple[float, ...]]) -> list[Item]:
    """Return the items to draw: as they are where all are shown at once, else those with the highest `key` first."""
    if len(items) <= FIRST_ROWS:
        return list(items)
    return sorted(items, key=key, reverse=True)[:MAX_ROWS]


def draw_bar(start: float, stop: float, *, top: float = 4, bottom: float = 20) -> str:
    """Return the path of a filled bar; all in the track's units."""
    return f"M{_write(start)} {_write(top)}H{_write(stop)}V{_write(bottom)}H{_write(start)}Z"


def draw_line(start: float, stop: float) -> str:
    """Return the path of a line along the middle of the track."""
    return f"M{_write(start)} {TRACK_HEIGHT // 2}H{_write(stop)}"


def draw_dot(place: float) -> str:
    """Return the path of a dot: a line without length, whose round ends are not stretched."""
    return f"M{_write(place)} {TRACK_HEIGHT // 2}h0"


def draw_ticks(places: Iterable[float], *, top: float, bottom: float) -> str:
    """Return the path of upright ticks; those that fall together are drawn once, so a path has a longest length."""
    whole = sorted({round(place) for place in places})
    return "".join(f"M{place} {_write(top)}V{_write(bottom)}" for place in whole)


def draw_histogram(edges: Sequence[float], shares: Sequence[float]) -> str:
    """Return the path of upright bars from the bottom, where a share of 1 reaches the top and any can be seen.

    Args:
        edges: (B + 1) places along the track.
        shares: (B) heights, 0 to 1; those of 0 are left out.
    """
    return "".join(
        draw_bar(start, stop, top=TRACK_HEIGHT * (1 - max(share, 0.12)), bottom=TRACK_HEIGHT)
        for (start, stop), share in zip(pairwise(edges), shares, strict=True)
        if share > 0
    )


def _write(number: float) -> str:
    return f"{np.round(number, 1):g}"
