"""What is written beside a clip, the same in pictures, animations and the terminal."""

from __future__ import annotations

from thermalctl.reports.preview.clips import PreviewClip
from thermalctl.reports.preview.colours import Scale


def describe_clip(clip: PreviewClip) -> str:
    """Return which clip it is, when it was taken, and what is wrong with it."""
    parts = [
        clip.sample.sample_id,  # first and unbroken, to be copied
        clip.split,
        f"{clip.sample.recording} frame {clip.sample.keyframe}",
        f"{clip.time:%Y-%m-%d %H:%M:%S} UTC",
    ]
    if clip.num_incomplete:
        parts.append(f"{clip.num_incomplete} of {clip.num_frames} frames incomplete")
    if clip.remark:
        parts.append(clip.remark)
    return " · ".join(parts)


def describe_step(clip: PreviewClip, step: int) -> str:
    """Return when a frame arrived, seconds from the keyframe, and whether it is special."""
    when = "0 s keyframe" if step == clip.keyframe else format_offset(clip.times_s[step])
    return f"{when}, incomplete" if clip.incomplete[step] else when


def describe_scale(scale: Scale) -> str:
    """Return what the colours are from."""
    return (
        f"colours from {scale.low_c:.1f} to {scale.high_c:.1f} °C ({scale.origin}); "
        "what is colder or warmer has the end's colour"
    )


def format_offset(seconds: float) -> str:
    """Return seconds with a sign: "-1.25 s", "0.00 s", "+3.00 s"."""
    rounded = round(float(seconds), 2) + 0.0  # no -0.00
    return f"{rounded:+.2f} s" if rounded else "0.00 s"
