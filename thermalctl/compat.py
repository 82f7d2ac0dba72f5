"""Cures for what breaks between MMAction2 1.2.0, MMEngine 0.10.7, mmcv-lite 2.1.0 and the packages of today.

`prepare_mmaction` is called before the first `mmaction` import by every module that needs one. Each cure is one
function, named after what it cures; it acts only where the break is there, so it is inert once upstream mends it.
Importing this module changes nothing and imports neither torch nor MMAction2.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

_lock = threading.RLock()
_applied = False


def prepare_mmaction() -> None:
    """Make `mmaction` importable, and its checkpoints, configs and pipelines usable; again is free."""
    global _applied
    with _lock:
        if not _applied:
            for cure in CURES:
                cure()
            _applied = True


def supply_missing_drn() -> None:
    """Let `import mmaction.models` pass although the wheel lacks the folder `mmaction/models/localizers/drn`.

    It has no `__init__.py`, so packaging passed over it: open-mmlab/mmaction2#2714. DRN localises sentences in videos,
    which nothing here does; building the placeholder says what is missing.
    """
    mmaction = importlib.util.find_spec("mmaction")
    folders = (mmaction and mmaction.submodule_search_locations) or []
    if not folders or any(Path(folder, "models", "localizers", "drn").is_dir() for folder in folders):
        return

    class DRN:
        """Stands where MMAction2's dense regression network is missing."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise ImportError("mmaction2 1.2.0 was released without DRN (open-mmlab/mmaction2#2714)")

    package = ModuleType("mmaction.models.localizers.drn")
    package.__path__ = []
    module = ModuleType("mmaction.models.localizers.drn.drn")
    module.DRN = DRN  # type: ignore[attr-defined]
    sys.modules.setdefault(package.__name__, package)
    sys.modules.setdefault(module.__name__, module)


def supply_importlib_metadata() -> None:
    """Let `mmaction.utils.dependency` import the back-port `importlib_metadata`, which mmaction2 does not require.

    Python's own `importlib.metadata` has had all of it since 3.8. Not reported upstream as of 1.2.0.
    """
    if importlib.util.find_spec("importlib_metadata") is None:
        sys.modules["importlib_metadata"] = importlib.metadata


def find_packages_without_pkg_resources() -> None:
    """Let `_base_ = 'mmaction::...'` find the installed configs where setuptools no longer brings `pkg_resources`.

    setuptools 82 dropped it (pypa/setuptools#5007); MMEngine replaces it after 0.10.7 (open-mmlab/mmengine#1676). Its
    two functions are replaced, rather than a `pkg_resources` invented that other packages would take for the real one.
    """
    if importlib.util.find_spec("pkg_resources") is not None:
        return
    import mmengine.config.config
    import mmengine.utils.package_utils

    for module in (mmengine.utils.package_utils, mmengine.utils, mmengine.config.config):
        module.is_installed = _is_installed
        module.get_installed_path = _get_installed_path


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(_find_module_name(package)) is not None


def _get_installed_path(package: str) -> str:
    spec = importlib.util.find_spec(_find_module_name(package))
    if spec is None or spec.origin is None:
        raise importlib.metadata.PackageNotFoundError(package)
    return str(Path(spec.origin).parent)


def _find_module_name(package: str) -> str:
    """Return the top module of a distribution, "mmaction" for "mmaction2"; the name itself where it is a module's."""
    try:
        top_level = importlib.metadata.distribution(package).read_text("top_level.txt")
    except importlib.metadata.PackageNotFoundError:
        return package
    return top_level.split()[0] if top_level else package


