from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from thermalctl.recordings import blocks
from thermalctl.recordings.hdf5 import Recording, write_recording
from thermalctl.recordings.scan import NO_DIGEST, RecordingScan, ScanRequest, scan_recordings

LOST_C = np.float32(-273.2)


def scan(tmp_path: Path, frames_c: np.ndarray, clips: list[tuple[int, int]] | None = None) -> RecordingScan:
    path = tmp_path / "recording.h5"
    stamps_ms = np.arange(len(frames_c), dtype=np.int64)
    write_recording(
        path,
        Recording(sensor_id="r", mac_address="", frames_c=frames_c, timestamps_ms=stamps_ms, frame_seqs=stamps_ms),
    )
    request = ScanRequest(
        path=path, frame_size=frames_c.shape[1:], clips=np.array(clips or [], dtype=np.intp).reshape(-1, 2)
    )
    (found,) = scan_recordings([request], temperature_range_c=(5.0, 45.0))
    return found


@pytest.fixture
def frames_c() -> np.ndarray:
    """200 frames of 5x7, a fifth of them incomplete: the first two, all from 64 to 130, and some more."""
    rng = np.random.default_rng(11)
    frames_c = rng.uniform(0, 60, (200, 5, 7)).astype(np.float32)
    frames_c[[0, 1, 20, 63, 150, 199], 3:] = LOST_C
    frames_c[64:131, 2:] = LOST_C
    return frames_c


@pytest.mark.parametrize("block_frames", [1, 63, 64, 65, 1024])
def test_scan_is_the_same_whatever_the_block_size(
    frames_c: np.ndarray, block_frames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_FRAMES", block_frames)
    found = scan(tmp_path, frames_c, [(0, 2), (5, 69), (100, 164), (60, 140), (70, 90), (140, 200)])
    lost = (frames_c < -50).any(axis=(1, 2))
    complete_c = frames_c[~lost].astype(np.float64)
    changes_c = np.abs(np.diff(complete_c, axis=0))

    assert (found.incomplete == lost).all()
    assert np.isnan(found.changes_c[lost]).all()
    assert np.isnan(found.changes_c[~lost][0])
    assert found.changes_c[~lost][1:] == pytest.approx(changes_c.mean(axis=(1, 2)), rel=1e-5)

    assert found.pixels is not None
    assert found.pixels.num_frames == len(complete_c)
    assert found.pixels.mean_c == pytest.approx(complete_c.mean(axis=0), rel=1e-5)
    assert found.pixels.change_c == pytest.approx(changes_c.mean(axis=0), rel=1e-5)

    assert found.temperatures is not None
    assert found.temperatures.min_c == complete_c.min()
    assert found.temperatures.max_c == complete_c.max()
    assert found.temperatures.mean_c == pytest.approx(complete_c.mean(), rel=1e-6)
    assert found.temperatures.std_c == pytest.approx(complete_c.std(), rel=1e-6)
    assert found.temperatures.share_clipped == np.mean((complete_c < 5) | (complete_c > 45))

    medians_c = np.median(frames_c[found.level_frames], axis=(1, 2))
    assert not lost[found.level_frames].any()
    assert (np.diff(found.level_frames) > 0).all()
    assert found.levels_c == pytest.approx(medians_c)

    for (first, stop), picture_c in zip(
        [(5, 69), (100, 164), (60, 140), (140, 200)], found.clip_pictures_c[[1, 2, 3, 5]], strict=True
    ):
        inside_c = frames_c[first:stop][~lost[first:stop]]
        assert picture_c == pytest.approx(inside_c.mean(axis=0), rel=1e-5)
    assert np.isnan(found.clip_pictures_c[[0, 4]]).all()


def test_coldest_picture_is_of_the_coldest_64_frames(tmp_path: Path) -> None:
    frames_c = np.full((192, 3, 4), 20, dtype=np.float32)
    frames_c[64:128] = 18
    frames_c[128:, 0, 0] = 10
    found = scan(tmp_path, frames_c)
    assert found.pixels is not None
    assert found.pixels.coldest_c[0].tolist() == [10, 18, 18, 18]


def test_equal_frames_have_equal_digests_and_incomplete_ones_none(tmp_path: Path) -> None:
    frames_c = np.random.default_rng(2).uniform(10, 30, (5, 3, 4)).astype(np.float32)
    frames_c[3] = frames_c[0]
    frames_c[4] = frames_c[1]
    frames_c[4, 2, 3] = np.nextafter(frames_c[4, 2, 3], np.float32(100))
    frames_c[2] = LOST_C
    digests = scan(tmp_path, frames_c).digests
    assert digests[0] == digests[3]
    assert digests[2] == NO_DIGEST
    assert len(set(digests.tolist())) == 4


def test_large_frames_make_small_pictures(tmp_path: Path) -> None:
    frames_c = np.random.default_rng(2).uniform(10, 30, (4, 40, 60)).astype(np.float32)
    (picture_c,) = scan(tmp_path, frames_c, [(0, 4)]).clip_pictures_c
    assert picture_c.shape == (10, 15)
    assert picture_c[3, 5] == pytest.approx(frames_c[:, 12:16, 20:24].mean(), rel=1e-5)


def test_edge_that_fills_no_cell_is_left_out_of_pictures(tmp_path: Path) -> None:
    frames_c = np.random.default_rng(2).uniform(10, 30, (4, 11, 31)).astype(np.float32)  # cells of 2x2
    (picture_c,) = scan(tmp_path, frames_c, [(0, 4)]).clip_pictures_c
    assert picture_c.shape == (5, 15)
    assert picture_c[4, 14] == pytest.approx(frames_c[:, 8:10, 28:30].mean(), rel=1e-5)


def test_recording_without_a_complete_frame_shows_nothing(tmp_path: Path) -> None:
    found = scan(tmp_path, np.full((70, 3, 4), LOST_C), [(0, 64)])
    assert found.incomplete.all()
    assert found.temperatures is None
    assert found.pixels is None
    assert found.levels_c.size == 0
    assert np.isnan(found.clip_pictures_c).all()


def test_recording_without_frames_is_scanned(tmp_path: Path) -> None:
    path = tmp_path / "empty.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", shape=(0, 3, 4), dtype=np.float32)
        file.create_dataset("timestamps", shape=(0,), dtype=np.int64)
    request = ScanRequest(path=path, frame_size=(3, 4), clips=np.zeros((0, 2), dtype=np.intp))
    (found,) = scan_recordings([request], temperature_range_c=(5.0, 45.0))
    assert len(found.incomplete) == len(found.digests) == 0
    assert found.pixels is None


def test_incomplete_frame_between_does_not_hide_a_glitch_nor_make_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    frames_c = (20 + rng.normal(0, 0.25, (40, 8, 8))).astype(np.float32)
    frames_c[10] = LOST_C
    frames_c[11] += 5
    frames_c[30:] += 5  # the room's light went on: far from the frame before, and as the frame after
    assert scan(tmp_path, frames_c).glitches == (11,)
