"""One clip predicted: a sample of a dataset, or whatever is around a frame of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermalctl.annotations.coco import Box
from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.person_tracks import find_person_tracks
from thermalctl.dataset.samples import (
    ALL_SPLITS,
    Sample,
    ThermalDataset,
    clip_indices,
    find_clip,
    uniform_clip_indices,
)
from thermalctl.deploy.clip_models import ClipModel, check_frame_size
from thermalctl.errors import RecordingError, RequestError
from thermalctl.prediction.answering import PeopleMode, frame_as_box
from thermalctl.prediction.people import make_finder
from thermalctl.recordings.hdf5 import Recording, RecordingFile
from thermalctl.recordings.health import find_incomplete_frames
from thermalctl.recordings.import_options import ImportOptions
from thermalctl.recordings.importing import import_recording
from thermalctl.streams.frames import Frame
from thermalctl.streams.windows import Window


@dataclass(frozen=True, kw_only=True, eq=False)
class SingleAnswer:
    """What a model says of one clip, or of one person in it.

    Attributes:
        sample_id: the dataset's name for it; for a frame of a recording "<recording>@<frame>".
        recording: the recording's name.
        keyframe: the frame in the clip's middle.
        timestamp_ms: when that arrived.
        class_name: the most probable class.
        probability: how probable the model holds it.
        probabilities: (K,) float32.
        label: what annotators say; None where nobody did.
        person: number of the person who is judged; None for the whole frame, or a dataset's person.
        box: theirs in the keyframe, in 0..1; None for the whole frame.
        num_incomplete: incomplete frames in the clip.
        clip_c: (T, H, W) float32, deg C.
        seconds: from the clip's first frame to its last.
        classes: class names in id order.
    """

    sample_id: str
    recording: str
    keyframe: int
    timestamp_ms: int
    class_name: str
    probability: float
    probabilities: NDArray[np.float32]
    label: str | None
    person: int | None
    box: Box | None
    num_incomplete: int
    clip_c: NDArray[np.float32]
    seconds: float
    classes: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """Return it as plain values by name, without the frames."""
        scores = {name: float(score) for name, score in zip(self.classes, self.probabilities, strict=True)}
        left_out = ("clip_c", "probabilities", "classes")
        plain = {name: value for name, value in vars(self).items() if name not in left_out}
        return plain | {"probabilities": scores}


def predict_sample(model: ClipModel, dataset: ThermalDataset, sample_id: str) -> SingleAnswer:
    """Return what a model says of one of a dataset's samples, of whichever split.

    Args:
        model: what answers.
        dataset: where the sample is.
        sample_id: an image's id; for a model of people "<image>#<person>", or the image's if one person is in it.

    Raises:
        RequestError: if there is no such sample, or several people are in it.
        RecordingError: if none of the clip's frames is complete.
    """
    spec = model.clip_spec
    sample = _find_sample(dataset, spec, sample_id)
    indices = find_clip(sample, dataset, spec)
    with RecordingFile(dataset.layout.frames_dir / f"{sample.recording}.h5") as file:
        check_frame_size(model, file.frame_size, where=str(file.path))
        clip_c, times_ms = file.read(indices), file.timestamps_ms[indices]
    boxes = None
    if spec.target == "person":
        boxes = find_person_tracks(dataset)[sample.sample_id].locate(indices)
    return _answer(
        model,
        clip_c,
        boxes,
        sample_id=sample.sample_id,
        recording=sample.recording,
        keyframe=sample.keyframe,
        times_ms=times_ms,
        timestamp_ms=sample.timestamp_ms,
        label=dataset.classes[sample.label],
        box=sample.boxes[0] if spec.target == "person" else None,
    )


def predict_frame(
    model: ClipModel,
    path: Path,
    keyframe: int,
    *,
    imports: ImportOptions | None = None,
    people: PeopleMode = "detect",
) -> list[SingleAnswer]:
    """Return what a model says of the clip around a frame of a recording; of a model of people, of each of them.

    Args:
        model: what answers.
        path: the recording.
        keyframe: which frame, from 0; where the recording ends, its edge frame is repeated, as in training.
        imports: what the recording may not say about itself.
        people: where a model of people looks.

    Raises:
        RequestError: if the recording has no such frame.
        RecordingError: if none of the clip's frames is complete.
    """
    recording = import_recording(path, imports)
    spec = model.clip_spec
    num_frames = len(recording.frames_c)
    check_frame_size(model, recording.frames_c.shape[1:], where=str(path))
    if not 0 <= keyframe < num_frames:
        raise RequestError(
            f"--at {keyframe}: {path} holds {num_frames} frames", hint=f"frames are counted from 0 to {num_frames - 1}"
        )
    if spec.time_sampling == "consecutive":
        indices = clip_indices(keyframe, spec.num_frames, num_frames)
    else:
        assert spec.window_s is not None
        indices = uniform_clip_indices(keyframe, spec.num_frames, spec.window_s, recording.timestamps_ms)
    clip_c, times_ms = recording.frames_c[indices], recording.timestamps_ms[indices]
    located: list[tuple[int | None, NDArray[np.float64] | None]] = [(None, None)]
    if spec.target == "person":
        found = _find_people(spec, recording, keyframe, indices, people)
        located = list(found) or [(None, frame_as_box(spec))]
    return [
        _answer(
            model,
            clip_c,
            boxes,
            sample_id=f"{recording.sensor_id}@{keyframe}" + ("" if person is None else f"#{person}"),
            recording=recording.sensor_id,
            keyframe=keyframe,
            times_ms=times_ms,
            timestamp_ms=int(recording.timestamps_ms[keyframe]),
            label=None,
            box=None if person is None or boxes is None else Box(*map(float, boxes[spec.num_frames // 2])),
            person=person,
        )
        for person, boxes in located
    ]


def _find_sample(dataset: ThermalDataset, spec: ClipSpec, sample_id: str) -> Sample:
    samples = dataset.samples(ALL_SPLITS, spec.target)
    found = [sample for sample in samples if sample.sample_id == sample_id]
    if not found and spec.target == "person":
        found = [sample for sample in samples if sample.sample_id.partition("#")[0] == sample_id]
    if len(found) > 1:
        raise RequestError(
            f"--sample {sample_id}: {len(found)} people are in it, and this is a model of people",
            hint=f"name one of them: {', '.join(sample.sample_id for sample in found)}",
        )
    if not found:
        raise RequestError(
            f"--sample {sample_id}: {dataset.layout.root} has no such sample",
            hint=f"as in --sample {samples[0].sample_id}",
        )
    return found[0]


def _find_people(
    spec: ClipSpec, recording: Recording, keyframe: int, indices: NDArray[np.intp], mode: PeopleMode
) -> list[tuple[int | None, NDArray[np.float64] | None]]:
    """Return who is in a clip, having watched the recording from its beginning to the clip's end."""
    finder = make_finder(spec, mode)
    if finder is None:
        return []
    last = int(indices.max())
    incomplete = find_incomplete_frames(recording.frames_c[: last + 1])
    for number in range(last + 1):
        finder.update(
            Frame(
                number=number,
                timestamp_ms=int(recording.timestamps_ms[number]),
                frame_c=recording.frames_c[number],
                is_incomplete=bool(incomplete[number]),
            )
        )
    window = Window(
        number=0,
        segment=0,
        keyframe=keyframe,
        keyframe_ms=int(recording.timestamps_ms[keyframe]),
        frames=indices.astype(np.int64),
        timestamps_ms=recording.timestamps_ms[indices],
        clip_c=recording.frames_c[indices],
        num_incomplete=int(incomplete[indices].sum()),
    )
    return [(person.number, person.boxes) for person in finder.locate(window)]


