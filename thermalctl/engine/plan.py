"""From what was asked to the configuration that runs, with everything that was chosen on the way said."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from thermalctl.dataset.layout import DatasetLayout, find_dataset
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.engine.checkpoints import find_last
from thermalctl.engine.choices.clips import describe_missing_boxes, describe_repeats
from thermalctl.engine.config import choose_config, complete_config, iterate_datasets, load_config, read_clip_spec
from thermalctl.engine.options import LOADERS, TrainOptions
from thermalctl.engine.running.memory import fit_batch
from thermalctl.engine.starting import suggest_for_size
from thermalctl.engine.train import choose_device
from thermalctl.errors import ConfigError, RequestError
from thermalctl.evaluation.run_log import METRICS_FILE
from thermalctl.evaluation.runs import find_run

#: Where runs go unless told otherwise, one folder each.
WORK_DIRS = Path("work_dirs")
#: Without these a configuration trains nothing.
NEEDED_KEYS = ("model", "train_dataloader", "train_cfg", "optim_wrapper")


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """A training that is ready to begin.

    Attributes:
        cfg: the complete configuration.
        notes: what was chosen and why, a line each.
    """

    cfg: Config
    notes: tuple[str, ...]

    @property
    def work_dir(self) -> Path:
        """Where the run is written."""
        return Path(self.cfg.work_dir)


def plan_training(
    *, config: str | None, data: Path | None, work_dir: Path | None, options: TrainOptions
) -> TrainingPlan:
    """Return the plan of a training.

    Args:
        config: a shipped configuration's name or a file; None for the default of the device, or, to resume, for the
            run's own.
        data: the dataset folder; None for the one that is found, or the one that a user's configuration names.
        work_dir: where the run goes; None for a new folder below `work_dirs/`, or, to resume, for the newest run.
        options: edits of the configuration.

    Raises:
        ThermalctlError: if something named is not there, or does not fit.
    """
    device = choose_device(options.device)
    notes = []
    if options.resume and work_dir is not None and (work_dir / METRICS_FILE).is_file() and find_last(work_dir) is None:
        raise RequestError(
            f"--resume: the run in {work_dir} ended before a checkpoint was saved",
            hint="begin it again: the same command without --resume",
        )
    if options.resume and (work_dir is None or config is None):
        run = find_run(work_dir)
        work_dir = run.folder
        notes.append(f"run: {work_dir} ({run.how})")
    if options.resume and config is None:
        assert work_dir is not None
        config = str(find_config_copy(work_dir))
    elif config is None:
        config = choose_config(device, options.target)
        notes.append(f"config: {config} (the default on a {'GPU' if device != 'cpu' else 'CPU'})")
    cfg = load_config(config)
    missing = [key for key in NEEDED_KEYS if not cfg.get(key)]
    if missing:
        raise ConfigError(
            f"{config}: has no {', '.join(missing)}", hint="start from a whole one: thermalctl train --print-config"
        )
    if "clip" in cfg:
        notes.extend(limit_workers(cfg, options))
    dataset, how = _choose_dataset(cfg, data)
    notes.extend(how)
    work_dir = work_dir or choose_work_dir(Path(config).stem.replace("_", "-"))
    complete = complete_config(cfg, options, dataset, work_dir=work_dir, device=device)
    if dataset is not None and "clip" in complete:
        spec = read_clip_spec(complete, dataset.classes)
        notes.extend(describe_missing_boxes(spec, dataset))
        notes.extend(describe_repeats(spec, dataset))
        notes.extend(suggest_for_size(len(dataset.samples("train", spec.target)), complete))
    if options.batch_size == "auto":
        notes.append(_fit_batch(complete))
    return TrainingPlan(cfg=complete, notes=tuple(notes))


def _fit_batch(cfg: Config) -> str:
    """Give a configuration the largest batch that fits, and return what to say."""
    if "clip" not in cfg:
        raise ConfigError(
            "--batch-size auto: this configuration is your own, and its pipeline makes the clips", hint="name a number"
        )
    wanted = cfg.train_dataloader.batch_size * cfg.optim_wrapper.get("accumulative_counts", 1)
    fit = fit_batch(cfg, wanted)
    cfg.train_dataloader.batch_size = fit.batch_size
    cfg.optim_wrapper.accumulative_counts = fit.accumulate
    return f"batch: {fit.batch_size} clips, {fit.accumulate} to an update, for {wanted} in all ({fit.how})"


def limit_workers(cfg: Config, options: TrainOptions) -> list[str]:
    """Give the loaders no more workers than there are processors, unless they were asked for; return what to say."""
    num_processors = count_processors()
    wanted = max(cfg[loader].num_workers for loader in LOADERS)
    is_asked_for = options.num_workers is not None or any("num_workers" in key for key in options.overrides)
    if wanted <= num_processors or is_asked_for:
        return []
    for loader in LOADERS:
        cfg[loader].num_workers = min(cfg[loader].num_workers, num_processors)
    return [f"workers: {num_processors} instead of {wanted}, one for each processor"]


def count_processors() -> int:
    """Return how many processors this process may use; a container or a job scheduler gives it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_work_dir(name: str, *, parent: Path = WORK_DIRS) -> Path:
    """Return a folder for a new run: `<parent>/<name>`, with a number where an earlier run has that."""
    candidate, number = parent / name, 1
    while candidate.exists():
        number += 1
        candidate = parent / f"{name}-{number}"
    return candidate


def find_config_copy(work_dir: Path) -> Path:
    """Return the copy of the configuration that a run left in its folder.

    Raises:
        RequestError: if there is none, or more than one.
    """
    copies = sorted(work_dir.glob("*.py"))
    if len(copies) != 1:
        found = ", ".join(path.name for path in copies) or "none"
        raise RequestError(
            f"{work_dir}: holds {len(copies)} configurations ({found}), expected one",
            hint="name the one to resume with: --config FILE",
        )
    return copies[0]


def _choose_dataset(cfg: Config, data: Path | None) -> tuple[ThermalDataset | None, list[str]]:
    """Return the dataset to train on; None to leave a user's own configuration with its own files."""
    leaves = [leaf for _, leaf in iterate_datasets(cfg)]
    if data is None and leaves and all(_has_files(leaf) for leaf in leaves):
        if "clip" not in cfg:
            return None, []
        layout = DatasetLayout(Path(leaves[0].data_root))
        return load_dataset(layout), [f"dataset: {layout.root} (the configuration's own)"]
    found = find_dataset(data)
    return load_dataset(found.layout), [f"dataset: {found.layout.root} ({found.how})"]


def _has_files(leaf: dict[str, str]) -> bool:
    if "clip_spec" in leaf:
        return Path(leaf.get("data_root", "")).is_dir()
    return bool(leaf.get("ann_file")) and Path(leaf.get("data_root") or "", leaf["ann_file"]).is_file()
