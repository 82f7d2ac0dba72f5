"""Scoring a split with a trained model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import torch
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from numpy.typing import NDArray
from torch import Tensor

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import Sample, ThermalDataset, count_classes
from thermalctl.engine.config import GUIDE_DATASET, iterate_datasets, names_class
from thermalctl.engine.exposure import find_exposure, record_protocol
from thermalctl.engine.provenance import list_versions
from thermalctl.engine.restore import RestoredModel
from thermalctl.engine.runner import register_guide_dataset
from thermalctl.errors import CheckpointError, RequestError
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.protocol import Provenance
from thermalctl.evaluation.references import ReferenceAnswers
from thermalctl.pipeline.views import View, count_view_context, list_views
from thermalctl.version import __version__

#: Called with (clips done, clips in all).
OnProgress = Callable[[int, int], None]


def score_split(
    restored: RestoredModel,
    dataset: ThermalDataset,
    split: str,
    *,
    device: str = "cpu",
    batch_size: int = 4,
    num_workers: int = 0,
    views: tuple[View, ...] = (),
    references: tuple[ReferenceAnswers, ...] = (),
    on_progress: OnProgress | None = None,
) -> Predictions:
    """Return the model's scores for every sample of a split.

    Args:
        restored: the model.
        dataset: where the split is.
        split: its name, or "all".
        device: where to compute.
        batch_size: clips at once.
        num_workers: processes that read clips.
        views: ways to show each clip, whose scores are averaged; none for as it is.
        references: what baselines answer on the split, to be kept beside the scores.
        on_progress: told (clips done, clips in all).

    Raises:
        CheckpointError: if the model has another number of classes than the dataset, or other names for them.
        DatasetError: if there is no such split.
    """
    check_classes(restored, dataset)
    target = restored.clip_spec.target if restored.clip_spec else "frame"
    samples = dataset.samples(split, target)
    num_frames, window_s = find_clip_length(restored)
    exposure = find_exposure(restored, dataset, split, num_frames=num_frames, window_s=window_s)
    loader = make_loader(restored, dataset, split, batch_size, num_workers, views=views)
    logits, scores = _run(restored, loader, device, views or (None,), on_progress)
    return Predictions(
        sample_ids=tuple(sample.sample_id for sample in samples),
        labels=np.array([sample.label for sample in samples], dtype=np.int64),
        scores=scores,
        logits=logits,
        sessions=tuple(sample.session for sample in samples),
        recordings=tuple(sample.recording for sample in samples),
        keyframes=np.array([sample.keyframe for sample in samples], dtype=np.int64),
        timestamps_ms=np.array([sample.timestamp_ms for sample in samples], dtype=np.int64),
        boxes=_list_boxes(samples) if target == "person" else None,
        classes=dataset.classes,
        train_counts=count_classes(dataset.samples("train", target), dataset.num_classes),
        reference_names=tuple(reference.name for reference in references),
        reference_answers=np.stack([reference.answers for reference in references]) if references else None,
        clip_spec=restored.clip_spec.to_dict() if restored.clip_spec else None,
        protocol=record_protocol(restored, exposure, split),
        provenance=Provenance(
            checkpoint=str(restored.path),
            checkpoint_sha256=restored.sha256,
            epoch=restored.epoch,
            dataset=str(dataset.layout.root),
            dataset_fingerprint=dataset.fingerprint(),
            thermalctl_version=__version__,
            created=datetime.now().astimezone().isoformat(timespec="seconds"),
            views=tuple(view.name for view in views),
            versions=tuple(f"{name} {version}" for name, version in list_versions().items()),
        ),
    )


def check_classes(restored: RestoredModel, dataset: ThermalDataset) -> None:
    """Check that a model and a dataset speak of the same classes.

    Raises:
        CheckpointError: if they do not.
    """
    found = restored.model.cls_head.num_classes
    if found != dataset.num_classes:
        raise CheckpointError(
            f"{restored.path}: tells {found} classes apart, but {dataset.layout.root} has {dataset.num_classes}",
            hint="score it on the dataset it was trained on: --data",
        )
    different = [
        f'{index} is "{ours}" in the model and "{theirs}" in the dataset'
        for index, (ours, theirs) in enumerate(zip(restored.classes, dataset.classes, strict=False))
        if ours != theirs
    ]
    if different:
        raise CheckpointError(
            f"{restored.path}: class {different[0]}", hint="score it on the dataset it was trained on: --data"
        )


def find_views(restored: RestoredModel) -> tuple[View, ...]:
    """Return the ways to show a clip to a model.

    Raises:
        CheckpointError: if it is a model of the guide's scripts, whose own pipeline shows it its clips.
    """
    if not restored.is_own:
        raise CheckpointError(
            f"{restored.path}: its own pipeline shows it its clips, in one way only", hint="leave --tta out"
        )
    preprocessor = restored.model.data_preprocessor
    return list_views(preprocessor.spec, preprocessor.augmentation)


def make_loader(
    restored: RestoredModel,
    dataset: ThermalDataset,
    split: str,
    batch_size: int,
    num_workers: int,
    *,
    views: tuple[View, ...] = (),
) -> Any:
    """Return a loader of a split's clips, in order, prepared as the model expects them."""
    if restored.is_own:
        assert isinstance(restored.clip_spec, ClipSpec)
        source = {
            "type": "thermalctl.pipeline.clip_dataset.ClipDataset",
            "data_root": str(dataset.layout.root),
            "split": split,
            "clip_spec": restored.clip_spec.to_dict(),
            "context_frames": count_view_context(views),
        }
    else:
        register_guide_dataset()
        source = _find_guide_source(restored) | {
            "ann_file": str(dataset.layout.annotation_file(split)),
            "data_prefix": {"hdf5": str(dataset.layout.frames_dir)},
            "data_root": "",
            "test_mode": True,
        }
        if split not in dataset.splits:
            raise RequestError(f"--split {split}: a model of the guide's scripts is scored on one annotation file")
    loader = {
        "batch_size": batch_size,
        "num_workers": num_workers,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "dataset": source,
    }
    with DefaultScope.overwrite_default_scope("mmaction"):
        return Runner.build_dataloader(loader)


