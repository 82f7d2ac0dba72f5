from __future__ import annotations

import numpy as np
import pytest

from thermalctl.recordings import simulate_body as body


def test_body_points_lie_between_joints() -> None:
    points = body.build_body_points()
    assert points.from_joints.shape == (29, body.NUM_JOINTS)  # head 1, trunk 4, four limbs of two bones of 3 points
    np.testing.assert_allclose(points.from_joints.sum(axis=1), 1.0)
    assert (points.from_joints >= 0).all()
    assert points.radius_m.shape == points.temperature_c.shape == points.cover.shape == (29,)


def test_posture_is_turned_to_its_heading_and_moved_to_its_place() -> None:
    joints = body.place_posture(body.LYING, np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([0.0, np.pi / 2]), size=1.0)
    # The head lies 0.8 m ahead of the pelvis, at a height of 12 cm.
    np.testing.assert_allclose(joints[0, 0], (1.8, 2.0, 0.12))
    np.testing.assert_allclose(joints[1, 0], (1.0, 2.8, 0.12), atol=1e-12)


def test_taller_person_is_larger_above_what_carries_them() -> None:
    on_bed = body.raise_posture(body.LYING, body.BED_HEIGHT_M)
    joints = body.place_posture(on_bed, np.zeros((1, 2)), np.zeros(1), size=1.1)
    np.testing.assert_allclose(joints[0, 0], (0.88, 0.0, 0.5 + 0.132))


def test_left_and_right_differ_in_sign_only() -> None:
    for posture in (body.STANDING, body.SITTING, body.BENDING, body.CRAWLING):
        left, right = posture.joints_m[3::2], posture.joints_m[4::2]
        np.testing.assert_array_equal(left * (1, -1, 1), right)


@pytest.mark.parametrize("seed", range(5))
def test_everyone_lies_on_the_ground_in_their_own_way(seed: int) -> None:
    lying = body.vary_lying(np.random.default_rng(seed)).joints_m
    assert lying[:, 2].max() < 0.3
    assert np.ptp(lying[:, 0]) > 1.2
    assert not np.array_equal(lying, body.LYING.joints_m)
