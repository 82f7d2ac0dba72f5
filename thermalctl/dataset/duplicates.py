"""What is in a dataset twice under other names or stamps: frames equal to the last bit, and clips that look the same.

Sessions are found by arrival times. A recording that was copied under another name and stamped anew is a session of its
own by that rule, and a split by session then judges what was trained on. Its frames tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.dataset.clips import find_clip_spans
from thermalctl.dataset.leakage import find_overlapping
from thermalctl.dataset.samples import Sample, ThermalDataset
from thermalctl.recordings.scan import NO_DIGEST

#: Clips whose mean pictures differ by less, in the root mean square, look the same: the noise of a pixel in a single
#: frame. In the real recordings clips of different sessions differ by 1.4 or more.
NEAR_C = 0.25
#: Judged clips compared at a time, each with all training clips.
_BLOCK_CLIPS = 256


@dataclass(frozen=True, kw_only=True)
class IdenticalFrames:
    """Two recordings that hold the same frames under different stamps or devices.

    Attributes:
        first: one recording.
        second: the other.
        num_frames: frames equal to the last bit that arrival times do not tell of.
        other_session: whether the two are taken for different sessions.
    """

    first: str
    second: str
    num_frames: int
    other_session: bool


@dataclass(frozen=True, kw_only=True)
class DuplicateClips:
    """How many clips of a judged split training has seen, or as good as.

    Attributes:
        split: the judged split.
        num_clips: judged clips.
        num_copied: clips that hold a frame of a training clip by content, though none by session and arrival time.
        num_near: clips whose mean picture differs from a training clip's by less than `NEAR_C`.
        num_near_apart: of them, those that share no frame with any training clip.
        median_distance_c: median distance from a judged clip's mean picture to the nearest training clip's, root mean
            square over the picture, deg C; None where no pictures can be compared.
    """

    split: str
    num_clips: int
    num_copied: int
    num_near: int
    num_near_apart: int
    median_distance_c: float | None


def find_identical_frames(
    dataset: ThermalDataset, digests: Mapping[str, NDArray[np.uint64]]
) -> tuple[IdenticalFrames, ...]:
    """Return the pairs of recordings that share frames which their arrival times do not tell of.

    Those that are taken for different sessions come first; of them, and of the others, those that share most.

    Args:
        dataset: from `load_dataset`.
        digests: (N,) uint64 of each recording's frames, from `scan_recordings`. Frames that a recording holds twice
            tell nothing, as no stamp is theirs alone.
    """
    names = sorted(digests)
    devices = {mac: number for number, mac in enumerate(sorted({r.mac_address for r in dataset.recordings.values()}))}
    parts: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = []
    for number, name in enumerate(names):
        unique, first, counts = np.unique(digests[name], return_index=True, return_counts=True)
        single = (counts == 1) & (unique != NO_DIGEST)
        recording = dataset.recordings[name]
        stamps = recording.timestamps_ms[first[single]]
        about = np.empty((len(stamps), 3), dtype=np.int64)
        about[:, 0], about[:, 1], about[:, 2] = number, devices[recording.mac_address], stamps
        parts.append((unique[single], about))
    every = np.concatenate([np.zeros(0, dtype=np.uint64), *(part for part, _ in parts)])
    about = np.concatenate([np.zeros((0, 3), dtype=np.int64), *(part for _, part in parts)])
    order = np.argsort(every, kind="stable")  # stable: of equal digests, recordings stay in order
    every, about = every[order], about[order]
    counts_by_pair: dict[int, int] = {}
    for distance in range(1, len(names)):
        same = np.flatnonzero(every[distance:] == every[:-distance])
        if not same.size:
            break
        first_about, second_about = about[same], about[same + distance]
        hidden = (first_about[:, 1:] != second_about[:, 1:]).any(axis=1)
        pairs, counts = np.unique(first_about[hidden, 0] * len(names) + second_about[hidden, 0], return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            counts_by_pair[pair] = counts_by_pair.get(pair, 0) + count
    found = []
    for pair, count in counts_by_pair.items():
        first_name, second_name = names[pair // len(names)], names[pair % len(names)]
        apart = dataset.sessions[first_name] != dataset.sessions[second_name]
        found.append(IdenticalFrames(first=first_name, second=second_name, num_frames=count, other_session=apart))
    return tuple(
        sorted(found, key=lambda entry: (not entry.other_session, -entry.num_frames, entry.first, entry.second))
    )


def find_duplicate_clips(
    dataset: ThermalDataset,
    split: str,
    *,
    digests: Mapping[str, NDArray[np.uint64]],
    pictures_c: Mapping[str, NDArray[np.float32]],
    window_frames: int,
) -> DuplicateClips:
    """Return how many clips of a judged split training has seen, or as good as.

    Args:
        dataset: from `load_dataset`.
        split: the judged split.
        digests: (N,) uint64 of each recording's frames, from `scan_recordings`.
        pictures_c: (h, w) mean picture of each whole frame's clip by sample id, deg C; NaN where nothing is known.
        window_frames: T, frames in a clip.

    Raises:
        DatasetError: if there is no such split.
    """
    trained, judged = dataset.samples("train"), dataset.samples(split)
    overlapping = find_overlapping(dataset, trained, judged, window_frames=window_frames)
    seen = _find_seen(dataset, trained, judged, digests, window_frames)
    distances_c = measure_distances(_stack(pictures_c, judged), _stack(pictures_c, trained))
    near = distances_c < NEAR_C
    known_c = distances_c[np.isfinite(distances_c)]
    return DuplicateClips(
        split=split,
        num_clips=len(judged),
        num_copied=int((seen & ~overlapping).sum()),
        num_near=int(near.sum()),
        num_near_apart=int((near & ~overlapping & ~seen).sum()),
        median_distance_c=float(np.median(known_c)) if known_c.size else None,
    )


def measure_distances(pictures: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the distance from each picture to the nearest of the others, (n,) root mean square; inf if unknown.

    Args:
        pictures: (n, cells).
        others: (m, cells); those that hold a NaN are passed over.
    """
    others = others[np.isfinite(others).all(axis=1)].astype(np.float64)
    distances = np.full(len(pictures), np.inf)
    if not len(others):
        return distances
    middle = others.mean(axis=0)  # |a - b|^2 = |a|^2 - 2ab + |b|^2 loses digits far from zero
    others -= middle
    others_squared = (others**2).sum(axis=1)
    for start in range(0, len(pictures), _BLOCK_CLIPS):
        block = pictures[start : start + _BLOCK_CLIPS].astype(np.float64) - middle
        squared = (others_squared - 2.0 * block @ others.T).min(axis=1) + (block**2).sum(axis=1)
        nearest = np.sqrt(np.maximum(squared, 0.0) / pictures.shape[1])
        distances[start : start + _BLOCK_CLIPS] = np.where(np.isnan(nearest), np.inf, nearest)
    return distances


