"""What the sensor does to its recordings: faulty pixels, hot spots, frames shown again, glitches, drift."""

from __future__ import annotations

from collections.abc import Sequence

from thermalctl.dataset.findings import Finding, list_names
from thermalctl.dataset.statistics import RecordingStatistics
from thermalctl.recordings.pixels import NOISY_TIMES, FaultyPixel

#: Nothing living is warmer, deg C: a spot that is draws a model's eye wherever people's warmth should.
MAX_LIVING_C = 40.0
#: Faulty pixels named one by one; the rest are counted.
_MAX_NAMED = 3


def judge_sensor(recordings: Sequence[RecordingStatistics]) -> list[Finding]:
    """Return what is wrong with the sensor, a finding for each fault, and one "ok" for all that it does not have."""
    checks = {
        "faulty pixel": _judge_pixels(recordings),
        "hot spot": _judge_hot_spots(recordings),
        "frozen or repeated frame": _judge_repeated(recordings),
        "glitch": _judge_glitches(recordings),
        "drift": _judge_drift(recordings),
        "warm-up": _judge_warm_up(recordings),
    }
    findings = [finding for finding in checks.values() if finding is not None]
    fine = [name for name, finding in checks.items() if finding is None]
    if fine:
        findings.append(Finding(status="ok", topic="sensor", text=f"no {', no '.join(fine)}"))
    return findings


def _judge_pixels(recordings: Sequence[RecordingStatistics]) -> Finding | None:
    affected = [entry for entry in recordings if entry.faulty_pixels]
    if not affected:
        return None
    worst: dict[tuple[int, int], FaultyPixel] = {}
    for pixel in (pixel for entry in affected for pixel in entry.faulty_pixels):
        known = worst.get((pixel.row, pixel.column))
        if known is None or abs(pixel.offset_c) > abs(known.offset_c):
            worst[pixel.row, pixel.column] = pixel
    named = [_describe_pixel(pixel) for _, pixel in sorted(worst.items())]
    detail = list_names(named, _MAX_NAMED)
    num_noisy = max(entry.num_noisy_pixels for entry in recordings)
    if num_noisy:
        detail += f"; up to {num_noisy} pixels are over {NOISY_TIMES:g} times as noisy as most"
    return Finding(
        status="warning",
        topic="pixels",
        text=f"{len(worst)} faulty pixel{'s' * (len(worst) > 1)} {_where(affected, recordings)}",
        detail=detail,
        fix="recalibrate the sensor before recording more",
    )


def _describe_pixel(pixel: FaultyPixel) -> str:
    side = "below" if pixel.offset_c < 0 else "above"
    return (
        f"row {pixel.row} column {pixel.column} is {pixel.kind}, {abs(pixel.offset_c):.1f} deg C {side} its neighbours"
    )


def _judge_hot_spots(recordings: Sequence[RecordingStatistics]) -> Finding | None:
    affected = [entry for entry in recordings if entry.hot_spots]
    if not affected:
        return None
    hottest = max((spot for entry in affected for spot in entry.hot_spots), key=lambda spot: spot.temperature_c)
    place = f"row {hottest.row} column {hottest.column}"
    text = f"a hot spot {_where(affected, recordings)}"
    if hottest.temperature_c <= MAX_LIVING_C:
        return Finding(status="ok", topic="room", text=f"{text}: {hottest.temperature_c:.0f} deg C at {place}")
    return Finding(
        status="warning",
        topic="room",
        text=text,
        detail=f"{hottest.temperature_c:.0f} deg C at {place}, {hottest.above_c:.0f} above the scene: "
        "a lamp or radiator, warmer than anyone",
        fix="move it out of view, or record the same actions without it too",
    )


def _judge_repeated(recordings: Sequence[RecordingStatistics]) -> Finding | None:
    affected = [entry for entry in recordings if entry.repeated.num_frozen or entry.repeated.num_duplicates]
    if not affected:
        return None
    num_frozen = sum(entry.repeated.num_frozen for entry in affected)
    num_duplicates = sum(entry.repeated.num_duplicates for entry in affected)
    longest = max(affected, key=lambda entry: entry.repeated.longest_freeze)
    details = []
    if num_frozen:
        run, start = longest.repeated.longest_freeze, longest.repeated.freeze_at
        details.append(f"the longest standstill is {run} frames, from frame {start} of {longest.recording}")
    if num_duplicates:
        details.append(f"{num_duplicates} occurred before, but not just before")
    return Finding(
        status="warning",
        topic="frozen",
        text=f"{num_frozen + num_duplicates} frames repeat an earlier one {_where(affected, recordings)}",
        detail="; ".join(details),
        fix="check the recorder: it stores frames again when none arrives",
    )


def _judge_glitches(recordings: Sequence[RecordingStatistics]) -> Finding | None:
    affected = [entry for entry in recordings if entry.glitches]
    if not affected:
        return None
    most = max(affected, key=lambda entry: len(entry.glitches))
    frames = list_names([str(frame) for frame in most.glitches])
    return Finding(
        status="warning",
        topic="glitches",
        text=f"{sum(len(entry.glitches) for entry in affected)} frames are unlike both neighbours "
        f"{_where(affected, recordings)}",
        detail=f"frames {frames} of {most.recording}; they are complete, so nothing repairs them",
        fix="check the sensor's link and supply before recording more",
    )


def _judge_drift(recordings: Sequence[RecordingStatistics]) -> Finding | None:
    drifting = [(entry, entry.trend) for entry in recordings if entry.trend and entry.trend.is_drifting]
    if not drifting:
        return None
    entry, trend = max(drifting, key=lambda pair: abs(pair[1].shift_c))
    return Finding(
        status="warning",
        topic="drift",
        text=f"the scene drifts {_where([each for each, _ in drifting], recordings)}",
        detail=f"by {trend.shift_c:+.1f} deg C in {entry.recording}, {trend.drift_c_per_hour:+.1f} an hour",
        fix="let the sensor calibrate itself more often, or record in a steadier room",
    )


def _judge_warm_up(recordings: Sequence[RecordingStatistics]) -> Finding | None:
    settling = [(entry, entry.trend) for entry in recordings if entry.trend and entry.trend.warm_up_c]
    if not settling:
        return None
    entry, trend = max(settling, key=lambda pair: abs(pair[1].warm_up_c))
    return Finding(
        status="warning",
        topic="warm-up",
        text=f"the sensor warms up {_where([each for each, _ in settling], recordings)}",
        detail=f"by {trend.warm_up_c:+.1f} deg C in the first {trend.warm_up_s:.0f} s of {entry.recording}",
        fix="switch the sensor on before recording, and leave out what came earlier",
    )


def _where(affected: Sequence[RecordingStatistics], recordings: Sequence[RecordingStatistics]) -> str:
    if len(affected) == 1:
        return f"in {affected[0].recording}"
    return f"in {'all' if len(affected) == len(recordings) else f'{len(affected)} of'} {len(recordings)} recordings"
