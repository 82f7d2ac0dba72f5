"""How a training runs on its machine, is saved, and how long it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmengine.config import Config

from thermalctl.engine.running.accumulating import check_accumulation
from thermalctl.errors import ConfigError, RequestError


@dataclass(frozen=True, kw_only=True)
class RunningChoices:
    """How a training runs, is saved, and how long it goes on; None leaves it as the configuration has it.

    Attributes:
        compile: translate the backbone with `torch.compile` before the first step.
        channels_last: keep the channels of a place together in memory, as tensor cores like them.
        launcher: what has started this process among several; None to see whether torchrun has.
        accumulate: steps whose gradients are added up for one update: as a batch of so many times the clips, in the
            memory of one.
        save_every: steps between two checkpoints within an epoch; 0 for none.
        extend_epochs: how many epochs a resumed run is to go on beyond those that it was planned for.
    """

    compile: bool = False
    channels_last: bool = False
    launcher: Literal["torchrun", "slurm"] | None = None
    accumulate: int | None = None
    save_every: int | None = None
    extend_epochs: int | None = None


def check_running(
    choices: RunningChoices, *, is_resumed: bool, epochs: int | None, batch_size: int | Literal["auto"] | None
) -> None:
    """Check the choices against each other, and against `--resume`, `--epochs` and `--batch-size`.

    Raises:
        RequestError: if one is impossible, or two contradict each other.
    """
    if choices.save_every is not None and choices.save_every < 0:
        raise RequestError(
            f"--save-every is {choices.save_every}, expected a number of steps, 0 for none within an epoch",
            hint="leave it out for the configuration's own value",
        )
    if choices.accumulate is not None and choices.accumulate < 1:
        raise RequestError(
            f"--accumulate is {choices.accumulate}, expected a number of steps from 1",
            hint="1 updates the weights after every step",
        )
    if choices.accumulate is not None and batch_size == "auto":
        raise RequestError(
            f"--accumulate {choices.accumulate} and --batch-size auto contradict each other: auto chooses both",
            hint="leave --accumulate out, or name the batch",
        )
    if is_resumed and batch_size == "auto":
        raise RequestError(
            "--batch-size auto and --resume contradict each other: a run goes on with the batches it began with",
            hint="leave --batch-size out",
        )
    if choices.extend_epochs is None:
        return
    if choices.extend_epochs < 1:
        raise RequestError(
            f"--extend-epochs is {choices.extend_epochs}, expected 1 or more", hint="--resume alone goes on as planned"
        )
    if epochs is not None:
        raise RequestError(
            f"--extend-epochs {choices.extend_epochs} and --epochs {epochs} contradict each other: one counts from "
            "where the run was to end, the other from its beginning",
            hint="leave one of them out",
        )
    if not is_resumed:
        raise RequestError(
            f"--extend-epochs {choices.extend_epochs}: there is no run to extend",
            hint="add --resume for the newest run, and --work-dir for another; --epochs is the length of a new one",
        )


def apply_running(cfg: Config, choices: RunningChoices) -> None:
    """Change how a training is saved, and how long it goes on; the schedule is stretched elsewhere.

    Raises:
        ConfigError: if the configuration does not count in epochs.
    """
    if choices.accumulate is not None:
        wrapper = cfg.get("optim_wrapper") or {}
        check_accumulation(wrapper.get("type"), choices.accumulate)
        cfg.optim_wrapper.accumulative_counts = choices.accumulate
    if choices.compile:
        cfg.compile = True
    if choices.channels_last:
        cfg.channels_last = True
    if choices.launcher is not None:
        cfg.launcher = choices.launcher
    if choices.save_every is not None:
        cfg.save_every = choices.save_every
    if choices.extend_epochs is not None:
        planned = (cfg.get("train_cfg") or {}).get("max_epochs")
        if planned is None:
            raise ConfigError(
                "--extend-epochs: this configuration does not count in epochs",
                hint="--cfg-options train_cfg.max_iters=...",
            )
        cfg.extended_from = planned
        cfg.train_cfg.max_epochs = planned + choices.extend_epochs
