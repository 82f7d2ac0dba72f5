"""One contender in a process of its own: `python -m thermalctl.benchmarking.worker`, driven by `turns`.

It reads what to measure as one line of JSON from standard input, then a line for each turn, and answers each with a
line of JSON. Whatever a library prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from thermalctl.benchmarking.contenders import Contender
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset


def main() -> int:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    asked: dict[str, Any] = json.loads(sys.stdin.readline())
    measure = prepare(asked)
    for _ in sys.stdin:
        print(json.dumps(measure()), file=answers, flush=True)
    return 0


def prepare(asked: dict[str, Any]) -> Any:
    """Return the function that takes one turn."""
    import torch

    from thermalctl.benchmarking.data_path import DataPath
    from thermalctl.benchmarking.train_steps import TrainSteps
    from thermalctl.engine.running.allocator import keep_freed_memory

    torch.set_num_threads(asked["threads"])
    contender = Contender(**asked["contender"])
    if asked["kind"] == "data" and asked["device"] == "cpu" and not contender.is_stock:
        keep_freed_memory()  # as `train` does by itself
    kind = {"data": DataPath, "train": TrainSteps}[asked["kind"]]
    dataset = load_dataset(DatasetLayout(Path(asked["data"])))
    return kind(contender, dataset, device=asked["device"], threads=asked["threads"], **asked["options"]).measure


if __name__ == "__main__":
    sys.exit(main())
