"""What is counted while a recording passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from thermalctl.dataset.frame_hashes import hash_values
from thermalctl.streams.answers import WindowAnswer
from thermalctl.streams.frames import Frame, Interruption, Item
from thermalctl.streams.track import AnswerTrack

#: Of interruptions so many are listed; all are counted.
_MOST_LISTED = 100


@dataclass
class Tally:
    """What is counted while a recording passes; see `PredictedRecording`.

    Attributes:
        trained_frames: hashes of the frames that the model was trained on; None where it does not say.
        start_ms: when the first frame arrived; None before it has.
        end_ms: when the last one did.
        window_ms: how long all windows are together.
    """

    trained_frames: frozenset[int] | None
    num_trained: int = 0
    track: AnswerTrack = field(default_factory=AnswerTrack)
    interruptions: list[Interruption] = field(default_factory=list)
    num_interruptions: int = 0
    num_windows: int = 0
    num_whole_frame: int = 0
    num_unanswered: int = 0
    start_ms: int | None = None
    end_ms: int = 0
    window_ms: int = 0

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return 0.0 if self.start_ms is None else (self.end_ms - self.start_ms) / 1000

    def watch(self, items: Iterator[Item]) -> Iterator[Item]:
        """Pass items on, and note when they were."""
        for item in items:
            if isinstance(item, Frame):
                self.start_ms = item.timestamp_ms if self.start_ms is None else min(self.start_ms, item.timestamp_ms)
                self.end_ms = max(self.end_ms, item.timestamp_ms)
                if self.trained_frames is not None:
                    self.num_trained += hash_values(item.frame_c) in self.trained_frames
            yield item

    def count(self, found: WindowAnswer | Interruption) -> None:
        """Count an answer or an interruption."""
        if isinstance(found, Interruption):
            self.num_interruptions += 1
            if len(self.interruptions) < _MOST_LISTED:
                self.interruptions.append(found)
            return
        if found.window == self.num_windows:  # the first person in it
            self.window_ms += found.end_ms - found.start_ms
        self.num_windows = found.window + 1
        self.num_whole_frame += found.person is None and found.probabilities is not None
        self.num_unanswered += found.probabilities is None
        self.track.append(found)
