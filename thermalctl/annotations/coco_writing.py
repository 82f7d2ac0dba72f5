"""COCO-style annotation files written: the counterpart of `coco`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from thermalctl.annotations.coco import ImageEntry, PersonAnnotation


@dataclass(frozen=True, kw_only=True)
class LabelledKeyframe:
    """A keyframe and the people in it, at least one."""

    image: ImageEntry
    people: tuple[PersonAnnotation, ...]


def make_document(
    keyframes: Sequence[LabelledKeyframe], classes: Sequence[str], *, title: str, year: int, split_rule: str
) -> dict[str, Any]:
    """Return an annotation file's content.

    Args:
        keyframes: in the order in which they are written.
        classes: class names in id order.
        title: what the file holds, as "Training".
        year: when it was recorded.
        split_rule: how keyframes were dealt to this split.
    """
    return {
        "images": [describe_image(keyframe.image) for keyframe in keyframes],
        "annotations": [describe_person(person) for keyframe in keyframes for person in keyframe.people],
        "categories": [{"id": class_id, "name": name} for class_id, name in enumerate(classes)],
        "info": {
            "description": f"Thermal Human Action Dataset ({title})",
            "version": "1.0",
            "year": year,
            "split_rule": split_rule,
        },
    }


def number_people(keyframes: Sequence[LabelledKeyframe]) -> list[LabelledKeyframe]:
    """Return keyframes whose people have ids of their own: those they have, or new ones where two share one."""
    ids = [person.id for keyframe in keyframes for person in keyframe.people]
    if len(set(ids)) == len(ids):
        return list(keyframes)
    numbers = iter(range(len(ids)))
    return [
        replace(keyframe, people=tuple(replace(person, id=next(numbers)) for person in keyframe.people))
        for keyframe in keyframes
    ]


def make_class_mapping(classes: Sequence[str]) -> dict[str, Any]:
    """Return the content of a `class_mapping.json`."""
    return {"classes": list(classes), "class_to_id": {name: class_id for class_id, name in enumerate(classes)}}


def describe_image(image: ImageEntry) -> dict[str, Any]:
    """Return a keyframe as an annotation file's `images` has it."""
    return {
        "id": image.id,
        "sensor_id": image.sensor_id,
        "mac_address": image.mac_address,
        "timestamp": image.timestamp_ms,
        "width": image.width,
        "height": image.height,
        "frame_idx": image.frame_idx,
    }


def describe_person(person: PersonAnnotation) -> dict[str, Any]:
    """Return a person as an annotation file's `annotations` has them."""
    return {
        "id": person.id,
        "image_id": person.image_id,
        "bbox": list(person.box),
        "category_id": person.category_id,
        "category_name": person.category_name,
        "object_id": person.object_id,
        "attribute_obscured": person.attribute_obscured,
    }
