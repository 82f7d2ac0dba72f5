"""Which training clips an epoch draws, and how often: as they come, or so that rare classes come more often."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import Any, Literal, get_args

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch import Generator, Tensor
from torch.utils.data import Sampler

from thermalctl.errors import ConfigError

Strategy = Literal["natural", "balanced", "sqrt"]


class ClassSampler(Sampler[int]):
    """Draws clips by their class, for one process or several; a drop-in for MMEngine's `DefaultSampler`.

    A clip is not drawn again before every other clip of its class (for "natural": every other clip) has been drawn.
    What an epoch draws follows from the seed and the epoch's number alone, so a resumed run draws what an uninterrupted
    one would have drawn.

    Args:
        dataset: tells its labels by `get_cat_ids`, in MMEngine's wrappers or not; "natural" does not ask for them.
        strategy: "natural": every clip as often as any other; "balanced": every class as often as any other; "sqrt":
            a class in proportion to the square root of its number of clips, half-way between the two. Classes that do
            not occur are not drawn.
        oversample: draws in an epoch, as a multiple of the number of clips.
        seed: of the draws, the same in every process; None for a random one that the processes share.
        round_up: whether the first draws are repeated at the end, so that every process has equally many.

    Raises:
        ConfigError: if a value is impossible, or the dataset does not tell its labels.
    """

    def __init__(
        self,
        dataset: Sized,
        strategy: Strategy = "natural",
        oversample: float = 1.0,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        if strategy not in get_args(Strategy):
            raise ConfigError(f"sampler.strategy is {strategy!r}, expected {', '.join(get_args(Strategy))}")
        if not 0 < oversample < math.inf:
            raise ConfigError(f"sampler.oversample is {oversample!r}, expected more than 0")
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.strategy = strategy
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self.num_draws = max(1, round(oversample * len(dataset)))
        self.total_size = math.ceil(self.num_draws / self.world_size) * self.world_size if round_up else self.num_draws
        self._groups, self._shares = _group_clips(dataset, strategy)

    def __iter__(self) -> Iterator[int]:
        """Iterate over this process's clips of the epoch."""
        draws = self.draw_epoch()
        rounded = draws.repeat(math.ceil(self.total_size / self.num_draws))[: self.total_size]
        return iter(rounded[self.rank :: self.world_size].tolist())

    def __len__(self) -> int:
        """How many clips this process draws in an epoch."""
        return math.ceil((self.total_size - self.rank) / self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose draws come next."""
        self.epoch = epoch

    def draw_epoch(self) -> Tensor:
        """Return what all processes together draw in this epoch, (num_draws,) int64 indices of clips."""
        generator = Generator().manual_seed(self.seed + self.epoch)  # as DefaultSampler does
        if len(self._groups) == 1:
            return _draw_in_passes(self._groups[0], self.num_draws, generator)
        quotas = draw_quotas(self._shares, self.num_draws, generator)
        draws = torch.cat(
            [_draw_in_passes(group, quota, generator) for group, quota in zip(self._groups, quotas, strict=True)]
        )
        return draws[torch.randperm(len(draws), generator=generator)]


def draw_quotas(shares: Tensor, num_draws: int, generator: Generator) -> list[int]:
    """Return how many of `num_draws` fall to each share: what it expects, rounded down or up at random.

    The chance of rounding up is the fraction, so that the expectation is exact (systematic sampling: Madow 1949).

    Args:
        shares: (G,) float64, adding up to 1.
        num_draws: how many there are.
        generator: of the one random number that is needed.
    """
    start = torch.rand((), generator=generator, dtype=torch.float64)
    ends = torch.floor(shares.cumsum(0) * num_draws + start)
    ends[-1] = num_draws  # whatever the shares' rounding
    return [int(quota) for quota in ends.diff(prepend=torch.zeros(1, dtype=torch.float64))]


def list_labels(dataset: Any) -> list[int]:
    """Return the class id of each clip of a dataset, in its order, inside whatever of MMEngine's wraps it.

    Raises:
        ConfigError: if it does not tell them, or a clip has several.
    """
    if hasattr(dataset, "datasets"):  # ConcatDataset
        return [label for part in dataset.datasets for label in list_labels(part)]
    if not hasattr(dataset, "get_cat_ids") and hasattr(dataset, "dataset"):  # RepeatDataset
        labels = list_labels(dataset.dataset)
        return [labels[index % len(labels)] for index in range(len(dataset))]
    try:
        found = [dataset.get_cat_ids(index) for index in range(len(dataset))]
    except (AttributeError, NotImplementedError):  # MMEngine's BaseDataset raises the latter
        raise ConfigError(
            f"the training dataset, {type(dataset).__name__}, does not tell the classes of its clips",
            hint="it needs a method get_cat_ids(index); --sampler natural does without",
        ) from None
    if any(len(labels) != 1 for labels in found):
        raise ConfigError(
            f"the training dataset, {type(dataset).__name__}, has clips of several classes",
            hint="--sampler natural draws them as they come",
        )
    return [labels[0] for labels in found]


def _group_clips(dataset: Sized, strategy: Strategy) -> tuple[list[Tensor], Tensor]:
    """Return the clips, by group of those that are equally likely, and the share of the draws that falls to each."""
    if strategy == "natural":
        return [torch.arange(len(dataset))], torch.ones(1, dtype=torch.float64)
    labels = list_labels(dataset)
    found = torch.tensor(labels)
    groups = [torch.nonzero(found == label).flatten() for label in sorted(set(labels))]
    counts = torch.tensor([len(group) for group in groups], dtype=torch.float64)
    weights = counts.sqrt() if strategy == "sqrt" else torch.ones_like(counts)
    return groups, weights / weights.sum()


def _draw_in_passes(group: Tensor, num_draws: int, generator: Generator) -> Tensor:
    """Return `num_draws` members of a group: whole passes over it, each shuffled, and of the last its beginning."""
    num_passes = max(1, math.ceil(num_draws / len(group)))
    passes = [group[torch.randperm(len(group), generator=generator)] for _ in range(num_passes)]
    return torch.cat(passes)[:num_draws]
