"""A dataset that several processes use at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

#: Opens every recording and reads it for as long as it is not told to stop; then says how often.
READER = """
import sys
from pathlib import Path
from thermalctl.recordings.hdf5 import RecordingFile

files = [RecordingFile(path) for path in sorted(Path(sys.argv[1]).glob("*.h5"))]
print("open", flush=True)
rounds = 0
import select
while not select.select([sys.stdin], [], [], 0)[0]:
    assert all(len(file.read_all().frames_c) == file.num_frames for file in files)
    rounds += 1
print(rounds)
"""


@pytest.mark.slow
def test_two_processes_read_while_a_third_trains(folder: Path, thermalctl: Run) -> None:
    frames = folder / "ThermalDataGen" / "thermal_action_dataset" / "frames"
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(frames)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"

    outcome = thermalctl(
        *("train", "--config", "slowfast-tiny", "--device", "cpu", "--epochs", "1", "--batch-size", "4"),
        *("--num-workers", "1", "--cfg-options", "clip.num_frames=16", "clip.input_size=(16,24)"),
    )

    assert outcome.code == 0, outcome.err
    for reader in readers:
        said, _ = reader.communicate("stop\n", timeout=60)
        assert reader.returncode == 0
        assert int(said) >= 1
