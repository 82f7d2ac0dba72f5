"""What a dataset's numbers mean for training: findings, each with what to do about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from thermalctl.dataset.duplicates import NEAR_C, DuplicateClips, IdenticalFrames
from thermalctl.dataset.leakage import Leakage
from thermalctl.dataset.statistics import ClassStatistics

Status = Literal["error", "warning", "ok"]
_WORST_FIRST: tuple[Status, ...] = ("error", "warning", "ok")

#: Above this share of ambiguous keyframes, whole-frame labels set a ceiling on any score.
MAX_SHARE_CONFLICTING = 0.05
#: Below this, a class can hardly be learned, and its recall is not worth a percentage.
MIN_CLIPS_PER_CLASS = 5
#: A split that is judged should tell top-1 accuracies apart that differ by this much: half a 95 % interval.
MAX_HALF_INTERVAL = 0.05
#: Neighbouring recordings overlap by less than this share of the shorter one; real ones by a third.
MOST_SHARED = 0.6
#: A keyframe matches a frame by arrival time, exactly or within this (the annotation converter's tolerance).
MAX_KEYFRAME_OFFSET_MS = 50


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was checked.

    Attributes:
        status: "error": scores will mislead or clips are lost; "warning": know it before training; "ok".
        topic: one word: "leakage", "copies", "frames", "pixels", "room", "frozen", "glitches", "drift", "warm-up",
            "sensor", "labels", "classes", "timing", "gaps", "stamps", "range", "splits", or a split's name.
        text: what was found, with numbers.
        detail: a second sentence, None if the first says it all.
        fix: what to do, None for "ok".
    """

    status: Status
    topic: str
    text: str
    detail: str | None = None
    fix: str | None = None


