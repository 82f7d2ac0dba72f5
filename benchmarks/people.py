"""How well people are found in recordings that nobody annotated, measured against annotators' boxes.

    python benchmarks/people.py --data thermal_action_dataset           # by recording, session and class
    python benchmarks/people.py --data thermal_action_dataset --choose  # settings chosen with each session held out,
                                                                        # and a baseline; about five minutes
    python benchmarks/people.py --simulated                             # other frame sizes, on simulated recordings

A box is recalled if a found one overlaps it by an intersection over union (IoU) of 0.3 or 0.5, each found box counted
once. A found box that overlaps nobody's by 0.3 is unmatched: wrong, or a person whom annotators left out.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from thermalctl.annotations.coco import Box
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.person_tracks import PersonTrack, number_people
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.people.blobs import WarmthSettings, find_warm_blobs
from thermalctl.people.tracking import track_people
from thermalctl.recordings.hdf5 import Recording, RecordingFile
from thermalctl.recordings.simulate import SimulatedRecording, SimulationOptions, simulate_session

#: What is tried where settings are chosen.
CHOICES = {
    "contrast_c": (2.0, 2.5, 3.0, 3.5, 4.0),
    "outline_share": (0.3, 0.4, 0.5),
    "least_excess_c": (1.0, 1.25, 1.5),
}
#: Thresholds of the baseline, deg C above the frame's median.
THRESHOLDS_C = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5)
FRAME_SIZES = ((40, 60), (24, 32), (32, 32), (80, 60), (120, 160))
MATCHED = 0.3
#: Frames at the start of a simulated recording that are not judged: nobody counts from their first sightings on.
SETTLING_FRAMES = 20


@dataclass(frozen=True, kw_only=True)
class Truth:
    """One person in one keyframe: where, as what, and who."""

    recording: str
    frame: int
    box: Box
    label: str
    who: int | str | None


@dataclass(frozen=True, kw_only=True)
class Match:
    """What became of a person in a keyframe.

    Attributes:
        truth: the person.
        overlap: IoU with the box that is theirs, 0 if none is.
        found_as: number of the track whose box that is; None where none overlaps by 0.3.
    """

    truth: Truth
    overlap: float
    found_as: int | None


@dataclass(frozen=True, kw_only=True)
class Score:
    """What was found in some keyframes: people, and how many boxes that are nobody's in how many frames."""

    matches: tuple[Match, ...]
    num_unmatched: int
    num_frames: int

    @property
    def overlaps(self) -> NDArray[np.float64]:
        """IoU of each person with the box that is theirs."""
        return np.array([match.overlap for match in self.matches])

    def recall(self, overlap: float) -> float:
        """Return the share of people whom a box overlaps by so much."""
        return float(np.mean(self.overlaps >= overlap))

    @property
    def f1(self) -> float:
        """F1 at an IoU of 0.5; a box that is matched by less counts as neither found nor wrong twice."""
        hits = int(np.sum(self.overlaps >= 0.5))
        num_found = int(np.sum(self.overlaps >= MATCHED)) + self.num_unmatched
        return 2 * hits / (len(self.matches) + num_found)

    @property
    def num_switches(self) -> int:
        """How often a person is found under another number than before."""
        numbers: dict[tuple[str, int | str], int] = {}
        switches = 0
        for match in sorted(self.matches, key=lambda each: (each.truth.recording, each.truth.frame)):
            if match.truth.who is not None and match.found_as is not None:
                key = (match.truth.recording, match.truth.who)
                switches += numbers.get(key, match.found_as) != match.found_as
                numbers[key] = match.found_as
        return switches


