from __future__ import annotations

import pytest
import torch
from torch import nn

from thermalctl.models.absent_classes import find_masked_classes, mask_absent_classes
from thermalctl.models.losses import BalancedSoftmax, CrossEntropy

SCORES = torch.tensor([[1.0, 900.0, -2.0], [-9000.0, 3.0, -9500.0]])
ABSENT = torch.tensor([False, True, False])


def test_absent_class_has_probability_zero_and_is_never_the_likeliest() -> None:
    masked = mask_absent_classes(SCORES, ABSENT)
    assert (masked.softmax(1)[:, 1] == 0).all()
    assert masked.argmax(1).tolist() == [0, 0]
    assert torch.equal(masked[:, [0, 2]], SCORES[:, [0, 2]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_masked_score_is_a_number_in_every_precision(dtype: torch.dtype) -> None:
    assert torch.isfinite(mask_absent_classes(SCORES.to(dtype), ABSENT)).all()


def test_nothing_is_masked_where_every_class_occurs() -> None:
    assert mask_absent_classes(SCORES, None) is SCORES


def make_head(loss: nn.Module) -> nn.Module:
    head = nn.Linear(2, 3)
    head.loss_cls = loss
    return head


def test_head_masks_what_its_loss_leaves_out() -> None:
    found = find_masked_classes(make_head(BalancedSoftmax(class_counts=[3, 0, 1])))
    assert found is not None
    assert found.tolist() == [False, True, False]


@pytest.mark.parametrize(
    "head",
    [
        make_head(BalancedSoftmax(class_counts=[3, 2, 1])),
        make_head(CrossEntropy(class_counts=[3, 0, 1])),
        make_head(nn.CrossEntropyLoss()),
        nn.Linear(2, 3),
    ],
    ids=["every class occurs", "cross-entropy", "another's loss", "no loss"],
)
def test_head_masks_nothing_else(head: nn.Module) -> None:
    assert find_masked_classes(head) is None
