"""`--cfg-options`: typed values for any key of a configuration, and no key that nothing reads.

MMEngine takes whatever it is given, so a mistyped key is silently ignored. Here a key must be in the configuration, or
be a parameter of the class that the enclosing `type` names, or of MMEngine's Runner.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmengine.config import Config, DictAction

from thermalctl.clip_spec import ClipSpec
from thermalctl.compat import prepare_mmaction
from thermalctl.errors import ConfigError
from thermalctl.pipeline.augment import Augmentation

#: Names that are flags of `train`, in case one is given as a key.
FLAGS = frozenset(
    {"dry_run", "epochs", "batch_size", "lr", "amp", "seed", "device", "num_workers", "dropout", "warmup_epochs"}
    | {"backbone_lr_mult", "deterministic", "cudnn_benchmark", "config", "data", "print_config"}
)
#: Mappings whose keys are free: patterns of parameter names.
FREE_MAPPINGS = frozenset({"custom_keys"})
#: What MMEngine builds where a configuration gives no type.
DEFAULT_TYPES = {
    "optim_wrapper": "OptimWrapper",
    "train_cfg": "EpochBasedTrainLoop",
    "val_cfg": "ValLoop",
    "test_cfg": "TestLoop",
    "visualizer": "Visualizer",
    "log_processor": "LogProcessor",
    "default_hooks.runtime_info": "RuntimeInfoHook",
    "default_hooks.timer": "IterTimerHook",
    "default_hooks.logger": "LoggerHook",
    "default_hooks.param_scheduler": "ParamSchedulerHook",
    "default_hooks.checkpoint": "CheckpointHook",
    "default_hooks.sampler_seed": "DistSamplerSeedHook",
}


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Return "key=value" texts as values by dotted key, read as MMEngine reads them: numbers, true, None, [a,b], (a,b).

    Raises:
        ConfigError: if a text is no pair or its value cannot be read.
    """
    for pair in pairs:
        if not pair.partition("=")[0].strip() or "=" not in pair:
            raise ConfigError(f"--cfg-options {pair!r} is not KEY=VALUE", hint="for example train_cfg.max_epochs=20")
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    try:
        parsed: dict[str, Any] = parser.parse_args(["--cfg-options", *pairs]).cfg_options or {} if pairs else {}
    except (AssertionError, ValueError) as error:
        raise ConfigError(
            f"--cfg-options {' '.join(pairs)}: {error}", hint="close every bracket; quote lists"
        ) from error
    return parsed


def check_overrides(cfg: Config, overrides: Iterable[str]) -> None:
    """Check that something reads each key.

    Raises:
        ConfigError: naming the first key that nothing reads, and the nearest that something does.
    """
    prepare_mmaction()
    values = cfg.to_dict()
    for key in overrides:
        node: Any = values
        path: list[str] = []
        for part in key.split("."):
            known = _list_known(node, path)
            if known is not None and part not in known:
                _raise_unknown(key, part, path, known, is_flag=key in FLAGS)
            node = _step_into(node, part)
            path.append(part)


def _step_into(node: Any, part: str) -> Any:
    if isinstance(node, Mapping):
        return node.get(part)
    if isinstance(node, Sequence) and not isinstance(node, str) and part.isdigit() and int(part) < len(node):
        return node[int(part)]
    return None


def _list_known(node: Any, path: Sequence[str]) -> set[str] | None:
    """Return the keys that something reads at this place; None where any key may stand."""
    if path and path[-1] in FREE_MAPPINGS:
        return None
    if isinstance(node, Sequence) and not isinstance(node, str):
        return {str(index) for index in range(len(node))}
    known = set(node) if isinstance(node, Mapping) else set()
    if not path:
        from mmengine.runner import Runner

        return known | _list_parameters(Runner)
    place = ".".join(path)
    if place in ("train_dataloader", "val_dataloader", "test_dataloader"):
        from torch.utils.data import DataLoader

        return known | _list_parameters(DataLoader)
    if place == "clip":
        return {field.name for field in dataclasses.fields(ClipSpec)} - {"classes"}
    if path[-1] == "augment":
        return {field.name for field in dataclasses.fields(Augmentation)}
    if place == "randomness":
        from mmengine.runner import Runner

        return set(inspect.signature(Runner.set_randomness).parameters) - {"self"}
    type_name = (node.get("type") if isinstance(node, Mapping) else None) or DEFAULT_TYPES.get(place)
    return known | (_list_parameters(_find_class(type_name)) if type_name else set())


def _find_class(type_name: Any) -> Any:
    if not isinstance(type_name, str):
        return type_name
    import mmaction.registry
    import mmaction.utils
    import mmengine.registry

    mmaction.utils.register_all_modules(init_default_scope=False)
    name = type_name.removeprefix("mmaction.").removeprefix("mmengine.")
    for registries in (mmaction.registry, mmengine.registry):
        for registry in vars(registries).values():
            if isinstance(registry, mmengine.registry.Registry) and name in registry.module_dict:
                return registry.module_dict[name]
    if "." in type_name:
        from mmengine.utils import get_object_from_string

        return get_object_from_string(type_name)
    return None


def _list_parameters(found: Any) -> set[str]:
    """Return the parameters of a class's constructor, and of its bases' where it passes on `**kwargs`."""
    names: set[str] = {"type"}
    if found is None or not callable(found):
        return names
    for owner in inspect.getmro(found) if isinstance(found, type) else (found,):
        target = vars(owner).get("__init__") if isinstance(owner, type) else owner
        if target is None or not callable(target) or owner is object:
            continue
        parameters = inspect.signature(target).parameters.values()
        names |= {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return names - {"self"}


def _raise_unknown(key: str, part: str, path: Sequence[str], known: set[str], *, is_flag: bool) -> None:
    place = ".".join(path) or "the configuration"
    if is_flag:
        raise ConfigError(f"--cfg-options {key}: is not a key of {place}", hint=f"meant is --{key.replace('_', '-')}")
    near = difflib.get_close_matches(part, known, n=1)
    guess = ".".join([*path, near[0]]) if near else ""
    raise ConfigError(
        f"--cfg-options {key}: {place} has no {part!r}, and nothing would read it",
        hint=f"is {guess} meant?" if guess else f"it has {', '.join(sorted(known)) or 'no keys'}",
    )
