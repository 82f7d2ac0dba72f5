"""The actions of simulated people: which there are, how long each is held, where, and in which postures.

The same person does all of them. A class differs from another in posture, motion and place only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from thermalctl.recordings import simulate_body as body
from thermalctl.recordings.simulate_body import Posture


class Action(IntEnum):
    """What a person does; the values are the class ids of the real recordings' 14 classes."""

    SITTING = 0
    STANDING = 1
    WALKING = 2
    LYING_WITH_RISK = 3
    LYING_ON_BED = 4
    LEANING = 5
    NORMAL_TRANSITION = 6
    LYING_WITH_RISK_TRANSITION = 7
    LYING_ON_BED_TRANSITION = 8
    LOWER_POSITION_OTHER = 9
    KNEELING = 10
    BENDING = 11
    CROUCHING = 12
    OTHER = 13


#: The label of frames in which the person is not there.
ABSENT = -1

Where = Literal["here", "floor", "bed", "chair", "support"]


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Something that people do.

    Attributes:
        label: while it is held.
        share: of the time that it is to take. What is left goes to transitions.
        hold_s: shortest and longest time that it is held.
        where: on the spot, stretched out on the floor, on one's bed or chair, or beside something to lean on.
        postures: one of these is taken.
        transition: label while getting into it and out of it again.
        transition_s: shortest and longest time that this takes.
    """

    label: Action
    share: float
    hold_s: tuple[float, float]
    where: Where = "here"
    postures: tuple[Posture, ...] = (body.STANDING,)
    transition: Action = Action.NORMAL_TRANSITION
    transition_s: tuple[float, float] = (1.0, 1.8)


ACTIVITIES = (
    Activity(label=Action.STANDING, share=0.28, hold_s=(9.0, 16.0)),
    Activity(label=Action.WALKING, share=0.06, hold_s=(7.0, 12.0)),
    Activity(
        label=Action.LYING_WITH_RISK, share=0.45, hold_s=(14.0, 24.0), where="floor", postures=(body.LYING,),
        transition=Action.LYING_WITH_RISK_TRANSITION, transition_s=(1.4, 2.4),
    ),
    Activity(
        label=Action.LYING_ON_BED, share=0.04, hold_s=(8.0, 13.0), where="bed", postures=(body.LYING,),
        transition=Action.LYING_ON_BED_TRANSITION, transition_s=(1.6, 2.8),
    ),
    Activity(label=Action.SITTING, share=0.04, hold_s=(8.0, 12.0), where="chair", postures=(body.SITTING,)),
    Activity(label=Action.LEANING, share=0.015, hold_s=(5.0, 8.0), where="support", postures=(body.LEANING,)),
    Activity(label=Action.KNEELING, share=0.015, hold_s=(5.0, 8.0), postures=(body.KNEELING,)),
    Activity(label=Action.BENDING, share=0.01, hold_s=(4.0, 6.0), postures=(body.BENDING,)),
    Activity(label=Action.CROUCHING, share=0.01, hold_s=(4.0, 6.0), postures=(body.CROUCHING,)),
    Activity(label=Action.LOWER_POSITION_OTHER, share=0.01, hold_s=(4.0, 6.0), postures=(body.SITTING_ON_FLOOR,)),
    Activity(label=Action.OTHER, share=0.01, hold_s=(4.0, 6.0), postures=(body.CRAWLING, body.WAVING)),
)  # fmt: skip
