"""How sure a number of these clips is: bootstraps of clips and of sessions, and what share of them holds the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

#: Resamples: their 2.5 % and 97.5 % quantiles are stable to about a tenth of the interval's width. Of thousands of
#: clips intervals are narrow, and fewer will do.
NUM_DRAWS, NUM_DRAWS_OF_MANY, MANY_CLIPS = 2000, 400, 1000
LEVEL = 0.95
#: Weights that are held at a time: 80 MB.
_MAX_WEIGHTS = 10_000_000
#: Trials of the simulated coverage, and how alike clips of one session are taken to be in it: the correlation of
#: whether two of them are answered rightly.
NUM_TRIALS, SESSION_CORRELATION = 2000, 0.2


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Where a number may as well lie.

    Attributes:
        low: its lower end.
        high: its upper end.
    """

    low: float
    high: float


def draw_weights(groups: NDArray[np.intp], num_draws: int, rng: np.random.Generator) -> Values:
    """Return how often each clip counts in resamples of whole groups, drawn with replacement, (B, N) float64.

    Args:
        groups: (N,) the group of each clip, 0 to G-1; its own number to resample clips.
        num_draws: B.
        rng: of the draws.
    """
    num_groups = int(groups.max()) + 1
    counts = rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups), size=num_draws)
    return counts[:, groups].astype(np.float64)


def bootstrap(
    measure: Callable[[Values], Mapping[str, Values]],
    groups: NDArray[np.intp],
    *,
    num_draws: int | None = None,
    seed: int = 0,
) -> dict[str, Values]:
    """Return what resamples measure, (B,) or (B, ...) by name.

    Args:
        measure: from weights (B, N) to values by name.
        groups: (N,) the group of each clip; its own number to resample clips.
        num_draws: B; None for what the number of clips asks for.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    num_draws = num_draws or (NUM_DRAWS if len(groups) <= MANY_CLIPS else NUM_DRAWS_OF_MANY)
    at_once = max(1, min(num_draws, _MAX_WEIGHTS // len(groups)))
    parts: list[Mapping[str, Values]] = []
    for done in range(0, num_draws, at_once):
        parts.append(measure(draw_weights(groups, min(at_once, num_draws - done), rng)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def find_interval(values: Values, level: float = LEVEL) -> Interval | None:
    """Return the percentile interval of resampled values (B,); None where most resamples have none.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    known = values[~np.isnan(values)]
    if len(known) < len(values) / 2:
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(low=low, high=high)


def number_groups(names: Sequence[str]) -> NDArray[np.intp]:
    """Return the number of each name's group, (N,), 0 to G-1."""
    _, numbers = np.unique(np.array(names), return_inverse=True)
    return numbers.reshape(-1)


def simulate_coverage(
    sizes: Sequence[int],
    rate: float,
    *,
    by_group: bool,
    correlation: float = SESSION_CORRELATION,
    num_trials: int = NUM_TRIALS,
    num_draws: int = 400,
    seed: int = 0,
) -> float:
    """Return how often the interval of a share of right answers holds the true one, where sessions differ.

    In each trial every session draws its own rate from a beta distribution about the true one, and its clips are right
    that often. An interval is as good as it claims if this comes to 0.95.

    Args:
        sizes: clips of each session.
        rate: the true share, 0..1; it is kept a clip's half away from both ends, where nothing could vary.
        by_group: whether the bootstrap draws sessions; else clips.
        correlation: of the outcomes of two clips of one session.
        num_trials: simulated datasets.
        num_draws: resamples of each.
        seed: of all draws.
    """
    rng = np.random.default_rng(seed)
    counts = np.array(sizes)
    total = int(counts.sum())
    rate = min(max(rate, 0.5 / total), 1 - 0.5 / total)
    spread = (1 - correlation) / correlation
    hits = rng.binomial(counts, rng.beta(rate * spread, (1 - rate) * spread, size=(num_trials, len(counts))))
    if by_group:
        drawn = draw_weights(np.arange(len(counts)), num_draws, rng)
        means = (drawn @ hits.T) / (drawn @ counts)[:, None]  # (B, trials)
    else:
        means = rng.binomial(total, hits.sum(axis=1) / total, size=(num_draws, num_trials)) / total
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return float(((low <= rate) & (rate <= high)).mean())
