from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thermalctl.recordings.arrival import Arrival, summarise_arrival
from thermalctl.recordings.hdf5 import RecordingFile


def test_gaps_and_bursts_are_counted_by_their_ratio_to_the_median() -> None:
    # Gaps 100, 100, 33, 34, 1000, 1001, 100, 100, 100: median 100, ten times that 1000, a third 33.3.
    stamps_ms = np.cumsum([0, 100, 100, 33, 34, 1000, 1001, 100, 100, 100])
    assert summarise_arrival(stamps_ms) == Arrival(
        longest_gap_ms=1001.0,
        longest_gap_at=6,
        num_long_gaps=1,
        share_in_bursts=pytest.approx(1 / 9),
        num_backwards=0,
        num_simultaneous=0,
    )


def test_stamps_out_of_order_are_told_from_equal_ones() -> None:
    found = summarise_arrival(np.array([0, 100, 50, 200, 200, 200, 300]))
    assert found is not None
    assert (found.num_backwards, found.num_simultaneous) == (1, 2)


def test_frames_stamped_all_alike_have_no_long_gap() -> None:
    found = summarise_arrival(np.array([5, 5, 5, 900]))
    assert found is not None
    assert (found.num_long_gaps, found.num_simultaneous) == (0, 2)


def test_single_frame_has_no_gaps() -> None:
    assert summarise_arrival(np.array([5])) is None


@pytest.mark.real
def test_real_gaps_are_long_in_one_session_and_bursts_many_in_the_other(real_dataset: Path) -> None:
    for path in sorted((real_dataset / "frames").glob("*.h5")):
        with RecordingFile(path) as file:
            found = summarise_arrival(file.timestamps_ms)
        assert found is not None
        assert (found.num_long_gaps > 0) == path.stem.startswith("SL14")
        assert (found.share_in_bursts > 0.2) == path.stem.startswith("SL18")
        assert found.longest_gap_ms <= 2633  # "gaps up to 2.6 s"
        assert (found.longest_gap_ms == 2633) == (path.stem == "SL14_R4")
