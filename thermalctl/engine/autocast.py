"""Mixed precision on any device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor, nn

from thermalctl.engine.running.accumulating import WholeMean

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class AutocastOptimWrapper(AmpOptimWrapper, WholeMean):
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
        self._is_model_guarded = False

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass in mixed precision, and leave gradient accumulation to MMEngine."""
        if self.device_type == "cpu" and not self._is_model_guarded:
            keep_small_maps_in_float32(model)
            self._is_model_guarded = True
        with OptimWrapper.optim_context(self, model), torch.autocast(self.device_type, dtype=self.cast_dtype):
            yield


def choose_dtype(device_type: str) -> torch.dtype:
    """Return bfloat16 where the device computes in it, else float16."""
    if device_type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def keep_small_maps_in_float32(model: nn.Module) -> None:
    """Make convolutions compute in float32 on a CPU where an axis of their map is shorter than their kernel or stride.

    oneDNN's weight gradient in bfloat16 reads and writes beyond its memory there (torch 2.13, AVX-512 without AMX). Of
    2,400 kernels and maps tried, 300 came out wrong, infinite or not a number, and 12 ended the process; 2x1x2 under
    (1, 3, 3) in strides of (1, 2, 2) is one. Of 14,000 with longer axes none did. Akin: uxlfoundation/oneDNN#6035.
    """
    for module in model.modules():
        if isinstance(module, _CONVOLUTIONS):
            guard = _SmallMapGuard()
            module.register_forward_pre_hook(guard.leave_autocast)
            module.register_forward_hook(guard.return_to_autocast, always_call=True)


class _SmallMapGuard:
    """Takes one convolution out of autocast on a CPU, for those of its inputs that are too small."""

    def __init__(self) -> None:
        self._has_left = False

    def leave_autocast(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not (torch.is_autocast_enabled("cpu") and _is_small(module, inputs[0])):
            return None
        torch.set_autocast_enabled("cpu", False)
        self._has_left = True
        return (inputs[0].float(), *inputs[1:])

    def return_to_autocast(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        if self._has_left:
            torch.set_autocast_enabled("cpu", True)
            self._has_left = False


def _is_small(convolution: Any, maps: Tensor) -> bool:
    shortest = (
        max(dilation * (kernel - 1) + 1, stride)
        for dilation, kernel, stride in zip(
            convolution.dilation, convolution.kernel_size, convolution.stride, strict=True
        )
    )
    return any(size < least for size, least in zip(maps.shape[2:], shortest, strict=True))
