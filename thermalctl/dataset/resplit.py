"""An existing dataset split anew: the same recordings and keyframes, dealt by another rule, into another folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thermalctl.annotations.coco_writing import LabelledKeyframe, number_people
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.leakage import Protocol, describe_protocol
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.dataset.splitting import SplitRule, deal_folds, hold_out, list_splittable
from thermalctl.dataset.writing import write_annotations
from thermalctl.errors import DatasetError, RequestError
from thermalctl.files import assemble_folder

#: A hold-out that misses the share asked for by this is worth a word.
MOST_SHARE_OFF = 0.05


@dataclass(frozen=True, kw_only=True)
class SplitPart:
    """What one split of a new dataset holds.

    Attributes:
        split: its name.
        num_keyframes: annotated frames.
        num_people: people in them.
        sessions: the sessions that it is from, sorted.
        class_counts: whole-frame labels by class, in id order.
    """

    split: str
    num_keyframes: int
    num_people: int
    sessions: tuple[str, ...]
    class_counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class NewSplit:
    """A dataset folder that was split anew.

    Attributes:
        root: the folder.
        rule: what was kept together, or how else keyframes were dealt.
        classes: class names in id order.
        parts: train, val.
        protocol: on what terms val is judged now; None where there is no val.
        remarks: what the split lacks, a sentence each.
    """

    root: Path
    rule: str
    classes: tuple[str, ...]
    parts: tuple[SplitPart, ...]
    protocol: Protocol | None
    remarks: tuple[str, ...]


def resplit(
    dataset: ThermalDataset,
    output: Path,
    rule: SplitRule,
    *,
    share: float,
    seed: int,
    window_frames: int,
    force: bool = False,
) -> NewSplit:
    """Write the dataset to `output` with another hold-out, and return what each side holds.

    Recordings are linked, not copied: hard where the file system can, else symbolically.

    Args:
        dataset: what to split; every keyframe of every split of it is dealt anew.
        output: the folder to write.
        rule: what stays together: "session", "recording", or "random" for nothing.
        share: of the keyframes to hold out as val, 0 to 1; met as nearly as the groups allow.
        seed: of the dealing.
        window_frames: T, frames in a clip, to count those that overlap.
        force: replace a dataset that is there.

    Raises:
        RequestError: if the groups do not suffice.
        DatasetError: if the folder holds something.
    """
    items = list_splittable(list(list_keyframes(dataset).values()), dataset.sessions)
    held = hold_out(items, rule, share=share, seed=seed)
    names = np.where(held, "val", "train").tolist()
    return _write(dataset, output, rule, names, seed=seed, window_frames=window_frames, force=force, wanted_share=share)


def resplit_into_folds(
    dataset: ThermalDataset,
    output: Path,
    rule: SplitRule,
    *,
    num_folds: int,
    seed: int,
    window_frames: int,
    force: bool = False,
) -> tuple[NewSplit, ...]:
    """Write the dataset K times, to `output`/fold_1 to fold_K, each with another part held out; return what each holds.

    Args:
        dataset: what to split.
        output: the folder of folds.
        rule: what stays together.
        num_folds: K, at least 2.
        seed: of the dealing.
        window_frames: T, frames in a clip.
        force: replace folds that are there.

    Raises:
        RequestError: if there are fewer groups than folds.
        DatasetError: if a fold's folder holds something.
    """
    items = list_splittable(list(list_keyframes(dataset).values()), dataset.sessions)
    folds = deal_folds(items, rule, num_folds=num_folds, seed=seed)
    return tuple(
        _write(
            dataset,
            output / f"fold_{number + 1}",
            rule,
            np.where(folds == number, "val", "train").tolist(),
            seed=seed,
            window_frames=window_frames,
            force=force,
            wanted_share=1 / num_folds,
        )
        for number in range(num_folds)
    )


def list_keyframes(dataset: ThermalDataset) -> dict[str, LabelledKeyframe]:
    """Return every keyframe of a dataset by id, split after split; one that two splits list counts once."""
    keyframes: dict[str, LabelledKeyframe] = {}
    for annotated in dataset.splits.values():
        people = annotated.group_by_image()
        for image in annotated.images:
            keyframes.setdefault(image.id, LabelledKeyframe(image=image, people=people[image.id]))
    return keyframes


def link_recordings(sources: Mapping[str, Path], layout: DatasetLayout) -> None:
    """Put recordings into a dataset folder without copying them.

    Args:
        sources: the files by recording.
        layout: the folder; it must have none of them.
    """
    layout.frames_dir.mkdir(parents=True, exist_ok=True)
    for name, source in sources.items():
        target = layout.recording_file(name)
        try:
            os.link(source.resolve(), target)
        except OSError:  # another disk, or one without hard links
            target.symlink_to(source.resolve())


def _write(
    dataset: ThermalDataset,
    output: Path,
    rule: SplitRule,
    names: Sequence[str],
    *,
    seed: int,
    window_frames: int,
    force: bool,
    wanted_share: float,
) -> NewSplit:
    """Write a dataset folder with each keyframe in the split of that name; `names` in the order of `list_keyframes`."""
    if output.resolve().is_relative_to(dataset.layout.root.resolve()):
        raise RequestError(f"{output}: lies in the dataset itself", hint="name another folder with --output")
    keyframes = number_people(list(list_keyframes(dataset).values()))
    splits = {
        split: [keyframe for keyframe, name in zip(keyframes, names, strict=True) if name == split]
        for split in ("train", "val")
    }
    try:
        with assemble_folder(output, may_replace=is_replaceable if force else None) as made:
            layout = DatasetLayout(made)
            link_recordings({name: recording.path for name, recording in dataset.recordings.items()}, layout)
            write_annotations(
                layout,
                splits,
                dataset.recordings,
                dataset.classes,
                name=output.name,
                split_rule=rule,
                configuration={"random_seed": seed, "split_by": rule, "source_fingerprint": dataset.fingerprint()},
            )
    except FileExistsError as error:
        raise refuse_taken(output, force=force) from error
    new = load_dataset(DatasetLayout(output))
    return describe_split(new, rule, window_frames=window_frames, wanted_share=wanted_share)


def is_replaceable(folder: Path) -> bool:
    """Return whether --force may remove a folder: only a dataset is ever replaced."""
    return DatasetLayout(folder).is_dataset()


def refuse_taken(output: Path, *, force: bool) -> DatasetError:
    """Return the error for an output that is in the way."""
    if output.is_file():
        return DatasetError(f"{output}: is a file, expected a folder or nothing", hint="name another folder")
    if not is_replaceable(output):
        return DatasetError(f"{output}: holds something that is no dataset", hint="name another folder with --output")
    hint = "name another with --output" if force else "name another with --output, or replace it with --force"
    return DatasetError(f"{output}: holds a dataset already", hint=hint)


def describe_split(
    dataset: ThermalDataset, rule: str, *, window_frames: int, wanted_share: float | None = None
) -> NewSplit:
    """Return what each side of a dataset holds and what it lacks.

    Args:
        dataset: as it was written.
        rule: what was kept together.
        window_frames: T, frames in a clip.
        wanted_share: the share that was to be held out; None if none was asked for.
    """
    parts = []
    for split, annotated in dataset.splits.items():
        samples = dataset.samples(split)
        counts = np.bincount([sample.label for sample in samples], minlength=dataset.num_classes)
        parts.append(
            SplitPart(
                split=split,
                num_keyframes=len(samples),
                num_people=len(annotated.annotations),
                sessions=tuple(sorted({sample.session for sample in samples})),
                class_counts=tuple(counts.tolist()),
            )
        )
    return NewSplit(
        root=dataset.layout.root,
        rule=rule,
        classes=dataset.classes,
        parts=tuple(parts),
        protocol=describe_protocol(dataset, window_frames) if "val" in dataset.splits else None,
        remarks=(*_remark_share(parts, rule, wanted_share), *_remark_classes(parts, dataset.classes)),
    )


def _remark_share(parts: Sequence[SplitPart], rule: str, wanted_share: float | None) -> tuple[str, ...]:
    """Return what became of the share that was asked for, where the groups did not allow it."""
    sizes = {part.split: part.num_keyframes for part in parts}
    share = sizes.get("val", 0) / sum(sizes.values())
    if not wanted_share or abs(share - wanted_share) < MOST_SHARE_OFF:
        return ()
    return (f"{share:.0%} are held out, {wanted_share:.0%} were asked for: no {rule} is ever divided",)


def _remark_classes(parts: Sequence[SplitPart], classes: Sequence[str]) -> tuple[str, ...]:
    """Return which classes occur on one side only, with their clips."""
    judged = [np.array(part.class_counts) for part in parts if part.split == "val"]
    if not judged:
        return ("there is no val: nothing to judge a model on",)
    train, val = np.array(parts[0].class_counts), judged[0]
    one_sided = (
        ("judged and never trained", (train == 0) & (val > 0), val),
        ("trained and never judged", (train > 0) & (val == 0), train),
    )
    remarks = []
    for what, mask, counts in one_sided:
        named = [f"{classes[class_id]} ({counts[class_id]})" for class_id in np.flatnonzero(mask).tolist()]
        if named:
            remarks.append(f"{what}: {', '.join(named)}")
    return tuple(remarks)
