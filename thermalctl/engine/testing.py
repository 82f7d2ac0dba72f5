"""A trained model scored on a split, from what was asked to the predictions file."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from thermalctl.clip_spec import Target
from thermalctl.dataset.layout import find_dataset
from thermalctl.dataset.samples import ThermalDataset, count_classes, load_dataset
from thermalctl.engine.exposure import Exposure, find_exposure, record_protocol
from thermalctl.engine.restore import RestoredModel, find_checkpoint, restore_model
from thermalctl.engine.score import OnProgress, check_classes, find_clip_length, find_views, score_split
from thermalctl.engine.soup import mix_soup
from thermalctl.engine.train import choose_device
from thermalctl.errors import RequestError
from thermalctl.evaluation.ensembling import average_predictions
from thermalctl.evaluation.frames_of_people import judge_frames
from thermalctl.evaluation.metrics import Metrics, compute_metrics, rank_classes
from thermalctl.evaluation.predictions import Predictions, write_predictions
from thermalctl.evaluation.references import ReferenceAnswers, answer_references
from thermalctl.evaluation.runs import find_run, find_trained_dataset_folder
from thermalctl.files import replace_file


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


@dataclass(frozen=True, kw_only=True)
class TestOptions:
    """How a split is scored.

    Attributes:
        split: its name, "all" for every sample.
        best: only a checkpoint that validation chose.
        last: the last checkpoint although there is one chosen as the best.
        epoch: the checkpoint of that epoch.
        tta: show each clip in several ways and average the scores.
        ensemble: further runs or checkpoints, whose probabilities are averaged with the first's.
        soup: average the weights of all these instead.
        allow_seen: score clips that were trained on too.
        baselines: also answer what needs no network.
        judges_frames: of a model of people, judge whole keyframes by what it says of everyone in them.
        config: a configuration to use instead of the checkpoint's own.
        batch_size: clips at once.
        num_workers: processes that read clips.
    """

    __test__ = False

    split: str = "val"
    best: bool = False
    last: bool = False
    epoch: int | None = None
    tta: bool = False
    ensemble: tuple[Path, ...] = ()
    soup: bool = False
    allow_seen: bool = False
    baselines: bool = True
    judges_frames: bool = False
    config: str | None = None
    batch_size: int = 4
    num_workers: int = 0

    def __post_init__(self) -> None:
        if self.soup and not self.ensemble:
            raise RequestError("--soup: there is one model only", hint="name the others with --ensemble")

    @property
    def file_name(self) -> str:
        """What the predictions are called in the work dir."""
        kind = "soup" if self.soup else "ensemble" if self.ensemble else ""
        how = ("frames" if self.judges_frames else "", kind, "tta" if self.tta else "")
        return "_".join(filter(None, ("predictions", self.split, *how))) + ".npz"


def run_test(
    path: Path | None,
    options: TestOptions,
    *,
    data: Path | None = None,
    device: str | None = None,
    output: Path | None = None,
    dump: Path | None = None,
    on_note: Callable[[str], None] = lambda text: None,
    on_progress: OnProgress | None = None,
) -> tuple[TestResult, Predictions]:
    """Score a run or a checkpoint, write its predictions and return them with what they are worth.

    Args:
        path: a work dir or a checkpoint; None for the newest run.
        options: what is scored, and how.
        data: the dataset folder; None for what the run was trained on, or else the one that is found.
        device: where to compute; None for CUDA where there is one.
        output: the predictions file; None for its place in the work dir. A file of the same split is replaced.
        dump: where to write the scores as MMAction2's own tools read them.
        on_note: told what was chosen.
        on_progress: told (clips done, clips in all).

    Raises:
        CheckpointError: if a model cannot be read, or does not fit the dataset or the others.
        NotHeldError: if a clip was trained on, and that is not allowed.
        RequestError: if what is asked for is not there or contradicts itself.
    """
    run = find_run(path)
    checkpoints = [find_checkpoint(run, best=options.best, last=options.last, epoch=options.epoch)]
    on_note(f"model: {checkpoints[0]} ({run.how})")
    for other in options.ensemble:
        member = find_run(other)
        if member.file is None:
            chosen = find_checkpoint(member, best=options.best, last=options.last, epoch=options.epoch)
        else:
            chosen = find_checkpoint(member)
        checkpoints.append(chosen)
        on_note(f"and: {checkpoints[-1]}")
    found = find_dataset(data, trained_on=find_trained_dataset_folder(run.folder))
    on_note(f"dataset: {found.layout.root} ({found.how})")
    dataset = load_dataset(found.layout)
    models = [restore_model(one, config=options.config, dataset=dataset) for one in checkpoints]
    predictions = _predict(models, dataset, options, choose_device(device), on_note, on_progress)
    target = output or run.folder / options.file_name
    write_predictions(target, predictions)
    if dump is not None:
        dump_for_mmaction(dump, predictions)
    result = TestResult(
        checkpoint=checkpoints[0], split=options.split, predictions=target, metrics=compute_metrics(predictions)
    )
    return result, predictions


def _predict(
    models: list[RestoredModel],
    dataset: ThermalDataset,
    options: TestOptions,
    device: str,
    on_note: Callable[[str], None],
    on_progress: OnProgress | None,
) -> Predictions:
    for restored in models:
        check_classes(restored, dataset)
        exposure = _find_exposure(restored, dataset, options)
        if not options.allow_seen:
            exposure.check_unseen(options.split)
        elif exposure.num_trained:
            of = f"{exposure.num_trained} of these {exposure.num_clips} clips"
            on_note(f"{of} were trained on: this is no test of the model")
    targets = {restored.clip_spec.target if restored.clip_spec else "frame" for restored in models}
    if len(targets) > 1:
        raise RequestError(
            "--ensemble: one of the models judges whole frames, another people", hint="an ensemble answers one question"
        )
    others = models[1:]
    if options.soup:
        models = [mix_soup(models)]
    num_frames, window_s = find_clip_length(models[0])
    target: Target = models[0].clip_spec.target if models[0].clip_spec else "frame"
    if options.judges_frames and target == "frame":
        raise RequestError("--target frame: this model judges whole frames", hint="leave it out")
    judged: Target = "frame" if options.judges_frames else target
    references = (
        answer_references(dataset, options.split, target=judged, num_frames=num_frames, window_s=window_s)
        if options.baselines
        else ()
    )
    members = [_score(restored, dataset, options, device, references, on_progress) for restored in models]
    predictions = average_predictions(members) if len(members) > 1 else members[0]
    if options.soup:
        named = tuple(f"{restored.path} {restored.sha256}" for restored in others)
        predictions = replace(predictions, provenance=replace(predictions.provenance, others=named))
    return predictions


def _score(
    restored: RestoredModel,
    dataset: ThermalDataset,
    options: TestOptions,
    device: str,
    references: tuple[ReferenceAnswers, ...],
    on_progress: OnProgress | None,
) -> Predictions:
    """Return what one model says of the split: of its clips, or of keyframes by the people in them."""
    predictions = score_split(
        restored,
        dataset,
        options.split,
        device=device,
        batch_size=options.batch_size,
        num_workers=options.num_workers,
        views=find_views(restored) if options.tta else (),
        references=() if options.judges_frames else references,
        on_progress=on_progress,
    )
    if not options.judges_frames:
        return predictions
    protocol = record_protocol(restored, _find_exposure(restored, dataset, options), options.split)
    return judge_frames(
        predictions,
        dataset.samples(options.split, "frame"),
        protocol=replace(protocol, target="frame"),
        train_counts=count_classes(dataset.samples("train", "frame"), dataset.num_classes),
        references=references,
    )


def _find_exposure(restored: RestoredModel, dataset: ThermalDataset, options: TestOptions) -> Exposure:
    num_frames, window_s = find_clip_length(restored)
    return find_exposure(
        restored,
        dataset,
        options.split,
        num_frames=num_frames,
        window_s=window_s,
        judges_frames=options.judges_frames,
    )


def dump_for_mmaction(path: Path, predictions: Predictions) -> None:
    """Write scores as MMAction2's `tools/test.py --dump` does, for `tools/analysis_tools/eval_metric.py` and its like.

    A pickled list, a dict for each clip: `pred_score` (K,), `pred_label` (1,), `gt_label` (1,), `num_classes`, and its
    `sample_id`.
    """
    ranked = rank_classes(predictions.scores)
    rows = [
        {
            "pred_score": torch.from_numpy(scores),
            "pred_label": torch.tensor([int(best)]),
            "gt_label": torch.tensor([int(label)]),
            "num_classes": predictions.num_classes,
            "sample_id": sample_id,
        }
        for scores, best, label, sample_id in zip(
            predictions.scores, ranked[:, 0], predictions.labels, predictions.sample_ids, strict=True
        )
    ]
    with replace_file(path) as temporary, temporary.open("wb") as file:
        pickle.dump(rows, file)
