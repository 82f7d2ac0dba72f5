from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermalctl.deploy.verification import (
    Answers,
    Contender,
    Difference,
    Verification,
    compare_answers,
    compare_exactly,
    measure_contender,
)


def make_scores(answers: list[int], num_classes: int = 3) -> np.ndarray:
    """Return probabilities that answer these classes, 0.8 each."""
    scores = np.full((len(answers), num_classes), 0.2 / (num_classes - 1), dtype=np.float32)
    scores[np.arange(len(answers)), answers] = 0.8
    return scores


@pytest.mark.parametrize(("shift", "status"), [(0.25, "ok"), (0.5, "failed"), (np.nan, "failed")])
def test_largest_difference_of_any_value_is_held_to_the_tolerance(shift: float, status: str) -> None:
    reference = make_scores([0, 1, 2])
    changed = reference.copy()
    changed[1, 2] += np.float32(shift)
    [found] = compare_exactly(Answers(probabilities=changed), Answers(probabilities=reference), "it", tolerance=0.3)
    assert found.status == status
    assert found.largest == pytest.approx(shift, nan_ok=True)


def test_difference_that_does_not_count_is_a_note() -> None:
    [found] = compare_exactly(
        Answers(probabilities=make_scores([0])), Answers(probabilities=make_scores([1])), "it", tolerance=0.1,
        counts=False,
    )  # fmt: skip
    assert (found.status, found.num_agreeing) == ("note", 0)


def test_logits_and_features_differ_by_a_share_of_their_value_but_for_small_ones() -> None:
    scores = make_scores([0])
    ours = Answers(
        probabilities=scores,
        logits=np.array([[-1e4, 8.0, 0.1]], dtype=np.float32),
        features=np.array([[0.5, 0.0]], dtype=np.float32),
    )
    theirs = Answers(
        probabilities=scores,
        logits=np.array([[-1e4, 10.0, 0.2]], dtype=np.float32),
        features=np.array([[0.25, 0.0]], dtype=np.float32),
    )
    found = compare_exactly(ours, theirs, "it", tolerance=0.1)
    assert [one.output for one in found] == ["probabilities", "logits", "features"]
    assert found[1].largest == pytest.approx(2 / 10)
    assert found[2].largest == pytest.approx(0.25)
    assert [one.num_agreeing for one in found] == [1, None, None]


def compare(answers: list[int], reference: list[int], labels: list[int]) -> Difference:
    [found] = compare_answers(
        Answers(probabilities=make_scores(answers)),
        Answers(probabilities=make_scores(reference)),
        "fp32",
        labels=np.array(labels),
        precision="int8",
    )
    return found


def test_reduced_file_may_answer_one_clip_of_twenty_otherwise() -> None:
    labels = [2] * 20  # neither is right about any
    same = [0] * 20
    assert compare([1] + [0] * 19, same, labels).status == "ok"
    assert compare([1, 1] + [0] * 18, same, labels).status == "failed"


def test_reduced_file_may_be_wrong_about_one_clip_of_fifty_more() -> None:
    right = [0] * 50
    assert compare([1] + [0] * 49, right, right).status == "ok"
    assert compare([1, 1] + [0] * 48, right, right).status == "failed"  # of which 96 % agree


def test_reduced_file_may_be_right_more_often() -> None:
    found = compare([0] * 50, [1, 1] + [0] * 48, [0] * 50)
    assert (found.status, found.num_agreeing) == ("ok", 48)


def test_reduced_file_whose_scores_are_no_numbers_fails() -> None:
    scores = make_scores([0] * 4)
    broken = scores.copy()
    broken[:, 0] = np.nan  # which argmax takes for the largest
    [found] = compare_answers(
        Answers(probabilities=broken),
        Answers(probabilities=scores),
        "fp32",
        labels=np.zeros(4, dtype=np.int64),
        precision="fp16",
    )
    assert (found.status, found.num_agreeing) == ("failed", 4)


def test_logits_of_a_reduced_file_are_told_but_do_not_count() -> None:
    scores, logits = make_scores([0]), np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
    found = compare_answers(
        Answers(probabilities=scores, logits=2 * logits),
        Answers(probabilities=scores, logits=logits),
        "fp32",
        labels=np.zeros(1, dtype=np.int64),
        precision="fp16",
    )
    assert [one.status for one in found] == ["ok", "note"]


def test_mean_class_accuracy_is_of_the_classes_that_are_there() -> None:
    found = measure_contender("it", make_scores([0, 0, 0, 1, 2]), np.array([0, 0, 0, 0, 1]), ms=1.0, num_bytes=1)
    assert found.top1 == pytest.approx(3 / 5)
    assert found.mean_class == pytest.approx((3 / 4 + 0 / 1) / 2)


def make_verification(**changes: Any) -> Verification:
    values: dict[str, Any] = {
        "holds": True,
        "precision": "fp32",
        "split": "val",
        "num_clips": 4,
        "num_incomplete_clips": 0,
        "batch_sizes": (1, 2),
        "tolerance": 1e-4,
        "differences": (),
        "contenders": tuple(
            Contender(name=name, ms=ms, num_bytes=1, top1=1.0, mean_class=1.0)
            for name, ms in (("PyTorch", 8.0), ("ONNX fp32", 4.0), ("ONNX int8", 10.0))
        ),
        "num_threads": 1,
    }
    return Verification(**(values | changes))


def test_time_of_a_reduced_file_is_a_share_of_that_of_the_one_before() -> None:
    found = make_verification(precision="int8")
    assert found.is_measured_against_fp32
    assert found.time_ratio == 2.5
    whole = make_verification(contenders=found.contenders[:2])
    assert not whole.is_measured_against_fp32
    assert whole.time_ratio == 0.5


def test_difference_that_is_told_first_is_the_files_own() -> None:
    differences = [
        Difference(status="ok", precision=precision, against=against, output="probabilities", largest=largest)
        for precision, against, largest in (
            ("fp32", "PyTorch", 1e-7), ("fp32", "thermalctl test", 2e-7), ("int8", "fp32", 0.01)
        )
    ]  # fmt: skip
    assert make_verification(precision="int8", differences=tuple(differences)).max_difference == 0.01
    assert make_verification(differences=tuple(differences[:2])).max_difference == 1e-7
