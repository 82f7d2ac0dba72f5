"""COCO-style files as a source of keyframes: the format of a finished dataset, read to build another."""

from __future__ import annotations

import re
from pathlib import Path

from thermalctl.annotations.coco import AnnotationFile, parse_annotations
from thermalctl.annotations.json_records import quote
from thermalctl.annotations.keyframes import AnnotatedKeyframe, AnnotatedPerson, AnnotationSource
from thermalctl.errors import DatasetError, summarise_problems

KIND = "COCO"

_SPLIT_AT_END = re.compile(r"(?:^|[_.-])(train|val|test)$")


def read_coco_source(path: Path) -> AnnotationSource:
    """Return what a COCO-style file holds; a file named `train`, `val` or `test` gives its keyframes that split.

    Raises:
        DatasetError: with every problem found, as of `read_annotations`.
    """
    problems: list[str] = []
    source = parse_coco_source(path, problems)
    if source is None:
        raise DatasetError(summarise_problems(problems), hint="mend the file, or write it again from its source")
    return source


def parse_coco_source(path: Path, problems: list[str]) -> AnnotationSource | None:
    """Return what a COCO-style file holds; None, and what is wrong added to `problems`, if anything is."""
    try:
        file = parse_annotations(path, problems)
    except ValueError:  # Python refuses numbers of thousands of digits
        problems.append(f"{path}: holds a number of too many digits; expected a COCO-style annotation file")
        return None
    return None if file is None else _convert(file)


def _convert(file: AnnotationFile) -> AnnotationSource:
    split = _SPLIT_AT_END.search(file.path.stem)
    people = file.group_by_image()
    return AnnotationSource(
        path=file.path,
        kind=KIND,
        keyframes=tuple(
            AnnotatedKeyframe(
                where=f"{file.path}: image {quote(image.id)}",
                recording=image.sensor_id,
                mac_address=image.mac_address,
                timestamp_ms=image.timestamp_ms,
                frame_idx=image.frame_idx,
                people=tuple(
                    AnnotatedPerson(
                        action=person.category_name,
                        box=person.box,
                        object_id=person.object_id,
                        attribute_obscured=person.attribute_obscured,
                    )
                    for person in people[image.id]
                ),
                split=None if split is None else split[1],
            )
            for image in file.images
        ),
        classes=file.classes,
    )
