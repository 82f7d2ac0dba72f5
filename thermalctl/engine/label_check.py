"""Labels that the model has no score for, found before the first step: on a GPU they end a run without saying why."""

from __future__ import annotations

from typing import Any

from mmengine.dataset import BaseDataset

from thermalctl.errors import DatasetError, summarise_problems
from thermalctl.pipeline.clip_dataset import ClipDataset, find_innermost


def check_labels(dataset: Any, num_classes: int) -> None:
    """Check that each label is the id of a class.

    Args:
        dataset: a training or validation dataset; of one that does not tell its labels nothing is checked.
        num_classes: of the model.

    Raises:
        DatasetError: with every sample whose label is out of range.
    """
    problems = [
        f'sample "{name}": its label is {label}, but the model tells {num_classes} classes apart (0 to '
        f"{num_classes - 1})"
        for name, label in list_labels(dataset)
        if not 0 <= label < num_classes
    ]
    if problems:
        raise DatasetError(
            summarise_problems(problems),
            hint="mend the annotations, or give the model more classes: --cfg-options model.cls_head.num_classes=...",
            problems=problems,
        )


def list_labels(dataset: Any) -> list[tuple[str, int]]:
    """Return the (name, label) of each sample; nothing of a dataset that does not tell them without reading clips."""
    innermost = find_innermost(dataset)
    if isinstance(innermost, ClipDataset):
        return [(sample.sample_id, sample.label) for sample in innermost.samples]
    if not isinstance(innermost, BaseDataset):
        return []
    infos = [innermost.get_data_info(index) for index in range(len(innermost))]
    return [
        (str(info.get("sample_id") or info.get("filename") or info.get("frame_dir") or index), info["label"])
        for index, info in enumerate(infos)
        if isinstance(info.get("label"), int)
    ]
