"""New recordings and annotations added to a dataset, without moving a keyframe between train and val.

A model that was trained on the dataset can go on training on the larger one, and its val scores stay comparable: what
was held out stays held out, and what is new joins the side that its session is on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from thermalctl.annotations.class_choice import choose_classes
from thermalctl.annotations.coco_writing import LabelledKeyframe, number_people
from thermalctl.annotations.keyframes import AnnotationSource, Skipped
from thermalctl.dataset.build import (
    BuildOptions,
    BuiltDataset,
    describe_configuration,
    match,
    read_sources,
    write_recordings,
)
from thermalctl.dataset.checks import RecordingInfo
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.manifest import describe_inputs
from thermalctl.dataset.resplit import describe_split, is_replaceable, link_recordings, list_keyframes, refuse_taken
from thermalctl.dataset.samples import ThermalDataset, find_recording_sessions, load_dataset
from thermalctl.dataset.splitting import Splittable, list_splittable
from thermalctl.dataset.writing import write_annotations
from thermalctl.errors import RequestError
from thermalctl.files import assemble_folder, write_json
from thermalctl.recordings.hdf5 import Recording

#: How an extended dataset says that it was split.
EXTENDED = "extended"


def extend_dataset(
    dataset: ThermalDataset,
    recordings: Sequence[Path | Recording],
    annotations: Sequence[Path],
    options: BuildOptions,
    *,
    output: Path | None = None,
    force: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> BuiltDataset:
    """Add recordings and annotations to a dataset and return what it holds then.

    A keyframe of a session that the dataset has joins the split of the keyframe nearest in time; a new session goes
    wholly to the side that brings val nearest to its share. Class ids stay; `options.classes` may add to their end.

    Args:
        dataset: what is there.
        recordings: as for `build_dataset`; those that the dataset has already are passed over.
        annotations: files of any known format.
        options: how; `split_by` is not looked at.
        output: a folder for the larger dataset; None to change the dataset where it is.
        force: replace a dataset at `output`; without one, change the dataset where it is.
        on_progress: told (recordings done, recordings in all).

    Raises:
        RequestError: if a class list would change ids, a recording of a known name holds other frames, or the dataset
            would be changed where it is without `force`.
        RecordingError, DatasetError: as for `build_dataset`.
    """
    root = dataset.layout.root
    if output is None and not force:
        raise RequestError(
            f"{root}: its annotation files would be written anew",
            hint="name a folder for the larger dataset with --output, or change this one with --force",
        )
    with tempfile.TemporaryDirectory(prefix=f".{root.name}.", dir=(output or root).resolve().parent) as folder:
        staged = DatasetLayout(Path(folder))
        infos = write_recordings(recordings, staged, options, on_progress)
        new = _leave_out_known(infos, dataset)
        every = {**dataset.recordings, **new}
        sources = read_sources(annotations, every, options)
        splits, skipped, classes = _add(dataset, every, sources, options)
        if not new and sum(map(len, splits.values())) == len(list_keyframes(dataset)):
            raise RequestError(
                f"{root}: has all of these recordings and keyframes already",
                hint="name what is new, with its annotations",
            )
        manifest = describe_inputs(staged, recordings, sources, skipped, options)
        manifest["extends"] = dataset.fingerprint()
        sources_of_frames = {name: info.path for name, info in new.items()}
        if output is None:
            _write(dataset.layout, root.name, sources_of_frames, splits, every, classes, manifest, options)
        else:
            try:
                with assemble_folder(output, may_replace=is_replaceable if force else None) as made:
                    link_recordings({name: info.path for name, info in dataset.recordings.items()}, DatasetLayout(made))
                    layout = DatasetLayout(made)
                    _write(layout, output.name, sources_of_frames, splits, every, classes, manifest, options)
            except FileExistsError as error:
                raise refuse_taken(output, force=force) from error
    extended = load_dataset(DatasetLayout(output or root))
    return BuiltDataset(
        split=describe_split(extended, EXTENDED, window_frames=options.window_frames),
        num_recordings=len(every),
        num_frames=sum(info.num_frames for info in every.values()),
        classes_origin="those of the dataset",
        skipped=skipped,
    )


def _leave_out_known(infos: Mapping[str, RecordingInfo], dataset: ThermalDataset) -> dict[str, RecordingInfo]:
    """Return the recordings that the dataset does not have.

    Raises:
        RequestError: if it has one of that name with other frames.
    """
    for name in infos.keys() & dataset.recordings.keys():
        if not np.array_equal(infos[name].timestamps_ms, dataset.recordings[name].timestamps_ms):
            raise RequestError(
                f'"{name}": the dataset has another recording of that name', hint="give the new one another name"
            )
    return {name: info for name, info in infos.items() if name not in dataset.recordings}


def _add(
    dataset: ThermalDataset,
    recordings: Mapping[str, RecordingInfo],
    sources: Sequence[AnnotationSource],
    options: BuildOptions,
) -> tuple[dict[str, list[LabelledKeyframe]], tuple[Skipped, ...], tuple[str, ...]]:
    """Return the keyframes of each split, what was left out, and the classes."""
    names = options.classes or dataset.classes
    if names[: dataset.num_classes] != dataset.classes:
        raise RequestError(
            f"the classes named are not the {dataset.num_classes} of the dataset with others after them",
            hint="class ids must stay as they are; add new classes to the end of the list",
        )
    choice = choose_classes(sources, named=names, merges=options.merges)
    matched = match(sources, recordings, choice, options)
    known = list_keyframes(dataset)
    places = {(keyframe.image.sensor_id, keyframe.image.frame_idx) for keyframe in known.values()}
    fresh, skipped = [], list(matched.skipped)
    for keyframe in matched.keyframes:
        if (keyframe.image.sensor_id, keyframe.image.frame_idx) in places:
            skipped.append(Skipped(where=keyframe.image.id, reason="its frame is annotated already"))
        else:
            fresh.append(keyframe)
    split_of = {image.id: split for split, annotated in dataset.splits.items() for image in annotated.images}
    everything = [*known.values(), *fresh]
    items = list_splittable(everything, find_recording_sessions(recordings))
    assigned = _assign(items, everything, split_of, options.val_share)
    numbered = _number_after(everything, num_known=len(known))
    splits = {
        split: [keyframe for keyframe in numbered if assigned[keyframe.image.id] == split]
        for split in dict.fromkeys(["train", *dataset.splits, *assigned.values()])
    }
    return splits, tuple(skipped), choice.names


def _assign(
    items: Sequence[Splittable], keyframes: Sequence[LabelledKeyframe], split_of: Mapping[str, str], val_share: float
) -> dict[str, str]:
    """Return the split of every keyframe: its own if it has one, else that of its session."""
    assigned = dict(split_of)
    time_of = {keyframe.image.id: keyframe.image.timestamp_ms for keyframe in keyframes}
    sessions: dict[str, list[str]] = {}
    for item in items:
        sessions.setdefault(item.session, []).append(item.keyframe)
    unknown = []
    for members in sessions.values():
        settled = [member for member in members if member in split_of]
        if not settled:
            unknown.append(members)
        for member in members:
            if settled and member not in split_of:
                nearest = min(settled, key=lambda other: abs(time_of[other] - time_of[member]))
                assigned[member] = split_of[nearest]
    for members in sorted(unknown, key=len, reverse=True):
        num_val = sum(split == "val" for split in assigned.values())
        num_after = len(assigned) + len(members)
        with_them = abs((num_val + len(members)) / num_after - val_share)
        without = abs(num_val / num_after - val_share)
        assigned |= dict.fromkeys(members, "val" if with_them < without else "train")
    return assigned


def _number_after(keyframes: Sequence[LabelledKeyframe], *, num_known: int) -> list[LabelledKeyframe]:
    """Return the known keyframes with their people's ids, and the others' people numbered after them."""
    known = number_people(keyframes[:num_known])
    number = max((person.id for keyframe in known for person in keyframe.people), default=-1)
    fresh = []
    for keyframe in keyframes[num_known:]:
        people = tuple(
            replace(person, id=number + position) for position, person in enumerate(keyframe.people, start=1)
        )
        number += len(people)
        fresh.append(replace(keyframe, people=people))
    return [*known, *fresh]


def _write(
    layout: DatasetLayout,
    name: str,
    new_frames: Mapping[str, Path],
    splits: Mapping[str, Sequence[LabelledKeyframe]],
    recordings: Mapping[str, RecordingInfo],
    classes: Sequence[str],
    manifest: Mapping[str, object],
    options: BuildOptions,
) -> None:
    """Put the new frames in place first: annotations must not name what is not there."""
    for recording, source in new_frames.items():
        source.replace(layout.recording_file(recording))
    write_annotations(
        layout,
        splits,
        recordings,
        classes,
        name=name,
        split_rule=EXTENDED,
        configuration=describe_configuration(options),
    )
    write_json(layout.manifest_file, manifest)