def allow_mmengine_checkpoints() -> None:
    """Let `torch.load(weights_only=True)`, the default since 2.6, read what MMEngine itself puts into a checkpoint.

    Without it neither `resume` nor `load_from` works (open-mmlab/mmengine#1655). MMEngine saves its log histories:
    `HistoryBuffer` objects, numpy arrays, and a table of `HistoryBuffer`'s methods, which pickle spells
    `getattr(HistoryBuffer, "min")`. The real `getattr` would let a file reach any attribute of any class and so run
    code; a replacement under its name serves these four methods and refuses everything else. The table itself is left
    where it is: MMEngine would make it that of every history in the process.
    """
    import numpy as np
    import torch
    from mmengine.logging.history_buffer import HistoryBuffer

    methods = {name: getattr(HistoryBuffer, name) for name in ("min", "max", "mean", "current")}

    def get_statistics_method(owner: object, name: str) -> Any:
        if owner is not HistoryBuffer or name not in methods:
            raise pickle.UnpicklingError(f"Unsupported global: GLOBAL builtins.getattr of {name!r} is not allowed")
        return methods[name]

    restore = HistoryBuffer.__setstate__

    def restore_without_methods(self: Any, state: dict[str, Any]) -> None:
        restore(self, {name: value for name, value in state.items() if not name.endswith("statistics_methods")})

    HistoryBuffer.__setstate__ = restore_without_methods
    dtypes = [type(np.dtype(kind)) for kind in ("bool", "int32", "int64", "float32", "float64")]
    torch.serialization.add_safe_globals([HistoryBuffer, np.ndarray, np.dtype, *dtypes])
    torch.serialization.add_safe_globals([(get_statistics_method, "builtins.getattr")])
    # numpy 2 renamed the module, and a checkpoint from either is read under the other.
    reconstruct: Any = np.empty(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        torch.serialization.add_safe_globals([(reconstruct, f"{module}._reconstruct"), (scalar, f"{module}.scalar")])


def widen_color_jitter_hue() -> None:
    """Let stock `ColorJitter` shift the hue downwards with numpy 2.

    It adds a negative integer to uint8, which numpy 1 widened to int16 and numpy 2 refuses (OverflowError on every
    second clip at the defaults). Not reported upstream as of 1.2.0; torchvision had the same (pytorch/vision#8536).
    `mmaction.datasets` takes a second to import (scipy.stats), so the cure waits until somebody does.
    """
    name = "mmaction.datasets.transforms.processing"
    if name in sys.modules:
        _replace_adjust_hue(sys.modules[name])
    else:
        sys.meta_path.insert(0, _AfterImport(name, _replace_adjust_hue))


def _replace_adjust_hue(processing: ModuleType) -> None:
    import cv2
    import numpy as np

    upstream = processing.ColorJitter.adjust_hue

    def adjust_hue(img: Any, factor: float) -> Any:
        """Return the RGB image (H, W, 3), float32 in 0..255, its hue turned by `255 * factor` steps of 2 degrees."""
        offset = int(factor * 255)
        if offset >= 0:
            return upstream(img, factor)
        hsv = cv2.cvtColor(np.clip(img, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + offset) % 180
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32)

    processing.ColorJitter.adjust_hue = staticmethod(adjust_hue)


class _AfterImport(importlib.abc.MetaPathFinder):
    """Runs a cure on one module right after its first import."""

    def __init__(self, name: str, cure: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._cure = cure

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_then_cure(module: ModuleType) -> None:
            execute(module)
            self._cure(module)

        spec.loader.exec_module = execute_then_cure  # type: ignore[method-assign]
        return spec


def lay_out_each_config_once() -> None:
    """Let a run's configuration be laid out as text once, and not anew by everything that writes it down.

    MMEngine does so with yapf, which takes half a second for one of ours, when it logs it, when it saves it, and with
    every checkpoint. Not reported upstream as of 0.10.7.
    """
    import mmengine.config.config

    lay_out = mmengine.config.config.FormatCode

    @functools.lru_cache(maxsize=16)
    def remember(text: str, options: str) -> Any:
        return lay_out(text, **json.loads(options))

    def lay_out_once(text: str, **options: Any) -> Any:
        return remember(text, json.dumps(options, sort_keys=True))

    mmengine.config.config.FormatCode = lay_out_once


def silence_known_warnings() -> None:
    """Keep four upstream messages off the user's screen that nobody there can act on.

    mmcv-lite announces at import that it lacks compiled operators, which is why it was chosen; Swin still calls
    `torch.meshgrid` the old way; torch 2.13 announces that MMEngine imports parts of torch that use TorchScript, and
    that it names an option of distributed training as before.
    """
    for category, message in (
        (UserWarning, "Fail to import ``MultiScaleDeformableAttention``"),
        (UserWarning, r"torch\.meshgrid: in an upcoming release, it will be required to pass the indexing argument"),
        (DeprecationWarning, r"`torch\.jit\.(script|interface)` is deprecated"),
        (FutureWarning, "`broadcast_buffers` is deprecated"),
    ):
        warnings.filterwarnings("ignore", message=message, category=category)


#: In this order: the warnings first, for the others import.
CURES: tuple[Callable[[], None], ...] = (
    silence_known_warnings,
    supply_missing_drn,
    supply_importlib_metadata,
    find_packages_without_pkg_resources,
    allow_mmengine_checkpoints,
    widen_color_jitter_hue,
    lay_out_each_config_once,
)
