"""What a model answered on one split: a record, and the file that keeps it.

The file is an `.npz` archive of plain arrays and one JSON header (UTF-8 bytes). It is read without pickle, so a file
from a stranger can be wrong but cannot run code, and all of it is checked before anything is computed from it.
"""

from __future__ import annotations

import dataclasses
import json
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import PredictionsError, summarise_problems
from thermalctl.evaluation.protocol import ProtocolRecord, Provenance, parse_record, parse_texts
from thermalctl.files import replace_file

FORMAT = "thermalctl predictions"
FORMAT_VERSION = 2

#: How far a clip's probabilities may be from adding up to 1: half-precision softmaxes are off by about 1e-3.
SUM_TOLERANCE = 1e-2

_AGAIN = "write the file again: thermalctl test WORK_DIR"
_ARRAYS = (
    "labels",
    "scores",
    "logits",
    "keyframes",
    "timestamps_ms",
    "boxes",
    "train_counts",
    "reference_answers",
)
# What zipfile, zlib and numpy's parser of array headers raise at bytes that are not what they should be.
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)
_TEXTS = ("classes", "sample_ids", "sessions", "recordings", "reference_names")
_OPTIONAL = ("logits", "boxes", "train_counts", "reference_answers")


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """The scores of N clips over K classes, with what is needed to judge them.

    Attributes:
        sample_ids: (N,) unique names of the clips.
        labels: (N,) int64, true class ids.
        scores: (N, K) float64, class probabilities, after softmax.
        logits: (N, K) float64, class scores before softmax, or None.
        sessions: (N,) the session that each clip was recorded in.
        recordings: (N,) the recording that each clip was cut from.
        keyframes: (N,) int64, index of the annotated frame in its recording.
        timestamps_ms: (N,) int64, arrival time of that frame in ms since 1970.
        boxes: (N, 4) float64, [center x, center y, width, height] in 0..1 of the judged person, or None.
        classes: K class names in id order.
        train_counts: (K,) int64, training samples of each class, or None where they are not known.
        reference_names: R baselines that were fitted on the same training split.
        reference_answers: (R, N) int64, the class ids that they answer, or None where there are none.
        clip_spec: what the model saw of a clip, as `ClipSpec.to_dict` has it; None for a model whose own pipeline says.
        protocol: how these clips relate to the training clips.
        provenance: which checkpoint gave the scores.

    Raises:
        PredictionsError: if the values contradict each other or a score is no probability; all problems at once.
    """

    sample_ids: tuple[str, ...]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    logits: NDArray[np.float64] | None = None
    sessions: tuple[str, ...]
    recordings: tuple[str, ...]
    keyframes: NDArray[np.int64]
    timestamps_ms: NDArray[np.int64]
    boxes: NDArray[np.float64] | None = None
    classes: tuple[str, ...]
    train_counts: NDArray[np.int64] | None = None
    reference_names: tuple[str, ...] = ()
    reference_answers: NDArray[np.int64] | None = None
    clip_spec: Mapping[str, Any] | None = None
    protocol: ProtocolRecord
    provenance: Provenance

    def __post_init__(self) -> None:
        # Values are looked at only where the shapes hold: a label of the wrong shape has no range to be out of.
        problems = _find_shape_problems(self) or _find_value_problems(self)
        if problems:
            raise PredictionsError(summarise_problems(problems), hint=_AGAIN)

    @property
    def num_samples(self) -> int:
        """N, how many clips were judged."""
        return len(self.sample_ids)

    @property
    def num_classes(self) -> int:
        """K, how many classes the model tells apart."""
        return len(self.classes)

    @property
    def references(self) -> dict[str, NDArray[np.int64]]:
        """What each baseline answers, (N,) class ids by name."""
        answers = self.reference_answers
        return {} if answers is None else dict(zip(self.reference_names, answers, strict=True))


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write the predictions to `path`, whole or not at all."""
    header = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        **{name: getattr(predictions, name) for name in _TEXTS},
        "clip_spec": predictions.clip_spec,
        "protocol": dataclasses.asdict(predictions.protocol),
        "provenance": dataclasses.asdict(predictions.provenance),
    }
    arrays = {name: getattr(predictions, name) for name in _ARRAYS}
    members: dict[str, Any] = {name: array for name, array in arrays.items() if array is not None}
    members["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    # An open file, because numpy would append ".npz" to a name that ends otherwise.
    with replace_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **members)


def read_predictions(path: Path) -> Predictions:
    """Return the predictions kept in `path`.

    Raises:
        PredictionsError: if the file is missing, damaged, of another format or version, or contradicts itself.
    """
    members = _read_members(path)
    try:
        header = _parse_header(members)
        missing = [name for name in _ARRAYS if name not in members and name not in _OPTIONAL]
        if missing:
            raise PredictionsError(f"lacks {', '.join(missing)}")
        arrays: dict[str, Any] = {name: members.get(name) for name in _ARRAYS}
        return Predictions(**header, **arrays)
    except PredictionsError as error:
        raise PredictionsError(f"{path}: {error.message}", hint=error.hint or _AGAIN) from error


def _read_members(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # Opened as an archive first, because numpy would take any other file for a pickle and say so.
        with path.open("rb") as file, zipfile.ZipFile(file):
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {name: np.asarray(archive[name]) for name in archive.files}
    except FileNotFoundError:
        raise PredictionsError(f"{path}: no such file", hint="predictions are written by: thermalctl test") from None
    except _DAMAGED as error:
        found = str(error).splitlines()[0] if str(error) else "cut short"
        raise PredictionsError(
            f"{path}: is not a whole predictions file ({found})",
            hint=f"it was cut short or is of another format; {_AGAIN}",
        ) from error


def _parse_header(members: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    text = members.get("header")
    if text is None or text.dtype != np.uint8:
        raise PredictionsError("is no predictions file: it has no header")
    try:
        header = json.loads(text.tobytes())
    except (ValueError, RecursionError) as error:
        raise PredictionsError(f"its header is not JSON ({error})") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise PredictionsError(f'is no predictions file: its header does not say "{FORMAT}"')
    if header.get("version") != FORMAT_VERSION:
        raise PredictionsError(
            f"is of format version {header.get('version')!r}, expected {FORMAT_VERSION}",
            hint=f"it was written by another version of thermalctl; {_AGAIN}",
        )
    clip_spec = header.get("clip_spec")
    if clip_spec is not None and not isinstance(clip_spec, dict):
        raise PredictionsError("its clip_spec is no record")
    return {
        **{name: parse_texts(header.get(name), name) for name in _TEXTS},
        "clip_spec": clip_spec,
        "protocol": parse_record(ProtocolRecord, header.get("protocol")),
        "provenance": parse_record(Provenance, header.get("provenance")),
    }


def _find_shape_problems(predictions: Predictions) -> list[str]:
    num_samples, num_classes = predictions.num_samples, predictions.num_classes
    problems = [] if num_samples else ["no clip was judged"]
    if num_classes < 2:
        problems.append(f"{num_classes} classes, expected two or more")
    expected = {
        "labels": ((num_samples,), np.int64),
        "scores": ((num_samples, num_classes), np.float64),
        "logits": ((num_samples, num_classes), np.float64),
        "keyframes": ((num_samples,), np.int64),
        "timestamps_ms": ((num_samples,), np.int64),
        "boxes": ((num_samples, 4), np.float64),
        "train_counts": ((num_classes,), np.int64),
        "reference_answers": ((len(predictions.reference_names), num_samples), np.int64),
    }
    for name, (shape, dtype) in expected.items():
        array: NDArray[Any] | None = getattr(predictions, name)
        if array is not None and (array.shape != shape or array.dtype != dtype):
            wanted = f"{np.dtype(dtype)} of shape {shape} ({num_samples} clips, {num_classes} classes)"
            problems.append(f"{name} is {_describe(array)}, expected {wanted}")
    if predictions.reference_names and predictions.reference_answers is None:
        problems.append(f"there are {len(predictions.reference_names)} baselines without answers")
    for name in ("sessions", "recordings"):
        if len(getattr(predictions, name)) != num_samples:
            problems.append(f"{name} has {len(getattr(predictions, name))} entries for {num_samples} clips")
    return problems


def _find_value_problems(predictions: Predictions) -> list[str]:
    problems = []
    ids = predictions.sample_ids
    named = (("sample id", ids), ("class", predictions.classes), ("baseline", predictions.reference_names))
    for name, values in named:
        problems += [f'{name} "{value}" is there {num} times' for value, num in Counter(values).items() if num > 1]
    # A control character in a name could rewrite the terminal that it is shown on.
    protocol, provenance = vars(predictions.protocol), vars(predictions.provenance)
    for texts in (
        ids,
        predictions.classes,
        predictions.sessions,
        predictions.recordings,
        predictions.reference_names,
        *_texts_of(protocol, provenance),
    ):
        problems += [f"the text {text!r} is not printable" for text in sorted(set(texts)) if not text.isprintable()]
    for index in np.flatnonzero((predictions.labels < 0) | (predictions.labels >= predictions.num_classes)):
        problems.append(
            f'sample "{ids[index]}" has label {predictions.labels[index]}, expected 0 to {predictions.num_classes - 1}'
        )
    for name, answers in predictions.references.items():
        if answers.min() < 0 or answers.max() >= predictions.num_classes:
            problems.append(f'baseline "{name}" answers classes other than 0 to {predictions.num_classes - 1}')
    return problems + _find_number_problems(predictions)


def _find_number_problems(predictions: Predictions) -> list[str]:
    ids, problems = predictions.sample_ids, []
    for name in ("scores", "logits", "boxes"):
        array: NDArray[np.float64] | None = getattr(predictions, name)
        if array is not None:
            bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
            problems += [f'sample "{ids[index]}" has {name} that are not finite numbers' for index in bad]
    with np.errstate(invalid="ignore"):  # inf - inf, told above
        sums = predictions.scores.sum(axis=1)
    for index in np.flatnonzero((predictions.scores < 0).any(axis=1) | (np.abs(sums - 1) > SUM_TOLERANCE)):
        problems.append(f'sample "{ids[index]}" has scores that are no probabilities (their sum is {sums[index]:.4g})')
    counts = predictions.train_counts
    if counts is not None and (counts.min() < 0 or not counts.any()):
        problems.append(f"train_counts is {counts.tolist()}, expected counts, not all of them 0")
    return problems


def _texts_of(*records: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for record in records:
        for value in record.values():
            if isinstance(value, (str, tuple)):
                yield (value,) if isinstance(value, str) else value


def _describe(array: NDArray[Any]) -> str:
    return f"{array.dtype} of shape {array.shape}"
