"""The hook that feeds a run's figures to its diagnosis, and ends a run that cannot be saved."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import EarlyStoppingHook, Hook

from thermalctl.engine.accuracy import ClassAccuracy, Judged
from thermalctl.engine.choices.custom_hooks import find_hooks
from thermalctl.engine.choices.loss_config import LOSSES, find_loss
from thermalctl.engine.choices.transfer import FREEZE
from thermalctl.engine.diagnosis import Diagnosis
from thermalctl.engine.events import Finding, RunStarted
from thermalctl.engine.figures import Circumstances, EpochFigures, Judgement
from thermalctl.engine.hooks import read_step_times
from thermalctl.engine.label_check import check_labels
from thermalctl.engine.meter import StepMeter, is_within_epoch, recall_epoch
from thermalctl.errors import NotHeldError

#: MMEngine's samplers, which draw every clip as often as any other; ours says which strategy it follows.
_NATURAL_SAMPLERS = frozenset({"DefaultSampler", "InfiniteSampler"})


class DiagnosisHook(Hook):
    """Tells what is wrong with a run.

    Args:
        begin: called right before the first step, returns what decides.
        on_finding: told of each finding.
    """

    priority = "LOWEST"

    def __init__(self, begin: Callable[[], Diagnosis], on_finding: Callable[[Finding], None]) -> None:
        self.begin = begin
        self.on_finding = on_finding
        self.diagnosis: Diagnosis
        self._meter = StepMeter()

    def before_train(self, runner: Any) -> None:
        """Begin."""
        self.diagnosis = self.begin()

    def before_train_epoch(self, runner: Any) -> None:
        """Begin new figures."""
        self._meter = recall_epoch(runner) if is_within_epoch(runner) else StepMeter()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Mapping[str, Any] | None = None
    ) -> None:
        """Look at the step.

        Raises:
            NotHeldError: if the loss is not a number and neither are weights: nothing that follows would be.
        """
        self._meter.add(outputs or {}, num_clips=len(data_batch["data_samples"]))
        loss = self._meter.losses[-1]
        wait_s, step_s = read_step_times(runner) or (None, 0.0)
        for finding in self.diagnosis.add_step(
            epoch=runner.epoch + 1, step=batch_idx + 1, loss=loss, wait_s=wait_s, step_s=step_s
        ):
            self.on_finding(finding)
        if not math.isfinite(loss) and has_broken_weights(runner.model):
            raise NotHeldError(
                f"training cannot go on: weights of the model are not numbers since epoch {runner.epoch + 1}",
                hint=f"begin again in another --work-dir with a lower rate: --lr {self.diagnosis.run.lr / 10:.3g}",
            )

    def after_train_epoch(self, runner: Any) -> None:
        """Look at the epoch."""
        meter = self._meter
        figures = EpochFigures(
            epoch=runner.epoch + 1, num_steps=len(meter.losses), loss=meter.mean_loss, accuracy=meter.accuracy
        )
        for finding in self.diagnosis.add_epoch(figures):
            self.on_finding(finding)

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Look at the validation."""
        judged = find_judged(runner)
        judgement = Judgement(
            epoch=runner.epoch,
            num_clips=len(runner.val_dataloader.dataset),
            top1=(metrics or {}).get("acc/top1"),
            log_loss=(metrics or {}).get("acc/log_loss"),
            num_true=len(set(judged.labels.tolist())) if judged else 0,
            num_predicted=len(set(judged.scores.argmax(axis=1).tolist())) if judged else None,
        )
        for finding in self.diagnosis.add_validation(judgement):
            self.on_finding(finding)

    def after_train(self, runner: Any) -> None:
        """Look at the run as a whole."""
        for finding in self.diagnosis.finish():
            self.on_finding(finding)


class LabelHook(Hook):
    """Refuses labels that the model has no score for, before the first step.

    Raises:
        DatasetError: with every sample whose label is out of range.
    """

    priority = "VERY_HIGH"

    def before_train(self, runner: Any) -> None:
        """Check the labels of both splits."""
        num_classes = getattr(getattr(runner.recognizer, "cls_head", None), "num_classes", None)
        if num_classes is None:
            return
        check_labels(runner.train_dataloader.dataset, num_classes)
        if runner.val_loop is not None:
            check_labels(runner.val_dataloader.dataset, num_classes)


def describe_circumstances(cfg: Config, started: RunStarted) -> Circumstances:
    """Return what of a run changes what is normal in it and what can be tried."""
    head = cfg.model.get("cls_head") or {}
    loader = cfg.train_dataloader
    sampler = loader.get("sampler") or {}
    name = str(sampler.get("type")).rpartition(".")[2]
    is_natural = name in _NATURAL_SAMPLERS or sampler.get("strategy") == "natural"
    is_plain = find_loss(cfg).get("type") in (None, "CrossEntropyLoss", LOSSES["cross-entropy"])
    in_use = {
        "--sampler": not is_natural,
        "--loss": not is_plain,
        "--class-weights": bool(started.class_weights),
        "--freeze-backbone": bool(find_hooks(cfg, FREEZE)),
        "--early-stopping": bool(find_hooks(cfg, EarlyStoppingHook.__name__)),
    }
    return Circumstances(
        num_classes=max(len(started.classes), head.get("num_classes") or 0, 2),
        majority_share=max(started.train_counts, default=0) / max(sum(started.train_counts), 1),
        warmup_epochs=started.warmup_epochs,
        lr=started.rates.get("cls_head") or max(started.rates.values(), default=0.0),
        num_workers=loader.get("num_workers") or 0,
        dropout=head.get("dropout_ratio"),
        is_natural=is_natural,
        in_use=frozenset(flag for flag, holds in in_use.items() if holds),
    )


def find_judged(runner: Any) -> Judged | None:
    """Return the scores of the last validation; None where this process does not hold them."""
    metrics = runner.val_evaluator.metrics
    return next((metric.judged for metric in metrics if isinstance(metric, ClassAccuracy)), None)


def has_broken_weights(model: torch.nn.Module) -> bool:
    """Return whether a weight is not a number."""
    return not all(bool(torch.isfinite(weight).all()) for weight in model.parameters())