def find_clip_length(restored: RestoredModel) -> tuple[int, float | None]:
    """Return how many frames a clip has, and over how many seconds they are spread; None for consecutive frames."""
    spec = restored.clip_spec
    if spec is None:
        return _find_guide_source(restored).get("frame_window", ClipSpec.num_frames), None
    return spec.num_frames, spec.window_s if spec.time_sampling == "uniform" else None


def _find_guide_source(restored: RestoredModel) -> dict[str, Any]:
    leaf = dict(iterate_datasets(restored.cfg)).get("val")
    if leaf is None or not names_class(leaf, GUIDE_DATASET):
        raise CheckpointError(
            f"{restored.path}: its configuration reads {leaf.get('type') if leaf else 'no validation data'}, "
            f"expected {GUIDE_DATASET}",
            hint="name a configuration with --config FILE",
        )
    source: dict[str, Any] = leaf.to_dict()
    return source


@torch.no_grad()
def _run(
    restored: RestoredModel,
    loader: Any,
    device: str,
    views: Sequence[View | None],
    on_progress: OnProgress | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the class scores before and after softmax, each (N, K); several views of a clip are averaged."""
    model = restored.model.to(device).eval()
    head = model.cls_head
    head.average_clips = "prob"
    raw: list[Tensor] = []
    hook = head.register_forward_hook(lambda module, inputs, output: raw.append(output))
    logits, scores = [], []
    try:
        for batch in loader:
            seen = []
            raw.clear()
            for view in views:
                model.data_preprocessor.view = view
                answers = model.test_step(batch)
                seen.append(torch.stack([answer.pred_score for answer in answers]).double().cpu())
            scores.append(torch.stack(seen).mean(0))
            if len(views) == 1:
                logits.append(raw[0].view(len(seen[0]), -1, head.num_classes).mean(1).double().cpu())
            else:  # whose softmax is their mean probability
                logits.append(scores[-1].clamp(min=torch.finfo(torch.float64).tiny).log())
            if on_progress:
                on_progress(sum(map(len, scores)), len(loader.dataset))
    finally:
        hook.remove()
        model.data_preprocessor.view = None
    return torch.cat(logits).numpy(), torch.cat(scores).numpy()


def _list_boxes(samples: list[Sample]) -> NDArray[np.float64]:
    return np.array([sample.boxes[0] for sample in samples], dtype=np.float64).reshape(-1, 4)
