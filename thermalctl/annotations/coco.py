"""COCO-style annotation files: one image entry is one annotated keyframe, one annotation is one person in it.

{"images":      [{"id", "sensor_id", "mac_address", "timestamp", "width", "height", "frame_idx"}],
 "annotations": [{"id", "image_id", "bbox": [cx, cy, w, h] in 0..1, "category_id", "category_name", "object_id",
                  "attribute_obscured"}],
 "categories":  [{"id": 0.., "name"}], "info": {...}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from thermalctl.annotations.classes import parse_categories
from thermalctl.annotations.json_records import JsonRecord, list_records, quote, read_json_object
from thermalctl.errors import DatasetError, summarise_problems

#: The split rule of a file that does not name one in its `info`.
GIVEN_SPLIT = "given"


class Box(NamedTuple):
    """A person's box as fractions of the frame, 0..1: centre x, centre y, width, height."""

    cx: float
    cy: float
    w: float
    h: float


@dataclass(frozen=True, kw_only=True)
class ImageEntry:
    """One annotated keyframe.

    Attributes:
        id: unique in the file.
        sensor_id: the recording, `frames/<sensor_id>.h5`; a plain file name.
        mac_address: the device, "" where the file does not say.
        timestamp_ms: when the keyframe was taken, ms since 1970.
        width: of the frame, pixels.
        height: of the frame, pixels.
        frame_idx: the keyframe's place in the recording, from 0.
    """

    id: str
    sensor_id: str
    mac_address: str
    timestamp_ms: int
    width: int
    height: int
    frame_idx: int


@dataclass(frozen=True, kw_only=True)
class PersonAnnotation:
    """What one person in a keyframe does.

    Attributes:
        id: unique in the file.
        image_id: the keyframe.
        box: where the person is.
        category_id: the class, from 0.
        category_name: the class's name.
        object_id: the annotators' number of the person, to tell people in one recording apart; None if not given.
        attribute_obscured: how much of the person is hidden, as the annotators wrote it ("25%"); None if not given.
    """

    id: int
    image_id: str
    box: Box
    category_id: int
    category_name: str
    object_id: int | None
    attribute_obscured: str | None


@dataclass(frozen=True, kw_only=True)
class AnnotationFile:
    """A whole annotation file, in the file's order.

    Attributes:
        path: where it was read.
        images: the keyframes, each with at least one annotation.
        annotations: the people in them.
        classes: class names in id order.
        split_rule: how keyframes were dealt to this split, from the file's `info.split_rule`; "given" if unknown.
    """

    path: Path
    images: tuple[ImageEntry, ...]
    annotations: tuple[PersonAnnotation, ...]
    classes: tuple[str, ...]
    split_rule: str = GIVEN_SPLIT

    def group_by_image(self) -> dict[str, tuple[PersonAnnotation, ...]]:
        """Return the people of each keyframe by image id, in the file's order."""
        people: dict[str, list[PersonAnnotation]] = {image.id: [] for image in self.images}
        for annotation in self.annotations:
            people[annotation.image_id].append(annotation)
        return {image_id: tuple(found) for image_id, found in people.items()}


def read_annotations(path: Path) -> AnnotationFile:
    """Return a COCO-style annotation file, checked.

    Raises:
        DatasetError: with every problem found: a missing or mistyped field, a repeated id, an annotation of an
            unknown image, a class that `categories` does not have, a box outside 0..1, a `sensor_id` that is no plain
            file name, a keyframe without a person.
    """
    problems: list[str] = []
    annotations = parse_annotations(path, problems)
    if annotations is None:
        raise DatasetError(summarise_problems(problems), hint="mend the file, or write it again from its source")
    return annotations


def parse_annotations(path: Path, problems: list[str]) -> AnnotationFile | None:
    """Return a COCO-style annotation file; None, and what is wrong added to `problems`, if anything is."""
    try:
        document = read_json_object(path)
    except DatasetError as error:
        problems.append(error.message)
        return None
    found: list[str] = []
    images = _parse_images(path, document, found)
    classes = parse_categories(path, document.get("categories"), found)
    annotations = _parse_annotations(path, document, images, classes, found)
    if found:
        problems.extend(found)
        return None
    return AnnotationFile(
        path=path,
        images=tuple(images.values()),
        annotations=tuple(annotations),
        classes=classes,
        split_rule=_find_split_rule(document),
    )


