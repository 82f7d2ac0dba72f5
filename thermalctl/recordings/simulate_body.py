"""A simulated person's body: eleven joints in metres, and the warm points that a thermal sensor sees of it.

Every action of every person is drawn from these joints, with the same temperatures. Actions can be told apart only by
where the joints are and how they move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

JOINTS = (
    "head", "chest", "pelvis", "elbow_left", "elbow_right", "hand_left", "hand_right",
    "knee_left", "knee_right", "foot_left", "foot_right",
)  # fmt: skip
NUM_JOINTS = len(JOINTS)
BODY_HEIGHT_M = 1.7
SEAT_HEIGHT_M = 0.45
BED_HEIGHT_M = 0.5

#: How far each joint strays while a posture is held, m: hands most, the trunk least.
RESTLESSNESS_M = np.array([0.03, 0.02, 0.015, 0.04, 0.04, 0.06, 0.06, 0.03, 0.03, 0.035, 0.035])


@dataclass(frozen=True, kw_only=True)
class Posture:
    """A posture of someone `BODY_HEIGHT_M` tall, standing, sitting or lying at the origin and facing +x.

    Attributes:
        joints_m: (11, 3) x forward, y to the left, z up, above the floor.
        support_m: height of what carries the body: floor, seat or mattress.
    """

    joints_m: FloatArray
    support_m: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BodyPoints:
    """What the sensor sees of a body: soft warm points, of which there are P.

    Attributes:
        from_joints: (P, 11) weights that place each point between the joints.
        radius_m: (P,) how far each point's warmth reaches.
        temperature_c: (P,) apparent temperature through clothing.
        cover: (P,) how much each point hides of what is behind it.
    """

    from_joints: FloatArray
    radius_m: FloatArray
    temperature_c: FloatArray
    cover: FloatArray


def _posture(
    head: tuple[float, float],
    chest: tuple[float, float],
    pelvis: tuple[float, float],
    elbow: tuple[float, float, float],
    hand: tuple[float, float, float],
    knee: tuple[float, float, float],
    foot: tuple[float, float, float],
    support_m: float = 0.0,
) -> Posture:
    """Return a symmetric posture from the joints' (x, z) on the middle line and (x, y, z) on the left side."""
    joints = [(x, 0.0, z) for x, z in (head, chest, pelvis)]
    for x, y, z in (elbow, hand, knee, foot):
        joints += [(x, y, z), (x, -y, z)]
    return Posture(joints_m=np.array(joints), support_m=support_m)


STANDING = _posture(
    (0.02, 1.60), (0, 1.30), (0, 0.95), (0, 0.26, 1.10), (0.06, 0.28, 0.85), (0.02, 0.10, 0.50), (0.04, 0.12, 0.06)
)
SITTING = _posture(
    (0.08, 1.25), (0.02, 0.98), (0, 0.52), (0.12, 0.27, 0.80), (0.36, 0.20, 0.60), (0.46, 0.14, 0.52),
    (0.48, 0.14, 0.06), support_m=SEAT_HEIGHT_M,
)  # fmt: skip
LYING = _posture(
    (0.80, 0.12), (0.50, 0.12), (0, 0.12), (0.28, 0.32, 0.08), (0.02, 0.38, 0.06), (-0.45, 0.14, 0.12),
    (-0.88, 0.17, 0.07),
)  # fmt: skip
LEANING = _posture(
    (0.42, 1.42), (0.26, 1.18), (-0.08, 0.90), (0.42, 0.30, 1.15), (0.62, 0.30, 1.25), (-0.30, 0.11, 0.48),
    (-0.52, 0.13, 0.06),
)  # fmt: skip
KNEELING = _posture(
    (0.12, 1.22), (0.06, 0.95), (-0.04, 0.52), (0.14, 0.27, 0.75), (0.28, 0.16, 0.60), (0.12, 0.13, 0.06),
    (-0.36, 0.12, 0.06),
)  # fmt: skip
BENDING = _posture(
    (0.66, 0.88), (0.40, 1.00), (-0.12, 0.92), (0.50, 0.22, 0.70), (0.60, 0.16, 0.35), (-0.04, 0.11, 0.48),
    (0.02, 0.13, 0.06),
)  # fmt: skip
CROUCHING = _posture(
    (0.30, 0.88), (0.12, 0.68), (-0.18, 0.34), (0.26, 0.28, 0.48), (0.34, 0.14, 0.34), (0.28, 0.20, 0.46),
    (0.04, 0.14, 0.06),
)  # fmt: skip
SITTING_ON_FLOOR = _posture(
    (-0.08, 0.84), (-0.10, 0.52), (0, 0.12), (-0.16, 0.36, 0.30), (-0.26, 0.40, 0.06), (0.42, 0.18, 0.18),
    (0.86, 0.22, 0.07),
)  # fmt: skip
CRAWLING = _posture(
    (0.48, 0.52), (0.22, 0.52), (-0.26, 0.50), (0.28, 0.22, 0.28), (0.34, 0.22, 0.06), (-0.26, 0.16, 0.06),
    (-0.66, 0.14, 0.06),
)  # fmt: skip
WAVING = _posture(
    (0.02, 1.60), (0, 1.30), (0, 0.95), (0.05, 0.45, 1.42), (0.10, 0.72, 1.62), (0.02, 0.12, 0.50), (0.04, 0.16, 0.06)
)