def sort_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings worst first, otherwise in their order."""
    return tuple(sorted(findings, key=lambda finding: _WORST_FIRST.index(finding.status)))


def judge_leakage(leakage: Leakage) -> Finding:
    """Return whether a split judges more than memory."""
    protocol = leakage.protocol
    split, num_clips = protocol.split, protocol.num_clips
    fix = (
        "thermalctl split-dataset --by session"
        if protocol.num_sessions > 1
        else "record another session: one alone cannot be split without leaking"
    )
    if protocol.num_overlapping:
        overlapping = protocol.num_overlapping
        share = f"all {num_clips}" if overlapping == num_clips else f"{overlapping} of {num_clips}"
        distance = leakage.median_distance_frames
        apart = "" if distance is None else f" (median {distance:g} frames apart)"
        return Finding(
            status="error",
            topic="leakage",
            text=f"{share} {split} clips overlap a train clip{apart}",
            detail=f"copying the nearest label scores {percent(leakage.copy_top1)}, "
            f"mean class {percent(leakage.copy_mean_class)}",
            fix=fix,
        )
    if protocol.shared_sessions:
        return Finding(
            status="warning",
            topic="leakage",
            text=f"no {split} clip overlaps a train clip, but both see {list_names(protocol.shared_sessions)}",
            detail="a model may know the room and the people, not the action",
            fix=fix,
        )
    return Finding(status="ok", topic="leakage", text=f"{split} shares no frame and no session with train")


def judge_duplicates(identical: Sequence[IdenticalFrames], clips: Sequence[DuplicateClips]) -> list[Finding]:
    """Return whether frames are held under two names or stamps, and whether clips look alike that share none.

    Args:
        identical: the pairs of recordings that hold the same frames, worst first.
        clips: what that means for each judged split.
    """
    findings = []
    if identical:
        copied = [entry for entry in clips if entry.num_copied]
        pair = identical[0]
        held = f"{pair.first} and {pair.second} hold {pair.num_frames} identical frames"
        more = len(identical) - 1
        others = f", {more} more pair{'s' * (more > 1)} too" if more else ""
        splits = ", ".join(f"{entry.num_copied} of {entry.num_clips} {entry.split} clips" for entry in copied)
        findings.append(
            Finding(
                status="error" if copied else "warning",
                topic="copies",
                text=f"{splits} hold frames of train clips under another name or time" if copied else held + others,
                detail=(f"{held}{others}: " if copied else "")
                + ("one stretch under two names or stamps" if pair.other_session else "one stretch under two stamps"),
                fix="look at both: remove a copy, or mend a clock that was set between them",
            )
        )
    findings.extend(
        Finding(
            status="warning",
            topic="copies",
            text=f"{entry.num_near_apart} of {entry.num_clips} {entry.split} clips look like a train clip, "
            "though they share no frame",
            detail=f"their mean pictures differ by less than {NEAR_C:g} deg C, a pixel's noise",
            fix=f"look at them; give each session wholly to train or to {entry.split}",
        )
        for entry in clips
        if entry.num_near_apart
    )
    return findings


def judge_overlaps(
    shared: Mapping[tuple[str, str], int], num_frames: Mapping[str, int], *, are_copies: bool
) -> list[Finding]:
    """Return whether recordings of one session overlap as neighbours do, or are the same recording twice.

    Args:
        shared: frames with the same stamp, by pair of recordings of one device.
        num_frames: of each recording.
        are_copies: whether frames were found under other stamps too, which is told elsewhere.
    """
    same = [pair for pair, count in shared.items() if count > MOST_SHARED * min(num_frames[name] for name in pair)]
    if same:
        first, second = same[0]
        more = f", {len(same) - 1} more pairs too" if len(same) > 1 else ""
        return [
            Finding(
                status="warning",
                topic="copies",
                text=f"{first} and {second} hold the same {shared[first, second]} frames{more}",
                detail="one recording under two names: its keyframes count twice",
                fix="remove one of the two",
            )
        ]
    if are_copies:
        return []
    if not shared:
        return [Finding(status="ok", topic="copies", text="no frame is held twice")]
    fewest, most = min(shared.values()), max(shared.values())
    each = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    text = f"{len(shared)} pairs of neighbouring recordings share {each} frames, and are one session each"
    return [Finding(status="ok", topic="copies", text=text)]


def judge_conflicting_labels(num_conflicting: int, num_keyframes: int) -> Finding:
    """Return whether one label per frame is ambiguous too often."""
    text = f"{num_conflicting} of {num_keyframes} keyframes show people with different labels"
    if num_conflicting <= MAX_SHARE_CONFLICTING * num_keyframes:
        return Finding(status="ok", topic="labels", text=text if num_conflicting else "one label in every keyframe")
    return Finding(
        status="warning",
        topic="labels",
        text=text,
        detail="ties go to the lowest class id, not to the riskier action; judge people, not frames",
        fix="thermalctl train --target person",
    )


def judge_classes(classes: Sequence[ClassStatistics]) -> Finding:
    """Return whether every class has enough training clips."""
    absent = [entry for entry in classes if not entry.keyframes["train"]]
    rare = [entry for entry in classes if 0 < entry.keyframes["train"] < MIN_CLIPS_PER_CLASS]
    judged_only = [entry.name for entry in absent if any(entry.keyframes.values())]
    if not absent and not rare:
        fewest = min(entry.keyframes["train"] for entry in classes)
        return Finding(status="ok", topic="classes", text=f"every class has at least {fewest} train clips")
    parts = []
    if absent:
        parts.append(f"{len(absent)} of {len(classes)} never occur in train")
    if rare:
        number = str(len(rare)) if absent else f"{len(rare)} of {len(classes)}"
        parts.append(f"{number} {'has' if len(rare) == 1 else 'have'} fewer than {MIN_CLIPS_PER_CLASS} clips")
    return Finding(
        status="warning",
        topic="classes",
        text=", ".join(parts),
        detail=f"judged but never trained: {list_names(judged_only)}" if judged_only else None,
        fix="annotate more, or merge what need not be told apart",
    )


def judge_splits(splits: Sequence[str]) -> Finding:
    """Return whether there is anything to judge a model on."""
    judged = [split for split in splits if split != "train"]
    if judged:
        return Finding(status="ok", topic="splits", text=", ".join(splits))
    return Finding(
        status="warning",
        topic="splits",
        text="train only: nothing to judge a model on",
        fix="thermalctl split-dataset --by session",
    )


def judge_split_size(split: str, num_clips: int, classes: Sequence[ClassStatistics]) -> Finding:
    """Return whether a judged split is large enough to compare models on."""
    num_classes = sum(bool(entry.keyframes[split]) for entry in classes)
    # The binomial interval at 70 %, where results on such data lie. Clips that overlap count for less than one each.
    half_interval = 1.96 * math.sqrt(0.7 * 0.3 / max(1, num_clips))
    text = f"{num_clips} clips: a top-1 of 70 % means 70 ± {100 * half_interval:.0f} at best"
    if half_interval <= MAX_HALF_INTERVAL:
        return Finding(status="ok", topic=split, text=text)
    singles = sum(entry.keyframes[split] == 1 for entry in classes)
    return Finding(
        status="warning",
        topic=split,
        text=text,
        detail=f"{singles} of its {num_classes} classes have a single clip" if singles > 1 else None,
        fix=f"judge on more clips: {math.ceil(1.96**2 * 0.7 * 0.3 / MAX_HALF_INTERVAL**2)} give ± 5",
    )


def judge_keyframe_times(num_off: int, num_keyframes: int) -> Finding:
    """Return whether keyframes are stamped as the frames they name."""
    if not num_off:
        return Finding(
            status="ok", topic="stamps", text=f"all {num_keyframes} keyframes carry their frame's arrival time"
        )
    return Finding(
        status="error",
        topic="stamps",
        text=f"{num_off} of {num_keyframes} keyframes are over {MAX_KEYFRAME_OFFSET_MS} ms from their frame",
        detail="their labels may sit on the wrong frames",
        fix="compare timestamp and frame_idx with timestamps in frames/*.h5",
    )


def percent(share: float) -> str:
    """Return a share, 0 to 1, in words: "5.2 %"."""
    return f"{100 * share:.1f} %"


def list_names(names: Sequence[str], most: int = 4) -> str:
    """Return names in words: the first few, the rest counted."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