def _parse_images(path: Path, document: Mapping[str, Any], problems: list[str]) -> dict[str, ImageEntry]:
    images: dict[str, ImageEntry] = {}
    for record in list_records(path, document, "images", "image", problems):
        image_id, sensor_id = record.text("id"), _parse_sensor_id(record)
        timestamp, frame_idx = record.integer("timestamp"), record.integer("frame_idx")
        width, height = record.integer("width"), record.integer("height")
        mac_address = record.values.get("mac_address")
        if image_id in images:
            record.report("is there twice; expected each id once.")
        if image_id is None:
            continue
        # A field with a problem stays in as a placeholder, so that its annotations are not reported as well; nothing
        # is returned once there is a problem.
        images[image_id] = ImageEntry(
            id=image_id,
            sensor_id=sensor_id or "",
            mac_address=mac_address if isinstance(mac_address, str) else "",
            timestamp_ms=timestamp or 0,
            width=width or 0,
            height=height or 0,
            frame_idx=frame_idx or 0,
        )
    return images


def _parse_annotations(
    path: Path,
    document: Mapping[str, Any],
    images: Mapping[str, ImageEntry],
    classes: tuple[str, ...],
    problems: list[str],
) -> list[PersonAnnotation]:
    annotations: dict[int, PersonAnnotation] = {}
    annotated: set[str] = set()
    records = list_records(path, document, "annotations", "annotation", problems)
    for record in records:
        annotation_id, image_id = record.integer("id"), record.text("image_id")
        category_id, box = record.integer("category_id"), _parse_box(record)
        if image_id is not None:
            annotated.add(image_id)
            if image_id not in images:
                record.report(f'has "image_id": {quote(image_id)}, which is not among the images.')
        category_name = _parse_category(record, category_id, classes)
        if annotation_id in annotations:
            record.report("is there twice; expected each id once.")
        if annotation_id is None or image_id is None or category_id is None or box is None:
            continue
        object_id, obscured = record.values.get("object_id"), record.values.get("attribute_obscured")
        annotations[annotation_id] = PersonAnnotation(
            id=annotation_id,
            image_id=image_id,
            box=box,
            category_id=category_id,
            category_name=category_name,
            object_id=object_id if isinstance(object_id, int) else None,
            attribute_obscured=obscured if isinstance(obscured, str) else None,
        )
    if records:
        problems.extend(
            f"{path}: image {quote(image_id)} has no annotation; expected at least one person."
            for image_id in images
            if image_id not in annotated
        )
    return list(annotations.values())


def _parse_sensor_id(record: JsonRecord) -> str | None:
    sensor_id = record.text("sensor_id")
    if sensor_id is None:
        return None
    # The name becomes a path below the dataset; both kinds of separator are refused on every system.
    if any(character in sensor_id for character in "/\\:\0") or sensor_id in (".", ".."):
        record.report(f'has "sensor_id": {quote(sensor_id)}, expected a plain name, as of frames/<sensor_id>.h5.')
    return sensor_id


def _parse_category(record: JsonRecord, category_id: int | None, classes: tuple[str, ...]) -> str:
    if category_id is None or not classes:
        return ""
    if category_id >= len(classes):
        record.report(f'has "category_id": {category_id}, but categories are 0 to {len(classes) - 1}.')
        return ""
    name = classes[category_id]
    written = record.values.get("category_name", name)
    if written != name:
        record.report(f'has "category_name": {quote(written)}, but category {category_id} is "{name}".')
    return name


def _parse_box(record: JsonRecord) -> Box | None:
    values = record.values.get("bbox")
    if isinstance(values, list) and len(values) == 4 and all(_is_fraction(value) for value in values):
        box = Box(*(float(value) for value in values))
        if box.w > 0 and box.h > 0:
            return box
    found = f'has "bbox": {quote(values)}' if "bbox" in record.values else 'has no "bbox"'
    looks_like_pixels = isinstance(values, list) and any(isinstance(v, (int, float)) and v > 1 for v in values)
    advice = " Are these pixels? Divide by the frame's width and height." if looks_like_pixels else ""
    record.report(f"{found}, expected [centre x, centre y, width, height] as fractions of the frame, 0 to 1.{advice}")
    return None


def _is_fraction(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def _find_split_rule(document: Mapping[str, Any]) -> str:
    info = document.get("info")
    rule = info.get("split_rule") if isinstance(info, dict) else None
    return rule if isinstance(rule, str) and rule else GIVEN_SPLIT
