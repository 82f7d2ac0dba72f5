"""What the shipped models cost: counted, and measured on this CPU with one thread, one clip at a time.

    python benchmarks/model_cost.py                              # all of them, each at its own input: some minutes
    python benchmarks/model_cost.py slowfast-tiny slowfast-small

Prints a table in Markdown. Every model is measured once, in a process of its own, so that its peak memory is its own.
Seconds are those that the processor worked for it: other processes make it wait, but hardly work longer. They are
compared with those of slowfast-r50 where that is measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.dataset.simulate import simulate_dataset
from thermalctl.engine.config import complete_config, list_shipped_configs, load_config
from thermalctl.engine.cost import measure_cost
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.restore import build_model
from thermalctl.recordings.simulate import SimulationOptions

#: What all others are compared with.
REFERENCE = "slowfast-r50"
FRAME_SIZE = (40, 60)
#: The least that a dataset can be: the classes are what the models need of it.
DATASET = SimulationOptions(
    num_sessions=2, recordings_per_session=1, frames_per_recording=80, keyframes_per_recording=2, frame_size=FRAME_SIZE
)
MIB, GIB = 2**20, 2**30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list_shipped_configs(), help="configurations; all by default")
    parser.add_argument("--cfg-options", nargs="*", default=[], metavar="KEY=VALUE", help="edits of each of them")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    overrides = parse_edits(arguments.cfg_options)
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, overrides)))
        return 0
    found = {name: measure_apart(name, arguments.cfg_options) for name in arguments.names}
    print(format_table(found))
    return 0


def parse_edits(texts: list[str]) -> dict[str, Any]:
    """Return values by key from texts as clip.num_frames=32, read as JSON where they are."""
    edits: dict[str, Any] = {}
    for text in texts:
        key, _, value = text.partition("=")
        try:
            edits[key] = json.loads(value)
        except json.JSONDecodeError:
            edits[key] = value
    return edits


def measure_apart(name: str, edits: list[str]) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", name, *(["--cfg-options", *edits] if edits else [])]
    print(f"{name} ...", file=sys.stderr)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(name: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Return a model's cost, its seconds for a clip forward and for a training step, and the memory of that step."""
    torch.set_num_threads(1)
    cfg = complete(name, overrides)
    cost = measure_cost(cfg)
    torch.manual_seed(0)
    model: Any = build_model(cfg)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    batch = make_batch(cfg)
    before = read_peak_bytes()
    started = time.process_time()
    model.test_step(batch)
    between = time.process_time()
    model.train().train_step(batch, optimizer)
    ended = time.process_time()
    return asdict(cost) | {
        "forward_s": between - started,
        "step_s": ended - between,
        "peak_bytes": read_peak_bytes() - before,
    }


def complete(name: str, overrides: dict[str, Any]) -> Config:
    """Return a shipped configuration as `train` completes it."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "dataset")
        simulate_dataset(root, DATASET)
        options = TrainOptions(overrides={"class_weights": "none"} | overrides)
        dataset = load_dataset(DatasetLayout(root))
        return complete_config(load_config(name), options, dataset, work_dir=Path(folder, "run"), device="cpu")


def make_batch(cfg: Config) -> dict[str, Any]:
    """Return one clip of a room with its label and the person who is judged, as the loaders hand it over."""
    prepare_mmaction()
    from mmaction.structures import ActionDataSample

    box, num_frames = (0.5, 0.5, 0.2, 0.2), cfg.clip.num_frames
    sample = ActionDataSample(metainfo={"boxes": [box], "track": [box] * num_frames})
    sample.set_gt_label(0)
    return {"inputs": [22 + 3 * torch.rand(num_frames, *FRAME_SIZE)], "data_samples": [sample]}


def read_peak_bytes() -> int:
    """Return the most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def format_table(found: dict[str, dict[str, Any]]) -> str:
    """Return the measurements as a Markdown table, the cheapest first."""
    lines = [
        "| config | input | parameters | GMACs | kept per clip | peak | forward | training step | of slowfast-r50's |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in sorted(found.items(), key=lambda item: item[1]["gmacs"]):
        ratio = f"{one['step_s'] / found[REFERENCE]['step_s']:.3g}" if REFERENCE in found else "-"
        lines.append(
            f"| {name} | {format_input(one['input_shape'])} | {one['num_parameters'] / 1e6:.1f} M "
            f"| {one['gmacs']:.3g} | {format_bytes(one['activation_bytes'])} | {format_bytes(one['peak_bytes'])} "
            f"| {one['forward_s']:.2g} s | {one['step_s']:.2g} s | {ratio} |"
        )
    return "\n".join(lines)


def format_input(shape: list[int]) -> str:
    """Return frames and size of a model's input, as 64 x 256x384."""
    *first, height, width = shape
    num_frames = first[0] if len(shape) == 4 else first[-1]
    return f"{num_frames} x {height}x{width}"


def format_bytes(count: float) -> str:
    """Return an amount of memory in MiB or GiB."""
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / MIB:.0f} MiB"


if __name__ == "__main__":
    sys.exit(main())
