"""A frame on its way to a model, and what can come between two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: "gap": nothing came for too long; "frozen": the same picture again and again; "clock set back": times begin anew;
#: "silence": nothing comes now, told while one waits; "flood": more came than a window can hold.
Cause = Literal["gap", "frozen", "clock set back", "silence", "flood"]


class ArrivedFrame(NamedTuple):
    """A frame as it came: (H, W) float32, deg C, and when it arrived, ms since 1970."""

    frame_c: NDArray[np.float32]
    timestamp_ms: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One frame.

    Attributes:
        number: its place in the recording or the stream, from 0; those that were refused count.
        timestamp_ms: when it arrived, ms since 1970.
        frame_c: (H, W) float32, deg C.
        is_incomplete: whether something of it is missing; see `recordings.health`.
    """

    number: int
    timestamp_ms: int
    frame_c: NDArray[np.float32]
    is_incomplete: bool


@dataclass(frozen=True, kw_only=True)
class Interruption:
    """Where frames stop following one another, so that no window may bridge it.

    Attributes:
        start_ms: when the last frame before it arrived.
        end_ms: when the first one after it did; for a silence, until when nothing has come.
        cause: why.
    """

    start_ms: int
    end_ms: int
    cause: Cause


Item: TypeAlias = Frame | Interruption
