"""What `train` may be asked for, beyond what its configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from thermalctl.engine.choices.augmentation import AugmentationChoices, check_augmentation
from thermalctl.engine.choices.clips import ClipChoices, check_clips
from thermalctl.engine.choices.imbalance import ImbalanceChoices, check_imbalance
from thermalctl.engine.choices.running import RunningChoices, check_running
from thermalctl.engine.choices.stopping import StoppingChoices, check_stopping
from thermalctl.engine.choices.transfer import TransferChoices, check_transfer
from thermalctl.engine.choices.watching import WatchingChoices, check_watching
from thermalctl.errors import RequestError

#: The least that a whole number may be.
_LEAST = {"epochs": 1, "batch_size": 1, "num_workers": 0, "warmup_epochs": 0, "seed": 0, "frames": 1}
#: NumPy takes none above.
MOST_SEED = 2**32 - 1
_LEAVE_OUT = "leave it out for the configuration's own value"


@dataclass(frozen=True, kw_only=True)
class TrainOptions(
    ClipChoices,
    ImbalanceChoices,
    AugmentationChoices,
    TransferChoices,
    StoppingChoices,
    WatchingChoices,
    RunningChoices,
):
    """Edits of a configuration, those of each kind of choice and these; None (or False) leaves it as it is.

    Attributes:
        epochs: length of training; warm-up and decay are stretched with it.
        batch_size: clips per training step; "auto" for the largest part of the configuration's own that fits into
            memory, with as many steps to an update as make up for it.
        lr: rate of the head and of everything without a rate of its own.
        amp: mixed precision.
        resume: go on from the work dir's last checkpoint, or from `load_from`.
        seed: of every random draw.
        load_from: weights to start from: a catalog name, a path, a URL, or "none" for random weights.
        device: "cpu", "cuda" or "cuda:1"; None for CUDA where there is one.
        num_workers: processes that read clips.
        dropout: of the head, 0 to 1.
        warmup_epochs: epochs of rising rate.
        backbone_lr_mult: the backbone's rate as a multiple of `lr`.
        auto_scale_lr: multiply the rate by batch size / the configuration's base batch size.
        cudnn_benchmark: let cuDNN time its kernels and choose.
        deterministic: use repeatable kernels only.
        overrides: any other key of the configuration, by dotted name.
    """

    epochs: int | None = None
    batch_size: int | Literal["auto"] | None = None
    lr: float | None = None
    amp: bool = False
    resume: bool = False
    seed: int | None = None
    load_from: str | None = None
    device: str | None = None
    num_workers: int | None = None
    dropout: float | None = None
    warmup_epochs: int | None = None
    backbone_lr_mult: float | None = None
    auto_scale_lr: bool = False
    cudnn_benchmark: bool | None = None
    deterministic: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value != "auto" and value < least:
                raise RequestError(f"--{name.replace('_', '-')} is {value}, expected {least} or more", hint=_LEAVE_OUT)
        if self.seed is not None and self.seed > MOST_SEED:
            raise RequestError(f"--seed is {self.seed}, expected at most {MOST_SEED}", hint=_LEAVE_OUT)
        for name in ("lr", "backbone_lr_mult", "seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise RequestError(f"--{name.replace('_', '-')} is {value}, expected more than 0", hint=_LEAVE_OUT)
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise RequestError(f"--dropout is {self.dropout}, expected 0 or more and less than 1", hint=_LEAVE_OUT)
        if self.deterministic and self.cudnn_benchmark:
            raise RequestError(
                "--deterministic and --cudnn-benchmark contradict each other: timed kernels differ from run to run",
                hint="leave one of them out",
            )
        if self.epochs is not None and self.warmup_epochs is not None and self.warmup_epochs >= self.epochs:
            raise RequestError(
                f"--warmup-epochs is {self.warmup_epochs} of --epochs {self.epochs}: the full rate is never reached",
                hint="warm up for fewer epochs",
            )
        check_clips(self)
        check_imbalance(self)
        check_augmentation(self)
        check_transfer(self)
        check_stopping(self)
        check_watching(self)
        check_running(self, is_resumed=self.resume, epochs=self.epochs, batch_size=self.batch_size)


#: The loaders that a configuration may have.
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
#: Where the shipped configurations lie.
CONFIGS_DIR = Path(__file__).parents[1] / "configs"
