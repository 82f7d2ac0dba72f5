from __future__ import annotations

import time

import numpy as np
import pytest

from thermalctl.dataset.splitting import SplitRule, Splittable, deal_folds, hold_out
from thermalctl.errors import RequestError


def make_items(num_sessions: int, per_session: int, *, num_classes: int = 3, seed: int = 0) -> list[Splittable]:
    """Return keyframes of sessions of two recordings each, classes drawn unequally."""
    rng = np.random.default_rng(seed)
    chances = 0.5 ** np.arange(num_classes)
    labels = rng.choice(num_classes, size=num_sessions * per_session, p=chances / chances.sum()).tolist()
    return [
        Splittable(
            keyframe=f"k{number}",
            recording=f"r{number // per_session}_{number % 2}",
            session=f"s{number // per_session}",
            label=label,
        )
        for number, label in enumerate(labels)
    ]


@pytest.mark.parametrize("rule", ["session", "recording", "random"])
def test_no_group_is_divided(rule: SplitRule) -> None:
    items = make_items(12, 30)
    for held in (hold_out(items, rule, share=0.25, seed=1), deal_folds(items, rule, num_folds=4, seed=1) == 2):
        inside = {item.group(rule) for item, is_held in zip(items, held, strict=True) if is_held}
        outside = {item.group(rule) for item, is_held in zip(items, held, strict=True) if not is_held}
        assert inside
        assert outside
        assert not inside & outside


@pytest.mark.parametrize("share", [0.1, 0.2, 0.35, 0.5])
def test_share_is_met_as_nearly_as_groups_allow(share: float) -> None:
    assert hold_out(make_items(10, 40), "random", share=share, seed=3).mean() == pytest.approx(share, abs=0.01)
    assert hold_out(make_items(20, 10), "session", share=share, seed=3).mean() == pytest.approx(share, abs=0.051)


def test_each_class_is_held_out_by_the_same_share() -> None:
    items = make_items(10, 100)
    labels = np.array([item.label for item in items])
    held = hold_out(items, "random", share=0.2, seed=0)
    shares = [held[labels == label].mean() for label in range(3)]
    assert shares == pytest.approx([0.2] * 3, abs=0.02)


def test_class_that_one_session_has_alone_is_kept_for_training() -> None:
    items = make_items(6, 20, num_classes=1)
    items = [
        Splittable(keyframe=item.keyframe, recording=item.recording, session=item.session, label=1)
        if item.session == "s4" and number % 2
        else item
        for number, item in enumerate(items)
    ]
    for seed in range(5):
        held = hold_out(items, "session", share=0.2, seed=seed)
        assert not any(is_held and item.session == "s4" for item, is_held in zip(items, held, strict=True))


def test_folds_hold_every_keyframe_once_and_are_alike() -> None:
    items = make_items(12, 20)
    folds = deal_folds(items, "session", num_folds=4, seed=0)
    assert np.bincount(folds).tolist() == [60, 60, 60, 60]
    assert set(folds.tolist()) == {0, 1, 2, 3}


def test_same_seed_deals_the_same_and_another_does_not() -> None:
    items = make_items(10, 30)
    first, again, other = (hold_out(items, "random", share=0.2, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_two_groups_are_one_on_each_side() -> None:
    held = hold_out(make_items(2, 10), "session", share=0.2, seed=0)
    assert held.sum() == 10


def test_classes_with_fewer_keyframes_than_folds_are_dealt_all_the_same() -> None:
    items = [Splittable(keyframe=str(n), recording=f"r{n}", session=f"s{n}", label=n) for n in range(8)]
    assert sorted(np.bincount(deal_folds(items, "session", num_folds=4, seed=0)).tolist()) == [2, 2, 2, 2]
    assert hold_out(items, "random", share=0.25, seed=0).sum() == 2


def test_unlike_groups_leave_no_fold_empty() -> None:
    """One session holds nearly everything: stratifying alone would give the others to one fold."""
    sizes = (500, 3, 2, 1)
    items = [
        Splittable(keyframe=f"{session}_{n}", recording=session, session=session, label=0)
        for session, size in zip("abcd", sizes, strict=True)
        for n in range(size)
    ]
    for seed in range(5):
        assert np.bincount(deal_folds(items, "session", num_folds=4, seed=seed), minlength=4).min() >= 1


def test_too_few_groups_are_refused_with_their_number() -> None:
    with pytest.raises(RequestError, match="1 session cannot be dealt to 2 parts") as raised:
        hold_out(make_items(1, 10), "session", share=0.2, seed=0)
    assert "record at least 2 sessions; or --split-by recording or --split-by random, which leaks" in str(
        raised.value.hint
    )
    with pytest.raises(RequestError, match="3 sessions cannot be dealt to 5 parts"):
        deal_folds(make_items(3, 10), "session", num_folds=5, seed=0)
    with pytest.raises(RequestError, match="1 folds, expected at least 2"):
        deal_folds(make_items(3, 10), "session", num_folds=1, seed=0)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, float("nan")])
def test_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(RequestError, match="expected more than 0 and less than 1"):
        hold_out(make_items(3, 10), "session", share=share, seed=0)


def test_ten_thousand_keyframes_are_dealt_in_seconds() -> None:
    items = make_items(50, 200, num_classes=14)
    started = time.process_time()
    hold_out(items, "random", share=0.2, seed=0)
    hold_out(items, "session", share=0.2, seed=0)
    assert time.process_time() - started < 20
