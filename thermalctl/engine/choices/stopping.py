"""When training ends and which epoch is kept."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from thermalctl.engine.choices.custom_hooks import drop_hooks, find_hooks, set_hook
from thermalctl.errors import ConfigError, RequestError

EARLY_STOPPING = "EarlyStoppingHook"
#: What `--select-on` says to keep no best checkpoint.
NO_SELECTION = "none"
#: Monitored where neither a flag nor the configuration says what.
USUAL_METRIC = "acc/top1"
#: An improvement of less is none. The finetuning guide's.
USUAL_MIN_DELTA = 0.001
#: What `thermalctl.engine.accuracy.ClassAccuracy` adds to MMAction2's AccMetric.
_ADDED_METRICS = ("top3", "mean_class", "log_loss")
_ACCURACIES = frozenset({"AccMetric", "ClassAccuracy"})


@dataclass(frozen=True, kw_only=True)
class StoppingChoices:
    """When training ends and which epoch is kept; None leaves it as the configuration has it.

    Attributes:
        early_stopping: how many validations without an improvement end it; 0 never to end it early.
        monitor: the metric whose improvement counts; by default the one that selects.
        min_delta: the least difference that is an improvement.
        select_on: the metric whose best validation is kept as a checkpoint of its own; "none" to keep none.
    """

    early_stopping: int | None = None
    monitor: str | None = None
    min_delta: float | None = None
    select_on: str | None = None


def check_stopping(choices: StoppingChoices) -> None:
    """Check the choices against each other.

    Raises:
        RequestError: if one is impossible, or two contradict each other.
    """
    if choices.early_stopping is not None and choices.early_stopping < 0:
        raise RequestError(
            f"--early-stopping is {choices.early_stopping}, expected a number of validations, 0 for none",
            hint="leave it out for the configuration's own value",
        )
    if choices.min_delta is not None and not 0 < choices.min_delta < float("inf"):
        raise RequestError(
            f"--min-delta is {choices.min_delta:g}, expected more than 0: the same score again is no improvement",
            hint="0.001 is a tenth of a percent",
        )
    for name in ("monitor", "min_delta"):
        value = getattr(choices, name)
        if value is not None and choices.early_stopping == 0:
            raise RequestError(
                f"{_name_flag(name)} {value} and --early-stopping 0 contradict each other: nothing stops the training",
                hint="--early-stopping 20 stops after 20 validations without an improvement",
            )


def apply_stopping(cfg: Config, choices: StoppingChoices) -> None:
    """Change when a training ends and which epoch it keeps.

    Raises:
        ConfigError: if it validates nothing, knows no such metric, or has no early stopping that could be changed.
    """
    for name in ("select_on", "monitor"):
        metric = getattr(choices, name)
        if metric is not None and metric != NO_SELECTION:
            _check_metric(cfg, metric, _name_flag(name))
    if choices.select_on is not None:
        _set_selection(cfg, None if choices.select_on == NO_SELECTION else choices.select_on)
    if choices.early_stopping == 0:
        drop_hooks(cfg, EARLY_STOPPING)
        return
    _set_early_stopping(cfg, choices)


def list_metrics(cfg: Config) -> tuple[str, ...] | None:
    """Return the keys of a validation's scores; None where an evaluator does not tell before it runs."""
    evaluators = cfg.get("val_evaluator") or []
    names: list[str] = []
    for evaluator in [evaluators] if isinstance(evaluators, Mapping) else evaluators:
        if str(evaluator.get("type")).rpartition(".")[2] not in _ACCURACIES:
            return None
        prefix = evaluator.get("prefix") or "acc"
        names += [f"{prefix}/{name}" for name in (*_list_accuracies(evaluator), *_ADDED_METRICS)]
    return tuple(dict.fromkeys(names))


def _list_accuracies(evaluator: Mapping[str, Any]) -> list[str]:
    """Return what MMAction2's AccMetric calls the scores that it is set to."""
    wanted = evaluator.get("metric_list", ("top_k_accuracy", "mean_class_accuracy"))
    names = []
    for metric in (wanted,) if isinstance(wanted, str) else wanted:
        if metric == "top_k_accuracy":
            options = (evaluator.get("metric_options") or {}).get("top_k_accuracy") or {"topk": (1, 5)}
            depths = options.get("topk", (1, 5))
            names += [f"top{depth}" for depth in ((depths,) if isinstance(depths, int) else depths)]
        else:
            names.append("mean1" if metric == "mean_class_accuracy" else metric)
    return names


def _check_metric(cfg: Config, metric: str, flag: str) -> None:
    known = list_metrics(cfg)
    if known == ():
        raise ConfigError(f"{flag} {metric}: this configuration validates nothing", hint="give it a val_evaluator")
    if known is not None and metric not in known:
        near = difflib.get_close_matches(metric, known, n=1, cutoff=0.5)
        raise ConfigError(
            f"{flag} {metric}: validation gives no such metric, but {', '.join(known)}",
            hint=f"is {near[0]} meant?" if near else f"name one of them, as {known[0]}",
        )


def _set_selection(cfg: Config, metric: str | None) -> None:
    hooks = cfg.get("default_hooks") or {}
    if "checkpoint" in hooks and hooks["checkpoint"] is None:
        raise ConfigError(
            "--select-on: this configuration saves no checkpoints (default_hooks.checkpoint is None)",
            hint="--cfg-options default_hooks.checkpoint.type=CheckpointHook",
        )
    values: dict[str, Any] = {"save_best": metric, "rule": None if metric is None else _find_rule(metric)}
    if not hooks.get("checkpoint"):
        values = {"type": "CheckpointHook", "interval": 1} | values
    cfg.merge_from_dict({f"default_hooks.checkpoint.{key}": value for key, value in values.items()})


def _set_early_stopping(cfg: Config, choices: StoppingChoices) -> None:
    values: dict[str, Any] = {}
    selects = choices.select_on if choices.select_on != NO_SELECTION else None
    found = find_hooks(cfg, EARLY_STOPPING)
    monitor = choices.monitor or (selects if found else None)
    if choices.early_stopping is not None:
        values["patience"] = choices.early_stopping
        if not found:
            monitor = monitor or selects or _find_selection(cfg)
            values["min_delta"] = USUAL_MIN_DELTA
    elif not found:
        name = "monitor" if choices.monitor is not None else "min_delta"
        if getattr(choices, name) is None:
            return
        raise ConfigError(
            f"{_name_flag(name)} {getattr(choices, name)}: this configuration does not stop early",
            hint="add --early-stopping 20, for 20 validations without an improvement",
        )
    if monitor is not None:
        values |= {"monitor": monitor, "rule": _find_rule(monitor)}
    if choices.min_delta is not None:
        values["min_delta"] = choices.min_delta
    if values:
        if list_metrics(cfg) == ():
            raise ConfigError("--early-stopping: this configuration validates nothing", hint="give it a val_evaluator")
        set_hook(cfg, EARLY_STOPPING, **values)


def _find_selection(cfg: Config) -> str:
    """Return the metric that selects the best checkpoint; the usual one where there is none, or several."""
    selected = ((cfg.get("default_hooks") or {}).get("checkpoint") or {}).get("save_best")
    return selected if isinstance(selected, str) and selected != "auto" else USUAL_METRIC


def _find_rule(metric: str) -> str:
    return "less" if "loss" in metric else "greater"


def _name_flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"
