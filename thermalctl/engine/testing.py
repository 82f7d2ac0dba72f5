"""A trained model scored on a split, from what was asked to the predictions file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thermalctl.dataset.layout import find_dataset
from thermalctl.dataset.samples import load_dataset
from thermalctl.engine.restore import find_checkpoint, restore_model
from thermalctl.engine.score import OnProgress, score_split
from thermalctl.engine.train import choose_device
from thermalctl.evaluation.metrics import Metrics, compute_metrics
from thermalctl.evaluation.predictions import Predictions, write_predictions
from thermalctl.evaluation.runs import find_run, find_trained_dataset_folder, predictions_path


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """A scored split.

    Attributes:
        checkpoint: the model.
        split: the split.
        predictions: the file with all scores.
        metrics: what they are worth.
    """

    __test__ = False  # pytest would take the name for a test's

    checkpoint: Path
    split: str
    predictions: Path
    metrics: Metrics


def run_test(
    path: Path | None,
    *,
    data: Path | None = None,
    split: str = "val",
    last: bool = False,
    config: str | None = None,
    device: str | None = None,
    batch_size: int = 4,
    num_workers: int = 0,
    output: Path | None = None,
    on_note: Callable[[str], None] = lambda text: None,
    on_progress: OnProgress | None = None,
) -> tuple[TestResult, Predictions]:
    """Score a run or a checkpoint, write its predictions and return them with what they are worth.

    Args:
        path: a work dir or a checkpoint; None for the newest run.
        data: the dataset folder; None for what the run was trained on, or else the one that is found.
        split: which split to score.
        last: take the last checkpoint although there is one chosen as the best.
        config: a configuration to use instead of the checkpoint's own.
        device: where to compute; None for CUDA where there is one.
        batch_size: clips at once.
        num_workers: processes that read clips.
        output: the predictions file; None for its place in the work dir. A file of the same split is replaced.
        on_note: told what was chosen.
        on_progress: told (clips done, clips in all).
    """
    run = find_run(path)
    checkpoint = find_checkpoint(run, last=last)
    on_note(f"model: {checkpoint} ({run.how})")
    found = find_dataset(data, trained_on=find_trained_dataset_folder(run.folder))
    on_note(f"dataset: {found.layout.root} ({found.how})")
    dataset = load_dataset(found.layout)
    restored = restore_model(checkpoint, config=config, dataset=dataset)
    predictions = score_split(
        restored,
        dataset,
        split,
        device=choose_device(device),
        batch_size=batch_size,
        num_workers=num_workers,
        on_progress=on_progress,
    )
    num_trained = len(set(restored.trained_ids).intersection(predictions.sample_ids))
    if num_trained:
        on_note(f"{num_trained} of these {predictions.num_samples} clips were trained on: this is no test of the model")
    target = output or predictions_path(run.folder, split)
    write_predictions(target, predictions)
    result = TestResult(checkpoint=checkpoint, split=split, predictions=target, metrics=compute_metrics(predictions))
    return result, predictions
