"""An exported model held against PyTorch, on real clips."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.classifier import ClipClassifier, build_classifier
from thermalctl.deploy.real_clips import RealClip, RealClips
from thermalctl.deploy.session import OnnxClassifier
from thermalctl.engine.restore import RestoredModel
from thermalctl.engine.score import OnProgress

#: Largest difference in probability that counts as the same model; float32 on both sides differs by about 1e-6.
DEFAULT_TOLERANCE = 1e-4
DEFAULT_NUM_CLIPS = 16
#: The clips go through in batches of these sizes in turn: a batch size frozen into the file would fail at the second.
BATCH_SIZES = (1, 2, 4)


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a comparison of an ONNX file with PyTorch found. Differences are in probability, the largest of any class.

    Attributes:
        holds: whether the differences that count are within the tolerance.
        split: where the clips are from.
        num_clips: how many were compared.
        num_incomplete_clips: how many of them have incomplete frames.
        batch_sizes: sizes of the batches that they were given in.
        tolerance: how much difference is accepted.
        max_difference: between onnxruntime and the exported module in PyTorch, float32.
        num_agreeing: clips for which both answer the same class.
        test_max_difference: between onnxruntime and what `thermalctl test` answers.
        num_agreeing_with_test: clips for which these two answer the same class.
        test_counts: whether that difference counts too. It does not for degrees into a model of the guide's scripts,
            whose own pipeline rounds to 8 bits after resizing, nor where `test` averages several views of a clip.
        onnx_ms: onnxruntime's time for a clip, median over the batches.
        torch_ms: PyTorch's, in the same batches on as many threads.
        time_ratio: the first as a share of the second.
        num_threads: how many threads both had.
    """

    holds: bool
    split: str
    num_clips: int
    num_incomplete_clips: int
    batch_sizes: tuple[int, ...]
    tolerance: float
    max_difference: float
    num_agreeing: int
    test_max_difference: float
    num_agreeing_with_test: int
    test_counts: bool
    onnx_ms: float
    torch_ms: float
    time_ratio: float
    num_threads: int


def verify_onnx(
    path: Path,
    restored: RestoredModel,
    dataset: ThermalDataset,
    *,
    split: str = "val",
    num_clips: int = DEFAULT_NUM_CLIPS,
    tolerance: float = DEFAULT_TOLERANCE,
    on_progress: OnProgress | None = None,
) -> Verification:
    """Return how an ONNX file compares with the model it was made from, on the CPU, in batches of several sizes.

    Args:
        path: a file that `export_onnx` wrote.
        restored: the model.
        dataset: where the clips are from.
        split: which of them.
        num_clips: at most.
        tolerance: largest difference in probability that is accepted.
        on_progress: told (clips done, clips in all).

    Raises:
        CheckpointError: if onnxruntime cannot load the file.
        DatasetError: if the split has no clip of the file's frame size.
    """
    num_threads = torch.get_num_threads()
    session = OnnxClassifier(path, num_threads=num_threads)
    kind = session.metadata.input_kind
    classifier = build_classifier(restored, kind)
    frame_size = session.clip_shape[-2:] if kind == "raw" else None
    clips = RealClips(restored, dataset, split, input_kind=kind, frame_size=frame_size, num_clips=num_clips)
    pairs: list[_Pair] = []
    for batch in split_into_batches(clips, BATCH_SIZES):
        if not pairs:
            _predict_both(session, classifier, batch)  # the first run of each side also plans and allocates
        pairs.append(_predict_both(session, classifier, batch))
        if on_progress:
            on_progress(sum(len(pair.tested) for pair in pairs), len(clips))
    answers = np.concatenate([pair.of_onnx for pair in pairs])
    references = np.concatenate([pair.of_torch for pair in pairs])
    tested = np.concatenate([pair.tested for pair in pairs])
    # The median over the batches: one of them may have had to wait for another process.
    onnx_s = statistics.median(pair.onnx_s / len(pair.tested) for pair in pairs)
    torch_s = statistics.median(pair.torch_s / len(pair.tested) for pair in pairs)
    difference, test_difference = _compare(answers, references), _compare(answers, tested)
    test_counts = all(pair.num_views == 1 for pair in pairs) and (restored.is_own or kind == "rgb")
    return Verification(
        # A score that is no number makes the difference none, and that is not `<=` anything.
        holds=difference <= tolerance and (not test_counts or test_difference <= tolerance),
        split=split,
        num_clips=len(clips),
        num_incomplete_clips=sum(pair.num_incomplete for pair in pairs),
        batch_sizes=tuple(sorted({len(pair.tested) for pair in pairs})),
        tolerance=tolerance,
        max_difference=difference,
        num_agreeing=int((answers.argmax(1) == references.argmax(1)).sum()),
        test_max_difference=test_difference,
        num_agreeing_with_test=int((answers.argmax(1) == tested.argmax(1)).sum()),
        test_counts=test_counts,
        onnx_ms=1000 * onnx_s,
        torch_ms=1000 * torch_s,
        time_ratio=onnx_s / torch_s,
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pair:
    """What both sides answer to a batch, (N, K) probabilities each, and how long that took them."""

    of_onnx: NDArray[np.float32]
    of_torch: NDArray[np.float32]
    tested: NDArray[np.float32]
    onnx_s: float
    torch_s: float
    num_incomplete: int
    num_views: int


def _predict_both(session: OnnxClassifier, classifier: ClipClassifier, batch: Sequence[RealClip]) -> _Pair:
    values = np.stack([clip.values for clip in batch])
    boxes = [clip.boxes for clip in batch if clip.boxes is not None]
    regions = [torch.from_numpy(clip.regions) for clip in batch if clip.regions is not None]
    started = time.perf_counter()
    of_onnx = session.predict(values, np.stack(boxes) if boxes else None)
    between = time.perf_counter()
    with torch.inference_mode():
        of_torch = classifier(torch.from_numpy(values), torch.stack(regions) if regions else None).numpy()
    ended = time.perf_counter()
    return _Pair(
        of_onnx=of_onnx,
        of_torch=of_torch,
        tested=np.stack([clip.test_scores for clip in batch]),
        onnx_s=between - started,
        torch_s=ended - between,
        num_incomplete=sum(clip.num_incomplete > 0 for clip in batch),
        num_views=batch[0].num_views,
    )


def _compare(scores: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    return float(np.abs(scores.astype(np.float64) - others).max())
