"""The hooks of a configuration: each of our own types at most once."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config


def find_hooks(cfg: Config, type_name: str) -> list[Any]:
    """Return the configuration's hooks of a type; to be edited in place.

    Args:
        cfg: the configuration.
        type_name: as it is in `type`; of a dotted or scoped name, the last part counts.
    """
    wanted = _get_last_part(type_name)
    return [hook for hook in cfg.get("custom_hooks") or [] if _get_last_part(hook.get("type")) == wanted]


def set_hook(cfg: Config, type_name: str, **values: Any) -> None:
    """Give the configuration's hooks of a type these values, or add one where there is none."""
    found = find_hooks(cfg, type_name)
    for hook in found:
        hook.update(values)
    if not found:
        cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), {"type": type_name, **values}]


def drop_hooks(cfg: Config, type_name: str) -> None:
    """Remove the configuration's hooks of a type."""
    if find_hooks(cfg, type_name):
        wanted = _get_last_part(type_name)
        cfg.custom_hooks = [hook for hook in cfg.custom_hooks if _get_last_part(hook.get("type")) != wanted]


def _get_last_part(type_name: Any) -> str:
    name = type_name if isinstance(type_name, str) else getattr(type_name, "__name__", "")
    return name.rpartition(".")[2]
