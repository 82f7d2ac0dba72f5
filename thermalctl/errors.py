"""The few kinds of error that a user can mend, and how each tells them to."""

from __future__ import annotations

from collections.abc import Sequence


class ThermalctlError(Exception):
    """An expected error: what is wrong, and what to do next.

    The message names the object (file, record, option), what was found and what was expected; `hint` is the next
    step. The command line prints the two and exits with `exit_code`; nothing else does.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RequestError(ThermalctlError):
    """The command line or a call asks for something impossible or contradictory."""


class ConfigError(ThermalctlError):
    """A training configuration is unreadable, or names what does not exist."""


class RecordingError(ThermalctlError):
    """A recording file is missing, damaged or not in the expected format."""


class DatasetError(ThermalctlError):
    """A dataset folder is missing, ambiguous or inconsistent.

    `problems` are all that were found, of which the message may spell out the first few.
    """

    def __init__(self, message: str, *, hint: str | None = None, problems: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class CheckpointError(ThermalctlError):
    """A checkpoint is unreadable, untrusted, or does not fit the model."""


class WeightsError(ThermalctlError):
    """Pretrained weights are not there, not complete or not what they claim to be."""


class PredictionsError(ThermalctlError):
    """A predictions file is unreadable or contradicts itself."""


class NotHeldError(ThermalctlError):
    """What was asked for ran, and did not hold: a check failed, a threshold was missed."""

    exit_code = 1


#: How many problems one message spells out; the rest are counted.
MAX_PROBLEMS_SHOWN = 5


def summarise_problems(problems: Sequence[str]) -> str:
    """Return one message for all of `problems`: the first few spelled out, the rest counted."""
    shown = list(problems[:MAX_PROBLEMS_SHOWN])
    if len(problems) > len(shown):
        shown.append(f"... and {len(problems) - len(shown)} more problems")
    return "\n".join(shown)
