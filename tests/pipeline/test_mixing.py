from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from thermalctl.errors import ConfigError
from thermalctl.pipeline.mixing import Mix, Mixing, draw_mix, mix_clips, mix_labels

SIZE = (8, 20, 30)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def draw(num_clips: int = 4, size: tuple[int, int, int] = SIZE, **options: Any) -> Mix:
    mix = draw_mix(num_clips, size, Mixing(**({"probability": 1.0} | options)))
    assert mix is not None
    return mix


def make_inputs(num: int = 4) -> Tensor:
    return torch.randn(num, 2, *SIZE, generator=torch.Generator().manual_seed(1))


def test_mixup_adds_clips_weighted_by_the_share_that_stays() -> None:
    inputs, mix = make_inputs(), draw(mode="mixup", mixup_alpha=1.0)
    assert (0.01 < mix.share < 0.99) and not torch.equal(mix.partners, torch.arange(4))
    values = inputs.double().numpy()
    expected = mix.share * values + (1 - mix.share) * values[mix.partners.numpy()]
    np.testing.assert_allclose(mix_clips(inputs, mix).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("mode", ["cutmix", "cuboid"])
def test_box_of_another_clip_is_pasted_and_its_volume_is_the_share_exactly(mode: str) -> None:
    inputs = make_inputs()
    for _ in range(100):
        mix = draw(mode=mode)
        assert mix.box is not None
        expected = inputs.numpy().copy()
        where = (slice(None), slice(None), *mix.box)
        expected[where] = inputs.numpy()[mix.partners.numpy()][where]
        mixed = mix_clips(inputs, mix)
        assert np.array_equal(mixed.numpy(), expected)
        is_moved = mix.partners != torch.arange(4)
        if is_moved.any():
            changed = float((mixed != inputs)[is_moved].double().mean())
            assert 1 - changed == pytest.approx(mix.share, abs=1e-12)


def test_rectangle_lasts_the_whole_clip_and_a_cuboid_does_not() -> None:
    assert all(draw(mode="cutmix").box[0] == slice(0, 8) for _ in range(50))  # type: ignore[index]
    lengths = [draw(mode="cuboid").box[0] for _ in range(50)]  # type: ignore[index]
    assert sum(part.stop - part.start < 8 for part in lengths) > 40


def test_labels_are_mixed_in_the_same_shares_and_sum_to_one() -> None:
    mix = Mix(partners=torch.tensor([1, 2, 0]), share=0.7, box=None)
    mixed = mix_labels(torch.tensor([0, 3, 3]), mix, 5)
    assert mixed.dtype == torch.float32
    expected = [[0.7, 0, 0, 0.3, 0], [0, 0, 0, 1, 0], [0.3, 0, 0, 0.7, 0]]
    np.testing.assert_allclose(mixed.numpy(), expected, atol=1e-7)
    again = mix_labels(mixed, mix, 5)  # shares are mixed as well
    np.testing.assert_allclose(again.numpy(), 0.7 * np.array(expected) + 0.3 * np.array(expected)[[1, 2, 0]], atol=1e-7)
    for _ in range(50):
        labels = torch.randint(5, (6,))
        np.testing.assert_allclose(mix_labels(labels, draw(6, mode="cuboid"), 5).double().sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "alpha"),
    [
        ({"mode": "mixup"}, 0.2),
        ({"mode": "mixup", "mixup_alpha": 2.0}, 2.0),
        ({"mode": "cutmix"}, 1.0),
        ({"mode": "cuboid", "cutmix_alpha": 0.5}, 0.5),
    ],
    ids=str,
)
def test_share_is_beta_distributed(options: dict[str, Any], alpha: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randint", lambda most, size: torch.tensor(most // 2))  # no box juts out
    shares = [draw(2, (4000, 4000, 4000), **options).share for _ in range(2000)]
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.01
    assert stats.kstest(shares, stats.beta(alpha * 2, alpha * 2).cdf).pvalue < 1e-6


def test_box_may_be_anywhere() -> None:
    covered = np.zeros(SIZE)
    for _ in range(400):
        covered[draw(mode="cuboid").box] += 1
    assert covered.min() > 0
    assert covered[4, 10, 15] > covered[0, 0, 0]  # what juts out is cut off, so that corners are rarer


def test_batch_is_mixed_as_often_as_asked_and_alone_never() -> None:
    mixing = Mixing(mode="mixup", probability=0.3)
    share = sum(draw_mix(4, SIZE, mixing) is not None for _ in range(2000)) / 2000
    assert share == pytest.approx(0.3, abs=0.04)
    assert draw_mix(1, SIZE, Mixing(mode="mixup", probability=1.0)) is None
    assert draw_mix(4, SIZE, Mixing(mode="mixup", probability=0.0)) is None


@pytest.mark.parametrize("second", ["cutmix", "cuboid"])
def test_two_kinds_take_turns_evenly_each_with_its_alpha(second: str) -> None:
    mixes = [draw(mode=f"mixup+{second}", mixup_alpha=50.0) for _ in range(1000)]
    mixups = [mix.share for mix in mixes if mix.box is None]
    assert len(mixups) == pytest.approx(500, abs=50)
    assert np.std(mixups) == pytest.approx(math.sqrt(1 / (4 * 101)), rel=0.1)  # Beta(50, 50)
    assert np.std([mix.share for mix in mixes if mix.box is not None]) > 0.12


def test_partners_are_a_permutation_and_seeded_draws_repeat() -> None:
    torch.manual_seed(3)
    first = [draw(6, mode="cuboid") for _ in range(5)]
    torch.manual_seed(3)
    again = [draw(6, mode="cuboid") for _ in range(5)]
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.partners, other.partners)
        assert (one.share, one.box) == (other.share, other.box)
        assert one.partners.sort().values.tolist() == list(range(6))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "mixcut"}, "mixing.mode is 'mixcut', expected mixup, cutmix, cuboid"),
        ({"mode": "mixup", "mixup_alpha": 0}, "mixing.mixup_alpha is 0, expected more than 0"),
        ({"mode": "mixup", "cutmix_alpha": math.inf}, "mixing.cutmix_alpha is inf"),
        ({"mode": "mixup", "probability": 1.5}, "mixing.probability is 1.5, expected a number from 0 to 1"),
        ({"mode": "mixup", "alpha": 0.2}, "mixing has no 'alpha'"),
        ({"mixup_alpha": 0.2}, "mixing needs a mode"),
    ],
    ids=str,
)
def test_impossible_values_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Mixing.from_config(values)