def raise_posture(posture: Posture, support_m: float) -> Posture:
    """Return the posture taken on something `support_m` high instead of on the floor."""
    return Posture(joints_m=posture.joints_m + np.array([0.0, 0.0, support_m]), support_m=support_m)


def vary_lying(rng: np.random.Generator) -> Posture:
    """Return a way to lie: stretched out or with drawn-up knees, arms anywhere."""
    joints = LYING.joints_m.copy()
    drawn_up = rng.uniform(0.0, 0.8)
    side = rng.choice((-1.0, 1.0))
    joints[7:9] += np.array([0.20, 0.25 * side, 0.05]) * drawn_up
    joints[9:11] += np.array([0.45, 0.05 * side, 0.02]) * drawn_up
    for elbow, hand in ((3, 5), (4, 6)):
        lifted = rng.uniform(0.0, 1.0)
        joints[elbow, 0] += 0.35 * lifted
        joints[hand, 0] += 0.75 * lifted
    return Posture(joints_m=joints)


def place_posture(posture: Posture, place_m: FloatArray, heading: FloatArray, *, size: float) -> FloatArray:
    """Return the joints in the room, (n, 11, 3) m.

    Args:
        posture: what is held.
        place_m: (n, 2) where, on the floor.
        heading: (n,) which way the person faces, radians from +x.
        size: the person's height as a multiple of `BODY_HEIGHT_M`.
    """
    x, y, z = ((posture.joints_m - [0, 0, posture.support_m]) * size).T
    cos, sin = np.cos(heading)[:, None], np.sin(heading)[:, None]
    return np.stack(
        (
            place_m[:, :1] + cos * x - sin * y,
            place_m[:, 1:] + sin * x + cos * y,
            np.broadcast_to(z + posture.support_m, cos.shape[:1] + z.shape),
        ),
        axis=-1,
    )


#: Bones as (joint, joint, radius in m, apparent temperature in deg C, cover, points along it, ends included). The head
#: is one point and covers as much as several, or it would look cooler on the floor than above the shoulders.
_BONES = (
    ("head", "head", 0.12, 34.5, 2.8, 1),
    ("chest", "pelvis", 0.15, 30.5, 1.6, 4),
    ("chest", "elbow", 0.07, 30.5, 1.6, 3),
    ("elbow", "hand", 0.055, 31.5, 1.6, 3),
    ("pelvis", "knee", 0.09, 30.0, 1.6, 3),
    ("knee", "foot", 0.07, 29.0, 1.6, 3),
)


def build_body_points() -> BodyPoints:
    """Return the warm points of a body of `BODY_HEIGHT_M` in clothes."""
    rows, radii, temperatures, covers = [], [], [], []
    for first, second, radius, temperature, cover, count in _BONES:
        for side in ("_left", "_right") if second in ("elbow", "hand", "knee", "foot") else ("",):
            start = JOINTS.index(first if first in JOINTS else first + side)
            end = JOINTS.index(second + side)
            for along in np.linspace(0.0, 1.0, count):
                row = np.zeros(NUM_JOINTS)
                row[start] += 1.0 - along
                row[end] += along
                rows.append(row)
                radii.append(radius)
                temperatures.append(temperature)
                covers.append(cover)
    return BodyPoints(
        from_joints=np.array(rows),
        radius_m=np.array(radii),
        temperature_c=np.array(temperatures),
        cover=np.array(covers),
    )
