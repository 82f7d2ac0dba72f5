"""Clips of a dataset as an exported model is given them, beside what `thermalctl test` answers to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import Sample, ThermalDataset, find_clip
from thermalctl.deploy.classifier import takes_images
from thermalctl.deploy.metadata import INPUT, REGIONS, InputKind
from thermalctl.engine.guide import require_clip_spec
from thermalctl.engine.restore import RestoredModel
from thermalctl.engine.score import make_loader
from thermalctl.errors import DatasetError, RequestError
from thermalctl.pipeline.clip_dataset import ClipDataset
from thermalctl.pipeline.regions import find_regions
from thermalctl.recordings.health import find_incomplete_frames
from thermalctl.recordings.pool import RecordingPool


@dataclass(frozen=True, kw_only=True, eq=False)
class RealClip:
    """One clip.

    Attributes:
        sample_id: which it is.
        label: its true class id.
        values: what goes into the exported model, float32: (T, H, W) deg C, or normalised (C, T, h, w), for a model
            of images (T, C, h, w).
        boxes: the judged person's, where degrees go into a model of people, in 0..1: (T, 4) where it follows them, else
            (4,); None elsewhere.
        regions: where `thermalctl test` looks for them, in the shape of `boxes`, x, y, width, height in pixels.
        num_incomplete: how many of its frames are incomplete.
        test_scores: (K,) float32, the probabilities that `thermalctl test` gives it; None where nobody asked.
        num_views: how many crops or windows `thermalctl test` averages them over.
    """

    sample_id: str
    label: int
    values: NDArray[np.float32]
    boxes: NDArray[np.float64] | None
    regions: NDArray[np.float32] | None
    num_incomplete: int
    test_scores: NDArray[np.float32] | None
    num_views: int

    def to_inputs(self) -> dict[str, NDArray[np.float32]]:
        """Return the exported model's inputs by name, a batch of this one clip."""
        inputs = {INPUT: self.values[None]}
        return inputs if self.regions is None else inputs | {REGIONS: self.regions[None]}


def find_frame_size(dataset: ThermalDataset) -> tuple[int, int]:
    """Return (H, W) of the dataset's frames.

    Raises:
        RequestError: if its recordings differ in size.
    """
    sizes = sorted({recording.frame_size for recording in dataset.recordings.values()})
    if len(sizes) > 1:
        named = [f"{height}x{width}" for height, width in sizes]
        raise RequestError(
            f"{dataset.layout.root}: has frames of {', '.join(named)} pixels, and an ONNX file is for one size",
            hint=f"as in --frame-size {named[0]}",
        )
    return sizes[0]


def find_rgb_shape(restored: RestoredModel, dataset: ThermalDataset, split: str) -> tuple[int, ...]:
    """Return the shape of the model's own input, (C, T, h, w), as its pipeline makes it from a split's first clip."""
    values, _ = _make_model_input(restored, _load_batch(make_loader(restored, dataset, split, 1, 0), 0))
    return values.shape


