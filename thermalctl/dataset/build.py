"""A dataset folder built from what sensors and annotators delivered."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from thermalctl.annotations.class_choice import ClassChoice, choose_classes
from thermalctl.annotations.coco_writing import LabelledKeyframe, number_people
from thermalctl.annotations.keyframes import AnnotationSource, Skipped
from thermalctl.annotations.sources import read_annotation_files
from thermalctl.dataset.checks import RecordingInfo, read_recording_info
from thermalctl.dataset.layout import SPLITS, DatasetLayout
from thermalctl.dataset.manifest import describe_inputs
from thermalctl.dataset.matching import Matched, match_keyframes
from thermalctl.dataset.resplit import NewSplit, describe_split, is_replaceable, refuse_taken
from thermalctl.dataset.samples import find_recording_sessions, load_dataset
from thermalctl.dataset.splitting import SplitRule, hold_out, list_splittable
from thermalctl.dataset.writing import write_annotations
from thermalctl.errors import DatasetError, RequestError
from thermalctl.files import assemble_folder, write_json
from thermalctl.recordings.hdf5 import GZIP_LEVEL, Compression, Recording, RecordingFile, write_recording
from thermalctl.recordings.importing import ImportOptions, import_recording, list_recordings
from thermalctl.recordings.names import name_recording

#: What stays together when a dataset is built; "given": each keyframe stays in the split of its annotation file.
BuildRule = Literal["session", "recording", "random", "given"]


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How a dataset is built.

    Attributes:
        val_share: share of the keyframes to hold out as val, 0 to 1; 0 for none.
        split_by: what stays together.
        window_frames: T, frames in a clip.
        classes: class names in id order; None to find them.
        merges: "NEW=OLD,OLD,...": actions that become one class.
        tolerance_ms: how far the annotators' time may be from a frame's arrival.
        step_s: time between keyframes within a segment, seconds.
        keep_edges: keep keyframes whose window reaches past the recording.
        seed: of the split.
        compression: of the recordings.
        imports: how foreign recordings are to be read.
    """

    val_share: float = 0.2
    split_by: BuildRule = "session"
    window_frames: int = 64
    classes: tuple[str, ...] | None = None
    merges: tuple[str, ...] = ()
    tolerance_ms: int = 50
    step_s: float = 1.0
    keep_edges: bool = False
    seed: int = 42
    compression: Compression = "gzip"
    imports: ImportOptions = field(default_factory=ImportOptions)


@dataclass(frozen=True, kw_only=True)
class BuiltDataset:
    """What was built.

    Attributes:
        split: what each side holds.
        num_recordings: recordings in it.
        num_frames: frames in them.
        classes_origin: where the class names come from, in words.
        skipped: what did not become a sample, and why.
    """

    split: NewSplit
    num_recordings: int
    num_frames: int
    classes_origin: str
    skipped: tuple[Skipped, ...]


