from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.errors import ConfigError

prepare_mmaction()

from mmengine.dataset import BaseDataset, ClassBalancedDataset, ConcatDataset, DefaultSampler, RepeatDataset  # noqa: E402
from mmengine.registry import DATA_SAMPLERS  # noqa: E402

from thermalctl.clip_spec import ClipSpec  # noqa: E402
from thermalctl.pipeline.clip_dataset import ClipDataset  # noqa: E402
from thermalctl.pipeline.samplers import ClassSampler, draw_quotas, list_labels  # noqa: E402
from thermalctl.pipeline.thermal_hdf5 import ThermalHDF5Dataset  # noqa: E402

#: Of 30 clips 16 of class 5, 9 of 0, 4 of 2, 1 of 7; shuffled. Their roots are 4, 3, 2, 1.
COUNTS = {5: 16, 0: 9, 2: 4, 7: 1}
IN_ORDER = [label for label, count in COUNTS.items() for _ in range(count)]
LABELS = [IN_ORDER[index * 7 % 30] for index in range(30)]


class Labelled(BaseDataset):
    """A dataset that is nothing but labels."""

    def __init__(self, labels: list[int]) -> None:
        self.labels = labels
        super().__init__(ann_file="", serialize_data=False)

    def load_data_list(self) -> list[dict[str, int]]:
        return [{"label": label} for label in self.labels]

    def get_cat_ids(self, idx: int) -> list[int]:
        return [self.labels[idx]]


def draw(epoch: int = 0, labels: list[int] | None = None, **options: Any) -> list[int]:
    sampler = ClassSampler(Labelled(LABELS if labels is None else labels), **({"seed": 11} | options))
    sampler.set_epoch(epoch)
    drawn = list(sampler)
    assert len(drawn) == len(sampler)
    return drawn


def count_drawn(drawn: list[int]) -> dict[int, int]:
    return dict(Counter(LABELS[index] for index in drawn))


@pytest.mark.parametrize(("seed", "epoch"), [(11, 0), (11, 3), (42, 7)])
def test_natural_draws_are_those_of_mmengines_sampler(seed: int, epoch: int) -> None:
    theirs = DefaultSampler(Labelled(LABELS), shuffle=True, seed=seed)
    theirs.set_epoch(epoch)
    assert draw(epoch, seed=seed) == list(theirs)


def test_natural_oversampling_is_whole_passes_and_a_rest_without_repetition() -> None:
    drawn = draw(oversample=2.5)
    assert len(drawn) == 75
    passes = [drawn[:30], drawn[30:60], drawn[60:]]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(30))
    assert passes[0] != passes[1]
    assert len(set(passes[2])) == 15


def test_share_of_an_epoch_is_drawn_without_repetition_and_differs_each_epoch() -> None:
    first, second = draw(0, oversample=0.5), draw(1, oversample=0.5)
    assert len(set(first)) == len(first) == len(second) == 15
    assert set(first) != set(second)


def test_epoch_draws_at_least_one_clip() -> None:
    assert len(draw(oversample=0.001)) == 1


def test_balanced_draws_have_every_class_equally_often() -> None:
    assert count_drawn(draw(strategy="balanced", oversample=2.0)) == {5: 15, 0: 15, 2: 15, 7: 15}


def test_sqrt_draws_follow_the_roots_of_the_counts() -> None:
    assert count_drawn(draw(strategy="sqrt")) == {5: 12, 0: 9, 2: 6, 7: 3}


def test_draws_that_do_not_divide_are_equal_in_expectation() -> None:
    """33 draws for four classes: eight or nine each, 8.25 over many epochs."""
    counts = [count_drawn(draw(epoch, strategy="balanced", oversample=1.1)) for epoch in range(800)]
    for label in COUNTS:
        numbers = [count[label] for count in counts]
        assert set(numbers) == {8, 9}
        assert sum(numbers) / 800 == pytest.approx(8.25, abs=0.06)  # four standard errors of 0.43 / sqrt(800)


