"""What a configuration of the finetuning guide's scripts does to a clip, said as a `ClipSpec`.

The guide's samples are 8-bit pictures that OpenCV resizes in fixed-point arithmetic; a `ClipSpec` in degrees can follow
it to within one level of 255 (measured: 0.82 at most, 0.13 on average).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from thermalctl.clip_spec import ClipSpec
from thermalctl.engine.config import GUIDE_DATASET, names_class
from thermalctl.errors import CheckpointError

#: Transforms that change neither pixels nor geometry.
_HARMLESS = frozenset({"FormatShape", "PackActionInputs", "Collect", "ToTensor"})


def read_guide_clip_spec(cfg: Config, classes: tuple[str, ...]) -> ClipSpec | None:
    """Return the test-time preprocessing of a stock configuration; None where a `ClipSpec` cannot say it.

    Understood is a `ThermalHDF5Dataset` whose pipeline resizes to a fixed size and nothing else.
    """
    leaf = (cfg.get("test_dataloader") or cfg.get("val_dataloader") or {}).get("dataset") or {}
    pipeline: list[Mapping[str, Any]] = leaf.get("pipeline") or []
    preprocessor = cfg.model.get("data_preprocessor") or {}
    changing = [step for step in pipeline if step.get("type") not in _HARMLESS]
    is_known = names_class(leaf, GUIDE_DATASET) and names_class(preprocessor, "ActionDataPreprocessor")
    if not (classes and is_known and len(changing) == 1 and _is_plain_resize(changing[0])):
        return None
    width, height = changing[0]["scale"]
    mean, std = preprocessor.get("mean") or (0.0,), preprocessor.get("std") or (1.0,)
    return ClipSpec(
        classes=classes,
        num_frames=leaf.get("frame_window", 64),
        temperature_range_c=tuple(leaf.get("temperature_range_c", ClipSpec.temperature_range_c)),
        repair="none",
        input_size=(height, width),
        channels="copy",
        quantize=True,
        mean=tuple(map(float, mean)),
        std=tuple(map(float, std)),
    )


def require_clip_spec(clip_spec: ClipSpec | None, origin: str) -> ClipSpec:
    """Return the clip specification.

    Raises:
        CheckpointError: if there is none.
    """
    if clip_spec is None:
        raise CheckpointError(
            f"{origin}: its test pipeline is more than a resize to a fixed size, or its classes are not named",
            hint="export it as it was trained: --input rgb",
        )
    return clip_spec


def _is_plain_resize(step: Mapping[str, Any]) -> bool:
    scale = step.get("scale")
    is_fixed = isinstance(scale, (tuple, list)) and len(scale) == 2 and min(scale) > 0
    is_linear = step.get("interpolation", "bilinear") == "bilinear"
    return step.get("type") == "Resize" and not step.get("keep_ratio", True) and is_fixed and is_linear
