"""Contenders that take turns, each in a process of its own, so that a machine's moods meet all of them alike."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from thermalctl.benchmarking.contenders import Contender
from thermalctl.errors import NotHeldError

Turn = dict[str, float]
Measure = Callable[[], Turn]
#: Told before each turn: how many turns are done, of how many, and whose it is.
OnTurn = Callable[[int, int, str], None]


def take_turns(
    kind: Literal["data", "train"],
    contenders: Sequence[Contender],
    *,
    num_rounds: int,
    stay: bool,
    asked: Mapping[str, Any],
    on_turn: OnTurn,
) -> list[list[Turn]]:
    """Return what each contender measured in each round.

    Args:
        kind: what to measure.
        contenders: in each round all of them, in this order.
        num_rounds: turns of each.
        stay: whether they stay between their turns, or make room for each other, as large models must.
        asked: the rest of what a process is told: data, device, threads, options.
        on_turn: told how it goes.

    Raises:
        NotHeldError: if one of them fails.
    """
    found: list[list[Turn]] = [[] for _ in contenders]
    turns = [(number, index) for number in range(num_rounds) for index in range(len(contenders))]
    with ExitStack() as staying:
        kept: dict[int, Measure] = {}
        for num_done, (_, index) in enumerate(turns):
            contender = contenders[index]
            on_turn(num_done, len(turns), contender.name)
            started = {"kind": kind, "contender": dataclasses.asdict(contender)} | dict(asked)
            if stay:
                measure = kept.get(index) or staying.enter_context(_process(started))
                kept[index] = measure
                found[index].append(measure())
            else:
                with _process(started) as measure:
                    found[index].append(measure())
    return found


@contextmanager
def _process(asked: Mapping[str, Any]) -> Iterator[Measure]:
    """Yield the function that takes a turn in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, Path(folder, "errors").open("w+") as errors:
        command = [sys.executable, "-m", "thermalctl.benchmarking.worker"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder
        )
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def measure() -> Turn:
            try:
                stdin.write("turn\n")
                stdin.flush()
                answer = stdout.readline()
            except BrokenPipeError:
                answer = ""
            if not answer:
                raise NotHeldError(
                    f"{asked['contender']['name']}: its process ended ({_explain(process.wait(), errors)})",
                    hint="with less at once: --batch-size 1, or other --config",
                )
            turn: Turn = json.loads(answer)
            return turn

        try:
            stdin.write(json.dumps(asked) + "\n")
            yield measure
        finally:
            process.kill()
            process.communicate()


def _explain(exit_code: int, errors: Any) -> str:
    """Return why a process ended: the last line that it wrote, or its signal."""
    errors.seek(0)
    lines = [line.strip() for line in errors if line.strip()]
    if exit_code < 0:
        return f"killed by signal {-exit_code}"
    return lines[-1] if lines else f"exit code {exit_code}"
