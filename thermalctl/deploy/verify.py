"""An exported model held against PyTorch, on real clips."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.metadata import OnnxMetadata
from thermalctl.deploy.real_clips import RealClip, RealClips
from thermalctl.deploy.runtime import ThermalClassifier
from thermalctl.deploy.scaling import scale_probabilities
from thermalctl.deploy.sides import ask_each, make_onnx_side, make_torch_side
from thermalctl.deploy.verification import (
    DEFAULT_TOLERANCE,
    Answers,
    Difference,
    Verification,
    compare_answers,
    compare_exactly,
    measure_contender,
)
from thermalctl.engine.restore import RestoredModel
from thermalctl.engine.score import OnProgress, check_classes

#: The clips go through in batches of these sizes in turn: a batch size frozen into the file would fail at the second.
#: Those of one clip are timed, so that one of them comes first.
BATCH_SIZES = (1, 2, 4)


def verify_onnx(
    path: Path,
    restored: RestoredModel,
    dataset: ThermalDataset,
    *,
    split: str = "val",
    num_clips: int | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    before: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Verification:
    """Return how an ONNX file compares with the model it was made from, on the CPU, in batches of several sizes.

    A float32 file is held to the tolerance, against the exported module in PyTorch and against what `thermalctl test`
    answers; one of reduced precision to answering as the float32 one does, see `compare_answers`.

    Args:
        path: a file that `export_onnx` wrote.
        restored: the model.
        dataset: where the clips are from.
        split: which of them.
        num_clips: at most; None for all.
        tolerance: largest difference in probability that is accepted of float32.
        before: of a file of reduced precision the float32 one; without it PyTorch takes its place.
        on_progress: told (clips done, clips in all).

    Raises:
        CheckpointError: if onnxruntime cannot load the file, or the dataset has other classes.
        DatasetError: if the split has no clip of the file's frame size.
    """
    check_classes(restored, dataset)
    num_threads = torch.get_num_threads()
    paths = (path,) if before is None else (before, path)
    files = [ThermalClassifier(each, num_threads=num_threads) for each in paths]
    about = files[-1].metadata
    frame_size = files[-1].clip_shape[-2:] if about.input_kind == "raw" else None
    clips = RealClips(restored, dataset, split, input_kind=about.input_kind, frame_size=frame_size, num_clips=num_clips)
    sides = [make_torch_side(restored, about), *map(make_onnx_side, files)]
    tested = _Tested(restored, about)
    for number, batch in enumerate(split_into_batches(clips, BATCH_SIZES)):
        ask_each(sides, batch, first=number)
        tested.add(batch)
        if on_progress:
            on_progress(len(tested.labels), len(clips))
    labels = np.array(tested.labels, dtype=np.int64)
    answers = [side.gather() for side in sides]
    differences = _compare(answers, tested, labels, about, tolerance)
    return Verification(
        holds=all(one.status != "failed" for one in differences),
        precision=about.precision,
        split=split,
        num_clips=len(labels),
        num_incomplete_clips=tested.num_incomplete,
        batch_sizes=tuple(sorted(tested.batch_sizes)),
        tolerance=tolerance,
        differences=tuple(differences),
        contenders=tuple(
            measure_contender(side.name, given.probabilities, labels, ms=side.ms, num_bytes=side.num_bytes)
            for side, given in zip(sides, answers, strict=True)
        ),
        num_threads=num_threads,
    )


def split_into_batches(clips: Iterable[RealClip], sizes: Sequence[int]) -> Iterator[list[RealClip]]:
    """Yield the clips in batches of `sizes` in turn, the last as large as there are clips left."""
    remaining = iter(clips)
    for size in itertools.cycle(sizes):
        batch = list(itertools.islice(remaining, size))
        if not batch:
            return
        yield batch


class _Tested:
    """What the clips are, and what `thermalctl test` answers to them; not the clips, of which one may have 75 MB."""

    def __init__(self, restored: RestoredModel, metadata: OnnxMetadata) -> None:
        self.labels: list[int] = []
        self.batch_sizes: set[int] = set()
        self.num_incomplete = 0
        # Not for degrees into a model of the guide's scripts, whose own pipeline rounds to 8 bits after resizing, nor
        # where `test` averages several views of a clip.
        self.counts = restored.is_own or metadata.input_kind == "rgb"
        self._scores: list[NDArray[np.float32]] = []
        self._temperature = metadata.temperature

    def add(self, batch: Sequence[RealClip]) -> None:
        self.labels += [clip.label for clip in batch]
        self.batch_sizes.add(len(batch))
        self.num_incomplete += sum(clip.num_incomplete > 0 for clip in batch)
        self.counts &= all(clip.num_views == 1 for clip in batch)
        self._scores += [clip.test_scores for clip in batch if clip.test_scores is not None]

    def gather(self) -> Answers:
        return Answers(probabilities=scale_probabilities(np.stack(self._scores), self._temperature))


def _compare(
    answers: Sequence[Answers],
    tested: _Tested,
    labels: NDArray[np.int64],
    metadata: OnnxMetadata,
    tolerance: float,
) -> list[Difference]:
    """Return all differences; the answers are PyTorch's, those of the float32 file if there is one, and the file's."""
    reference, *of_files = answers
    differences = []
    if metadata.precision == "fp32" or len(of_files) > 1:
        differences += compare_exactly(of_files[0], reference, "PyTorch", tolerance=tolerance)
        differences += compare_exactly(
            of_files[0], tested.gather(), "thermalctl test", tolerance=tolerance, counts=tested.counts
        )
    if metadata.precision != "fp32":
        whole, name = (of_files[0], "fp32") if len(of_files) > 1 else (reference, "PyTorch")
        differences += compare_answers(of_files[-1], whole, name, labels=labels, precision=metadata.precision)
    return differences
