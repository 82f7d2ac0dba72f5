"""Frames of many recordings, block by block, the next block read while the last one is worked on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermalctl.recordings.hdf5 import CHUNK_FRAMES, RecordingFile

#: Frames read at a time: 10 MB at 40x60, whatever the recording's length.
BLOCK_FRAMES = 1024
#: Larger frames are read fewer at a time. Two blocks are held, and while it is read a third copy of one.
BLOCK_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Consecutive frames of one recording.

    Attributes:
        path: the recording's file.
        start: index of the first frame in the recording.
        frames_c: (n, H, W) float32, deg C; none only where the recording holds none.
    """

    path: Path
    start: int
    frames_c: NDArray[np.float32]


def read_blocks(paths: Iterable[Path]) -> Iterator[Block]:
    """Return all frames of the recordings, one after the other, each in order; at least one block for each.

    A thread reads one block ahead: unpacking gzip is most of the work, and leaves Python free meanwhile.

    Raises:
        RecordingError: if a file is missing or damaged.
    """
    blocks = _read_blocks(paths)
    with ThreadPoolExecutor(max_workers=1) as reader:
        upcoming = reader.submit(next, blocks, None)
        while (block := upcoming.result()) is not None:
            upcoming = reader.submit(next, blocks, None)
            yield block


def _read_blocks(paths: Iterable[Path]) -> Iterator[Block]:
    for path in paths:
        with RecordingFile(path) as file:
            step = _choose_block_frames(file.frame_size)
            for start in range(0, max(1, file.num_frames), step):
                frames_c = file.read(range(start, min(start + step, file.num_frames)))
                yield Block(path=path, start=start, frames_c=frames_c)


def _choose_block_frames(frame_size: tuple[int, int]) -> int:
    height, width = frame_size
    affordable = BLOCK_BYTES // max(1, 4 * height * width)
    whole_chunks = affordable // CHUNK_FRAMES * CHUNK_FRAMES  # a chunk that two blocks share is unpacked twice
    return min(BLOCK_FRAMES, max(CHUNK_FRAMES, whole_chunks))
