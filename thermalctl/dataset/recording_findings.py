"""What the recordings of a dataset mean for training: lost rows, uneven arrival, temperatures out of range."""

from __future__ import annotations

from collections.abc import Sequence

from thermalctl.dataset.findings import Finding, list_names, percent
from thermalctl.dataset.statistics import RecordingStatistics
from thermalctl.recordings.arrival import LONG_GAP_TIMES

#: Up to here the repair of incomplete frames is not worth a warning.
MAX_SHARE_INCOMPLETE = 0.01
#: Recordings whose clips of equally many frames differ in length by more than this show actions at different speeds.
MAX_SPAN_RATIO = 1.5
#: Up to this share of pixels may lie outside the temperature range that a model is given.
MAX_SHARE_CLIPPED = 0.001


def judge_incomplete_frames(recordings: Sequence[RecordingStatistics]) -> Finding:
    """Return whether lost rows matter."""
    num_frames = sum(recording.num_frames for recording in recordings)
    num_incomplete = sum(recording.num_incomplete for recording in recordings)
    num_lost_clips = sum(recording.num_lost_clips for recording in recordings)
    if num_lost_clips:
        return Finding(
            status="error",
            topic="frames",
            text=f"{num_lost_clips} annotated clips hold no complete frame, and cannot be repaired",
            fix="leave those keyframes out, or record again",
        )
    if not num_incomplete:
        return Finding(status="ok", topic="frames", text=f"all {num_frames:,} frames are complete")
    affected = sum(recording.num_incomplete > 0 for recording in recordings)
    text = (
        f"{percent(num_incomplete / num_frames)} are incomplete "
        f"({num_incomplete:,}, in {affected} of {len(recordings)} recordings)"
    )
    repair = "each gives way to the nearest complete frame of its clip"
    if num_incomplete <= MAX_SHARE_INCOMPLETE * num_frames:
        return Finding(status="ok", topic="frames", text=text, detail=repair)
    return Finding(
        status="warning",
        topic="frames",
        text=text,
        detail=repair,
        fix="check the sensor's link before recording more",
    )


def judge_timing(recordings: Sequence[RecordingStatistics]) -> list[Finding]:
    """Return whether clips of equally many frames last equally long, and whether any clock went back."""
    timed = [recording for recording in recordings if recording.timing]
    spans = [recording.timing.clip_span for recording in timed if recording.timing and recording.timing.clip_span]
    findings = []
    if spans:
        shortest, longest = min(span.min_s for span in spans), max(span.max_s for span in spans)
        window_frames = timed[0].timing.window_frames if timed[0].timing else 0
        text = f"{window_frames} frames last {shortest:.1f} to {longest:.1f} s"
        if longest > MAX_SPAN_RATIO * shortest:
            gaps = [recording.timing.median_gap_ms for recording in timed if recording.timing]
            findings.append(
                Finding(
                    status="warning",
                    topic="timing",
                    text=text,
                    detail=f"median gap {min(gaps):.0f} to {max(gaps):.0f} ms by recording: actions differ in speed",
                    fix="thermalctl train --time uniform --seconds 10",
                )
            )
        else:
            findings.append(Finding(status="ok", topic="timing", text=text))
    backwards = [recording.recording for recording in timed if recording.timing and recording.timing.num_out_of_order]
    if backwards:
        num_frames = sum(recording.timing.num_out_of_order for recording in timed if recording.timing)
        findings.append(
            Finding(
                status="warning",
                topic="timing",
                text=f"arrival times stand still or go back in {list_names(backwards)}",
                detail=f"{num_frames} frames are stamped no later than the frame before",
                fix="set the recorder's clock once, before recording",
            )
        )
    return findings


def judge_arrival(recordings: Sequence[RecordingStatistics]) -> Finding:
    """Return whether frames are missing for long."""
    known = [(recording, recording.arrival) for recording in recordings if recording.arrival]
    gapped = [recording for recording, arrival in known if arrival.num_long_gaps]
    longest_s = max((arrival.longest_gap_ms for _, arrival in known), default=0.0) / 1000.0
    share = max((arrival.share_in_bursts for _, arrival in known), default=0.0)
    if not gapped:
        bursts = f"; up to {percent(share)} of a recording's frames arrive in bursts" if share else ""
        return Finding(status="ok", topic="gaps", text=f"never longer than {longest_s:.1f} s{bursts}")
    num_gaps = sum(arrival.num_long_gaps for _, arrival in known)
    return Finding(
        status="warning",
        topic="gaps",
        text=f"up to {longest_s:.1f} s without a frame, in {len(gapped)} of {len(recordings)} recordings",
        detail=f"{num_gaps} gaps are over {LONG_GAP_TIMES:g} medians long; "
        f"up to {percent(share)} of a recording's frames arrive in bursts",
        fix="check the sensor's link: what a gap lost, no sampling brings back",
    )


def judge_temperatures(recordings: Sequence[RecordingStatistics], range_c: tuple[float, float]) -> Finding:
    """Return whether the temperature range that a model is given fits."""
    measured = [recording.temperatures for recording in recordings if recording.temperatures]
    if not measured:
        return Finding(status="error", topic="range", text="no complete frame in any recording", fix="record again")
    coldest, warmest = min(entry.min_c for entry in measured), max(entry.max_c for entry in measured)
    low, high = range_c
    worst = max(entry.share_clipped for entry in measured)
    text = f"{coldest:.1f} to {warmest:.1f} deg C"
    if worst <= MAX_SHARE_CLIPPED:
        return Finding(status="ok", topic="range", text=f"{text}; a model is given {low:g} to {high:g}")
    return Finding(
        status="warning",
        topic="range",
        text=f"{text}, but a model is given {low:g} to {high:g}",
        detail=f"up to {percent(worst)} of a recording's pixels are clipped",
        fix="frames must be in deg C; if they are, widen the temperature range",
    )