def test_no_clip_comes_again_before_the_rest_of_its_class() -> None:
    drawn = draw(strategy="balanced", oversample=2.0)
    for label, count in COUNTS.items():
        of_class = Counter(index for index in drawn if LABELS[index] == label)
        assert len(of_class) == min(count, 15)
        assert set(of_class.values()) <= {15 // count, math.ceil(15 / count)}


def test_classes_are_drawn_in_no_order() -> None:
    labels = [LABELS[index] for index in draw(strategy="balanced", oversample=2.0)]
    changes = sum(first != second for first, second in pairwise(labels))
    assert changes > 30  # of 59; sorted by class there would be three


def test_draws_follow_from_seed_and_epoch_alone() -> None:
    options = {"strategy": "sqrt", "oversample": 1.5}
    torch.manual_seed(1)
    first = draw(4, **options)
    torch.rand(100)
    assert draw(4, **options) == first
    assert draw(5, **options) != first
    assert draw(4, **options, seed=12) != first


def test_set_of_one_class_is_drawn_as_it_comes() -> None:
    assert sorted(draw(labels=[3] * 8, strategy="balanced")) == list(range(8))


@pytest.mark.parametrize("strategy", ["natural", "balanced", "sqrt"])
@pytest.mark.parametrize("round_up", [True, False])
def test_processes_share_an_epoch_as_mmengines_do(
    monkeypatch: pytest.MonkeyPatch, strategy: Any, round_up: bool
) -> None:
    whole = draw(2, strategy=strategy, oversample=1.1)
    parts = []
    for rank in range(4):
        monkeypatch.setattr("thermalctl.pipeline.samplers.get_dist_info", lambda rank=rank: (rank, 4))
        parts.append(draw(2, strategy=strategy, oversample=1.1, round_up=round_up))
    assert [len(part) for part in parts] == ([9, 9, 9, 9] if round_up else [9, 8, 8, 8])
    rounded = whole + whole[:3] if round_up else whole
    assert parts == [rounded[rank::4] for rank in range(4)]


def test_more_processes_than_clips_all_have_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thermalctl.pipeline.samplers.get_dist_info", lambda: (6, 7))
    assert len(draw(labels=[0, 1], strategy="balanced")) == 1


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20), st.integers(1, 500), st.integers(0, 2**31))
def test_quota_is_what_a_share_expects_rounded_down_or_up(weights: list[float], num_draws: int, seed: int) -> None:
    shares = torch.tensor(weights, dtype=torch.float64)
    shares = shares / shares.sum()
    quotas = draw_quotas(shares, num_draws, torch.Generator().manual_seed(seed))
    assert sum(quotas) == num_draws
    for quota, share in zip(quotas, shares.tolist(), strict=True):
        assert abs(quota - share * num_draws) < 1 + 1e-9


@pytest.mark.parametrize(
    "wrapped",
    [
        RepeatDataset(Labelled(LABELS), times=3),
        RepeatDataset({"type": ConcatDataset, "datasets": [Labelled([1, 1]), Labelled([2, 3, 4])]}, times=2),
        ClassBalancedDataset(Labelled(LABELS), oversample_thr=0.2),
    ],
    ids=["RepeatDataset", "ConcatDataset inside it", "ClassBalancedDataset"],
)
def test_labels_are_found_inside_mmengines_wrappers(wrapped: Any) -> None:
    assert list_labels(wrapped) == [wrapped[index]["label"] for index in range(len(wrapped))]


def test_labels_of_both_dataset_classes_are_found(simulated_dataset: Path) -> None:
    dataset = load_dataset(DatasetLayout(simulated_dataset))
    expected = [sample.label for sample in dataset.samples("train")]
    spec = ClipSpec(classes=dataset.classes, num_frames=8)
    assert list_labels(ClipDataset(str(simulated_dataset), "train", spec.to_dict())) == expected
    annotations = simulated_dataset / "annotations" / "train.json"
    with ThermalHDF5Dataset(annotations, {"hdf5": simulated_dataset / "frames"}, frame_window=8) as guides:
        assert list_labels(guides) == expected


class Unlabelled(Labelled):
    def get_cat_ids(self, idx: int) -> list[int]:
        raise NotImplementedError  # as MMEngine's BaseDataset does


def test_dataset_that_tells_no_labels_is_refused_where_they_are_needed() -> None:
    for dataset in (Unlabelled(LABELS), list(LABELS)):
        assert len(ClassSampler(dataset, "natural", seed=1)) == 30
        with pytest.raises(ConfigError, match="does not tell the classes of its clips"):
            ClassSampler(dataset, "balanced", seed=1)


class SeveralLabels(Labelled):
    def get_cat_ids(self, idx: int) -> list[int]:
        return [self.labels[idx], 1]


def test_clips_of_several_classes_are_refused() -> None:
    with pytest.raises(ConfigError, match="SeveralLabels, has clips of several classes"):
        ClassSampler(SeveralLabels(LABELS), "sqrt", seed=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "even"}, "sampler.strategy is 'even', expected natural, balanced, sqrt"),
        ({"oversample": 0.0}, "sampler.oversample is 0.0, expected more than 0"),
        ({"oversample": float("nan")}, "sampler.oversample is nan"),
    ],
)
def test_impossible_sampler_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        draw(**options)


def test_mmengine_builds_it_from_a_configuration() -> None:
    cfg = {"type": "thermalctl.pipeline.samplers.ClassSampler", "strategy": "sqrt", "oversample": 2.0}
    sampler = DATA_SAMPLERS.build(cfg, default_args={"dataset": Labelled(LABELS), "seed": None})
    assert len(list(sampler)) == 60
