"""Where a training begins: from random weights, from given ones, or from where it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from thermalctl.engine.averaging import AVERAGE_KEY
from thermalctl.engine.checkpoints import find_best, find_last
from thermalctl.engine.choices.custom_hooks import find_hooks
from thermalctl.engine.choices.transfer import AVERAGING, USUAL_AVERAGING
from thermalctl.engine.config_text import parse_config_text
from thermalctl.engine.trust import load_checkpoint_safely
from thermalctl.errors import CheckpointError, ConfigError, RequestError
from thermalctl.models.head_classes import HeadClasses
from thermalctl.weights.catalog import find_entry
from thermalctl.weights.store import resolve_load_from

#: The groups of a configuration that decide what a run learns, and the keys in them that do not.
_DECIDING = ("clip", "model", "optim_wrapper", "param_scheduler", "train_dataloader", "randomness", "auto_scale_lr")
_PLACES = frozenset(
    {"data_root", "ann_file", "data_prefix", "num_workers", "persistent_workers", "pin_memory", "prefetch_factor"}
)
#: Past so many training clips the finetuning guide trains longer, and drops less of the head's input.
MANY_CLIPS = 1000
MANY_CLIPS_DROPOUT = 0.5
MANY_CLIPS_EPOCHS = 150


def find_start(cfg: Config) -> str | None:
    """Return the file to begin from: weights, or the checkpoint to resume from; None to begin from random weights.

    Raises:
        RequestError: if the work dir holds another run, which would be overwritten, or nothing to resume from.
        CheckpointError: if what is to be resumed cannot be.
        ConfigError: if the length of a resumed run was changed: its schedule would go on as if it had not been.
        WeightsError: if the weights are not there or not what they claim to be.
    """
    last = find_last(Path(cfg.work_dir))
    wanted = cfg.get("load_from")
    if not cfg.resume:
        if last is not None:
            raise RequestError(
                f"{cfg.work_dir}: holds a run already (its last checkpoint is {last.name})",
                hint="--resume goes on with it; another --work-dir begins a new one",
            )
        weights = _find_weights(str(wanted)) if wanted else None
        return str(weights) if weights else None
    source = _find_weights(str(wanted), to_resume=True) if wanted else last
    if source is None:
        raise RequestError(
            f"--resume: {cfg.work_dir} holds no checkpoint", hint="leave --resume out to begin a new run"
        )
    _check_resumable(cfg, source)
    return str(source)


def find_head_classes(checkpoint: Mapping[str, Any], dataset_meta: Mapping[str, Any]) -> HeadClasses | None:
    """Return the classes of a checkpoint and of a dataset by name; None where either does not name them.

    Args:
        checkpoint: what `load_checkpoint_safely` returned.
        dataset_meta: the `metainfo` of the dataset to train on.
    """
    meta = checkpoint.get("meta")
    given = _list_names((meta.get("dataset_meta") if isinstance(meta, Mapping) else None) or {})
    wanted = _list_names(dataset_meta)
    return HeadClasses(given=given, wanted=wanted) if given and wanted else None


def suggest_for_size(num_train: int, cfg: Config) -> list[str]:
    """Return what to say of a training with many clips: what the finetuning guide then does otherwise, in flags.

    Args:
        num_train: training clips.
        cfg: the complete configuration.
    """
    if num_train <= MANY_CLIPS:
        return []
    dropout = ((cfg.get("model") or {}).get("cls_head") or {}).get("dropout_ratio")
    epochs = (cfg.get("train_cfg") or {}).get("max_epochs")
    advice = []
    if dropout is not None and dropout > MANY_CLIPS_DROPOUT:
        advice.append(f"--dropout {MANY_CLIPS_DROPOUT} (here {dropout})")
    if epochs is not None and epochs < MANY_CLIPS_EPOCHS:
        advice.append(f"--epochs {MANY_CLIPS_EPOCHS} (here {epochs})")
    return [f"clips: {num_train:,} to train on; past {MANY_CLIPS:,}, try {' and '.join(advice)}"] if advice else []


def _list_names(dataset_meta: object) -> tuple[str, ...]:
    classes = dataset_meta.get("classes") if isinstance(dataset_meta, Mapping) else None
    return tuple(map(str, classes)) if isinstance(classes, (list, tuple)) else ()


def _find_weights(text: str, *, to_resume: bool = False) -> Path | None:
    """Return what `load_from` means, which may be the folder of a run: its best checkpoint, or its last to resume.

    Raises:
        RequestError: if the folder holds no checkpoint.
        WeightsError: if it is no folder, and the weights are not there or not what they claim to be.
    """
    folder = Path(text)
    if find_entry(text) is not None or not folder.is_dir():
        return resolve_load_from(text)
    found = (None if to_resume else find_best(folder)) or find_last(folder)
    if found is None:
        raise RequestError(f"--load-from {text}: the folder holds no checkpoint", hint="name the folder of a run")
    return found


def _check_resumable(cfg: Config, source: Path) -> None:
    checkpoint = load_checkpoint_safely(source)
    if "optimizer" not in checkpoint:  # as in MMEngine's best_*.pth
        raise CheckpointError(
            f"{source}: holds weights without the optimizer's state, so the run cannot go on as it was",
            hint=f"begin a new run from it in another folder: --load-from {source} --work-dir DIR",
        )
    is_averaged = AVERAGE_KEY in checkpoint
    if is_averaged != bool(find_hooks(cfg, AVERAGING) or find_hooks(cfg, USUAL_AVERAGING)):
        began, asked = ("with", "without") if is_averaged else ("without", "with")
        raise ConfigError(
            f"{source}: belongs to a run that began {began} --ema, and is resumed {asked} it",
            hint=f"resume it {began} it, or begin a new run from it: --load-from {source} --work-dir DIR",
        )
    planned_cfg = parse_config_text(checkpoint.get("meta", {}).get("cfg", ""))
    planned = planned_cfg.get("train_cfg", {}).get("max_epochs")
    wanted = cfg.train_cfg.get("max_epochs")
    if planned is not None and planned not in (wanted, cfg.get("extended_from")):
        raise ConfigError(
            f"{source}: belongs to a run of {planned} epochs, but {wanted} are asked for",
            hint=f"resume with --epochs {planned}, or begin a new run from it: --load-from {source} --work-dir DIR",
        )
    changed = find_changes(planned_cfg, cfg.to_dict(), is_extended=planned != wanted) if planned_cfg else []
    if changed:
        key, before, now = changed[0]
        others = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise ConfigError(
            f"{source}: belongs to a run with {key}={before}, but {now} is asked for{others}",
            hint=f"resume it as it was, or begin a new run from it: --load-from {source} --work-dir DIR",
        )


def find_changes(
    planned: Mapping[str, Any], wanted: Mapping[str, Any], *, is_extended: bool
) -> list[tuple[str, Any, Any]]:
    """Return what would make of a resumed run another one: keys that decide what is learnt, with both values.

    Where its files lie, who reads them, and what is logged and saved may change.

    Args:
        planned: the configuration that the run began with.
        wanted: that it is resumed with.
        is_extended: whether it is to become longer, so that its schedule is another.
    """
    passed_over = {"param_scheduler"} if is_extended else set()
    groups = [group for group in _DECIDING if group in planned and group in wanted and group not in passed_over]
    before, now = (_flatten({group: cfg[group] for group in groups}) for cfg in (planned, wanted))
    keys = sorted(key for key in before.keys() | now.keys() if not _PLACES.intersection(key.split(".")))
    missing = "nothing"
    return [
        (key, before.get(key, missing), now.get(key, missing))
        for key in keys
        if before.get(key, missing) != now.get(key, missing)
    ]


def _flatten(node: Any, place: str = "") -> dict[str, Any]:
    """Return values by dotted key; tuples as lists, which a configuration does not tell apart."""
    if isinstance(node, Mapping):
        items = list(node.items())
    elif isinstance(node, (list, tuple)) and any(isinstance(inner, Mapping) for inner in node):
        items = [(str(index), inner) for index, inner in enumerate(node)]
    else:
        return {place: list(node) if isinstance(node, tuple) else node}
    flat: dict[str, Any] = {}
    for key, inner in items:
        flat |= _flatten(inner, f"{place}.{key}" if place else str(key))
    return flat