def _answer(
    model: ClipModel,
    clip_c: NDArray[np.float32],
    boxes: NDArray[np.float64] | None,
    *,
    sample_id: str,
    recording: str,
    keyframe: int,
    times_ms: NDArray[np.int64],
    timestamp_ms: int,
    label: str | None,
    box: Box | None,
    person: int | None = None,
) -> SingleAnswer:
    spec = model.clip_spec
    incomplete = find_incomplete_frames(clip_c)
    if spec.repair != "none" and incomplete.all():
        raise RecordingError(
            f"{sample_id}: none of the {len(clip_c)} frames of its clip is complete, so there is nothing to judge",
            hint="choose another frame",
        )
    if boxes is not None and spec.person_crop == "fixed":
        boxes = boxes[spec.num_frames // 2]
    [probabilities] = model.predict(clip_c[None], None if boxes is None else boxes[None])
    class_id = int(probabilities.argmax())
    return SingleAnswer(
        sample_id=sample_id,
        recording=recording,
        keyframe=keyframe,
        timestamp_ms=timestamp_ms,
        class_name=model.classes[class_id],
        probability=float(probabilities[class_id]),
        probabilities=probabilities,
        label=label,
        person=person,
        box=box,
        num_incomplete=int(incomplete.sum()),
        clip_c=clip_c,
        seconds=float(np.ptp(times_ms)) / 1000,
        classes=model.classes,
    )
