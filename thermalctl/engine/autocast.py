"""Mixed precision on any device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import nn


class AutocastOptimWrapper(AmpOptimWrapper):
    """MMEngine's mixed-precision optimizer wrapper without its refusal of a CPU.

    Args:
        dtype: "auto": bfloat16 where the device has it (a CPU does), else float16; or one of the two by name.
        kwargs: what `OptimWrapper` takes. float16 on a GPU scales the loss; bfloat16 need not.
    """

    def __init__(self, dtype: Literal["auto", "float16", "bfloat16"] = "auto", **kwargs: Any) -> None:
        OptimWrapper.__init__(self, **kwargs)  # AmpOptimWrapper's own asserts a GPU
        self.device_type = next(p.device.type for group in self.optimizer.param_groups for p in group["params"])
        self.cast_dtype = choose_dtype(self.device_type) if dtype == "auto" else getattr(torch, dtype)
        scales = self.cast_dtype is torch.float16 and self.device_type == "cuda"
        self.loss_scaler = torch.amp.GradScaler(self.device_type, enabled=scales)
        self._scale_update_param = None

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass in mixed precision, and leave gradient accumulation to MMEngine."""
        with OptimWrapper.optim_context(self, model), torch.autocast(self.device_type, dtype=self.cast_dtype):
            yield


def choose_dtype(device_type: str) -> torch.dtype:
    """Return bfloat16 where the device computes in it, else float16."""
    return torch.float16 if device_type == "cuda" and not torch.cuda.is_bf16_supported() else torch.bfloat16
