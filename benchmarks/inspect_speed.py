"""How fast a large dataset is inspected, beside just reading its frames with h5py, and in how much memory.

    python benchmarks/inspect_speed.py                       # 10,000 keyframes, 5 GB uncompressed; needs 1.5 GB of disk
    python benchmarks/inspect_speed.py --scale 0.05          # a twentieth of it
    python benchmarks/inspect_speed.py --folder big --keep   # made there once, and used again

Every measurement is a process of its own, so that its peak memory is its own. The bounds: inspection takes at most
twice as long as reading, in less than 1 GB.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from thermalctl.dataset.inspect import inspect_dataset
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.simulate import simulate_dataset
from thermalctl.recordings.blocks import BLOCK_FRAMES
from thermalctl.recordings.hdf5 import RecordingFile, write_recording
from thermalctl.recordings.simulate import SimulationOptions

#: What is simulated; the rest are copies of it, each with noise of its own, days later.
BASE = SimulationOptions(num_sessions=4, recordings_per_session=4, frames_per_recording=500, keyframes_per_recording=10)
#: 66 * 16 recordings of 500 frames of 40x60: 5.07 GB, 10,560 keyframes.
FULL_COPIES = 66
DAY_MS = 86_400_000
#: Added to a copy; with the simulated noise of 0.25 it comes to 0.27.
EXTRA_NOISE_C = 0.1
MAX_RATIO = 2.0
MAX_MEMORY_MB = 1000.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size; 0.05 is 250 MB")
    parser.add_argument("--folder", type=Path, help="where the dataset goes; a temporary folder by default")
    parser.add_argument("--keep", action="store_true", help="leave the dataset there")
    parser.add_argument("--repeats", type=int, default=2, help="measurements of each; the fastest counts")
    parser.add_argument("--processes", type=int, default=2, help="for making the dataset")
    parser.add_argument("--measure", choices=sorted(MEASURES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.folder)))
        return 0
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="inspect_speed_"))
    try:
        root = folder / "dataset"
        if not root.exists():
            make_dataset(root, copies=max(1, round(arguments.scale * FULL_COPIES)), processes=arguments.processes)
        found = [
            {name: measure_apart(name, root) for name in ("reading", "inspecting")} for _ in range(arguments.repeats)
        ]
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)
    return show(found)


def make_dataset(root: Path, *, copies: int, processes: int = 1, base: SimulationOptions = BASE) -> None:
    """Write a simulated dataset so many times over, days apart."""
    simulate_dataset(root, base)
    layout = DatasetLayout(root)
    write = partial(write_copies, layout, copies=copies, days_apart=base.num_sessions)
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            list(pool.map(write, layout.find_recordings()))
    else:
        list(map(write, layout.find_recordings()))
    for split in layout.find_splits():
        path = layout.annotation_file(split)
        document = copy_annotations(json.loads(path.read_text()), copies=copies, days_apart=base.num_sessions)
        path.write_text(json.dumps(document))


def write_copies(layout: DatasetLayout, name: str, *, copies: int, days_apart: int) -> None:
    with RecordingFile(layout.recording_file(name)) as file:
        original = file.read_all()
    rng = np.random.default_rng(list(name.encode()))
    for copy in range(1, copies):
        noise_c = rng.standard_normal(original.frames_c.shape, dtype=np.float32) * np.float32(EXTRA_NOISE_C)
        lost = original.frames_c < -50
        frames_c = np.where(lost, original.frames_c, np.round(original.frames_c + noise_c, 1))
        timestamps_ms = original.timestamps_ms + copy * days_apart * DAY_MS
        recording = replace(
            original, sensor_id=copy_name(name, copy), frames_c=frames_c.astype(np.float32), timestamps_ms=timestamps_ms
        )
        write_recording(layout.recording_file(recording.sensor_id), recording)


def copy_annotations(document: dict[str, Any], *, copies: int, days_apart: int) -> dict[str, Any]:
    images, annotations = list(document["images"]), list(document["annotations"])
    for copy in range(1, copies):
        for image in document["images"]:
            shifted = {"timestamp": image["timestamp"] + copy * days_apart * DAY_MS}
            names = {"id": f"{image['id']}_{copy}", "sensor_id": copy_name(image["sensor_id"], copy)}
            images.append(image | shifted | names)
        for person in document["annotations"]:
            number = person["id"] + copy * 1_000_000
            annotations.append(person | {"id": number, "image_id": f"{person['image_id']}_{copy}"})
    return document | {"images": images, "annotations": annotations}


def copy_name(name: str, copy: int) -> str:
    return f"C{copy:03d}{name}"


def measure_apart(name: str, root: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", name, "--folder", str(root)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(name: str, root: Path) -> dict[str, float]:
    started_s = time.perf_counter()
    amounts = MEASURES[name](root)
    seconds = time.perf_counter() - started_s
    return amounts | {"seconds": seconds, "memory_mb": read_peak_memory_mb()}


def read_peak_memory_mb() -> float:
    """Return the most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the process held that started this one
        kib = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(kib) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts bytes


def read_frames(root: Path) -> dict[str, float]:
    num_bytes = 0
    for path in sorted(DatasetLayout(root).frames_dir.glob("*.h5")):
        with h5py.File(path) as file:
            frames = file["frames"]
            num_bytes += sum(
                frames[start : start + BLOCK_FRAMES].nbytes for start in range(0, len(frames), BLOCK_FRAMES)
            )
    return {"bytes": num_bytes}


def inspect(root: Path) -> dict[str, float]:
    inspection = inspect_dataset(DatasetLayout(root))
    keyframes = sum(split.num_keyframes for split in inspection.splits)
    return {"recordings": len(inspection.recordings), "keyframes": keyframes}


MEASURES = {"reading": read_frames, "inspecting": inspect}


def show(found: Sequence[dict[str, dict[str, float]]]) -> int:
    reading = min((each["reading"] for each in found), key=lambda entry: entry["seconds"])
    inspecting = min((each["inspecting"] for each in found), key=lambda entry: entry["seconds"])
    memory_mb = max(each["inspecting"]["memory_mb"] for each in found)
    ratio = inspecting["seconds"] / reading["seconds"]
    print(
        f"{inspecting['recordings']:,} recordings, {inspecting['keyframes']:,} keyframes, "
        f"{reading['bytes'] / 1e9:.2f} GB uncompressed\n"
    )
    print(f"{'':<20}{'seconds':>10}{'MB/s':>10}{'peak MB':>10}")
    for name, entry, peak in (
        ("reading with h5py", reading, reading["memory_mb"]),
        ("inspecting", inspecting, memory_mb),
    ):
        print(f"{name:<20}{entry['seconds']:>10.1f}{reading['bytes'] / 1e6 / entry['seconds']:>10.0f}{peak:>10.0f}")
    print(f"\ninspecting takes {ratio:.2f} times as long as reading; at most {MAX_RATIO:g} is wanted")
    print(f"and {memory_mb:.0f} MB; less than {MAX_MEMORY_MB:g} is wanted")
    return 0 if ratio <= MAX_RATIO and memory_mb < MAX_MEMORY_MB else 1


if __name__ == "__main__":
    sys.exit(main())
