"""Temperatures of a recording as a whole: their range, mean and spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class TemperatureStatistics:
    """Temperatures over all pixels of a recording's complete frames, deg C.

    Attributes:
        min_c: the coldest.
        max_c: the warmest.
        mean_c: the mean.
        std_c: the standard deviation.
        share_clipped: share of pixels outside the range that a model is given, 0 to 1.
    """

    min_c: float
    max_c: float
    mean_c: float
    std_c: float
    share_clipped: float


class TemperatureSums:
    """Sums over pixels, some frames at a time, from which the statistics follow.

    Args:
        range_c: (low, high) deg C, the range that a model is given.
    """

    def __init__(self, range_c: tuple[float, float]) -> None:
        self._low, self._high = range_c
        self._count = 0
        self._num_clipped = 0
        self._sum = 0.0
        self._sum_of_squares = 0.0
        self._min = np.inf
        self._max = -np.inf

    def add(self, frames_c: NDArray[np.float32], pixel_sums_c: NDArray[np.float64]) -> None:
        """Add complete frames (n, H, W), n at least 1, deg C, whose sums by pixel (H, W) are known already."""
        rows = frames_c.reshape(len(frames_c), -1)
        coldest, warmest = float(rows.min()), float(rows.max())
        self._count += rows.size
        self._min, self._max = min(self._min, coldest), max(self._max, warmest)
        self._sum += float(pixel_sums_c.sum())
        # Frame by frame in float32, then in float64: exact to 1e-7, and several times faster than float64 throughout.
        self._sum_of_squares += float(np.einsum("ij,ij->i", rows, rows).sum(dtype=np.float64))
        if coldest < self._low or warmest > self._high:
            self._num_clipped += int(np.count_nonzero((rows < self._low) | (rows > self._high)))

    def summarise(self) -> TemperatureStatistics | None:
        """Return the statistics; None where nothing was added."""
        if not self._count:
            return None
        mean = self._sum / self._count
        return TemperatureStatistics(
            min_c=self._min,
            max_c=self._max,
            mean_c=mean,
            std_c=float(np.sqrt(max(0.0, self._sum_of_squares / self._count - mean**2))),
            share_clipped=self._num_clipped / self._count,
        )
