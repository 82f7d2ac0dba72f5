"""Trains in processes that are killed at random moments, until enough were and one has ended by itself.

The moment is drawn in checkpoints that the process adds, and then in fractions of a step: a machine that slows down
between two processes changes nothing in how far they come.

    python killed_trainings.py DATASET WORK_DIR OVERRIDES NUM_KILLS SEED

A process that has imported everything forks each of them, so that a kill costs no start. Prints, as JSON, what the
folder held at each kill.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import torch

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.engine.checkpoints import find_last
from thermalctl.engine.config import complete_config, load_config
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.train import train

NUM_EPOCHS, NUM_STEPS = 10, 60
#: Checkpoints that a process adds before it is killed, at most: 30 of them are not to be through with the 60 steps.
MOST_ADDED = 2
PATIENCE_S = 300


def main() -> None:
    torch.set_num_threads(1)
    dataset = load_dataset(DatasetLayout(Path(sys.argv[1])))
    work_dir, overrides, num_kills = Path(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4])
    moments = random.Random(int(sys.argv[5]))
    whole = work_dir.with_name("whole")
    child = start(dataset, whole, overrides)
    began = wait_for_checkpoints(whole, 1)
    expect_success(child)
    step_s = (time.monotonic() - began) / NUM_STEPS
    seen: list[str | None] = []
    while True:
        child = start(dataset, work_dir, overrides)
        if len(seen) == num_kills:
            expect_success(child)
            break
        wait_for_checkpoints(work_dir, moments.randint(0, MOST_ADDED))
        time.sleep(moments.uniform(0, step_s))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "a training was through before it was killed"
        last = find_last(work_dir)
        seen.append(last.name if last else None)
    print(json.dumps(seen))


def wait_for_checkpoints(work_dir: Path, number: int) -> float:
    """Wait until a folder's last checkpoint has changed so often; return when that was."""
    last, given_up = find_last(work_dir), time.monotonic() + PATIENCE_S
    for _ in range(number):
        while (now := find_last(work_dir)) == last:
            assert time.monotonic() < given_up, "a training makes no progress"
            time.sleep(0.001)
        last = now
    return time.monotonic()


def start(dataset: ThermalDataset, work_dir: Path, overrides: dict[str, object]) -> int:
    """Fork a process that trains, from the folder's last checkpoint where there is one; return its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        options = TrainOptions(
            epochs=NUM_EPOCHS, device="cpu", resume=find_last(work_dir) is not None, save_every=1, dropout=0.5, ema=0.9,
            augment="overhead", sampler="balanced", early_stopping=9, overrides=overrides,
        )  # fmt: skip
        cfg = complete_config(load_config("slowfast-tiny"), options, dataset, work_dir=work_dir, device="cpu")
        train(cfg, on_event=lambda event: None)
        code = 0
    finally:  # a fork must not go on with what its parent was about
        if code:
            traceback.print_exc()
        os._exit(code)


def expect_success(child: int) -> None:
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"a training ended with status {status}")


if __name__ == "__main__":
    main()
