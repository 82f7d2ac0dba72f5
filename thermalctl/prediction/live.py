"""A stream predicted: each answer as soon as the last frame that it needs has arrived."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from thermalctl.deploy.clip_models import ClipModel
from thermalctl.events.record import Change
from thermalctl.events.rules import EventRule
from thermalctl.events.watcher import EventWatcher
from thermalctl.prediction.answering import Answerer
from thermalctl.prediction.options import PredictOptions
from thermalctl.prediction.people import find_target, make_finder
from thermalctl.streams.answers import WindowAnswer
from thermalctl.streams.arriving import Silence
from thermalctl.streams.frames import ArrivedFrame, Interruption, Item
from thermalctl.streams.gate import FrameGate


class LivePrediction:
    """Answers to the frames of a stream.

    Attributes:
        gate: what is let through, and counts of it.
        num_answers: how many answers there were so far.
        num_unjudged: frames in stretches too short for a window, so far.

    Args:
        model: what answers.
        name: of the stream.
        options: how; windows are answered one by one, whatever its batch size.
        rules: of events to watch for; from `PredictOptions.read_rules`.
    """

    def __init__(
        self, model: ClipModel, name: str, options: PredictOptions, *, rules: Sequence[EventRule] = ()
    ) -> None:
        self.gate = FrameGate(model.frame_size or options.imports.frame_size, max_gap_s=options.max_gap_s)
        self.num_answers = 0
        self._watcher = EventWatcher(rules, model.classes, target=find_target(model.clip_spec, options.people))
        self._answerer = Answerer(
            model, name, stride=options.stride, people=make_finder(model.clip_spec, options.people)
        )

    @property
    def num_unjudged(self) -> int:
        """How many frames lay in stretches too short for a window."""
        return self._answerer.num_unjudged

    def follow(self, arrivals: Iterable[ArrivedFrame | Silence]) -> Iterator[WindowAnswer | Interruption | Change]:
        """Yield answers as they come, interruptions where they are, and what both change, until the stream ends."""
        for found in self._answerer.answer(self._let_through(arrivals)):
            yield found
            if isinstance(found, Interruption):
                yield from self._watcher.interrupt(found.start_ms)
            else:
                self.num_answers += 1
                yield from self._watcher.update(found)
        yield from self._watcher.finish()

    def stop(self) -> Iterator[Change]:
        """Yield the ends of all events: nobody listens any more."""
        yield from self._watcher.finish()

    def _let_through(self, arrivals: Iterable[ArrivedFrame | Silence]) -> Iterator[Item]:
        heard_s = time.monotonic()
        for arrival in arrivals:
            if isinstance(arrival, Silence):
                yield from self.gate.wait(arrival.seconds)
                continue
            num_frames = self.gate.num_frames
            yield from self.gate.accept(arrival.frame_c, arrival.timestamp_ms)
            if self.gate.num_frames > num_frames:
                heard_s = time.monotonic()
            else:  # frames that are refused are as good as none
                yield from self.gate.wait(time.monotonic() - heard_s)
