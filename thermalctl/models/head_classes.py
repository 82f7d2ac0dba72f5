"""A head's rows by class: what a model that was trained on other classes keeps of those it knows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

#: What the parameters of a recognizer's head are called.
HEAD = "cls_head."


@dataclass(frozen=True, kw_only=True)
class HeadClasses:
    """The classes of two heads, each in the order of its rows.

    Attributes:
        given: of the weights that are loaded.
        wanted: of the model that they are loaded into.
    """

    given: tuple[str, ...]
    wanted: tuple[str, ...]

    @property
    def num_kept(self) -> int:
        """How many of the model's classes the weights know."""
        return len(set(self.given) & set(self.wanted))

    def is_row_for_row(self, name: str, given: Tensor, wanted: Tensor) -> bool:
        """Return whether a parameter of both heads has one row for each class, and else the same shape."""
        return (
            name.startswith(HEAD)
            and (len(given), len(wanted)) == (len(self.given), len(self.wanted))
            and given.shape[1:] == wanted.shape[1:]
        )

    def carry_over(self, given: Tensor, wanted: Tensor) -> Tensor:
        """Return the model's parameter with the rows of the classes that the weights know.

        Args:
            given: (K, ...) of the weights, a row for each of their classes.
            wanted: (L, ...) of the model; the rows of its other classes stay as they are.
        """
        carried = wanted.clone()
        for row, name in enumerate(self.wanted):
            if name in self.given:
                carried[row] = given[self.given.index(name)]
        return carried
