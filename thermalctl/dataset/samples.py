"""A dataset folder as samples: which frames of which recording, and what is to be recognised in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import AnnotationFile, Box, ImageEntry, PersonAnnotation
from thermalctl.clip_spec import ClipSpec, Target
from thermalctl.dataset.checks import RecordingInfo, read_checked
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.sessions import find_sessions
from thermalctl.errors import DatasetError

#: Stands for every split at once, a keyframe that two splits list counted once.
ALL_SPLITS = "all"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One thing to recognise: a keyframe as a whole, or one person in it.

    Attributes:
        sample_id: the image's id; for a person "<image id>#<annotation id>".
        recording: the recording's name.
        keyframe: index of the annotated frame in the recording, from 0.
        timestamp_ms: when the keyframe was taken, ms since 1970.
        label: class id.
        session: the group of recordings that share frames with this one.
        boxes: everyone in the keyframe; for a person only theirs.
    """

    sample_id: str
    recording: str
    keyframe: int
    timestamp_ms: int
    label: int
    session: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ThermalDataset:
    """A dataset folder that has been read and checked; the frames themselves stay on disk.

    Attributes:
        layout: where it lies.
        classes: class names in id order.
        splits: annotation files by split: "train", and "val" and "test" where there are such files.
        recordings: every recording in `frames/` by name.
        sessions: each recording's session.
    """

    layout: DatasetLayout
    classes: tuple[str, ...]
    splits: Mapping[str, AnnotationFile]
    recordings: Mapping[str, RecordingInfo]
    sessions: Mapping[str, str] = field(repr=False)

    @property
    def num_classes(self) -> int:
        """How many classes there are, whether or not they occur."""
        return len(self.classes)

    def samples(self, split: str, target: Target = "frame") -> list[Sample]:
        """Return the samples of a split in the annotation file's order; of "all", split after split.

        Raises:
            DatasetError: if there is no such split.
        """
        if split == ALL_SPLITS:
            every = [sample for name in self.splits for sample in self.samples(name, target)]
            return list({sample.sample_id: sample for sample in reversed(every)}.values())[::-1]
        if split not in self.splits:
            raise DatasetError(
                f'{self.layout.root}: has no split "{split}"', hint=f"it has {', '.join(self.splits)}, {ALL_SPLITS}"
            )
        return list_samples(self.splits[split], target, self.sessions)

    def fingerprint(self) -> str:
        """Return a sha256 that changes when the dataset does, and not when it is copied elsewhere.

        It covers the annotation files' bytes and, of each recording, its name, device, shape, size in bytes and arrival
        times. The frames are not read, which would take minutes on a large dataset; a file whose temperatures alone
        were changed still differs in its compressed size, bar a coincidence.
        """
        digest = hashlib.sha256()
        for split, annotated in self.splits.items():
            content = annotated.path.read_bytes()
            digest.update(f"{split} {len(content)}\n".encode() + content)
        for name, recording in sorted(self.recordings.items()):
            shape = (recording.num_frames, *recording.frame_size)
            digest.update(f"{name} {recording.mac_address} {shape} {recording.num_bytes}\n".encode())
            digest.update(recording.timestamps_ms.astype("<i8").tobytes())
        return digest.hexdigest()


def load_dataset(layout: DatasetLayout) -> ThermalDataset:
    """Return the dataset in a folder, checked as a whole.

    Raises:
        DatasetError: with every problem found in the annotation files, in the recordings and between them.
    """
    splits, recordings = read_checked(layout)
    return ThermalDataset(
        layout=layout,
        classes=splits["train"].classes,
        splits=splits,
        recordings=recordings,
        sessions=find_recording_sessions(recordings),
    )


def find_recording_sessions(recordings: Mapping[str, RecordingInfo]) -> dict[str, str]:
    """Return each recording's session; see `find_sessions`."""
    return find_sessions(
        {name: recording.timestamps_ms for name, recording in recordings.items()},
        {name: recording.mac_address for name, recording in recordings.items()},
    )


def list_samples(annotations: AnnotationFile, target: Target, sessions: Mapping[str, str]) -> list[Sample]:
    """Return the samples of one annotation file, in its order.

    Args:
        annotations: from `read_annotations`.
        target: "frame": a sample for each keyframe; "person": one for each person.
        sessions: each recording's session.
    """
    people_of = annotations.group_by_image()
    samples = []
    for image in annotations.images:
        people = people_of[image.id]
        if target == "frame":
            boxes = tuple(person.box for person in people)
            samples.append(_make_sample(image.id, image, choose_frame_label(people), boxes, sessions))
        else:
            samples.extend(
                _make_sample(f"{image.id}#{person.id}", image, person.category_id, (person.box,), sessions)
                for person in people
            )
    return samples


