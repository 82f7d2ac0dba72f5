"""Answers to windows written as they come, as a table, as JSON Lines or as HDF5; memory does not grow with them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, TextIO

import h5py
import numpy as np
from typing_extensions import Self

from thermalctl.files import replace_file
from thermalctl.streams.answers import WindowAnswer

AnswerFormat = Literal["csv", "jsonl", "hdf5"]
#: Never those of a recording: answers may be written beside it.
SUFFIXES: dict[AnswerFormat, str] = {"csv": ".answers.csv", "jsonl": ".answers.jsonl", "hdf5": ".answers.h5"}

#: Columns of a table before those of the classes' probabilities.
COLUMNS = (
    "recording", "window", "segment", "person", "start_ms", "keyframe_ms", "end_ms", "first_frame", "keyframe",
    "last_frame", "num_incomplete", "status", "class", "probability", "box_cx", "box_cy", "box_w", "box_h",
)  # fmt: skip
#: Digits of a probability in text: float32 has seven.
_DIGITS = 7
#: Answers that are written to HDF5 at once.
_BLOCK = 1024
_NOBODY = -1


class AnswerWriter(Protocol):
    """Writes answers one after another."""

    def __init__(self, path: Path, classes: Sequence[str], about: dict[str, Any]) -> None: ...

    def write(self, answer: WindowAnswer) -> None:
        """Write the next answer."""

    def close(self) -> None:
        """Write what is still held back."""


class AnswerFile:
    """A file of answers, a context manager: whole under its name once it is left without an error, else not there.

    Attributes:
        path: the file.

    Args:
        path: the file; its ending says the format.
        classes: class names in id order.
        about: what else the file says of itself, plain values; a table has no room for it.
    """

    def __init__(self, path: Path, classes: Sequence[str], about: dict[str, Any]) -> None:
        self.path = path
        writers: dict[str, type[AnswerWriter]] = {".csv": _CsvWriter, ".jsonl": _JsonLinesWriter, ".h5": _Hdf5Writer}
        self._make = writers[path.suffix]
        self._classes = classes
        self._about = about

    def write(self, answer: WindowAnswer) -> None:
        """Write the next answer."""
        self._writer.write(answer)

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            temporary = opening.enter_context(replace_file(self.path))
            self._writer = self._make(temporary, self._classes, self._about)
            opening.callback(self._writer.close)
            self._stack = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def describe_answer(answer: WindowAnswer, classes: Sequence[str]) -> dict[str, Any]:
    """Return an answer as plain values by name, as JSON Lines have it."""
    scores = answer.probabilities
    return {
        "recording": answer.recording,
        "window": answer.window,
        "segment": answer.segment,
        "person": answer.person,
        "start_ms": answer.start_ms,
        "keyframe_ms": answer.keyframe_ms,
        "end_ms": answer.end_ms,
        "first_frame": answer.first_frame,
        "keyframe": answer.keyframe,
        "last_frame": answer.last_frame,
        "num_incomplete": answer.num_incomplete,
        "status": answer.status,
        "class": None if answer.class_id is None else classes[answer.class_id],
        "probability": None if scores is None else round(float(scores.max()), _DIGITS),
        "box": None if answer.box is None else [round(value, 5) for value in answer.box],
        "probabilities": None
        if scores is None
        else {name: round(float(score), _DIGITS) for name, score in zip(classes, scores, strict=True)},
    }


class _CsvWriter:
    def __init__(self, path: Path, classes: Sequence[str], about: dict[str, Any]) -> None:
        self._classes = classes
        self._file: TextIO = path.open("w", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file)
        self._rows.writerow([*COLUMNS, *classes])

    def write(self, answer: WindowAnswer) -> None:
        fields = describe_answer(answer, self._classes)
        box, scores = fields.pop("box"), fields.pop("probabilities")
        empty = [""] * len(self._classes)
        self._rows.writerow(
            ["" if value is None else value for value in fields.values()]
            + (box or [""] * 4)
            + (list(scores.values()) if scores else empty)
        )

    def close(self) -> None:
        self._file.close()


class _JsonLinesWriter:
    def __init__(self, path: Path, classes: Sequence[str], about: dict[str, Any]) -> None:
        self._classes = classes
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._put({"about": about | {"classes": list(classes)}})

    def write(self, answer: WindowAnswer) -> None:
        self._put(describe_answer(answer, self._classes))

    def _put(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._file.close()


class _Hdf5Writer:
    """Datasets of N answers: whole numbers by name, `boxes` (N, 4), `probabilities` (N, K), NaN where there is none."""

    _WHOLE = (
        "window", "segment", "person", "start_ms", "keyframe_ms", "end_ms", "first_frame", "keyframe", "last_frame",
        "num_incomplete",
    )  # fmt: skip

    def __init__(self, path: Path, classes: Sequence[str], about: dict[str, Any]) -> None:
        self._file = h5py.File(path, "w")
        self._file.attrs["about"] = json.dumps(about | {"classes": list(classes)}, ensure_ascii=False)
        self._shapes: dict[str, tuple[int, ...]] = {"boxes": (4,), "probabilities": (len(classes),)}
        for name in self._WHOLE:
            self._file.create_dataset(name, shape=(0,), maxshape=(None,), dtype=np.int64, chunks=(_BLOCK,))
        for name, shape in self._shapes.items():
            self._file.create_dataset(
                name, shape=(0, *shape), maxshape=(None, *shape), dtype=np.float32, chunks=(_BLOCK, *shape)
            )
        self._waiting: list[WindowAnswer] = []

    def write(self, answer: WindowAnswer) -> None:
        self._waiting.append(answer)
        if len(self._waiting) == _BLOCK:
            self._flush()

    def _flush(self) -> None:
        for name in self._WHOLE:
            values = [getattr(answer, name) for answer in self._waiting]
            self._append(name, np.array([_NOBODY if value is None else value for value in values], dtype=np.int64))
        for name, field in (("boxes", "box"), ("probabilities", "probabilities")):
            nothing = np.full(self._shapes[name], np.nan)
            rows = [getattr(answer, field) for answer in self._waiting]
            values = [nothing if row is None else row for row in rows]
            self._append(name, np.array(values, dtype=np.float32).reshape(-1, *self._shapes[name]))
        self._waiting = []

    def _append(self, name: str, values: np.ndarray[Any, Any]) -> None:
        held = self._file[name]
        held.resize(len(held) + len(values), axis=0)
        held[len(held) - len(values) :] = values

    def close(self) -> None:
        self._flush()
        self._file.close()
