from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from thermalctl.evaluation.baselines import majority_baseline, random_baseline, uniform_baseline

CLASSES = tuple(f"class {index}" for index in range(14))
#: Clips of each class in the validation split of the recorded result, and the classes' places.
RECORDED_COUNTS = {3: 37, 1: 25, 6: 4, 10: 3, 4: 2, 7: 1, 11: 1}


@pytest.fixture
def recorded_labels() -> np.ndarray:
    return np.repeat(list(RECORDED_COUNTS), list(RECORDED_COUNTS.values())).astype(np.int64)


def test_majority_on_the_recorded_protocol(recorded_labels: np.ndarray) -> None:
    train_counts = np.zeros(14, dtype=np.int64)
    train_counts[3], train_counts[1] = 162, 102
    score = majority_baseline(train_counts, recorded_labels, CLASSES)
    assert f"{100 * score.top1:.1f}" == "50.7"
    assert f"{100 * score.mean_class:.1f}" == "14.3"
    expected = f1_score(recorded_labels, np.full(73, 3), average="macro", zero_division=0)
    assert score.macro_f1 == pytest.approx(expected)
    assert score.note is None


def test_majority_is_that_of_training_and_says_where_it_differs_here() -> None:
    score = majority_baseline(np.array([5, 9, 1]), np.array([0, 0, 0, 1]), ("sitting", "standing", "walking"))
    assert (score.top1, score.mean_class) == (0.25, 0.5)
    assert score.macro_f1 == pytest.approx((0 + 2 * 1 / (1 + 4)) / 2)
    assert score.note == '"standing" is the most frequent class in training; here it is "sitting" (3 of 4 clips)'


def test_majority_without_a_clip_here_scores_nothing() -> None:
    score = majority_baseline(np.array([5, 9, 1]), np.array([0, 2]), CLASSES[:3])
    assert (score.top1, score.mean_class, score.macro_f1) == (0.0, 0.0, 0.0)


def test_random_draw_by_hand() -> None:
    # p = (0.5, 0.3, 0.2); q = (0.25, 0, 0.75).
    score = random_baseline(np.array([5, 3, 2]), np.array([0, 2, 2, 2]), CLASSES[:3])
    assert score.top1 == pytest.approx(0.5 * 0.25 + 0.2 * 0.75)
    assert score.mean_class == pytest.approx((0.5 + 0.2) / 2)
    assert score.macro_f1 is None


def test_random_draw_is_what_many_draws_come_to(recorded_labels: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    train_counts = np.arange(1, 15)
    score = random_baseline(train_counts, recorded_labels, CLASSES)
    drawn = rng.choice(14, p=train_counts / train_counts.sum(), size=(20_000, 73))
    hits = drawn == recorded_labels
    # Standard errors: about 3e-4 and 5e-4.
    assert score.top1 == pytest.approx(hits.mean(), abs=1.5e-3)
    recalls = [hits[:, recorded_labels == label].mean() for label in RECORDED_COUNTS]
    assert score.mean_class == pytest.approx(np.mean(recalls), abs=2.5e-3)


def test_even_draw_is_one_in_k(recorded_labels: np.ndarray) -> None:
    score = uniform_baseline(recorded_labels, CLASSES)
    assert (score.top1, score.mean_class) == pytest.approx((1 / 14, 1 / 14))


@pytest.mark.real
def test_majority_on_the_real_split(real_dataset: Path) -> None:
    train, val = (_read_frame_labels(real_dataset / "annotations" / f"{split}.json") for split in ("train", "val"))
    score = majority_baseline(np.bincount(train, minlength=14), np.array(val), CLASSES)
    assert Counter(val) == RECORDED_COUNTS
    assert (score.top1, score.mean_class) == pytest.approx((37 / 73, 1 / 7))


def _read_frame_labels(path: Path) -> list[int]:
    """Return each keyframe's most frequent label, ties to the lowest id."""
    data = json.loads(path.read_text())
    labels = defaultdict(list)
    for annotation in data["annotations"]:
        labels[annotation["image_id"]].append(annotation["category_id"])
    return [max(sorted(set(found)), key=found.count) for found in labels.values()]
