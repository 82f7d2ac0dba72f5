"""Ways to even out classes that, taken together, even them out twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from thermalctl.errors import RequestError

Kind = Literal["sampler", "class_weights", "loss"]

#: Where a configuration has each, and the flag that switches it off.
_KEYS: dict[Kind, str] = {
    "sampler": "train_dataloader.sampler.strategy",
    "class_weights": "class_weights",
    "loss": "model.cls_head.loss_cls",
}
_UNDOING: dict[Kind, str] = {
    "sampler": "--sampler natural",
    "class_weights": "--class-weights none",
    "loss": "--loss cross-entropy",
}
#: Class weights that follow from how often each class occurs; any others say something else, as what a mistake costs.
FREQUENCY_WEIGHTS = ("inverse", "effective")


@dataclass(frozen=True, kw_only=True)
class Correction:
    """One way to even out classes that is in force.

    Attributes:
        kind: what does it.
        value: how, as its flag would name it.
        is_flag: whether a flag asked for it; else the configuration does.
    """

    kind: Kind
    value: str
    is_flag: bool

    @property
    def said(self) -> str:
        """How it was asked for."""
        if self.is_flag:
            return f"--{self.kind.replace('_', '-')} {self.value}"
        return f"the configuration's {_KEYS[self.kind]} ({self.value})"

    @property
    def is_own_weights(self) -> bool:
        """Whether it is weights of the user's own, which need not follow how often each class occurs."""
        return self.kind == "class_weights" and self.value not in FREQUENCY_WEIGHTS


def refuse_double_correction(corrections: Sequence[Correction]) -> None:
    """Check that no two of the corrections correct for the same thing.

    A sampler, weights and a prior in the loss each make up for the whole difference in frequency; two of them make the
    rarest class the likeliest. Weights of one's own go with all but balanced softmax, whose scores are those of equally
    frequent, equally heavy classes by construction.

    Raises:
        RequestError: naming both, and the flag that switches one off.
    """
    for first, second in combinations(corrections, 2):
        if not any(each.is_own_weights for each in (first, second)):
            reason = "each makes up for unequal classes, and both together would make the rarest the likeliest"
        elif any(each.value == "balanced-softmax" for each in (first, second)):
            reason = "balanced softmax takes every class for as heavy as any other"
        else:
            continue
        standing = [each for each in (first, second) if not each.is_flag]
        raise RequestError(
            f"{first.said} and {second.said} contradict each other: {reason}",
            hint=" or ".join(_UNDOING[each.kind] for each in standing) or "leave one of them out",
        )
