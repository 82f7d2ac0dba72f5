"""One rule's condition, of the room or of one person, followed from keyframe to keyframe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from thermalctl.events.evidence import Evidence
from thermalctl.events.record import Change, EndReason, Event
from thermalctl.events.rules import EventRule


class Moment(NamedTuple):
    """The instant that a window is about: its keyframe's index and time, and when its last frame arrived, ms."""

    keyframe: int
    keyframe_ms: int
    end_ms: int


class Condition:
    """Whether a rule's condition holds, since when, and what became of it.

    It is off, or it holds, or it is in a dip that may still prove too short to end it. All of these can be unsure
    besides, which stops nothing but the decision.

    Args:
        rule: the rule.
    """

    def __init__(self, rule: EventRule) -> None:
        self._rule = rule
        self._event: Event | None = None
        #: First keyframe of the dip, and of the unsure stretch, that the condition is in.
        self._dip_ms: int | None = None
        self._unsure_ms: int | None = None
        #: Before this no alarm is raised.
        self._free_ms: int | None = None
        #: Of whom it last held.
        self.carrier: int | None = None

    def is_forgettable(self, keyframe_ms: int) -> bool:
        """Return whether nothing of it matters any more: it does not hold, and no cool-down is left."""
        return self._event is None and (self._free_ms is None or keyframe_ms >= self._free_ms)

    def step(self, evidence: Evidence, moment: Moment) -> Iterator[Change]:
        """Yield what a window changes; to tell it the same window twice changes nothing more.

        Args:
            evidence: what the window says.
            moment: when; not before the last one.
        """
        if self._event is not None:
            reason = self._find_end(evidence, moment.keyframe_ms)
            if reason is not None:
                yield from self.close(reason, moment.end_ms)
        if evidence.level == "unsure":
            return
        if evidence.level == "above" or (evidence.level == "between" and self._event and self._dip_ms is None):
            self._hold(evidence, moment)
            yield from self._raise(moment)

    def close(self, reason: EndReason, closed_ms: int) -> Iterator[Change]:
        """Yield the end of what holds, if anything does.

        An event that was never raised is told where it lasted long enough, but began in a cool-down, and where sight
        of it was lost: of anything else too short the rule says that it is no event.

        Args:
            reason: why it ends.
            closed_ms: when that is known.
        """
        event, self._event, self.carrier = self._event, None, None
        self._dip_ms = self._unsure_ms = None
        if event is None:
            return
        ended = replace(event, end=reason, closed_ms=closed_ms)
        if event.raised_ms is not None:
            self._free_ms = event.held_ms + round(1000 * self._rule.cool_down_s)
            yield Change(kind="ended", event=ended)
        elif reason in ("lost sight", "finished") or self._lasted(event):
            yield Change(kind="not raised", event=ended)

    def _find_end(self, evidence: Evidence, keyframe_ms: int) -> EndReason | None:
        """Return why the condition ends with this keyframe; begin or end its dips and unsure stretches."""
        if evidence.level == "unsure" and self._unsure_ms is None:
            self._unsure_ms = keyframe_ms
        if self._unsure_ms is not None and keyframe_ms - self._unsure_ms >= 1000 * self._rule.unsure_s:
            return "unsure"
        if evidence.level == "unsure":
            return None
        self._unsure_ms = None
        if evidence.level == "below" and self._dip_ms is None:
            self._dip_ms = keyframe_ms
        if self._dip_ms is not None and keyframe_ms - self._dip_ms >= 1000 * self._rule.merge_gap_s:
            return "over"
        if evidence.level == "above":
            self._dip_ms = None
        return None

    def _hold(self, evidence: Evidence, moment: Moment) -> None:
        if self._event is None:
            self._event = Event(
                rule=self._rule.name,
                person=evidence.person,
                began_ms=moment.keyframe_ms,
                held_ms=moment.keyframe_ms,
                first_keyframe=moment.keyframe,
                last_keyframe=moment.keyframe,
                probability=evidence.probability,
            )
        self.carrier = evidence.person
        self._event = replace(
            self._event,
            held_ms=moment.keyframe_ms,
            last_keyframe=moment.keyframe,
            probability=max(self._event.probability, evidence.probability),
        )

    def _raise(self, moment: Moment) -> Iterator[Change]:
        event = self._event
        if event is None or event.raised_ms is not None or not self._lasted(event):
            return
        if self._free_ms is None or moment.keyframe_ms >= self._free_ms:
            self._event = replace(event, decided_ms=moment.keyframe_ms, raised_ms=moment.end_ms)
            yield Change(kind="raised", event=self._event)

    def _lasted(self, event: Event) -> bool:
        return event.held_ms - event.began_ms >= 1000 * self._rule.for_s
