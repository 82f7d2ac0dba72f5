"""Action recognition on low-resolution thermal recordings, from sensor files to a deployed model.

Importing this package changes nothing and loads nothing heavy; the names below are fetched when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from thermalctl.version import __version__

if TYPE_CHECKING:
    from thermalctl.pipeline.thermal_hdf5 import ThermalHDF5Dataset, get_class_weights

__all__ = ["ThermalHDF5Dataset", "__version__", "get_class_weights"]

_HOME_OF = {
    "ThermalHDF5Dataset": "thermalctl.pipeline.thermal_hdf5",
    "get_class_weights": "thermalctl.pipeline.thermal_hdf5",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)
