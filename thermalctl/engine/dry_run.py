"""What a training would do, found out by building all of it and running one batch forward."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from mmengine.config import Config

from thermalctl.engine.cost import ModelCost, measure_cost
from thermalctl.engine.events import RunStarted
from thermalctl.engine.provenance import find_trained_dataset
from thermalctl.engine.runner import build_runner
from thermalctl.engine.starting import find_start
from thermalctl.engine.summary import summarise_run
from thermalctl.errors import RequestError, ThermalctlError
from thermalctl.weights.store import NotFetchedError


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a training would do.

    Attributes:
        started: what would be told at its start.
        input_shape: of the first batch, (N, M, C, T, h, w).
        loss: of the first batch, with the weights at hand.
        num_steps: of each epoch.
        cost: what the model costs at this input; None for a user's own model that only real tensors go through.
        step_bytes: about what a training step takes in float32, of the device's memory; None where the cost is.
        problem: why the training would stop before its first step; None if it would not.
        fix: what to do about it.
        are_weights_missing: whether random weights stood in for those that were wanted.
    """

    started: RunStarted
    input_shape: tuple[int, ...]
    loss: float
    num_steps: int
    cost: ModelCost | None
    step_bytes: int | None
    problem: str | None
    fix: str | None
    are_weights_missing: bool


def dry_run(cfg: Config) -> DryRun:
    """Return what a training would do; nothing is left on disk.

    Args:
        cfg: from `complete_config`; it is not changed.

    Raises:
        WeightsError: if the weights to start from are none that could be fetched.
        CheckpointError: if they, or what is to be resumed, do not fit.
    """
    problem: ThermalctlError | None = None
    cfg = copy.deepcopy(cfg)
    work_dir = Path(cfg.work_dir)
    try:
        cfg.load_from = find_start(cfg)
    except (NotFetchedError, RequestError) as error:  # all else of the training can be looked at without them
        problem, cfg.load_from, cfg.resume = error, None, False
    with TemporaryDirectory(prefix="thermalctl-") as folder:
        cfg.work_dir = folder
        cfg.visualizer = None  # its event files would go to the real work dir
        runner = build_runner(cfg)
        runner.build_for_training()
        batch = next(iter(runner.train_dataloader))
        model = runner.recognizer.train()
        with torch.no_grad(), runner.optim_wrapper.optim_context(model):
            data = model.data_preprocessor(batch, True)
            loss, _ = model.parse_losses(model(**data, mode="loss"))
        cost = _measure_cost(cfg, tuple(data["inputs"].shape[1:]))
        return DryRun(
            started=summarise_run(runner, find_trained_dataset(cfg), work_dir=work_dir),
            input_shape=tuple(data["inputs"].shape),
            loss=float(loss),
            num_steps=len(runner.train_dataloader),
            cost=cost,
            step_bytes=cost.estimate_step_bytes(runner.train_dataloader.batch_size) if cost else None,
            problem=problem.message if problem else None,
            fix=problem.hint if problem else None,
            are_weights_missing=isinstance(problem, NotFetchedError),
        )


def _measure_cost(cfg: Config, input_shape: tuple[int, ...]) -> ModelCost | None:
    try:
        return measure_cost(cfg, input_shape)
    except (NotImplementedError, RuntimeError, AttributeError, TypeError):  # it looks at values, or has other parts
        return None