def build_dataset(
    recordings: Sequence[Path | Recording],
    annotations: Sequence[Path],
    output: Path,
    options: BuildOptions,
    *,
    force: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> BuiltDataset:
    """Write a dataset folder and return what it holds; equal inputs and options give equal bytes.

    Args:
        recordings: files, folders of them, or recordings that `collect_frames` made.
        annotations: files of any known format.
        output: the folder to write; it appears when all of it is written.
        options: how.
        force: replace a dataset that is there.
        on_progress: told (recordings done, recordings in all).

    Raises:
        RecordingError: if a recording cannot be read.
        DatasetError: if annotations cannot, if nothing matches, or if the folder holds something.
        RequestError: if the recordings cannot be split as asked.
    """
    try:
        with assemble_folder(output, may_replace=is_replaceable if force else None) as made:
            layout = DatasetLayout(made)
            infos = write_recordings(recordings, layout, options, on_progress)
            sources = read_sources(annotations, infos, options)
            classes = choose_classes(sources, named=options.classes, merges=options.merges)
            matched = match(sources, infos, classes, options)
            splits = _split(matched, infos, options)
            write_annotations(
                layout,
                splits,
                infos,
                classes.names,
                name=output.name,
                split_rule=options.split_by,
                configuration=describe_configuration(options),
            )
            write_json(layout.manifest_file, describe_inputs(layout, recordings, sources, matched.skipped, options))
    except FileExistsError as error:
        raise refuse_taken(output, force=force) from error
    dataset = load_dataset(DatasetLayout(output))
    return BuiltDataset(
        split=describe_split(
            dataset,
            options.split_by,
            window_frames=options.window_frames,
            wanted_share=None if options.split_by == "given" else options.val_share,
        ),
        num_recordings=len(infos),
        num_frames=sum(info.num_frames for info in infos.values()),
        classes_origin=classes.origin,
        skipped=matched.skipped,
    )


def write_recordings(
    recordings: Sequence[Path | Recording],
    layout: DatasetLayout,
    options: BuildOptions,
    on_progress: Callable[[int, int], None] | None,
) -> dict[str, RecordingInfo]:
    """Write recordings into a dataset folder and return what is known of each, by name.

    Raises:
        RecordingError: if one cannot be read.
        RequestError: if two have the same name, or were told to begin at the same time.
    """
    paths = list_recordings([item for item in recordings if isinstance(item, Path)])
    everything: list[Path | Recording] = [*paths, *(item for item in recordings if isinstance(item, Recording))]
    infos = {}
    for done, item in enumerate(everything, start=1):
        name = name_recording(item) if isinstance(item, Path) else item.sensor_id
        if name in infos:
            raise RequestError(f'two recordings are named "{name}"', hint="give each a name of its own")
        target = layout.recording_file(name)
        if isinstance(item, Path) and _is_as_written(item, options):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(item, target)
        else:
            recording = import_recording(item, options.imports) if isinstance(item, Path) else item
            write_recording(target, recording, compression=options.compression)
        infos[name] = read_recording_info(target)
        if options.imports.start_ms is not None and isinstance(item, Path):
            started = [other for other in infos if infos[other].timestamps_ms[0] == options.imports.start_ms]
            if len(started) > 1:
                raise RequestError(
                    f"{started[0]} and {name}: both would begin at --start, as if recorded at once",
                    hint="give each its own times, or add them one by one with --extend",
                )
        if on_progress is not None:
            on_progress(done, len(everything))
    return infos


def read_sources(
    annotations: Sequence[Path], recordings: Mapping[str, RecordingInfo], options: BuildOptions
) -> list[AnnotationSource]:
    """Return what annotation files, or those in folders, say."""
    times = {name: recording.timestamps_ms for name, recording in recordings.items()}
    return read_annotation_files(annotations, times, step_s=options.step_s)


def match(
    sources: Sequence[AnnotationSource],
    recordings: Mapping[str, RecordingInfo],
    classes: ClassChoice,
    options: BuildOptions,
) -> Matched:
    """Return the keyframes among what was annotated.

    Raises:
        DatasetError: if there is none.
    """
    matched = match_keyframes(
        sources,
        recordings,
        classes,
        window_frames=options.window_frames,
        tolerance_ms=options.tolerance_ms,
        keep_edges=options.keep_edges,
    )
    if matched.keyframes:
        return matched
    reasons = "; ".join(f"{count} {reason}" for reason, count in count_reasons(matched.skipped).items())
    raise DatasetError(
        f"none of {sum(len(source.keyframes) for source in sources)} annotated moments became a keyframe ({reasons})",
        hint="each needs its recording, a frame within --tolerance-ms, and a person with an action",
    )


def count_reasons(skipped: Sequence[Skipped]) -> dict[str, int]:
    """Return how often each reason occurs, the most frequent first."""
    counts = Counter(entry.reason for entry in skipped)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def describe_configuration(options: BuildOptions) -> dict[str, object]:
    """Return the options as `dataset_info.json` holds them."""
    return {
        "random_seed": options.seed,
        "split_by": options.split_by,
        "buffer_frames": options.window_frames,
        "tolerance_ms": options.tolerance_ms,
        "compression": options.compression,
        "compression_level": GZIP_LEVEL if options.compression == "gzip" else 0,
    }


def _split(
    matched: Matched, recordings: Mapping[str, RecordingInfo], options: BuildOptions
) -> dict[str, list[LabelledKeyframe]]:
    keyframes = number_people(matched.keyframes)
    if options.split_by == "given":
        names = [split or "" for split in matched.given_splits]
        if "" in names or "train" not in names:
            lacking = names.count("")
            raise RequestError(
                f"--split-by given: {lacking} of {len(names)} keyframes were given to no split",
                hint="COCO files named train.json and val.json give one; else use --split-by session",
            )
    elif options.val_share == 0:
        names = ["train"] * len(keyframes)
    else:
        rule: SplitRule = options.split_by
        held = hold_out(
            list_splittable(keyframes, find_recording_sessions(recordings)),
            rule,
            share=options.val_share,
            seed=options.seed,
        )
        names = np.where(held, "val", "train").tolist()
    return {
        split: [keyframe for keyframe, name in zip(keyframes, names, strict=True) if name == split]
        for split in SPLITS
        if split in names
    }


def _is_as_written(path: Path, options: BuildOptions) -> bool:
    """Return whether a file is a recording as `write_recording` writes it, so that its bytes can be taken over."""
    if path.suffix != ".h5" or options.imports.unit not in (None, "celsius"):
        return False
    with RecordingFile(path) as file:
        return file.dtype == np.float32 and file.compression == options.compression
