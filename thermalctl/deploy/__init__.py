"""From a trained model to a product: ONNX.

`ThermalClassifier` runs an exported model on numpy and onnxruntime alone; it is fetched when it is first used, so that
what exports models does not load a runtime, and the runtime nothing that exports.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thermalctl.deploy.runtime import Answer, Outputs, ThermalClassifier

__all__ = ["Answer", "Outputs", "ThermalClassifier"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("thermalctl.deploy.runtime"), name)
