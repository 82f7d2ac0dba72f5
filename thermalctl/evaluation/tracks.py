"""The same person from keyframe to keyframe, and what their labels say about one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thermalctl.clip_spec import Target
from thermalctl.dataset.person_tracks import number_people
from thermalctl.dataset.samples import Sample, ThermalDataset

#: An action left and taken up again within this time, seconds, is rather one action with a slip in it. The keyframes
#: of the real recordings are about 1.2 s apart: three in a row span about this.
FLICKER_S = 3.0


def list_tracks(dataset: ThermalDataset, samples: Sequence[Sample], target: Target) -> list[list[int]]:
    """Return the places of the samples that follow one another, each track in the order of its keyframes.

    Args:
        dataset: whose annotators numbered the people.
        samples: of any splits; the places are theirs.
        target: whole frames follow one another in a recording. A person is followed by the annotators' number; without
            one, through the keyframes that show nobody else, and not at all where several are seen.
    """
    numbers = number_people(dataset) if target == "person" else {}
    tracks: dict[tuple[str, int | str], list[int]] = {}
    for place, sample in enumerate(samples):
        number = numbers.get(sample.sample_id) if target == "person" else "frame"
        if number is not None:
            tracks.setdefault((sample.recording, number), []).append(place)
    return [sorted(places, key=lambda place: samples[place].keyframe) for places in tracks.values()]


def find_neighbours(
    samples: Sequence[Sample], tracks: Sequence[Sequence[int]], *, num_frames: int, most: int
) -> list[list[int]]:
    """Return for each sample the places of the nearest samples of its track, the nearest first.

    Args:
        samples: in whose places tracks and answers are given.
        tracks: from `list_tracks`.
        num_frames: neighbours are less than this many frames away; the length of a clip.
        most: how many neighbours at most.
    """
    neighbours: list[list[int]] = [[] for _ in samples]
    for track in tracks:
        keyframes = np.array([samples[place].keyframe for place in track])
        for place, keyframe in zip(track, keyframes, strict=True):
            distances = np.abs(keyframes - keyframe)
            near = np.flatnonzero((distances > 0) & (distances < num_frames))
            nearest = near[np.argsort(distances[near], kind="stable")][:most]
            neighbours[place] = [track[position] for position in nearest]
    return neighbours


def find_flicker(
    dataset: ThermalDataset, samples: Sequence[Sample], tracks: Sequence[Sequence[int]]
) -> list[tuple[int, int]]:
    """Return (place, suggested class) of the labels that the keyframes before and after both contradict.

    The two agree with each other and lie within `FLICKER_S` of arrival time.

    Args:
        dataset: whose recordings tell the time.
        samples: in whose places tracks and answers are given.
        tracks: from `list_tracks`.
    """
    flicker = []
    for track in tracks:
        for before, place, after in zip(track, track[1:], track[2:], strict=False):
            first, middle, last = samples[before], samples[place], samples[after]
            times_ms = dataset.recordings[middle.recording].timestamps_ms
            if (
                first.label == last.label != middle.label
                and first.keyframe < middle.keyframe < last.keyframe
                and times_ms[last.keyframe] - times_ms[first.keyframe] <= 1000 * FLICKER_S
            ):
                flicker.append((place, last.label))
    return flicker
