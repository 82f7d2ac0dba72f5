"""How many rows and columns a table's frames have, where nobody says."""

from __future__ import annotations

import re
from collections.abc import Sequence

from thermalctl.errors import RecordingError

#: (height, width) of thermal arrays that are sold: Grid-EYE, MLX90641, MLX90640, the 40x60 array, HTPA60x40's kin,
#: Lepton 2 and 3, SenXor. No two have the same number of pixels.
WELL_KNOWN_SIZES = ((8, 8), (12, 16), (16, 16), (24, 32), (40, 60), (60, 80), (62, 80), (120, 160))

_SIZE = re.compile(r"(?<![\w.])(\d{1,4})\s*[x×*]\s*(\d{1,4})(?![\w.])", re.IGNORECASE)
_HEIGHT = re.compile(r"\b(?:frame_)?(?:height|rows|num_rows|n_rows)\b\W{0,5}(\d{1,4})\b", re.IGNORECASE)
_WIDTH = re.compile(r"\b(?:frame_)?(?:width|cols|columns|num_cols|n_cols)\b\W{0,5}(\d{1,4})\b", re.IGNORECASE)


def find_well_known_size(num_pixels: int) -> tuple[int, int] | None:
    """Return the (height, width) of the well-known sensor with so many pixels; None if there is none."""
    return next((size for size in WELL_KNOWN_SIZES if size[0] * size[1] == num_pixels), None)


def find_told_size(where: str, lines: Sequence[str]) -> tuple[int, int] | None:
    """Return the (height, width) that a table's preamble tells: `40x60`, or `height: 40` and `width: 60`; or None.

    Raises:
        RecordingError: if `60x40` could mean either.
    """
    text = "\n".join(lines)
    height, width = _HEIGHT.search(text), _WIDTH.search(text)
    if height and width:
        return (int(height[1]), int(width[1])) if int(height[1]) and int(width[1]) else None
    size = _SIZE.search(text)
    if size is None or not int(size[1]) or not int(size[2]):
        return None
    first, second = int(size[1]), int(size[2])
    if first > second:
        raise RecordingError(
            f'{where}: the preamble says "{size[0]}", which may be height x width or width x height',
            hint=f"say which: --frame-size {second}x{first} for frames that are wider than high",
        )
    return first, second
