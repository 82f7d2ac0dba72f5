"""What is measured side by side: stock MMAction2 with the guide's configuration, and ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from thermalctl.benchmarking.stock import make_stock_config
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.config import complete_config, load_config
from thermalctl.engine.options import TrainOptions

STOCK = "stock MMAction2"
#: The folded stem takes one channel, with the mean of the three that the Kinetics weights were trained with.
FOLDED = {"clip.channels": "fold", "clip.mean": (114.495,), "clip.std": (57.63,)}
#: Room for every recording, whatever their number.
UNLIMITED_MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One row of a benchmark.

    Attributes:
        name: as the tables have it.
        config: a shipped configuration, or an MMAction2 configuration file; None for the guide's in stock MMAction2.
        overrides: its keys that differ.
        in_memory: whether decoded frames are held in memory, or each clip is decoded anew; None for its own way.
        amp: mixed precision.
    """

    name: str
    config: str | None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    in_memory: bool | None = None
    amp: bool = False

    @property
    def is_stock(self) -> bool:
        """Whether it is plain MMAction2, without anything of ours but the guide's dataset class."""
        return self.config is None


def complete_contender(
    contender: Contender, dataset: ThermalDataset, *, work_dir: Path, device: str, batch_size: int, num_workers: int
) -> Config:
    """Return a contender's configuration for training: without validation, and from random weights.

    Raises:
        ConfigError: if the dataset does not fit the configuration.
    """
    endless = {"max_epochs": 10**6, "val_interval": 10**6}
    if contender.is_stock:
        cfg = make_stock_config(dataset)
        cfg.train_cfg.update(endless, val_begin=10**6)
        cfg.work_dir, cfg.device = str(work_dir), device
        cfg.train_dataloader.update(batch_size=batch_size, num_workers=num_workers, persistent_workers=num_workers > 0)
        if contender.amp:
            cfg.optim_wrapper.type = "AmpOptimWrapper"
    else:
        assert contender.config is not None
        options = TrainOptions(
            batch_size=batch_size,
            num_workers=num_workers,
            load_from="none",
            amp=contender.amp,
            overrides=dict(contender.overrides) | {"train_cfg.val_interval": 10**6},
        )
        cfg = complete_config(load_config(contender.config), options, dataset, work_dir=work_dir, device=device)
        cfg.train_cfg.max_epochs = endless["max_epochs"]
    if contender.in_memory is not None:
        cfg.train_dataloader.dataset.frame_cache_mib = UNLIMITED_MIB if contender.in_memory else 0
    return cfg


def list_data_contenders() -> tuple[Contender, ...]:
    """Return whose data path is measured, the one that the others are compared with first."""
    ways: tuple[tuple[str, str | None, dict[str, Any]], ...] = (
        (STOCK, None, {}),
        ("slowfast-r50", "slowfast-r50", {}),
        ("slowfast-r50, one channel", "slowfast-r50", FOLDED),
        ("slowfast-small", "slowfast-small", {}),
    )
    return tuple(
        Contender(name=name, config=config, overrides=overrides, in_memory=in_memory)
        for in_memory in (False, True)
        for name, config, overrides in ways
    )


def list_train_contenders(configs: tuple[str, ...], *, amp: bool, has_gpu: bool) -> tuple[Contender, ...]:
    """Return whose training steps are measured, the one that the others are compared with first.

    Args:
        configs: ours.
        amp: only in mixed precision.
        has_gpu: on a GPU both precisions are measured.
    """
    precisions = (True,) if amp else (False, True) if has_gpu else (False,)
    return tuple(
        Contender(name=f"{config or STOCK}{', --amp' if precision else ''}", config=config, amp=precision)
        for precision in precisions
        for config in (None, *configs)
        if config is not None or has_gpu or not precision  # MMEngine refuses mixed precision on a CPU
    )
