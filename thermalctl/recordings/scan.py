"""Recordings read once, from which everything about their health follows.

What is kept of a recording is a few numbers for each frame and a few pictures: about 14 bytes of each frame of 10 kB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermalctl.recordings.blocks import read_blocks
from thermalctl.recordings.clip_pictures import ClipPictures
from thermalctl.recordings.health import find_incomplete_frames
from thermalctl.recordings.temperatures import TemperatureStatistics, TemperatureSums

#: Frames worked on at a time: 0.6 MB at 40x60, which a processor's cache holds from one step to the next.
TILE_FRAMES = 64
#: Of so many frames one gives its median. Drift is slow, and the median costs more than all other steps.
LEVEL_EVERY = 16
#: A glitch differs from both neighbours by so many times what they differ from each other by. In real and simulated
#: recordings a swinging leg comes to 1.5; a packet of garbage (a quarter of the frame, 3 deg C off) to 4.
GLITCH_TIMES_NEIGHBOURS = 3.0
#: Only frames that differ from both neighbours by so many times the usual are compared further.
GLITCH_TIMES_USUAL = 1.5

_DIGEST_BYTES = 8
#: Stands for the digest of an incomplete frame.
NO_DIGEST = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanRequest:
    """A recording to scan.

    Attributes:
        path: its file.
        frame_size: (height, width) in pixels.
        clips: (K, 2) int, the first frame of each of its clips and the one after the last.
    """

    path: Path
    frame_size: tuple[int, int]
    clips: NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelPictures:
    """What each pixel of a recording does over its complete frames, (H, W) float64, deg C.

    Attributes:
        num_frames: how many complete frames.
        mean_c: the mean.
        change_c: mean absolute change from one complete frame to the next; 0 where there is one frame.
        coldest_c: the lowest of the means over 64 frames: what is above it all the time is warm all the time.
    """

    num_frames: int
    mean_c: NDArray[np.float64]
    change_c: NDArray[np.float64]
    coldest_c: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordingScan:
    """What was seen of a recording of N frames.

    Attributes:
        incomplete: (N,) bool, frames with lost rows.
        digests: (N,) uint64, equal where frames are equal to the last bit; `NO_DIGEST` for incomplete frames.
        changes_c: (N,) float32, mean absolute change per pixel from the complete frame before; NaN for incomplete
            frames and the first complete one.
        glitches: frames far from both complete neighbours although those agree.
        level_frames: (M,) int, some complete frames, increasing.
        levels_c: (M,) float32, the median over the pixels of each.
        temperatures: None where no frame is complete.
        pixels: None where no frame is complete.
        clip_pictures_c: (K, h, w) float32, mean pictures of the clips, coarser than frames; NaN where no frame is
            complete.
    """

    incomplete: NDArray[np.bool_]
    digests: NDArray[np.uint64]
    changes_c: NDArray[np.float32]
    glitches: tuple[int, ...]
    level_frames: NDArray[np.intp]
    levels_c: NDArray[np.float32]
    temperatures: TemperatureStatistics | None
    pixels: PixelPictures | None
    clip_pictures_c: NDArray[np.float32]


def scan_recordings(
    requests: Sequence[ScanRequest], *, temperature_range_c: tuple[float, float]
) -> Iterator[RecordingScan]:
    """Return what is seen of each recording, in order, while the next frames are read.

    Args:
        requests: the recordings, each once.
        temperature_range_c: (low, high) deg C, the range that a model is given.

    Raises:
        RecordingError: if a file is missing or damaged.
    """
    wanted = {request.path: request for request in requests}
    for path, blocks in groupby(read_blocks(wanted), key=lambda block: block.path):
        scanner = _Scanner(wanted[path], temperature_range_c)
        for block in blocks:
            for start in range(0, len(block.frames_c), TILE_FRAMES):
                scanner.add(block.frames_c[start : start + TILE_FRAMES])
        yield scanner.finish()


class _Scanner:
    """What is seen of one recording so far."""

    def __init__(self, request: ScanRequest, temperature_range_c: tuple[float, float]) -> None:
        frame_size = request.frame_size
        self._num_frames = 0
        self._num_complete = 0
        self._incomplete: list[NDArray[np.bool_]] = []
        self._digests = bytearray()
        self._changes_c: list[NDArray[np.float32]] = []
        self._glitches: list[int] = []
        self._level_frames: list[NDArray[np.intp]] = []
        self._levels_c: list[NDArray[np.float32]] = []
        self._temperatures = TemperatureSums(temperature_range_c)
        self._pictures = ClipPictures(frame_size, request.clips)
        self._sum_c = np.zeros(frame_size)
        self._sum_of_changes_c = np.zeros(frame_size)
        self._coldest_c = np.full(frame_size, np.inf)
        # The last two complete frames, then those of this tile: each can be compared with the two before it.
        self._recent_c = np.zeros((2 + TILE_FRAMES, *frame_size), dtype=np.float32)
        self._differences_c = np.empty((TILE_FRAMES, *frame_size), dtype=np.float32)
        self._recent_frames = np.full(2, -1, dtype=np.intp)
        self._last_change_c = np.float32(np.nan)

    def add(self, tile_c: NDArray[np.float32]) -> None:
        """Look at the next frames, (n, H, W), at most `TILE_FRAMES`."""
        lost = find_incomplete_frames(tile_c)
        complete = np.flatnonzero(~lost)
        num_complete = len(complete)
        self._incomplete.append(lost)
        for frame_c, is_lost in zip(tile_c, lost.tolist(), strict=True):
            self._digests += bytes(_DIGEST_BYTES) if is_lost else _digest(frame_c)
        frames_c = self._recent_c[2 : 2 + num_complete]
        np.take(tile_c, complete, axis=0, out=frames_c, mode="clip")  # "raise" would make a copy first
        frames = self._num_frames + complete
        self._sum_up(frames_c, frames, len(tile_c))
        changes_c = np.full(len(tile_c), np.nan, dtype=np.float32)
        if num_complete:
            changes_c[complete] = self._compare(frames_c, frames)
            self._level_frames.append(frames[::LEVEL_EVERY])
            self._levels_c.append(np.median(frames_c[::LEVEL_EVERY].reshape(-1, frames_c[0].size), axis=1))
            self._recent_c[:2] = self._recent_c[num_complete : num_complete + 2].copy()
        self._changes_c.append(changes_c)
        self._num_complete += num_complete
        self._num_frames += len(tile_c)

    def _sum_up(self, frames_c: NDArray[np.float32], frames: NDArray[np.intp], num_in_tile: int) -> None:
        """Add up frames pixel by pixel, and apart between the places where clips start and stop."""
        marks = self._pictures.find_marks(self._num_frames, self._num_frames + num_in_tile)
        cuts = [0, *np.searchsorted(frames, marks).tolist(), len(frames)]
        sum_c = np.zeros(frames_c.shape[1:])
        for piece, (first, stop) in enumerate(pairwise(cuts)):
            if piece:
                self._pictures.mark()
            if stop > first:
                piece_c = frames_c[first:stop].sum(axis=0)
                self._pictures.add(piece_c, stop - first)
                sum_c += piece_c
        if len(frames):
            self._temperatures.add(frames_c, sum_c)
            self._sum_c += sum_c
            np.minimum(self._coldest_c, sum_c / len(frames), out=self._coldest_c)

    def _compare(self, frames_c: NDArray[np.float32], frames: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the change of each complete frame (n,) from the one before, and note the glitches among them."""
        num = len(frames)
        differences_c = self._differences_c[:num]
        np.subtract(frames_c, self._recent_c[1 : 1 + num], out=differences_c)
        np.abs(differences_c, out=differences_c)
        if not self._num_complete:
            differences_c[0] = 0.0
        self._sum_of_changes_c += differences_c.sum(axis=0)
        changes_c: NDArray[np.float32] = differences_c.reshape(num, -1).mean(axis=1)
        if not self._num_complete:
            changes_c[0] = np.nan
        self._find_glitches(
            np.concatenate([[self._last_change_c], changes_c]), np.concatenate([self._recent_frames, frames])
        )
        self._last_change_c = changes_c[-1]
        self._recent_frames = np.concatenate([self._recent_frames, frames])[-2:]
        return changes_c

    def _find_glitches(self, changes_c: NDArray[np.float32], frames: NDArray[np.intp]) -> None:
        """Note glitches: `changes_c` (n + 1,) are those of the last n + 1 frames in `frames` (n + 2,)."""
        known = changes_c[np.isfinite(changes_c)]
        if not known.size:
            return
        smaller_c = np.minimum(changes_c[:-1], changes_c[1:])  # NaN, and so no glitch, where one is not known
        for place in (1 + np.flatnonzero(smaller_c > GLITCH_TIMES_USUAL * np.median(known))).tolist():
            apart_c = np.abs(self._recent_c[place + 1] - self._recent_c[place - 1]).mean()
            if smaller_c[place - 1] >= GLITCH_TIMES_NEIGHBOURS * apart_c:
                self._glitches.append(int(frames[place]))

    def finish(self) -> RecordingScan:
        """Return what was seen."""
        num = self._num_complete
        pixels = PixelPictures(
            num_frames=num,
            mean_c=self._sum_c / max(1, num),
            change_c=self._sum_of_changes_c / max(1, num - 1),
            coldest_c=self._coldest_c,
        )
        return RecordingScan(
            incomplete=_join(self._incomplete, np.bool_),
            digests=np.frombuffer(bytes(self._digests), dtype="<u8").astype(np.uint64),
            changes_c=_join(self._changes_c, np.float32),
            glitches=tuple(self._glitches),
            level_frames=_join(self._level_frames, np.intp),
            levels_c=_join(self._levels_c, np.float32),
            temperatures=self._temperatures.summarise(),
            pixels=pixels if num else None,
            clip_pictures_c=self._pictures.finish(),
        )


def _digest(frame_c: NDArray[np.float32]) -> bytes:
    # Processors have instructions for SHA-256: 8 us a frame, where BLAKE2b takes 21 and unpacking the frame 45.
    return hashlib.sha256(frame_c.data).digest()[:_DIGEST_BYTES]


def _join(parts: list[NDArray], dtype: type) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate([np.zeros(0, dtype=dtype), *parts])
