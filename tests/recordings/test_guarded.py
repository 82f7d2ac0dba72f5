from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from thermalctl.errors import DatasetError, RecordingError
from thermalctl.recordings.guarded import run_guarded
from thermalctl.recordings.hdf5 import Recording, write_recording

sys.path.insert(0, str(Path(__file__).parent))  # the other process imports it by name

import damage

#: Seeds of damage that the tests read; about one in a thousand ends HDF5 itself.
NUM_DAMAGED = 1000
#: One process reads so many; a crash or a hang is found among the rest by going on after it.
LONGEST_S = 10.0


def test_result_and_progress_come_through() -> None:
    told: list[tuple[int, int]] = []
    assert run_guarded(damage.count, 3, told={"on_progress": lambda done, total: told.append((done, total))}) == 3
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_expected_error_comes_through_with_its_hint() -> None:
    with pytest.raises(DatasetError, match=r"x\.json: is wrong") as raised:
        run_guarded(damage.refuse)
    assert raised.value.hint == "mend it"


def test_crash_names_the_recording(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"R\.h5: the process was ended by SIGSEGV while it was read") as raised:
        run_guarded(damage.crash, tmp_path / "R.h5")
    assert "HDF5 does not survive" in str(raised.value.hint)


def test_hang_is_ended_and_names_the_recording(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(RecordingError, match=r"R\.h5: reading it does not end"):
        run_guarded(damage.hang, tmp_path / "R.h5", stall_s=5.0)
    assert time.monotonic() - started < 60


@pytest.mark.slow
def test_no_damage_is_a_traceback_a_hang_or_a_wrong_ok(tmp_path: Path) -> None:
    """Damage in frames is always found; times and counters are stored plainly, so another number is as good as one."""
    rng = np.random.default_rng(0)
    original = tmp_path / "original.h5"
    write_recording(
        original,
        Recording(
            sensor_id="R",
            mac_address="02:00",
            frames_c=(20 + rng.random((96, 8, 12))).astype(np.float32),
            timestamps_ms=1_760_000_000_000 + 100 * np.arange(96),
            frame_seqs=np.arange(96),
        ),
    )
    outcomes: dict[int, str] = {}
    done = 0
    while done < NUM_DAMAGED:
        try:
            outcomes |= run_guarded(
                damage.read_flipped, original, tmp_path, range(done, NUM_DAMAGED), stall_s=LONGEST_S
            )
            done = NUM_DAMAGED
        except RecordingError as error:  # HDF5 did not survive it, and that was told with the file's name
            ended = int(error.message.partition(".h5")[0].rpartition("/")[2])
            outcomes |= run_guarded(damage.read_flipped, original, tmp_path, range(done, ended), stall_s=LONGEST_S)
            outcomes[ended] = "refused"
            done = ended + 1
    assert sorted(outcomes) == list(range(NUM_DAMAGED))
    wrong = {seed: outcome for seed, outcome in outcomes.items() if "frames_c" in outcome}
    assert wrong == {}
    assert sum(outcome == "refused" for outcome in outcomes.values()) > NUM_DAMAGED / 2
