from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.autocast import AutocastOptimWrapper, choose_dtype, keep_small_maps_in_float32
from thermalctl.engine.restore import build_model

Complete = Callable[..., Config]


class Recorder(nn.Module):
    """A convolution of kernel (1, 3, 3) in strides of (1, 2, 2), 16 to 32 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(16, 32, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.conv(maps)
        return found


def measure_weight_gradient(size: tuple[int, int, int], *, in_bfloat16: bool) -> tuple[Tensor, torch.dtype]:
    torch.manual_seed(0)
    model = Recorder()
    keep_small_maps_in_float32(model)
    maps = torch.randn(2, 16, *size)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=in_bfloat16):
        output = model(maps)
    (output.float() * torch.randn(output.shape)).sum().backward()
    assert model.conv.weight.grad is not None
    return model.conv.weight.grad, output.dtype


@pytest.mark.parametrize("size", [(2, 1, 2), (1, 1, 1), (8, 1, 4), (2, 10, 1)])
def test_gradient_on_a_map_smaller_than_the_kernel_is_right(size: tuple[int, int, int]) -> None:
    """In bfloat16 oneDNN is off by 100 % at 2x1x2, and breaks the process at 8x1x4."""
    expected, _ = measure_weight_gradient(size, in_bfloat16=False)
    found, dtype = measure_weight_gradient(size, in_bfloat16=True)
    assert dtype == torch.float32
    torch.testing.assert_close(found, expected)


def test_map_shorter_than_the_stride_is_small_too() -> None:
    conv = nn.Conv3d(2, 16, 1, (1, 2, 2))
    keep_small_maps_in_float32(conv)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv(torch.ones(1, 2, 5, 1, 1)).dtype == torch.float32
        assert conv(torch.ones(1, 2, 5, 2, 2)).dtype == torch.bfloat16


def test_map_as_large_as_the_kernel_is_computed_in_bfloat16() -> None:
    expected, _ = measure_weight_gradient((2, 3, 3), in_bfloat16=False)
    found, dtype = measure_weight_gradient((2, 3, 3), in_bfloat16=True)
    assert dtype == torch.bfloat16
    assert 0 < float((found - expected).norm() / expected.norm()) < 0.02


def test_small_map_without_mixed_precision_is_left_alone() -> None:
    model = Recorder().double()
    keep_small_maps_in_float32(model)
    assert model(torch.ones(1, 16, 2, 1, 2, dtype=torch.float64)).dtype == torch.float64


def test_mixed_precision_goes_on_behind_a_small_map_and_an_error() -> None:
    model = Recorder()
    keep_small_maps_in_float32(model)
    linear = nn.Linear(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(torch.ones(1, 16, 2, 1, 2))
        assert linear(torch.ones(1, 2)).dtype == torch.bfloat16
        with pytest.raises(RuntimeError, match="channels"):
            model(torch.ones(1, 3, 2, 1, 2))
        assert linear(torch.ones(1, 2)).dtype == torch.bfloat16


@pytest.fixture
def slowfast(tiny: Config, dataset: ThermalDataset, complete: Complete, small: dict[str, Any]) -> nn.Module:
    """The small SlowFast with its residual branches switched on: they start at 0, where they have no gradient."""
    torch.manual_seed(0)
    model = build_model(complete(tiny, dataset, overrides=small | {"model.cls_head.dropout_ratio": 0.0})).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    found: nn.Module = model
    return found


def step(model: nn.Module, wrapper: type[OptimWrapper]) -> tuple[float, dict[str, Tensor], dict[str, torch.dtype]]:
    """Make one step; return its loss, the gradients and the precision of each convolution's and the head's output."""
    model = copy.deepcopy(model)
    dtypes: dict[str, torch.dtype] = {}

    def watch(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: dtypes.__setitem__(name, output.dtype)

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv3d):
            module.register_forward_hook(watch(name))
    maps = torch.randn(6, 1, 16, 40, 60, generator=torch.Generator().manual_seed(1))
    optimizer = wrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.0))
    with optimizer.optim_context(model):
        scores: Any = model.cls_head(model.backbone(maps))
        dtypes["scores"] = scores.dtype
        loss = nn.functional.cross_entropy(scores, torch.arange(6))
    optimizer.backward(loss)
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    optimizer.step()
    return float(loss.detach()), gradients, dtypes


def test_step_in_mixed_precision_is_nearly_that_in_float32(slowfast: nn.Module) -> None:
    loss, gradients, dtypes = step(slowfast, OptimWrapper)
    amp_loss, amp_gradients, amp_dtypes = step(slowfast, AutocastOptimWrapper)
    assert set(dtypes.values()) == {torch.float32}
    assert amp_dtypes.pop("scores") == torch.float32
    assert amp_dtypes["backbone.slow_path.conv1.conv"] == torch.bfloat16
    assert amp_dtypes["backbone.fast_path.layer1.0.conv1.conv"] == torch.bfloat16
    # Of 40x60 pixels 2x2 are left at the end of the slow pathway, under a kernel of 3x3.
    assert amp_dtypes["backbone.slow_path.layer4.1.conv2.conv"] == torch.float32
    assert amp_loss == pytest.approx(loss, rel=0.02)
    assert gradients.keys() == amp_gradients.keys()
    ours, theirs = (torch.cat([found[name].flatten() for name in gradients]) for found in (amp_gradients, gradients))
    assert torch.isfinite(ours).all()
    # Normalising over few pixels magnifies rounding: noise of 2**-9 in the input alone makes it 0.996.
    assert float(torch.cosine_similarity(ours, theirs, dim=0)) > 0.96


def test_named_precision_is_taken(slowfast: nn.Module) -> None:
    optimizer = torch.optim.SGD(slowfast.parameters(), lr=0.1)
    assert AutocastOptimWrapper(optimizer=optimizer).cast_dtype == torch.bfloat16
    assert AutocastOptimWrapper(optimizer=optimizer, dtype="float16").cast_dtype == torch.float16
    assert not AutocastOptimWrapper(optimizer=optimizer).loss_scaler.is_enabled()


def test_half_precision_of_a_gpu_is_bfloat16_where_it_computes_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_dtype("cpu") == torch.bfloat16
    for is_supported, expected in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, found=is_supported: found)
        assert choose_dtype("cuda") == expected


def test_state_is_saved_and_read(slowfast: nn.Module) -> None:
    wrapper = AutocastOptimWrapper(optimizer=torch.optim.SGD(slowfast.parameters(), lr=0.1, momentum=0.9))
    other = AutocastOptimWrapper(optimizer=torch.optim.SGD(slowfast.parameters(), lr=0.2, momentum=0.9))
    other.load_state_dict(wrapper.state_dict())
    assert other.get_lr()["lr"] == [0.1]
