"""Recordings out of a database: collect_frames takes whatever Python can read frame by frame.

The database is made up here: a table with a row for each frame, its pixels as the bytes of 16-bit decikelvin.
"""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermalctl.recordings.hdf5 import RecordingFile, write_recording
from thermalctl.recordings.importing import collect_frames
from thermalctl.recordings.simulate import SimulationOptions, simulate_session
from thermalctl.recordings.units import Unit

HEIGHT, WIDTH = 40, 60


def read_frames(database: sqlite3.Connection, sensor_id: str) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """One (ms since 1970, frame) after the other; nothing but the current row is in memory."""
    rows = database.execute("SELECT time_ms, pixels FROM frames WHERE sensor_id = ? ORDER BY time_ms", (sensor_id,))
    for time_ms, pixels in rows:
        yield time_ms, np.frombuffer(pixels, dtype="<u2").reshape(HEIGHT, WIDTH)


def export_recordings(database: sqlite3.Connection, folder: Path) -> list[Path]:
    """Write each sensor's frames as a recording that every command of thermalctl reads."""
    paths = []
    for (sensor_id,) in database.execute("SELECT DISTINCT sensor_id FROM frames ORDER BY sensor_id").fetchall():
        # Without `unit` it is detected, or an error says that it cannot be.
        recording = collect_frames(read_frames(database, sensor_id), sensor_id=sensor_id, unit=Unit.DECIKELVIN)
        paths.append(folder / f"{sensor_id}.h5")
        write_recording(paths[-1], recording)
    return paths


def fill(database: sqlite3.Connection) -> None:
    """Two simulated recordings, stored as a recorder might."""
    database.execute("CREATE TABLE frames (sensor_id TEXT, time_ms INTEGER, pixels BLOB)")
    options = SimulationOptions(num_sessions=1, recordings_per_session=2, frames_per_recording=50)
    for recording in (simulated.recording for simulated in simulate_session(options, 0)):
        decikelvin = np.round((recording.frames_c + 273.15) * 10).clip(0).astype("<u2")
        rows = zip(recording.timestamps_ms.tolist(), decikelvin, strict=True)
        database.executemany(
            "INSERT INTO frames VALUES (?, ?, ?)",
            [(recording.sensor_id, time_ms, frame.tobytes()) for time_ms, frame in rows],
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "sensors.db")) as database:
        fill(database)
        for path in export_recordings(database, Path(folder) / "frames"):
            with RecordingFile(path) as file:
                height, width = file.frame_size
                median_c = float(np.median(file.read(range(file.num_frames))))
                print(f"{path.name}: {file.num_frames} frames of {height}x{width}, median {median_c:.1f} deg C")


if __name__ == "__main__":
    main()
