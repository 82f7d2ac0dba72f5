"""What a model answers to one window of a recording or a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box

#: "answered"; "incomplete": no frame of the window was complete, so there is nothing to judge.
AnswerStatus = Literal["answered", "incomplete"]


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowAnswer:
    """One window, or one person in it, and what the model says.

    Attributes:
        recording: the recording's or the stream's name.
        window: its number, from 0.
        segment: the uninterrupted stretch of frames that it lies in, from 0; no window bridges an interruption.
        first_frame: of its frames, index in the recording.
        keyframe: the frame in its middle, which the answer is about.
        last_frame: of its frames; the answer cannot be known before it.
        start_ms: when the first frame arrived, ms since 1970.
        keyframe_ms: when the keyframe did.
        end_ms: when the last one did.
        person: number of the person who is judged, from 0, the same through the recording; None for the whole frame.
        box: theirs in the keyframe, in 0..1; None for the whole frame.
        num_incomplete: how many of its frames are incomplete, and were repaired.
        status: whether there is an answer.
        probabilities: (K,) float32; None where there is no answer.
    """

    recording: str
    window: int
    segment: int
    first_frame: int
    keyframe: int
    last_frame: int
    start_ms: int
    keyframe_ms: int
    end_ms: int
    person: int | None = None
    box: Box | None = None
    num_incomplete: int = 0
    status: AnswerStatus = "answered"
    probabilities: NDArray[np.float32] | None = None

    @property
    def class_id(self) -> int | None:
        """The most probable class; None where there is no answer."""
        return None if self.probabilities is None else int(self.probabilities.argmax())
