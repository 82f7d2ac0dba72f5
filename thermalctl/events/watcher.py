"""Watches a model's answers for the events that rules describe, as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from thermalctl.clip_spec import Target
from thermalctl.events.condition import Condition, Moment
from thermalctl.events.evidence import NOTHING, Evidence, Scale, weigh_room
from thermalctl.events.record import Change, EndReason, Event, EventRecord, Span
from thermalctl.events.rules import EventRule
from thermalctl.streams.answers import WindowAnswer


class EventWatcher:
    """Follows the rules' conditions through one recording or stream.

    What is kept are the windows' bounds, the conditions of people who were lately seen, the events that ended and the
    stretches that were watched: memory grows with events and interruptions, not with frames.

    Args:
        rules: from `read_rules`.
        classes: the model's class names in id order.
        target: what it judges. A model of people that finds nobody says so with an answer without a person, which then
            tells nothing; of a model of whole frames it is the answer.
    """

    def __init__(self, rules: Sequence[EventRule], classes: Sequence[str], *, target: Target = "frame") -> None:
        self._rules = tuple(rules)
        self._num_classes = len(classes)
        self._target: Target = target
        self._watches = [_Watch(rule, Scale(rule, classes)) for rule in rules]
        self._recording = ""
        self._window: list[WindowAnswer] = []
        #: The stretch that is being watched.
        self._span: Span | None = None
        self._events: list[Event] = []
        self._watched: list[Span] = []

    @property
    def events(self) -> tuple[Event, ...]:
        """Those that have ended, in the order in which they began."""
        return tuple(sorted(self._events, key=attrgetter("began_ms")))

    @property
    def watched(self) -> tuple[Span, ...]:
        """From the first keyframe to the last of each stretch, the last of which may still go on."""
        return (*self._watched, *([] if self._span is None else [self._span]))

    def update(self, answer: WindowAnswer) -> list[Change]:
        """Return what an answer changes.

        That a condition holds is told with the first answer that says so. What takes all answers to a window, that
        nobody is at risk, is told with the next window where several people may be judged in one.

        Args:
            answer: the next one; windows in the order of their keyframes, those of a window in any order.

        Raises:
            ValueError: if it has probabilities of other classes.
        """
        found = answer.probabilities
        if found is not None and found.shape != (self._num_classes,):
            raise ValueError(f"probabilities of shape {found.shape}, expected those of {self._num_classes} classes")
        self._recording = answer.recording
        changes: list[Change] = []
        if self._window:
            last = self._window[-1]
            if answer.segment != last.segment or answer.keyframe_ms < last.keyframe_ms:
                changes += self._stop("lost sight", last.end_ms)
            elif answer.window != last.window:
                changes += self._close_window()
        if self._span is None and self._watched and answer.keyframe_ms < self._watched[-1].end_ms:
            for watch in self._watches:
                watch.conditions.clear()  # cool-downs by a clock that was set back
        self._span = Span(answer.keyframe_ms if self._span is None else self._span.start_ms, answer.keyframe_ms)
        self._window.append(answer)
        # Without a person there is no other answer to this window.
        changes += self._step() if answer.person is None else self._step_early(answer)
        return self._note(changes)

    def interrupt(self, ms: int) -> list[Change]:
        """Return what ends because frames stop following one another: all that holds, as "lost sight".

        Args:
            ms: when the last frame arrived.
        """
        return self._note(self._stop("lost sight", ms))

    def finish(self) -> list[Change]:
        """Return what ends because nothing more comes."""
        return self._note(self._stop("finished", self._window[-1].end_ms)) if self._window else []

    def record(self, *, about: Mapping[str, Any] | None = None) -> EventRecord:
        """Return all that has ended until now, and what was watched.

        Args:
            about: where the answers come from, plain values.
        """
        return EventRecord(
            recording=self._recording,
            target=self._target,
            rules=self._rules,
            watched=self.watched,
            events=self.events,
            about=dict(about or {}),
        )

    def _step_early(self, answer: WindowAnswer) -> list[Change]:
        """Tell of one person in a window that may have more: whatever they say, it holds."""
        changes: list[Change] = []
        for watch in self._watches:
            evidence = watch.scale.weigh(answer)
            if evidence.level == "above":
                changes += watch.find(answer.person).step(evidence, _find_moment(answer))
        return changes

    def _step(self) -> list[Change]:
        """Tell of a whole window."""
        moment = _find_moment(self._window[-1])
        nobody = self._target == "person" and all(answer.person is None for answer in self._window)
        changes: list[Change] = []
        for watch in self._watches:
            found = [] if nobody else [watch.scale.weigh(answer) for answer in self._window]
            changes += watch.step(found, moment)
        return changes

    def _close_window(self) -> list[Change]:
        """Tell of the window that is over, unless that was done already."""
        changes = self._step() if self._window and self._window[-1].person is not None else []
        self._window = []
        return changes

    def _stop(self, reason: EndReason, ms: int) -> list[Change]:
        changes = self._close_window()
        if self._span is not None:
            self._watched.append(self._span)
            self._span = None
        return changes + [change for watch in self._watches for change in watch.close(reason, ms)]

    def _note(self, changes: list[Change]) -> list[Change]:
        self._events += [change.event for change in changes if change.kind != "raised"]
        return changes


class _Watch:
    """A rule with the conditions that it is about: the room's, or each person's."""

    def __init__(self, rule: EventRule, scale: Scale) -> None:
        self.scale = scale
        self.conditions: dict[int | None, Condition] = {}
        self._rule = rule

    def find(self, person: int | None) -> Condition:
        """Return the condition that a person's answers are about."""
        whose = None if self._rule.per == "room" else person
        return self.conditions.setdefault(whose, Condition(self._rule))

    def step(self, found: Sequence[Evidence], moment: Moment) -> list[Change]:
        """Return what all that a window says changes.

        Args:
            found: of each person, or of the frame; nothing where nobody was found.
            moment: when.
        """
        if self._rule.per == "room":
            room = self.find(None)
            changes = list(room.step(weigh_room(found, room.carrier), moment))
        else:
            by_person = {one.person: one for one in found}
            changes = []
            for person in [*self.conditions, *(person for person in by_person if person not in self.conditions)]:
                changes += self.find(person).step(by_person.get(person, NOTHING), moment)
        self.conditions = {
            whose: condition
            for whose, condition in self.conditions.items()
            if not condition.is_forgettable(moment.keyframe_ms)
        }
        return changes

    def close(self, reason: EndReason, ms: int) -> list[Change]:
        """Return the ends of all that holds."""
        return [change for condition in self.conditions.values() for change in condition.close(reason, ms)]


def _find_moment(answer: WindowAnswer) -> Moment:
    return Moment(keyframe=answer.keyframe, keyframe_ms=answer.keyframe_ms, end_ms=answer.end_ms)