class RealClips:
    """The clips of a split, or `num_clips` of them: half with incomplete frames as far as there are such.

    They are read and tested one by one as they are iterated over: one clip of a large model's input is 75 MB.

    Args:
        restored: the model, which says what a clip is.
        dataset: where the clips are.
        split: which of them.
        input_kind: what goes into the exported model.
        frame_size: (H, W); clips of another size are passed over. None for any.
        num_clips: at most; evenly spread over the split. None for all.
        is_tested: whether to ask what `thermalctl test` answers, which takes as long as testing does.

    Raises:
        DatasetError: if there is no such clip.
    """

    def __init__(
        self,
        restored: RestoredModel,
        dataset: ThermalDataset,
        split: str,
        *,
        input_kind: InputKind,
        frame_size: tuple[int, ...] | None,
        num_clips: int | None = None,
        is_tested: bool = True,
    ) -> None:
        spec = restored.clip_spec or ClipSpec(classes=dataset.classes)
        samples = dataset.samples(split, spec.target)
        fitting = [
            index
            for index, sample in enumerate(samples)
            if frame_size is None or dataset.recordings[sample.recording].frame_size == frame_size
        ]
        if not fitting:
            wanted = "clip" if frame_size is None else f"clip of {frame_size[0]}x{frame_size[1]} pixels"
            raise DatasetError(
                f'{dataset.layout.root}: split "{split}" has no {wanted}', hint="name another with --data"
            )
        counts = count_incomplete([samples[index] for index in fitting], dataset, spec)
        chosen = choose_clips(counts, len(fitting) if num_clips is None else num_clips)
        self._chosen = [(fitting[position], int(counts[position])) for position in chosen]
        self._restored = restored
        self._model: Any = restored.model
        self._samples = samples
        self._input_kind = input_kind
        self._is_tested = is_tested
        self._loader = make_loader(restored, dataset, split, 1, 0)
        self._degrees = None if restored.is_own or input_kind == "rgb" else _read_degrees(restored, dataset, split)

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[RealClip]:
        self._model.cls_head.average_clips = "prob"
        for index, num_incomplete in self._chosen:
            yield self._read(index, num_incomplete)

    @torch.no_grad()
    def _read(self, index: int, num_incomplete: int) -> RealClip:
        model, sample = self._model, self._samples[index]
        batch = _load_batch(self._loader, index)
        model_input, num_views = _make_model_input(self._restored, batch)
        boxes = regions = None
        if self._input_kind == "rgb":
            values = model_input
        else:
            clip_c = batch["inputs"][0] if self._degrees is None else self._degrees[index]["inputs"]
            values = clip_c.numpy()
            spec = self._restored.clip_spec
            if spec is not None and spec.target == "person":
                tested = batch["data_samples"][0]
                boxes = np.array(tested.track if spec.person_crop == "follow" else tested.boxes[0])
                regions = find_regions(clip_c, tested, spec).numpy()
        return RealClip(
            sample_id=sample.sample_id,
            label=sample.label,
            values=values,
            boxes=boxes,
            regions=regions,
            num_incomplete=num_incomplete,
            test_scores=model.test_step(batch)[0].pred_score.float().numpy() if self._is_tested else None,
            num_views=num_views,
        )


def count_incomplete(samples: list[Sample], dataset: ThermalDataset, spec: ClipSpec) -> NDArray[np.int64]:
    """Return how many frames of each sample's clip are incomplete, (N,) int64."""
    recordings = RecordingPool(dataset.layout.frames_dir)
    counts = [
        find_incomplete_frames(recordings.read(sample.recording, find_clip(sample, dataset, spec))).sum()
        for sample in samples
    ]
    recordings.close()
    return np.array(counts, dtype=np.int64)


def choose_clips(num_incomplete: NDArray[np.int64], num_clips: int) -> list[int]:
    """Return which clips to take, in order: half with incomplete frames as far as there are such, evenly spread.

    Args:
        num_incomplete: (N,) incomplete frames in each clip.
        num_clips: how many to take at most.
    """
    damaged, whole = np.flatnonzero(num_incomplete), np.flatnonzero(num_incomplete == 0)
    num_damaged = min(len(damaged), max(num_clips // 2, num_clips - len(whole)))
    num_whole = min(len(whole), num_clips - num_damaged)
    return sorted([*_spread(damaged, num_damaged), *_spread(whole, num_whole)])


def _spread(values: NDArray[np.intp], number: int) -> list[int]:
    return [int(values[len(values) * step // number]) for step in range(number)]


def _load_batch(loader: Any, index: int) -> Any:
    return loader.collate_fn([loader.dataset[index]])


def _make_model_input(restored: RestoredModel, batch: Any) -> tuple[NDArray[np.float32], int]:
    """Return the model's own input for a batch of one clip and the number of its views.

    It is the first view, (C, T, h, w), or (T, C, h, w) for a recognizer of images, which gets its views as more images.
    """
    model: Any = restored.model
    inputs = model.data_preprocessor(batch, training=False)["inputs"][0]
    if takes_images(model):
        inputs = inputs.unflatten(0, (-1, getattr(model.backbone, "num_segments", len(inputs))))
    views: NDArray[np.float32] = inputs.float().contiguous().numpy()
    return views[0], len(views)


def _read_degrees(restored: RestoredModel, dataset: ThermalDataset, split: str) -> ClipDataset:
    spec = require_clip_spec(restored.clip_spec, str(restored.path))
    return ClipDataset(str(dataset.layout.root), split, spec.to_dict())
