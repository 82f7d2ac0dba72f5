"""Where a training begins: from random weights, from given ones, or from where it stopped."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from thermalctl.engine.checkpoints import find_last
from thermalctl.engine.config_text import parse_config_text
from thermalctl.engine.trust import load_checkpoint_safely
from thermalctl.errors import CheckpointError, ConfigError, RequestError
from thermalctl.weights.store import resolve_load_from


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
        weights = resolve_load_from(str(wanted)) if wanted else None
        return str(weights) if weights else None
    source = resolve_load_from(str(wanted)) if wanted else last
    if source is None:
        raise RequestError(
            f"--resume: {cfg.work_dir} holds no checkpoint", hint="leave --resume out to begin a new run"
        )
    _check_resumable(cfg, source)
    return str(source)


def _check_resumable(cfg: Config, source: Path) -> None:
    checkpoint = load_checkpoint_safely(source)
    if "optimizer" not in checkpoint:  # as in MMEngine's best_*.pth
        raise CheckpointError(
            f"{source}: holds weights without the optimizer's state, so the run cannot go on as it was",
            hint=f"begin a new run from it in another folder: --load-from {source} --work-dir DIR",
        )
    planned = parse_config_text(checkpoint.get("meta", {}).get("cfg", "")).get("train_cfg", {}).get("max_epochs")
    wanted = cfg.train_cfg.get("max_epochs")
    if planned is not None and planned != wanted:
        raise ConfigError(
            f"{source}: belongs to a run of {planned} epochs, but {wanted} are asked for",
            hint=f"resume with --epochs {planned}, or begin a new run from it: --load-from {source} --work-dir DIR",
        )
