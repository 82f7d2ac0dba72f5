"""What stands beside every score: on which clips it was taken, and of which model.

Plain values only, so that a predictions file can be judged without the dataset, the checkpoint or torch.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

from thermalctl.errors import PredictionsError


@dataclass(frozen=True, kw_only=True)
class ProtocolRecord:
    """How the judged clips relate to the clips that the model was trained on.

    Attributes:
        split: name of the judged split, "val" say.
        split_rule: how the dataset was split: "given", "random", "recording", "session", ...
        selection: on what the checkpoint was chosen, in words: "best acc/top1 on val", "last epoch".
        selection_split: the split whose scores chose the checkpoint; None where no score did.
        num_overlapping: judged clips that share a frame with a training clip; None where nobody counted.
        num_trained: judged clips that the model itself was trained on; None where its checkpoint does not say.
        sessions_in_train: the sessions that the training split holds; None where they are not known.
        target: what one clip is judged for: the whole "frame", or one "person" in it.
    """

    split: str
    split_rule: str
    selection: str
    selection_split: str | None = None
    num_overlapping: int | None = None
    num_trained: int | None = None
    sessions_in_train: tuple[str, ...] | None = None
    target: str = "frame"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Which checkpoint gave the scores, on which dataset, written by which version.

    Attributes:
        checkpoint: path of the checkpoint as it was given.
        checkpoint_sha256: SHA-256 of that file, 64 hexadecimal digits.
        epoch: epochs trained; None where the checkpoint does not say.
        dataset: path of the dataset folder as it was given.
        dataset_fingerprint: fingerprint of the dataset's annotations and recordings.
        thermalctl_version: version that wrote the predictions.
        created: when, ISO 8601 with the time zone.
        others: the other members of an ensemble, each "PATH SHA-256"; their scores are averaged.
        views: ways in which each clip was shown, whose scores are averaged; none for the usual one.
        versions: of what computed the scores, "torch 2.13.0".
    """

    checkpoint: str
    checkpoint_sha256: str
    epoch: int | None
    dataset: str
    dataset_fingerprint: str
    thermalctl_version: str
    created: str
    others: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()


_Record = TypeVar("_Record", ProtocolRecord, Provenance)


def parse_record(kind: type[_Record], values: object) -> _Record:
    """Return the record whose fields are `values`, plain JSON values from a file that nobody vouches for.

    Raises:
        PredictionsError: if a field is missing, unknown or of another type.
    """
    fields = {field.name: str(field.type) for field in dataclasses.fields(kind)}
    if not isinstance(values, dict) or set(values) != set(fields):
        raise PredictionsError(f"its {kind.__name__} does not hold exactly {', '.join(fields)}")
    parsed: dict[str, Any] = {}
    for name, annotation in fields.items():
        value = values[name]
        if value is None and annotation.endswith("| None"):
            parsed[name] = None
        elif annotation.startswith("tuple"):
            parsed[name] = parse_texts(value, f"{kind.__name__}.{name}")
        elif type(value) is (int if annotation.startswith("int") else str):  # type(), because True is an int
            parsed[name] = value
        else:
            raise PredictionsError(f"its {kind.__name__}.{name} is {value!r}, expected {annotation}")
    return kind(**parsed)


def parse_texts(value: object, name: str) -> tuple[str, ...]:
    """Return a JSON list of texts as a tuple.

    Raises:
        PredictionsError: if it is anything else.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise PredictionsError(f"its {name} is no list of texts")
    return tuple(value)
