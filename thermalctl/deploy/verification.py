"""What a comparison of an ONNX file with PyTorch found, and the rule by which it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thermalctl.deploy.metadata import OutputName, Precision
from thermalctl.evaluation.metrics import count_confusion

#: Largest difference in probability that counts as the same model; float32 on both sides differs by about 1e-6.
DEFAULT_TOLERANCE = 1e-4
#: A network of half floats or of 8 bits is another model, whose probabilities differ by 1e-3 to 1e-1. It holds if it
#: answers as many clips as this in the same way as the float32 one, ...
MIN_AGREEMENT = 0.95
#: ... and is right about at most this share of them less often: of the 73 clips of a small val split, one.
MAX_TOP1_LOSS = 0.02

#: "note": told, but does not count.
DifferenceStatus = Literal["ok", "failed", "note"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far one output of a file is from another's.

    Attributes:
        status: whether it is within what is accepted.
        precision: of the file.
        against: "PyTorch", "thermalctl test" or "fp32", the file before it was reduced.
        output: which output.
        largest: the largest difference of any value; of logits and features as a share of the value, or of 1 where the
            value is smaller.
        num_agreeing: clips that both answer with the same class; None for what is no answer.
    """

    status: DifferenceStatus
    precision: Precision
    against: str
    output: OutputName
    largest: float
    num_agreeing: int | None = None


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One of those compared.

    Attributes:
        name: "PyTorch", or "ONNX" and its precision.
        ms: time for a clip by itself, median.
        num_bytes: size of the file; of PyTorch, of its weights.
        top1: share of the clips that it is right about.
        mean_class: mean over the classes of the share that it is right about.
    """

    name: str
    ms: float
    num_bytes: int
    top1: float
    mean_class: float


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a comparison of an ONNX file with PyTorch found.

    Attributes:
        holds: whether no difference that counts is larger than accepted.
        precision: of the file.
        split: where the clips are from.
        num_clips: how many were compared.
        num_incomplete_clips: how many of them have incomplete frames.
        batch_sizes: sizes of the batches that they were given in.
        tolerance: how much difference in probability is accepted of a float32 file.
        differences: all of them.
        contenders: PyTorch, the float32 file where there is one, and the file.
        num_threads: how many threads each had.
    """

    holds: bool
    precision: Precision
    split: str
    num_clips: int
    num_incomplete_clips: int
    batch_sizes: tuple[int, ...]
    tolerance: float
    differences: tuple[Difference, ...]
    contenders: tuple[Contender, ...]
    num_threads: int

    @property
    def max_difference(self) -> float:
        """The largest difference in probability from PyTorch; of a reduced file, from the one before."""
        return next(
            one.largest
            for one in self.differences
            if one.precision == self.precision and one.against != "thermalctl test" and one.output == "probabilities"
        )

    @property
    def is_measured_against_fp32(self) -> bool:
        """Whether the float32 file that a reduced one was made from was there to be measured too."""
        return self.precision != "fp32" and len(self.contenders) > 2

    @property
    def time_ratio(self) -> float:
        """The file's time as a share of PyTorch's; of a reduced file, of that of the one before where it is known."""
        *_, before, last = self.contenders
        return last.ms / before.ms


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What one side answers to all clips.

    Attributes:
        probabilities: (N, K).
        logits: (N, K); None where there are none.
        features: (N, D); None where there are none.
    """

    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32] | None = None
    features: NDArray[np.float32] | None = None


def compare_exactly(
    answers: Answers, reference: Answers, against: str, *, tolerance: float, counts: bool = True
) -> list[Difference]:
    """Return how far the outputs of a float32 file are from a reference, each held to the tolerance.

    Args:
        answers: the file's.
        reference: what it should answer; outputs that it lacks are passed over.
        against: the reference's name.
        tolerance: largest difference that is accepted.
        counts: whether a larger one is a failure.
    """
    differences = []
    for name, ours, theirs in _pair_outputs(answers, reference):
        largest = _find_largest(ours, theirs, is_share=name != "probabilities")
        # A value that is no number makes the difference none, and that is not `<=` anything.
        status: DifferenceStatus = ("ok" if largest <= tolerance else "failed") if counts else "note"
        agreeing = _count_agreeing(ours, theirs) if name == "probabilities" else None
        differences.append(
            Difference(
                status=status, precision="fp32", against=against, output=name, largest=largest, num_agreeing=agreeing
            )
        )
    return differences


def compare_answers(
    answers: Answers, reference: Answers, against: str, *, labels: NDArray[np.int64], precision: Precision
) -> list[Difference]:
    """Return how far the outputs of a reduced file are from a reference, held to answering and being right as often.

    Args:
        answers: the file's.
        reference: the float32 model's.
        against: the reference's name.
        labels: (N,) true class ids.
        precision: of the file.
    """
    differences = []
    for name, ours, theirs in _pair_outputs(answers, reference):
        largest = _find_largest(ours, theirs, is_share=name != "probabilities")
        status: DifferenceStatus = "note"
        agreeing = None
        if name == "probabilities":
            agreeing = _count_agreeing(ours, theirs)
            num_lost = _count_right(theirs, labels) - _count_right(ours, labels)
            holds = agreeing >= MIN_AGREEMENT * len(labels) and num_lost <= MAX_TOP1_LOSS * len(labels)
            status = "ok" if holds and np.isfinite(ours).all() else "failed"
        differences.append(
            Difference(
                status=status, precision=precision, against=against, output=name, largest=largest, num_agreeing=agreeing
            )
        )
    return differences


def measure_contender(
    name: str, probabilities: NDArray[np.float32], labels: NDArray[np.int64], *, ms: float, num_bytes: int
) -> Contender:
    """Return how good, fast and large one side is.

    Args:
        name: its name.
        probabilities: (N, K) that it answers.
        labels: (N,) true class ids.
        ms: its time for a clip.
        num_bytes: its size.
    """
    confusion = count_confusion(labels, probabilities.argmax(1), probabilities.shape[1])
    numbers = confusion.sum(axis=1)
    recalls = confusion.diagonal()[numbers > 0] / numbers[numbers > 0]
    return Contender(
        name=name,
        ms=ms,
        num_bytes=num_bytes,
        top1=_count_right(probabilities, labels) / len(labels),
        mean_class=float(recalls.mean()),
    )


def _pair_outputs(
    answers: Answers, reference: Answers
) -> list[tuple[OutputName, NDArray[np.float32], NDArray[np.float32]]]:
    pairs: list[tuple[OutputName, NDArray[np.float32], NDArray[np.float32]]] = [
        ("probabilities", answers.probabilities, reference.probabilities)
    ]
    if answers.logits is not None and reference.logits is not None:
        pairs.append(("logits", answers.logits, reference.logits))
    if answers.features is not None and reference.features is not None:
        pairs.append(("features", answers.features, reference.features))
    return pairs


def _find_largest(values: NDArray[np.float32], others: NDArray[np.float32], *, is_share: bool) -> float:
    differences = np.abs(values.astype(np.float64) - others)
    return float((differences / np.maximum(np.abs(others), 1)).max() if is_share else differences.max())


def _count_agreeing(scores: NDArray[np.float32], others: NDArray[np.float32]) -> int:
    return int((scores.argmax(1) == others.argmax(1)).sum())


def _count_right(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> int:
    return int((scores.argmax(1) == labels).sum())
