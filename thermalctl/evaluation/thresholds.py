"""Scores that a model must reach, as an automatic check asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from thermalctl.errors import NotHeldError, RequestError
from thermalctl.evaluation.judgement import ERRORS, Judgement

#: A mean of 0.1, 0.4 and 0.1 is a hair below 0.2.
ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """One of them.

    Attributes:
        name: the number's; see `judgement.Number`.
        limit: the least that it may be, or of errors the most.
    """

    name: str
    limit: float


def parse_thresholds(text: str, known: Mapping[str, object]) -> tuple[Threshold, ...]:
    """Return thresholds from a text as top1=0.7,mean_class=0.4.

    Args:
        text: what was typed.
        known: numbers that there are, by name.

    Raises:
        RequestError: if it is none, or names a number that there is not.
    """
    found = []
    for part in text.split(","):
        name, separator, value = part.strip().partition("=")
        try:
            limit = float(value)
        except ValueError:
            limit = float("nan")
        if not separator or limit != limit:
            raise RequestError(
                f"--fail-under {text}: {part.strip()!r} is no NAME=NUMBER", hint="as in --fail-under top1=0.7"
            )
        if name not in known:
            raise RequestError(f"--fail-under {text}: no number {name!r}", hint=f"there are {', '.join(known)}")
        if name not in ERRORS and not 0 <= limit <= 1:
            raise RequestError(f"--fail-under {text}: {name} is a share, 0 to 1", hint=f"{name}={limit / 100:g}?")
        found.append(Threshold(name=name, limit=limit))
    return tuple(found)


def check_thresholds(judgement: Judgement, thresholds: tuple[Threshold, ...]) -> None:
    """Check that a model reaches what is asked of it.

    Raises:
        NotHeldError: naming every number that falls short.
    """
    missed = []
    for one in thresholds:
        value = judgement.numbers[one.name].value
        is_error = one.name in ERRORS
        if value is None or (value - one.limit if is_error else one.limit - value) > ROUNDING:
            shown = "undefined" if value is None else f"{value:.4g}"
            missed.append(f"{one.name} is {shown}, expected {one.limit:g} or {'less' if is_error else 'more'}")
    if missed:
        raise NotHeldError("; ".join(missed), hint="the report says how sure each number is")
