"""Answers as a COCO-style annotation file, for annotators to correct and for `build-dataset` to read."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from typing_extensions import Self

from thermalctl.annotations.coco import Box, ImageEntry, PersonAnnotation
from thermalctl.annotations.coco_writing import describe_image, describe_person
from thermalctl.files import replace_file
from thermalctl.streams.answers import WindowAnswer

SUFFIX = ".coco.json"
#: Where a model judges the whole frame, so does its annotation.
_WHOLE_FRAME = Box(0.5, 0.5, 1.0, 1.0)


class CocoFile:
    """An annotation file, a context manager: whole under its name once it is left without an error, else not there.

    Each window's keyframe is an image; whoever is judged in it is an annotation, with the most probable class and, as
    `score`, how probable it is. A window without an answer is left out. Both lists go to the disk as they come.

    Attributes:
        path: the file.

    Args:
        path: the file.
        classes: class names in id order.
        frame_size: (H, W) in pixels.
        mac_address: the recording's device.
        title: what `info` says of it.
    """

    def __init__(
        self, path: Path, classes: Sequence[str], *, frame_size: tuple[int, int], mac_address: str, title: str
    ) -> None:
        self.path = path
        self._classes = classes
        self._height, self._width = frame_size
        self._mac_address = mac_address
        self._title = title
        self._last_image = ""
        self._num_people = 0
        self._year = datetime.now(tz=timezone.utc).year
        self._stack = ExitStack()

    def write(self, answer: WindowAnswer) -> None:
        """Write the next answer."""
        if answer.class_id is None or answer.probabilities is None:
            return
        image = ImageEntry(
            id=f"{answer.recording}_{answer.keyframe_ms}_{answer.keyframe}",
            sensor_id=answer.recording,
            mac_address=self._mac_address,
            timestamp_ms=answer.keyframe_ms,
            width=self._width,
            height=self._height,
            frame_idx=answer.keyframe,
        )
        if image.id != self._last_image:
            _append(self._images, describe_image(image), is_first=not self._last_image)
            self._last_image = image.id
        person = PersonAnnotation(
            id=self._num_people,
            image_id=image.id,
            box=_clip(answer.box or _WHOLE_FRAME),
            category_id=answer.class_id,
            category_name=self._classes[answer.class_id],
            object_id=answer.person,
            attribute_obscured=None,
        )
        score = round(float(answer.probabilities.max()), 7)
        _append(self._people, describe_person(person) | {"score": score}, is_first=not self._num_people)
        self._num_people += 1

    def __enter__(self) -> Self:
        temporary = self._stack.enter_context(replace_file(self.path))
        self._images: IO[str] = self._stack.enter_context(temporary.open("w", encoding="utf-8"))
        self._people: IO[str] = self._stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
        self._images.write('{"images": [')
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._join()
        except BaseException:
            self._stack.__exit__(*sys.exc_info())
            raise
        self._stack.__exit__(kind, error, trace)

    def _join(self) -> None:
        """Write the people after the images, and what a file ends with."""
        self._images.write('],\n"annotations": [')
        self._people.seek(0)
        while block := self._people.read(1 << 20):
            self._images.write(block)
        categories = [{"id": class_id, "name": name} for class_id, name in enumerate(self._classes)]
        info = {"description": self._title, "version": "1.0", "year": self._year}
        ending = json.dumps({"categories": categories, "info": info}, ensure_ascii=False)
        self._images.write(f"],\n{ending[1:]}\n")


def _append(file: IO[str], record: dict[str, Any], *, is_first: bool) -> None:
    file.write(("\n" if is_first else ",\n") + json.dumps(record, ensure_ascii=False))


def _clip(box: Box) -> Box:
    """Return the part of a box that lies in the frame, as annotation files have it."""
    left, right = max(0.0, box.cx - box.w / 2), min(1.0, box.cx + box.w / 2)
    top, bottom = max(0.0, box.cy - box.h / 2), min(1.0, box.cy + box.h / 2)
    return Box((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
