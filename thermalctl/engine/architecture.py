"""What an architecture asks of its clips, and the other way round."""

from __future__ import annotations

from typing import Any

from thermalctl.errors import ConfigError


def set_input_channels(backbone: Any, num_channels: int) -> None:
    """Give a backbone's stem, or those of its pathways, as many input channels as its clips have."""
    pathways = [backbone[name] for name in ("slow_pathway", "fast_pathway") if name in backbone]
    for part in pathways or [backbone]:
        if num_channels != 3 or "in_channels" in part:  # 3 is every backbone's default, and not each has the parameter
            part.in_channels = num_channels


def check_length(backbone: Any, num_frames: int) -> None:
    """Check that a SlowFast's slow pathway gets a whole number of frames, for its features to meet the fast one's.

    Raises:
        ConfigError: if it does not.
    """
    rate = backbone.get("resample_rate", 1)
    if num_frames % rate:
        raise ConfigError(
            f"clip.num_frames is {num_frames}, expected a multiple of the backbone's resample_rate, {rate}",
            hint=f"clip.num_frames={max(1, round(num_frames / rate)) * rate}",
        )
