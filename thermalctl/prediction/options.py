"""What a prediction may be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from thermalctl.errors import RequestError
from thermalctl.events.rule_files import read_rules
from thermalctl.events.rules import EventRule
from thermalctl.prediction.answer_files import AnswerFormat
from thermalctl.prediction.answering import PeopleMode
from thermalctl.recordings.import_options import ImportOptions
from thermalctl.streams.gate import DEFAULT_MAX_GAP_S
from thermalctl.streams.windows import DEFAULT_STRIDE_FRAMES, Stride

#: What can be written of a recording; "coco" for annotation tools and `build-dataset`.
OutputFormat = Literal[AnswerFormat, "coco"]
Picture = Literal["timeline", "animation"]

#: Stands for the rules that are shipped.
DEFAULT_EVENTS = Path("default")
#: Windows that a model is asked about at once, in recordings.
DEFAULT_BATCH_SIZE = 8


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """How recordings and streams are predicted.

    Attributes:
        stride: how far apart the windows' keyframes are.
        max_gap_s: frames further apart than this do not follow one another, seconds.
        batch_size: windows that the model is asked about at once; a stream's are answered one by one.
        people: where a model of people looks.
        imports: what recordings may not say about themselves.
        formats: what is written of each recording.
        pictures: which pictures are drawn of each.
        events: a file of rules for events, or `DEFAULT_EVENTS`; None for no events.

    Raises:
        RequestError: if a value is impossible.
    """

    stride: Stride = field(default_factory=lambda: Stride(frames=DEFAULT_STRIDE_FRAMES))
    max_gap_s: float = DEFAULT_MAX_GAP_S
    batch_size: int = DEFAULT_BATCH_SIZE
    people: PeopleMode = "detect"
    imports: ImportOptions = field(default_factory=ImportOptions)
    formats: tuple[OutputFormat, ...] = ("csv",)
    pictures: tuple[Picture, ...] = ()
    events: Path | None = None

    def read_rules(self, classes: Sequence[str]) -> tuple[EventRule, ...]:
        """Return the rules for events; none where none are asked for.

        Args:
            classes: the model's class names in id order.

        Raises:
            ThermalctlError: if the file cannot be read, or speaks of classes that the model does not know.
        """
        if self.events is None:
            return ()
        return read_rules(None if self.events == DEFAULT_EVENTS else self.events, classes)

    def __post_init__(self) -> None:
        if not 0 < self.max_gap_s < float("inf"):
            raise RequestError(f"--max-gap is {self.max_gap_s:g}, expected seconds, more than 0")
        if self.batch_size < 1:
            raise RequestError(f"--batch-size is {self.batch_size}, expected 1 or more")
