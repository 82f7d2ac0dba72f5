"""Classes that never occur in the train split, kept from being predicted.

A loss that adds the logarithm of each class's share to its scores says nothing of a class whose share is 0: its own
score stays wherever it began, which is above those of the classes that training pushes down. So such classes are left
out of the softmax, in training by the loss and in evaluation by the head.
"""

from __future__ import annotations

from torch import Tensor, nn

#: What takes the place of an absent class's score. Its softmax is exactly 0 in float32 beside any score above -9,896,
#: and unlike minus infinity it stays a number when a label of 0 is multiplied by its logarithm; float16 has it too.
MASKED_SCORE = -1e4


def mask_absent_classes(scores: Tensor, absent: Tensor | None) -> Tensor:
    """Return the scores with those of absent classes replaced by `MASKED_SCORE`, (N, K).

    Args:
        scores: (N, K).
        absent: (K,) bool; None where no class is to be masked.
    """
    return scores if absent is None else scores.masked_fill(absent, MASKED_SCORE)


def find_masked_classes(head: nn.Module) -> Tensor | None:
    """Return the classes that a head's loss leaves out of its softmax, (K,) bool; None if there are none."""
    absent = getattr(getattr(head, "loss_cls", None), "absent", None)
    return absent if isinstance(absent, Tensor) else None
