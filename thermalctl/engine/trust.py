"""What a checkpoint may bring into this process: data, and the names of classes that are already here.

A checkpoint is a file from somewhere. Neither unpickling it nor building what its config names may run code of its
author's choosing.
"""

from __future__ import annotations

import errno
import importlib
import pickle
import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from thermalctl.compat import prepare_mmaction
from thermalctl.errors import CheckpointError

#: What unpickling raises on bytes that are no checkpoint. The format has no checksum, so it depends on where it breaks.
_DAMAGE = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    struct.error,
)
#: A pickled dict that begins with the entry "blobs": what Caffe2 saved, and the model zoos of that time publish.
_CAFFE2_MARK, _CAFFE2_MARK_WITHIN = b"blobs", 32
#: Keys that make MMEngine import, merge or fetch something else. A checkpoint holds its own weights.
DROPPED_KEYS = frozenset({"custom_imports", "_base_", "init_cfg", "pretrained", "load_from", "resume_from"})
#: Registered, yet it passes texts of its config to `eval` (mmcv/cnn/rfsearch/search.py).
_EVALUATES_ITS_CONFIG = frozenset({"RFSearchHook"})
#: Names that SlowFast and TSN's head look up by themselves; they are in no registry.
_RESOLVED_BY_THEIR_OWNER = frozenset({"resnet3d", "AvgConsensus"})
_SCOPES = ("mmaction", "mmengine")
_OUR_ROOMS = ("thermalctl.models.", "thermalctl.pipeline.", "thermalctl.engine.")


def load_checkpoint_safely(path: Path) -> dict[str, Any]:
    """Return what a checkpoint file holds, on the CPU; tensors, numbers, text and MMEngine's log history only.

    Raises:
        CheckpointError: if the file is missing, damaged or no checkpoint, or names a global that is not on the
            allow-list of `thermalctl.compat`. Nothing is ever loaded with the check off.
    """
    prepare_mmaction()
    import torch

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file", hint="a run's checkpoints are in its work dir, *.pth") from None
    except pickle.UnpicklingError as error:
        raise _explain_refusal(path, str(error)) from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # a file cut short makes torch seek to before its beginning
            raise _report_damage(path) from error
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})", hint="check the path") from error
    except _DAMAGE as error:
        raise _report_damage(path) from error
    if not isinstance(loaded, dict):
        raise CheckpointError(
            f"{path}: holds a {type(loaded).__name__}, expected a dict with the weights",
            hint="save `model.state_dict()`, or MMEngine's checkpoint as it is",
        )
    return loaded


def _explain_refusal(path: Path, text: str) -> CheckpointError:
    named = re.search(
        r"GLOBAL (?P<name>\S+?)(?: of '(?P<attribute>.*?)')?(?: was not| is not| whose module)"
        r"|(?:but got|function) <(?:class|function|built-in function) '?(?P<type>[\w.]+)",
        text,
    )
    if named is None:
        return _report_damage(path)
    name = named["name"] or named["type"]
    if named["attribute"]:
        name = f'{name} (of "{named["attribute"]}")'
    return CheckpointError(
        f"{path}: refused; it asks for {name}, and a checkpoint that may call that could run any code",
        hint="ask its author for the weights alone: torch.save(checkpoint['state_dict'], ...)",
    )


def _report_damage(path: Path) -> CheckpointError:
    size = path.stat().st_size
    with path.open("rb") as file:
        if _CAFFE2_MARK in file.read(_CAFFE2_MARK_WITHIN):
            return CheckpointError(
                f"{path}: is a Caffe2 file of PySlowFast's model zoo, expected what torch.save writes",
                hint="take PyTorchVideo's .pyth of the same network, or load it in PySlowFast and save its state_dict",
            )
    return CheckpointError(
        f"{path}: is no checkpoint, or is damaged ({size:,} bytes)",
        hint="a checkpoint is what torch.save writes; if this one was copied or downloaded, fetch it again",
    )


def check_trusted_types(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's config as plain containers, fit to be built: all its types known, nothing to be fetched.

    MMEngine takes a dotted `type="os.system"` for a path to import and call, so every name has to be that of a class in
    MMAction2's or MMEngine's registries, with or without their scope, or of a class in thermalctl's own rooms. The
    keys of `DROPPED_KEYS` are left out.

    Raises:
        CheckpointError: naming the path to the first key that names anything else.
    """
    return {key: _clean(value, key) for key, value in cfg.items() if _is_kept(key, value, key)}


def _clean(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _clean(inner, f"{where}.{key}")
            for key, inner in value.items()
            if _is_kept(key, inner, f"{where}.{key}")
        }
    if isinstance(value, list | tuple):
        return type(value)(_clean(inner, f"{where}[{position}]") for position, inner in enumerate(value))
    return value


def _is_kept(key: object, value: Any, where: str) -> bool:
    """Return whether a key stays in the config.

    Raises:
        CheckpointError: if it names a class or a scope that is not trusted.
    """
    if key in DROPPED_KEYS:
        return False
    if key in ("type", "runner_type") and not (isinstance(value, str) and is_trusted_type(value)):
        raise CheckpointError(
            f"the checkpoint's config has {value!r} in {where}, expected a class of MMAction2, MMEngine or thermalctl",
            hint="a class of your own is used only from a config file that you name yourself",
        )
    if key in ("_scope_", "default_scope") and value is not None and value not in _SCOPES:
        raise CheckpointError(
            f"the checkpoint's config has the scope {value!r} in {where}, expected {' or '.join(_SCOPES)}",
            hint="another scope makes MMEngine import the package of that name",
        )
    return True


def is_trusted_type(name: str) -> bool:
    """Return whether MMEngine, asked for `type=name`, finds a registered class or one of ours, importing no other."""
    scope, _, scoped_name = name.partition(".")
    registered_name = scoped_name if scope in _SCOPES else name
    if registered_name in _EVALUATES_ITS_CONFIG:
        return False
    if name in _RESOLVED_BY_THEIR_OWNER or _is_ours(name):
        return True
    return any(registered_name in names for names in _list_registered_names())


def _is_ours(name: str) -> bool:
    # Resolved here as module and class: MMEngine would also follow "thermalctl.files.os.system".
    if not name.startswith(_OUR_ROOMS) or not all(part.isidentifier() for part in name.split(".")):
        return False
    module_name, _, class_name = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), class_name, None)
    except ModuleNotFoundError:
        return False
    return isinstance(found, type) and found.__module__.startswith(_OUR_ROOMS)


def _list_registered_names() -> Iterator[Mapping[str, Any]]:
    """Yield the classes by name of each registry, models first: the others take a second to import."""
    prepare_mmaction()
    import mmaction.models  # registers what it holds
    import mmaction.registry
    import mmengine.registry

    yield from (mmaction.registry.MODELS.module_dict, mmengine.registry.MODELS.module_dict)
    # Not each registry's `import_from_location`: that of mmaction's FUNCTION names a module that does not exist.
    for package in ("mmaction.utils", "mmaction.visualization", "mmengine.runner", "mmengine.visualization"):
        importlib.import_module(package)
    mmaction.utils.register_all_modules(init_default_scope=False)
    for module in (mmaction.registry, mmengine.registry):
        for found in vars(module).values():
            if isinstance(found, mmengine.registry.Registry):
                yield found.module_dict
