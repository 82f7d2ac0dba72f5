"""What a training tells while it runs, and how each of these records is a line of `metrics.jsonl`."""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Ending = Literal["finished", "stopped early", "interrupted", "failed"]


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a training is, on the screen and in its log.

    Attributes:
        model: the architecture, in words.
        num_parameters: trainable values.
        device: where it runs, in words.
        precision: "float32", "bfloat16" or "float16".
        num_train: training clips.
        num_val: validation clips.
        classes: class names in id order.
        train_counts: training clips of each class; empty where the dataset does not say.
        batch_size: clips per step of each process.
        max_epochs: length of training.
        warmup_epochs: epochs of rising rate.
        weights: where the weights came from; None for random ones.
        rates: full learning rate by part of the model.
        first_epoch: the epoch that comes first, from 1; more than 1 when resumed.
        first_step: the step of that epoch that comes first, from 1; more than 1 when resumed within an epoch.
        num_processes: how many train together.
        accumulate: steps of each that make one update.
    """

    model: str
    num_parameters: int
    device: str
    precision: str
    num_train: int
    num_val: int
    classes: tuple[str, ...]
    train_counts: tuple[int, ...]
    batch_size: int
    max_epochs: int
    warmup_epochs: int
    weights: str | None
    rates: Mapping[str, float]
    first_epoch: int
    first_step: int = 1
    num_processes: int = 1
    accumulate: int = 1

    @property
    def is_resumed(self) -> bool:
        """Whether the run goes on from where it was before."""
        return (self.first_epoch, self.first_step) > (1, 1)


@dataclass(frozen=True, kw_only=True)
class RunHeader(RunFacts):
    """A training began, or went on.

    Attributes:
        version: of thermalctl.
        host: the machine's name.
        pid: the process on it.
    """

    version: str
    host: str
    pid: int


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """A training step was made.

    Attributes:
        epoch: from 1.
        max_epochs: length of training.
        step: in this epoch, from 1.
        num_steps: in each epoch.
        loss: of this step.
        lr: the current rate of the last group, the head's.
        clips_per_s: over the last steps, data and all.
        memory_gib: the most that was held so far, on the GPU or, without one, by this process.
        seconds_left: until the last epoch ends, at this speed.
        data_share: share of the last steps' time that was spent waiting for clips; None where nothing measures it.
    """

    epoch: int
    max_epochs: int
    step: int
    num_steps: int
    loss: float
    lr: float
    clips_per_s: float
    memory_gib: float
    seconds_left: float
    data_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class ValidationDone:
    """The model was validated.

    Attributes:
        epoch: from 1.
        metrics: by MMAction2's keys, as "acc/top1", 0 to 1.
        train_loss: mean over the epoch.
        is_best: whether this is the best validation so far by the metric that chooses the best checkpoint.
        train_accuracy: top-1 of the epoch's own training clips as they were seen, augmented and with dropout, 0 to 1;
            None where labels are mixed.
    """

    epoch: int
    metrics: Mapping[str, float]
    train_loss: float
    is_best: bool
    train_accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something is wrong with how the training goes; each topic is told once.

    Attributes:
        epoch: when it was found, from 1.
        topic: what it is about, in a few words.
        text: what was seen, with its numbers.
        advice: what to try.
    """

    epoch: int
    topic: str
    text: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    """A training ended by itself or was stopped; a killed one writes nothing.

    Attributes:
        status: how it ended.
        epochs: how many are trained, those before it was resumed included.
        seconds: since it began or was resumed.
        reason: what went wrong; empty where nothing did.
    """

    status: Ending
    epochs: int
    seconds: float
    reason: str = ""


Record = RunHeader | StepDone | ValidationDone | Finding | RunEnded

_KINDS: dict[str, type[Record]] = {
    "start": RunHeader,
    "step": StepDone,
    "validation": ValidationDone,
    "finding": Finding,
    "end": RunEnded,
}
_NAMES = {record_type: kind for kind, record_type in _KINDS.items()}
_HINTS = {record_type: get_type_hints(record_type) for record_type in _NAMES}


def format_record(record: Record, *, time_s: float) -> str:
    """Return a record as one line of JSON without its end; what is not a number becomes null.

    Args:
        record: the record.
        time_s: when, in seconds since 1970.
    """
    values = {"kind": _NAMES[type(record)], "time": round(time_s, 3)} | dataclasses.asdict(record)
    return json.dumps(_without_nan(values), ensure_ascii=False, allow_nan=False)


def parse_record(line: str) -> tuple[float, Record]:
    """Return when a line was written, in seconds since 1970, and its record.

    Fields that another version added are left out; a number that was none is NaN again.

    Raises:
        ValueError: if the line is no record.
    """
    values = json.loads(line)
    if not isinstance(values, dict) or values.get("kind") not in _KINDS:
        raise ValueError("no record")
    record_type = _KINDS[values["kind"]]
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(record_type):
        if field.name in values:
            fields[field.name] = _fit(values[field.name], _HINTS[record_type][field.name])
        elif field.default is dataclasses.MISSING:
            raise ValueError(f"no {field.name}")
    return _fit(values.get("time"), float), record_type(**fields)


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _fit(value: Any, hint: Any) -> Any:
    """Return a JSON value as its field's type.

    Raises:
        ValueError: if it is of another type.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _fit(value, next(option for option in inner if option is not type(None)))
    if hint is float and (value is None or type(value) in (int, float)):
        return math.nan if value is None else float(value)
    if origin is Literal and value in inner:
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(_fit(one, inner[0]) for one in value)
    if origin is Mapping and isinstance(value, dict):
        return {key: _fit(one, inner[1]) for key, one in value.items()}
    if hint in (int, str, bool) and type(value) is hint:
        return value
    raise ValueError(f"{value!r} is no {hint}")
