from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from thermalctl.dataset.person_regions import find_person_regions
from thermalctl.errors import RecordingError
from thermalctl.prediction.answering import Answerer, LocatedPerson, frame_as_box
from thermalctl.streams.answers import WindowAnswer
from thermalctl.streams.frames import Frame, Interruption, Item
from thermalctl.streams.windows import Stride, Window

GAP = Interruption(start_ms=0, end_ms=9000, cause="gap")


def make_frames(values_c: Iterable[float], *, incomplete: tuple[int, ...] = ()) -> list[Item]:
    return [
        Frame(
            number=number,
            timestamp_ms=100 * number,
            frame_c=np.full((2, 3), value_c, dtype=np.float32),
            is_incomplete=number in incomplete,
        )
        for number, value_c in enumerate(values_c)
    ]


def answer(model: Any, items: list[Item], **options: Any) -> list[WindowAnswer]:
    answerer = Answerer(model, "R1", stride=Stride(frames=2), **options)
    return [found for found in answerer.answer(items) if isinstance(found, WindowAnswer)]


def test_each_window_has_the_answer_to_its_own_clip(make_model: Callable[..., Any]) -> None:
    answers = answer(make_model(), make_frames(range(10)))
    assert [each.last_frame for each in answers] == [3, 5, 7, 9]
    assert [float(each.probabilities[1]) for each in answers] == pytest.approx([0.03, 0.05, 0.07, 0.09])
    first = answers[0]
    assert (first.recording, first.window, first.first_frame, first.keyframe) == ("R1", 0, 0, 2)
    assert (first.start_ms, first.keyframe_ms, first.end_ms) == (0, 200, 300)
    assert (first.status, first.class_id, first.person, first.box) == ("answered", 0, None, None)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_batches_change_no_answer_and_no_order(make_model: Callable[..., Any], batch_size: int) -> None:
    model = make_model()
    answers = answer(model, [*make_frames(range(10)), GAP, *make_frames(range(40, 47))], batch_size=batch_size)
    assert [each.window for each in answers] == [0, 1, 2, 3, 4, 5, 6]
    assert [float(each.probabilities[1]) for each in answers] == pytest.approx(
        [0.03, 0.05, 0.07, 0.09, 0.43, 0.45, 0.46]
    )
    assert max(model.batches) <= batch_size
    assert sum(model.batches) == 7


def test_interruption_comes_after_the_answers_before_it(make_model: Callable[..., Any]) -> None:
    answerer = Answerer(make_model(), "R1", stride=Stride(frames=2), batch_size=100)
    found = list(answerer.answer([*make_frames(range(4)), GAP, *make_frames(range(4))]))
    assert [type(each) for each in found] == [WindowAnswer, Interruption, WindowAnswer]


def test_window_without_a_complete_frame_is_not_answered(make_model: Callable[..., Any]) -> None:
    model = make_model()
    answers = answer(model, make_frames(range(8), incomplete=(0, 1, 2, 3)), batch_size=8)
    assert [each.status for each in answers] == ["incomplete", "answered", "answered"]
    assert answers[0].probabilities is None
    assert answers[0].class_id is None
    assert [each.num_incomplete for each in answers] == [4, 2, 0]
    assert float(answers[1].probabilities[1]) == pytest.approx(0.05)
    assert sum(model.batches) == 2


def test_model_that_takes_incomplete_frames_as_they_are_is_asked(make_model: Callable[..., Any]) -> None:
    answers = answer(make_model(repair="none"), make_frames(range(4), incomplete=(0, 1, 2, 3)))
    assert [each.status for each in answers] == ["answered"]


def test_answer_that_is_no_number_is_an_error(make_model: Callable[..., Any]) -> None:
    with pytest.raises(RecordingError, match="the model's answer to window 1 is no number"):
        answer(make_model(), make_frames([1, 1, 1, 1, 1, np.nan]))


class Finder:
    """Finds a person in even windows, two in every third, and remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def update(self, frame: Frame) -> None:
        self.seen.append(frame.number)

    def locate(self, window: Window) -> list[LocatedPerson]:
        assert set(window.frames) <= set(self.seen)
        numbers = [7, 9] if window.number % 3 == 0 else [7] if window.number % 2 == 0 else []
        return [LocatedPerson(number=number, boxes=make_boxes(number)) for number in numbers]


def make_boxes(number: int) -> NDArray[np.float64]:
    return np.array([[0.1 * step, number / 10, 0.2, 0.2] for step in range(4)])


def test_each_person_has_an_answer_and_where_nobody_is_the_whole_frame(make_model: Callable[..., Any]) -> None:
    model, finder = make_model(target="person"), Finder()
    answers = answer(model, make_frames(range(10)), people=finder, batch_size=3)
    assert [(each.window, each.person) for each in answers] == [(0, 7), (0, 9), (1, None), (2, 7), (3, 7), (3, 9)]
    assert answers[0].box == pytest.approx((0.2, 0.7, 0.2, 0.2))  # in the keyframe, T // 2
    assert answers[2].box is None
    boxes = np.concatenate(model.boxes)
    np.testing.assert_allclose(boxes[1], make_boxes(9))
    np.testing.assert_allclose(boxes[2], frame_as_box(model.clip_spec))


def test_fixed_crop_is_told_the_keyframes_box(make_model: Callable[..., Any]) -> None:
    model = make_model(target="person", person_crop="fixed")
    answer(model, make_frames(range(4)), people=Finder())
    np.testing.assert_allclose(model.boxes[0], [make_boxes(7)[2]])


@pytest.mark.parametrize("margin", [1.0, 1.5, 3.0])
def test_whole_frame_as_a_box_is_seen_as_a_square_as_long_as_the_frame(
    make_model: Callable[..., Any], margin: float
) -> None:
    spec = make_model(target="person", person_margin=margin).clip_spec
    [regions] = find_person_regions(frame_as_box(spec)[None], (40, 60), spec)
    np.testing.assert_allclose(regions, np.tile([0, -10, 60, 60], (4, 1)), atol=1e-5)
