from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermalctl.annotations.coco import Box, PersonAnnotation
from thermalctl.dataset.samples import choose_frame_label
from thermalctl.evaluation.frames_of_people import find_label_probabilities


def make_person(class_id: int) -> PersonAnnotation:
    return PersonAnnotation(
        id=0,
        image_id="",
        box=Box(0.5, 0.5, 1, 1),
        category_id=class_id,
        category_name="",
        object_id=None,
        attribute_obscured=None,
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), num_people=st.integers(1, 4), num_classes=st.integers(2, 5))
def test_probabilities_are_those_of_every_way_in_which_people_can_act(
    seed: int, num_people: int, num_classes: int
) -> None:
    scores = np.random.default_rng(seed).dirichlet(np.full(num_classes, 0.5), size=num_people)
    expected = np.zeros(num_classes)
    for actions in itertools.product(range(num_classes), repeat=num_people):
        label = choose_frame_label([make_person(action) for action in actions])
        expected[label] += np.prod([scores[person, action] for person, action in enumerate(actions)])
    np.testing.assert_allclose(find_label_probabilities(scores), expected, atol=1e-6)


def test_one_persons_frame_is_theirs() -> None:
    np.testing.assert_allclose(find_label_probabilities(np.array([[0.2, 0.5, 0.3]])), [0.2, 0.5, 0.3])


def test_of_two_who_differ_the_lower_class_wins() -> None:
    # Both 1: 0.36. One 0: 1 - 0.64 = 0.36 for class 0 is 1 - 0.8 * 0.8.
    found = find_label_probabilities(np.array([[0.2, 0.8], [0.2, 0.8]]))
    np.testing.assert_allclose(found, [0.36, 0.64])


def test_surest_answers_of_people_who_are_sure_are_a_vote() -> None:
    sure = np.eye(3)[[2, 2, 0]] * 0.97 + 0.01
    assert find_label_probabilities(sure).argmax() == 2


def test_many_people_are_no_trouble() -> None:
    scores = np.random.default_rng(0).dirichlet(np.full(14, 0.1), size=6)
    assert find_label_probabilities(scores).sum() == pytest.approx(1)
