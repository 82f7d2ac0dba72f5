"""What events are, and what is kept of a recording or stream that was watched for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from thermalctl.clip_spec import Target
from thermalctl.events.rules import EventRule

#: Why an event ended. "over": its classes are no longer probable; "unsure": for too long nobody could tell; "lost
#: sight": frames were interrupted; "finished": so were they for good. Only the first says that all is well again.
EndReason = Literal["over", "unsure", "lost sight", "finished"]
#: What can happen to an event: its alarm is raised; it ends; or it ends although its alarm was never raised, because
#: it began in a cool-down or sight was lost before it had lasted long enough.
ChangeKind = Literal["raised", "ended", "not raised"]


class Span(NamedTuple):
    """A time, ms since 1970, both ends included."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that a rule tells of; times in ms since 1970.

    Attributes:
        rule: the rule's name.
        person: number of the person; of a rule about the room, whom it began with. None where whole frames are judged.
        began_ms: the first keyframe at which the condition held.
        held_ms: the last one at which it did, up to now.
        first_keyframe: index of the first in the recording.
        last_keyframe: index of the last.
        probability: the highest of the rule's classes together, of one answer.
        decided_ms: the keyframe at which it had lasted long enough for an alarm; None if it has not, or not yet.
        raised_ms: when the alarm could be raised, with the last frame of that keyframe's window.
        end: why it ended; None while it lasts.
        closed_ms: when that was known; None while it lasts.
    """

    rule: str
    person: int | None
    began_ms: int
    held_ms: int
    first_keyframe: int
    last_keyframe: int
    probability: float
    decided_ms: int | None = None
    raised_ms: int | None = None
    end: EndReason | None = None
    closed_ms: int | None = None

    @property
    def ended_ms(self) -> int | None:
        """The last keyframe at which the condition held; None while the event lasts."""
        return None if self.end is None else self.held_ms


@dataclass(frozen=True, kw_only=True)
class Change:
    """What just happened to an event.

    Attributes:
        kind: what.
        event: as it is now.
    """

    kind: ChangeKind
    event: Event


@dataclass(frozen=True, kw_only=True)
class EventRecord:
    """All events of one recording or stream, with what is needed to judge them.

    Attributes:
        recording: its name.
        target: what the model judges: whole frames, or people.
        rules: in force.
        watched: from the first keyframe to the last of each uninterrupted stretch.
        events: in the order in which they began; those whose alarm was not raised too.
        about: where they come from, plain values: the model, the options, what it was trained on.
    """

    recording: str
    target: Target
    rules: tuple[EventRule, ...]
    watched: tuple[Span, ...]
    events: tuple[Event, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