def choose_frame_label(people: Iterable[PersonAnnotation]) -> int:
    """Return a whole keyframe's label: the most frequent one of the people in it, ties to the lowest class id."""
    return int(np.bincount([person.category_id for person in people]).argmax())


def clip_indices(
    keyframe: int, num_frames_in_clip: int, num_frames_in_recording: int, *, context_frames: int = 0
) -> NDArray[np.intp]:
    """Return the T consecutive frames around a keyframe, (T,) int: [k - T//2, k + T - T//2).

    Where the recording ends, its edge frame is repeated. The keyframe is at index T//2. With E context frames there
    are E more on each side, T + 2E in all, and the keyframe is at index E + T//2.
    """
    start = keyframe - num_frames_in_clip // 2 - context_frames
    stop = start + num_frames_in_clip + 2 * context_frames
    return np.clip(np.arange(start, stop, dtype=np.intp), 0, num_frames_in_recording - 1)


def uniform_clip_indices(
    keyframe: int,
    num_frames_in_clip: int,
    window_s: float,
    timestamps_ms: NDArray[np.int64],
    *,
    context_frames: int = 0,
) -> NDArray[np.intp]:
    """Return T frames spread evenly over `window_s` seconds around a keyframe by arrival time, (T,) int.

    The instants wanted are `window_s / T` apart, the keyframe's own at index T//2; each takes the frame that arrived
    nearest to it, of two equally near the earlier. Sensors send in bursts, so 64 consecutive frames can span 9 or 15 s.
    Before the first frame and after the last, that one is repeated.

    Args:
        keyframe: index of the frame in the middle.
        num_frames_in_clip: T.
        window_s: how much time the clip covers, seconds.
        timestamps_ms: the recording's arrival times (N,) int64, ms.
        context_frames: E, how many more frames to return on each side, as far apart; the keyframe is at E + T//2 then.
    """
    middle = num_frames_in_clip // 2 + context_frames
    offsets = np.arange(num_frames_in_clip + 2 * context_frames) - middle
    wanted = timestamps_ms[keyframe] + offsets * (window_s * 1000.0 / num_frames_in_clip)
    # A clock that was set back makes arrival times fall; they are looked up in the order of time.
    order = np.argsort(timestamps_ms, kind="stable")
    in_order = timestamps_ms[order]
    after = np.minimum(np.searchsorted(in_order, wanted), len(in_order) - 1)
    before = np.maximum(after - 1, 0)
    is_earlier_nearer = wanted - in_order[before] <= in_order[after] - wanted
    indices: NDArray[np.intp] = order[np.where(is_earlier_nearer, before, after)]
    indices[middle] = keyframe  # another frame may have arrived in the same millisecond
    return indices


def find_clip(sample: Sample, dataset: ThermalDataset, spec: ClipSpec, *, context_frames: int = 0) -> NDArray[np.intp]:
    """Return the indices of a sample's frames in its recording, (T,) int; with E context frames (T + 2E,)."""
    recording = dataset.recordings[sample.recording]
    if spec.time_sampling == "consecutive":
        return clip_indices(sample.keyframe, spec.num_frames, recording.num_frames, context_frames=context_frames)
    if spec.window_s is None:
        raise DatasetError("uniform time sampling needs clip.window_s, the length of a clip in seconds")
    return uniform_clip_indices(
        sample.keyframe, spec.num_frames, spec.window_s, recording.timestamps_ms, context_frames=context_frames
    )


def count_classes(samples: Sequence[Sample], num_classes: int) -> NDArray[np.int64]:
    """Return how many samples each class has, (K,) int64."""
    return np.bincount([sample.label for sample in samples], minlength=num_classes).astype(np.int64)


def _make_sample(
    sample_id: str, image: ImageEntry, label: int, boxes: tuple[Box, ...], sessions: Mapping[str, str]
) -> Sample:
    return Sample(
        sample_id=sample_id,
        recording=image.sensor_id,
        keyframe=image.frame_idx,
        timestamp_ms=image.timestamp_ms,
        label=label,
        session=sessions[image.sensor_id],
        boxes=boxes,
    )
