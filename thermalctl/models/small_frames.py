"""SlowFast for frames of a few dozen pixels: nothing is pooled away before the first residual stage."""

from __future__ import annotations

from typing import Any

from torch import nn

from thermalctl.compat import prepare_mmaction

prepare_mmaction()

from mmaction.models import ResNet3dSlowFast  # noqa: E402


class SmallFrameSlowFast(ResNet3dSlowFast):
    """MMAction2's SlowFast, which here leaves out the pooling after the stem of a pathway with `with_pool1=False`.

    MMAction2 1.2.0's own calls it whatever `with_pool1` says, and with a stride of 1 it would still replace each pixel
    by the largest of its 3x3 neighbours. Parameters and their names are the same, so pretrained weights fit.

    SlowFast: Feichtenhofer et al. 2019, https://arxiv.org/abs/1812.03982.

    Args:
        **kwargs: those of `ResNet3dSlowFast`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for pathway in (self.slow_path, self.fast_path):
            if not pathway.with_pool1:
                pathway.maxpool = nn.Identity()