Choice = TypeVar("Choice")
Find = Callable[[Recording], Callable[[int], Mapping[int, Box]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a dataset folder with boxes")
    parser.add_argument("--choose", action="store_true", help="choose settings on each session, judge on the others")
    parser.add_argument("--simulated", action="store_true", help="judge on simulated recordings of other sizes")
    arguments = parser.parse_args()
    if arguments.simulated:
        show_simulated()
    if arguments.data is not None:
        dataset = load_dataset(DatasetLayout(arguments.data))
        recordings = read_recordings(dataset)
        (show_choice if arguments.choose else show_real)(dataset, recordings, list_truths(dataset))


def show_real(dataset: ThermalDataset, recordings: Mapping[str, Recording], truths: Sequence[Truth]) -> None:
    started_s = time.process_time()
    scores = {name: judge(find_with_tracker(), recordings[name], truths) for name in recordings}
    ms = 1000 * (time.process_time() - started_s) / sum(len(each.timestamps_ms) for each in recordings.values())
    show_head("recording")
    for name, score in scores.items():
        show_line(name, score)
    show_head("session")
    for session in sorted(set(dataset.sessions.values())):
        show_line(session, pool(score for name, score in scores.items() if dataset.sessions[name] == session))
    everything = pool(scores.values())
    show_line("all", everything)
    show_head("class")
    for label in dataset.classes:
        matches = tuple(match for match in everything.matches if match.truth.label == label)
        if matches:
            show_line(label, Score(matches=matches, num_unmatched=0, num_frames=0))
    print(f"\n{ms:.2f} ms a frame, tracking and everything, on one core")


def show_choice(dataset: ThermalDataset, recordings: Mapping[str, Recording], truths: Sequence[Truth]) -> None:
    tracked = {
        settings: {name: judge(find_with_tracker(settings), recordings[name], truths) for name in recordings}
        for settings in (
            WarmthSettings(**dict(zip(CHOICES, values, strict=True))) for values in itertools.product(*CHOICES.values())
        )
    }
    baseline = {
        f"{threshold_c:g} deg C above the median": {
            name: judge(find_above_median(threshold_c), recordings[name], truths) for name in recordings
        }
        for threshold_c in THRESHOLDS_C
    }
    for title, tried in (("tracker", tracked), ("baseline", baseline)):
        for session in sorted(set(dataset.sessions.values())):
            inside = [name for name in recordings if dataset.sessions[name] == session]
            outside = [name for name in recordings if name not in inside]
            best = choose({choice: pool(scores[name] for name in outside).f1 for choice, scores in tried.items()})
            print(f"\n{title}, chosen where {session} is held out: {best}")
            show_head("")
            show_line("chosen on", pool(tried[best][name] for name in outside))
            show_line(f"held out: {session}", pool(tried[best][name] for name in inside))
            if title == "tracker":
                show_line("as shipped", pool(tried[WarmthSettings()][name] for name in inside))
    show_head("one setting changed")
    for settings, scores in tracked.items():
        changed = [f"{name} {getattr(settings, name):g}" for name in CHOICES if differs(settings, name)]
        if len(changed) < 2:
            for session in sorted(set(dataset.sessions.values())):
                inside = pool(score for name, score in scores.items() if dataset.sessions[name] == session)
                show_line(f"{session}, {(changed or ['as shipped'])[0]}", inside)
    f1s = [pool(tried.values()).f1 for tried in tracked.values()]
    print(
        f"\nF1 of all {len(f1s)} settings, both sessions: {min(f1s):.3f} to {max(f1s):.3f}, median {np.median(f1s):.3f}"
    )


def differs(settings: WarmthSettings, name: str) -> bool:
    return bool(getattr(settings, name) != getattr(WarmthSettings(), name))


def choose(f1s: Mapping[Choice, float]) -> Choice:
    """Return the choice in the middle, in the order tried, of those that are within 0.005 of the best."""
    good = [choice for choice, f1 in f1s.items() if f1 >= max(f1s.values()) - 0.005]
    return good[len(good) // 2]


def show_simulated() -> None:
    show_head("simulated")
    for frame_size in FRAME_SIZES:
        options = SimulationOptions(num_sessions=3, recordings_per_session=1, frame_size=frame_size, seed=5)
        scores, seconds = [], 0.0
        for session in range(options.num_sessions):
            (made,) = simulate_session(options, session)
            truths = list_simulated_truths(made)
            started_s = time.process_time()
            scores.append(judge(find_with_tracker(), made.recording, truths))
            seconds += time.process_time() - started_s
        ms = 1000 * seconds / (options.num_sessions * options.frames_per_recording)
        show_line(f"{frame_size[0]}x{frame_size[1]}, {ms:.1f} ms a frame", pool(scores))


def find_with_tracker(settings: WarmthSettings | None = None) -> Find:
    """Return what finds people as thermalctl does: by number, where their track is in a frame."""

    def find(recording: Recording) -> Callable[[int], Mapping[int, Box]]:
        tracks = track_people(recording.frames_c, recording.timestamps_ms.tolist(), settings)
        return lambda frame: {number: box for number, track in tracks.items() if (box := find_box(track, frame))}

    return find


def find_box(track: PersonTrack, frame: int) -> Box | None:
    if not track.keyframes[0] <= frame <= track.keyframes[-1]:
        return None
    return Box(*track.locate(np.array([frame]))[0].tolist())


def find_above_median(threshold_c: float) -> Find:
    """Return the baseline: connected pixels of a person's size that are so much warmer than the frame's median."""
    settings = WarmthSettings(contrast_c=threshold_c, outline_share=0.0, least_excess_c=threshold_c)

    def find(recording: Recording) -> Callable[[int], Mapping[int, Box]]:
        def find_in(frame: int) -> Mapping[int, Box]:
            frame_c = recording.frames_c[frame]
            blobs = find_warm_blobs(frame_c - np.median(frame_c), 0.0, settings)
            return {number: blob.box for number, blob in enumerate(blobs)}

        return find_in

    return find


def judge(find: Find, recording: Recording, truths: Iterable[Truth]) -> Score:
    """Return what is found of the people in one recording."""
    by_frame: dict[int, list[Truth]] = {}
    for truth in truths:
        if truth.recording == recording.sensor_id:
            by_frame.setdefault(truth.frame, []).append(truth)
    find_in = find(recording)
    matches: list[Match] = []
    num_unmatched = 0
    for frame, people in by_frame.items():
        found = find_in(frame)
        matched = match_boxes(people, found)
        matches += matched
        num_unmatched += len(found) - sum(match.found_as is not None for match in matched)
    return Score(matches=tuple(matches), num_unmatched=num_unmatched, num_frames=len(by_frame))


def match_boxes(people: Sequence[Truth], found: Mapping[int, Box]) -> list[Match]:
    """Return each person with the found box that is theirs where the sum of overlaps is largest."""
    numbers = list(found)
    overlaps = np.array([[measure_overlap(truth.box, found[number]) for number in numbers] for truth in people])
    matches = [Match(truth=truth, overlap=0.0, found_as=None) for truth in people]
    if numbers:
        for row, column in zip(*linear_sum_assignment(-overlaps), strict=True):
            overlap = float(overlaps[row, column])
            found_as = numbers[column] if overlap >= MATCHED else None
            matches[row] = replace(matches[row], overlap=overlap, found_as=found_as)
    return matches


def measure_overlap(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes, as much of them as is in the frame."""
    corners = np.array([[b.cx - b.w / 2, b.cy - b.h / 2, b.cx + b.w / 2, b.cy + b.h / 2] for b in (first, second)])
    corners = np.clip(corners, 0.0, 1.0)
    shared = np.prod(np.clip(corners[:, 2:].min(axis=0) - corners[:, :2].max(axis=0), 0.0, None))
    areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    return float(shared / (areas.sum() - shared))


def pool(scores: Iterable[Score]) -> Score:
    scores = list(scores)
    return Score(
        matches=tuple(match for score in scores for match in score.matches),
        num_unmatched=sum(score.num_unmatched for score in scores),
        num_frames=sum(score.num_frames for score in scores),
    )


def read_recordings(dataset: ThermalDataset) -> dict[str, Recording]:
    recordings = {}
    for name in sorted(dataset.recordings):
        with RecordingFile(dataset.layout.recording_file(name)) as file:
            recordings[name] = replace(file.read_all(), sensor_id=name)
    return recordings


def list_truths(dataset: ThermalDataset) -> list[Truth]:
    numbers = number_people(dataset)
    return [
        Truth(
            recording=sample.recording,
            frame=sample.keyframe,
            box=sample.boxes[0],
            label=dataset.classes[sample.label],
            who=numbers[sample.sample_id],
        )
        for sample in dataset.samples("all", "person")
    ]


def list_simulated_truths(made: SimulatedRecording) -> list[Truth]:
    """Return everyone of whom at least 0.3 is in view, in all complete frames but the first ones."""
    height, width = made.recording.frames_c.shape[1:]
    truths = []
    for who, person in enumerate(made.people):
        is_judged = (person.labels >= 0) & (person.visible >= 0.3) & person.boxes_px.any(axis=1) & ~made.incomplete
        for frame in np.flatnonzero(is_judged[SETTLING_FRAMES:]) + SETTLING_FRAMES:
            left, top, right, bottom = person.boxes_px[frame] / [width, height, width, height]
            box = Box(float(left + right) / 2, float(top + bottom) / 2, float(right - left), float(bottom - top))
            truths.append(
                Truth(recording=made.recording.sensor_id, frame=int(frame), box=box, label="simulated", who=who)
            )
    return truths


def show_head(what: str) -> None:
    print(
        f"\n{what:<42}{'people':>7}{'recall .3':>11}{'recall .5':>11}{'mean IoU':>10}{'unmatched':>11}{'switches':>10}"
    )


def show_line(name: str, score: Score) -> None:
    unmatched, switches = "-", "-"
    if score.num_frames:
        unmatched, switches = f"{score.num_unmatched / score.num_frames:.3f}", str(score.num_switches)
    print(
        f"{name:<42}{len(score.matches):>7}{score.recall(0.3):>11.3f}{score.recall(0.5):>11.3f}"
        f"{score.overlaps.mean():>10.3f}{unmatched:>11}{switches:>10}"
    )


if __name__ == "__main__":
    main()