def _find_seen(
    dataset: ThermalDataset,
    trained: Sequence[Sample],
    judged: Sequence[Sample],
    digests: Mapping[str, NDArray[np.uint64]],
    window_frames: int,
) -> NDArray[np.bool_]:
    """Return which judged clips hold a frame with the content of a training clip's, (n,) bool."""
    in_training = {name: np.zeros(len(found), dtype=bool) for name, found in digests.items()}
    for name, (first, stop) in _list_spans(dataset, trained, window_frames):
        in_training[name][first:stop] = True
    contents = np.sort(np.concatenate([digests[name][inside] for name, inside in in_training.items()]))
    contents = contents[contents != NO_DIGEST]
    seen = {name: _is_among(found, contents) for name, found in digests.items()}
    return np.array(
        [seen[name][first:stop].any() for name, (first, stop) in _list_spans(dataset, judged, window_frames)],
        dtype=bool,
    )


def _is_among(digests: NDArray[np.uint64], contents: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which digests (N,) are among sorted ones; `np.isin` would sort those anew for each recording."""
    if not contents.size:
        return np.zeros(len(digests), dtype=bool)
    places = np.minimum(np.searchsorted(contents, digests), len(contents) - 1)
    among: NDArray[np.bool_] = contents[places] == digests
    return among


def _list_spans(
    dataset: ThermalDataset, samples: Sequence[Sample], window_frames: int
) -> list[tuple[str, tuple[int, int]]]:
    spans = []
    for sample in samples:
        num_frames = dataset.recordings[sample.recording].num_frames
        ((first, stop),) = find_clip_spans([sample.keyframe], window_frames, num_frames).tolist()
        spans.append((sample.recording, (first, stop)))
    return spans


def _stack(pictures_c: Mapping[str, NDArray[np.float32]], samples: Sequence[Sample]) -> NDArray[np.float32]:
    return np.array([pictures_c[sample.sample_id].ravel() for sample in samples], dtype=np.float32)
