"""`--cfg-options`: typed values for any key of a configuration, and no key that nothing reads.

MMEngine takes whatever it is given, so a mistyped key is silently ignored. Here a key must be in the configuration, or
be a parameter of the class that the enclosing `type` names, or of MMEngine's Runner.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config, DictAction

from thermalctl.engine.known_keys import list_known_keys
from thermalctl.engine.options import TrainOptions
from thermalctl.errors import ConfigError

#: Names that are flags of `train`, in case one is given as a key.
FLAGS = frozenset(field.name for field in dataclasses.fields(TrainOptions)) | {
    "config", "data", "print_config", "dry_run"
}  # fmt: skip


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Return "key=value" texts as values by dotted key, read as MMEngine reads them: numbers, true, None, [a,b], (a,b).

    Raises:
        ConfigError: if a text is no pair or its value cannot be read.
    """
    for pair in pairs:
        if not pair.partition("=")[0].strip() or "=" not in pair:
            raise ConfigError(f"--cfg-options {pair!r} is not KEY=VALUE", hint="for example train_cfg.max_epochs=20")
    # The action without a parser around it, which would take "-x=1" for an option and exit.
    found = argparse.Namespace()
    try:
        DictAction(option_strings=["--cfg-options"], dest="pairs")(argparse.ArgumentParser(), found, list(pairs))
    except AssertionError as error:
        raise ConfigError(
            f"--cfg-options {' '.join(pairs)}: {error}", hint="close every bracket, and quote lists for the shell"
        ) from error
    return {key.strip(): value for key, value in found.pairs.items()}


def check_overrides(cfg: Config, overrides: Mapping[str, Any]) -> None:
    """Check that something reads each key, and that no value takes the place of a group of keys.

    Raises:
        ConfigError: naming the first key that nothing reads, and the nearest that something does.
    """
    values = cfg.to_dict()
    types = {key.removesuffix(".type"): value for key, value in overrides.items() if key.endswith(".type")}
    for key, value in overrides.items():
        if key.partition(".")[0] == "data_preprocessor" and "data_preprocessor" in (values.get("model") or {}):
            raise ConfigError(
                f"--cfg-options {key}={value}: the model has a data_preprocessor of its own, and reads no other",
                hint=f"model.{key}=...",
            )
        node: Any = values
        path: list[str] = []
        for part in key.split("."):
            known = list_known_keys(node, path, type_name=types.get(".".join(path)))
            if known is not None and part not in known:
                _raise_unknown(key, part, path, known, is_flag=key in FLAGS)
            node = _step_into(node, part)
            path.append(part)
        if isinstance(node, Mapping) and value is not None and not isinstance(value, Mapping):
            raise ConfigError(
                f"--cfg-options {key}={value}: {key} is a group of keys, not a value",
                hint=f"it has {', '.join(sorted(node))}: {key}.{min(node, default='KEY')}=...",
            )


def apply_overrides(cfg: Config, overrides: Mapping[str, Any]) -> None:
    """Write the values into the configuration, making the groups of keys that are not there yet.

    MMEngine's `merge_from_dict` refuses a group where the configuration has None.
    """
    for key, value in overrides.items():
        *groups, last = key.split(".")
        node: Any = cfg
        for part in groups:
            if isinstance(node, list):
                node = node[int(part)]
                continue
            if node.get(part) is None:
                node[part] = {}
            node = node[part]
        node[last] = value


def check_kept(cfg: Config, overrides: Mapping[str, Any]) -> None:
    """Check that each value still stands once the configuration is complete.

    Raises:
        ConfigError: if a flag, or the dataset, decided otherwise.
    """
    for key, value in overrides.items():
        node: Any = cfg
        for part in key.split("."):
            node = _step_into(node, part)
        if node != value:
            raise ConfigError(
                f"--cfg-options {key}={value}: the dataset or a flag decides this key, and makes it {node!r}",
                hint="leave this key out, or the flag that contradicts it",
            )


def _step_into(node: Any, part: str) -> Any:
    if isinstance(node, Mapping):
        return node.get(part)
    if isinstance(node, Config):
        return node.get(part)
    if isinstance(node, Sequence) and not isinstance(node, str) and part.isdigit() and int(part) < len(node):
        return node[int(part)]
    return None


def _raise_unknown(key: str, part: str, path: Sequence[str], known: set[str], *, is_flag: bool) -> None:
    place = ".".join(path) or "the configuration"
    if is_flag:
        raise ConfigError(f"--cfg-options {key}: is not a key of {place}", hint=f"meant is --{key.replace('_', '-')}")
    near = sorted(name for name in known if name.startswith(part)) or difflib.get_close_matches(part, known, n=1)
    guess = ".".join([*path, near[0]]) if near else ""
    raise ConfigError(
        f"--cfg-options {key}: {place} has no {part!r}, and nothing would read it",
        hint=f"is {guess} meant?" if guess else f"it has {', '.join(sorted(known)) or 'no keys'}",
    )
