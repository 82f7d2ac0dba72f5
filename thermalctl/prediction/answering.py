"""From frames to answers: windows, the people in them, and the model, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box
from thermalctl.clip_spec import ClipSpec
from thermalctl.deploy.clip_models import ClipModel
from thermalctl.errors import RecordingError
from thermalctl.streams.answers import WindowAnswer
from thermalctl.streams.frames import Frame, Interruption, Item
from thermalctl.streams.windows import Stride, Window, WindowSlider

#: Where a model of people looks: "detect": at each person that is found, and where nobody is at the whole frame;
#: "whole": always at the whole frame.
PeopleMode = Literal["detect", "whole"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LocatedPerson:
    """One person in a window.

    Attributes:
        number: which, the same through the recording.
        boxes: (T, 4) centre x, centre y, width, height in 0..1, in each of the window's frames.
    """

    number: int
    boxes: NDArray[np.float64]


class PeopleFinder(Protocol):
    """Follows people from frame to frame."""

    def update(self, frame: Frame) -> None:
        """Look at the next frame."""

    def locate(self, window: Window) -> list[LocatedPerson]:
        """Return who is in a window, whose frames have all been looked at."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Question:
    """What the model is asked: one window, or one person in it."""

    window: Window
    person: int | None
    boxes: NDArray[np.float64] | None


class Answerer:
    """Asks a model about window after window of one recording or stream.

    Answers come in the order of their windows. With a batch of 1 each comes as soon as the window's last frame is
    there; larger ones wait until they are full, or frames are interrupted.

    Attributes:
        num_unjudged: frames in stretches too short for a window.

    Args:
        model: what answers.
        recording: name of the recording or stream.
        stride: how far apart the windows' keyframes are.
        batch_size: how many windows, or people in them, the model is asked about at once.
        people: finds them, for a model of people; None: it looks at the whole frame.
    """

    def __init__(
        self,
        model: ClipModel,
        recording: str,
        *,
        stride: Stride,
        batch_size: int = 1,
        people: PeopleFinder | None = None,
    ) -> None:
        self._model = model
        self._recording = recording
        self._slider = WindowSlider(model.clip_spec, stride)
        self._batch_size = batch_size
        self._people = people
        self._waiting: list[_Question] = []

    @property
    def num_unjudged(self) -> int:
        """How many frames lay in stretches too short for a window."""
        return self._slider.num_unjudged

    def answer(self, items: Iterable[Item]) -> Iterator[WindowAnswer | Interruption]:
        """Yield the answers to the windows of frames, and interruptions where they are."""
        for item in items:
            yield from self.push(item)
        yield from self.finish()

    def push(self, item: Item) -> Iterator[WindowAnswer | Interruption]:
        """Yield what a frame or an interruption brings."""
        if self._people is not None and isinstance(item, Frame):
            self._people.update(item)
        for found in self._slider.push(item):
            yield from self._take(found)

    def finish(self) -> Iterator[WindowAnswer | Interruption]:
        """Yield what is still to be answered: nothing more comes."""
        for window in self._slider.finish():
            yield from self._take(window)
        yield from self._flush()

    def _take(self, found: Window | Interruption) -> Iterator[WindowAnswer | Interruption]:
        if isinstance(found, Interruption):
            yield from self._flush()
            yield found
            return
        self._waiting += self._list_questions(found)
        while len(self._waiting) >= self._batch_size:
            batch, self._waiting = self._waiting[: self._batch_size], self._waiting[self._batch_size :]
            yield from self._ask(batch)

    def _flush(self) -> Iterator[WindowAnswer]:
        if self._waiting:
            batch, self._waiting = self._waiting, []
            yield from self._ask(batch)

    def _list_questions(self, window: Window) -> list[_Question]:
        spec = self._model.clip_spec
        if spec.target == "frame":
            return [_Question(window=window, person=None, boxes=None)]
        people = [] if self._people is None or window.is_lost else self._people.locate(window)
        found = [_Question(window=window, person=each.number, boxes=each.boxes) for each in people]
        return found or [_Question(window=window, person=None, boxes=frame_as_box(spec))]

    def _ask(self, questions: list[_Question]) -> Iterator[WindowAnswer]:
        # Without repair a model takes incomplete frames as they are; with it, one complete frame must be there.
        repairs = self._model.clip_spec.repair != "none"
        asked = [question for question in questions if not (repairs and question.window.is_lost)]
        answers = iter(self._predict(asked) if asked else ())
        for question in questions:
            is_lost = repairs and question.window.is_lost
            yield _make_answer(self._recording, question, None if is_lost else next(answers))

    def _predict(self, questions: list[_Question]) -> NDArray[np.float32]:
        clips = np.stack([question.window.clip_c for question in questions])
        boxes = [question.boxes for question in questions if question.boxes is not None]
        if self._model.clip_spec.person_crop == "fixed":
            boxes = [each[self._model.clip_spec.num_frames // 2] for each in boxes]
        probabilities = self._model.predict(clips, np.stack(boxes) if boxes else None)
        wrong = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
        if wrong.size:
            number = questions[int(wrong[0])].window.number
            raise RecordingError(
                f"{self._recording}: the model's answer to window {number} is no number",
                hint="train it again: its weights are broken, or overflow in this precision",
            )
        return probabilities


def frame_as_box(spec: ClipSpec) -> NDArray[np.float64]:
    """Return the box, (T, 4), around which a model of people sees the whole frame: a square as long as that."""
    side = 1 / spec.person_margin
    return np.tile([0.5, 0.5, side, side], (spec.num_frames, 1))


def _make_answer(recording: str, question: _Question, probabilities: NDArray[np.float32] | None) -> WindowAnswer:
    window = question.window
    box = None
    if question.person is not None and question.boxes is not None:
        box = Box(*map(float, question.boxes[len(question.boxes) // 2]))
    return WindowAnswer(
        recording=recording,
        window=window.number,
        segment=window.segment,
        first_frame=int(window.frames.min()),
        keyframe=window.keyframe,
        last_frame=int(window.frames.max()),
        start_ms=int(window.timestamps_ms.min()),
        keyframe_ms=window.keyframe_ms,
        end_ms=int(window.timestamps_ms.max()),
        person=question.person,
        box=box,
        num_incomplete=window.num_incomplete,
        status="incomplete" if probabilities is None else "answered",
        probabilities=probabilities,
    )
