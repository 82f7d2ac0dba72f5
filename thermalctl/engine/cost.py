"""What a model costs, found out without computing anything: on tensors that have shapes and no content.

Even SlowFast R101 takes a second or two, most of it for making the model.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from thermalctl.clip_spec import ClipSpec
from thermalctl.engine.choices.custom_hooks import find_hooks
from thermalctl.engine.choices.transfer import AVERAGING, USUAL_AVERAGING
from thermalctl.engine.restore import build_model
from thermalctl.errors import ConfigError

_FLOAT32_BYTES = 4
#: Clips that are counted together: batch normalisation refuses a single one whose last features are of one place.
_NUM_CLIPS = 2
#: Values that an optimizer keeps of each parameter.
_MOMENTS = {"Adam": 2, "AdamW": 2, "RMSprop": 1}


@dataclass(frozen=True, kw_only=True)
class ModelCost:
    """What a model costs at one size of its input, in float32.

    Attributes:
        input_shape: of one clip as the recognizer gets it: (M, C, T, h, w), or (T, C, h, w) for a model of images.
        num_parameters: of backbone and head.
        gmacs: 10^9 multiplications with an addition in one clip's forward pass, of convolutions and matrix products;
            a training step takes about three times as many.
        activation_bytes: what the forward pass of one clip leaves for the backward pass to use. It grows with the
            batch; what the kernels need for a moment comes on top.
        fixed_bytes: parameters, their gradients, what the optimizer keeps of them, and with `--ema` their average; the
            same for every batch.
    """

    input_shape: tuple[int, ...]
    num_parameters: int
    gmacs: float
    activation_bytes: int
    fixed_bytes: int

    def estimate_step_bytes(self, batch_size: int) -> int:
        """Return about how many bytes a training step takes, in float32; with `--amp` it is less.

        Measured on a CPU, the peak is a fifth to a third higher: kernels need room of their own for a moment.
        """
        return self.fixed_bytes + batch_size * self.activation_bytes


def measure_cost(cfg: Config, input_shape: Sequence[int] | None = None) -> ModelCost:
    """Return what the model of a complete configuration costs.

    Args:
        cfg: from `complete_config`.
        input_shape: of one clip as the recognizer gets it; None for what the configuration's `clip_spec` makes of it.

    Raises:
        ConfigError: if neither says it.
    """
    shape = tuple(input_shape) if input_shape is not None else find_input_shape(cfg.model)
    model: Any = build_model(copy.deepcopy(cfg)).train().to("meta")  # building writes into it
    clips = torch.empty((_NUM_CLIPS, *shape), device="meta")
    kept = _KeptTensors(model)
    with FlopCounterMode(display=False) as counter, torch.autograd.graph.saved_tensors_hooks(kept.add, _return):
        features, head_arguments = model.extract_feat(clips)
        model.cls_head(features, **head_arguments)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    is_averaged = bool(find_hooks(cfg, AVERAGING) or find_hooks(cfg, USUAL_AVERAGING))
    return ModelCost(
        input_shape=shape,
        num_parameters=num_parameters,
        gmacs=counter.get_total_flops() / 2 / _NUM_CLIPS / 1e9,
        activation_bytes=kept.num_bytes // _NUM_CLIPS,
        fixed_bytes=num_parameters * _FLOAT32_BYTES * (2 + count_moments(cfg) + is_averaged),
    )


def find_input_shape(model: Any) -> tuple[int, ...]:
    """Return the shape of one clip as the recognizer gets it from our preprocessor.

    Args:
        model: the `model` of a complete configuration.

    Raises:
        ConfigError: if its preprocessor is not ours.
    """
    preprocessor = model.get("data_preprocessor") or {}
    if "clip_spec" not in preprocessor:
        raise ConfigError(
            "the configuration does not say the shape of its model's input: its own pipeline makes it",
            hint="a batch of its data loader has it",
        )
    spec = ClipSpec.from_dict(preprocessor["clip_spec"])
    if preprocessor.get("layout", "clip") == "images":
        return (spec.num_frames, spec.num_channels, *spec.input_size)
    return (1, spec.num_channels, spec.num_frames, *spec.input_size)


class _KeptTensors:
    """Adds up what autograd keeps, each piece of memory once and without the model's own.

    It holds what it has counted: memory that were given back could be counted again under another tensor.
    """

    def __init__(self, model: nn.Module) -> None:
        self.num_bytes = 0
        self._own = [tensor.untyped_storage() for tensor in (*model.parameters(), *model.buffers())]
        self._seen = {storage._cdata for storage in self._own}
        self._held: list[Tensor] = []

    def add(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:
            self._seen.add(storage._cdata)
            self._held.append(tensor)
            self.num_bytes += storage.nbytes()
        return tensor


def _return(tensor: Tensor) -> Tensor:
    return tensor


def count_moments(cfg: Config) -> int:
    """Return how many values the configuration's optimizer keeps of each parameter."""
    optimizer = (cfg.get("optim_wrapper") or {}).get("optimizer") or {}
    if optimizer.get("type") == "SGD":
        return 1 if optimizer.get("momentum") else 0
    return _MOMENTS.get(str(optimizer.get("type")), 2)
