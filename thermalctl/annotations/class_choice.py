"""Which classes a dataset to be built has, and which class each annotated action is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from thermalctl.annotations.classes import THERMAL_ACTION_CLASSES, read_class_mapping
from thermalctl.annotations.keyframes import AnnotationSource
from thermalctl.errors import DatasetError, RequestError

_NAMES_HINT = "write one class name a line, in id order"


@dataclass(frozen=True, kw_only=True)
class ClassChoice:
    """The classes of a dataset.

    Attributes:
        names: in id order.
        merged: the class that an action was merged into, by action.
        origin: where the names come from, in words.
    """

    names: tuple[str, ...]
    merged: Mapping[str, str]
    origin: str

    def find_id(self, action: str) -> int | None:
        """Return the class of an action, or None if it is none of them."""
        name = self.merged.get(action, action)
        return self.names.index(name) if name in self.names else None

    def explain_unknown(self, action: str) -> str:
        """Return why an action was left out, with the class that may be meant."""
        close = difflib.get_close_matches(action, self.names, n=1)
        return f'"{action}" is not among the classes' + (f'; is "{close[0]}" meant?' if close else "")


def choose_classes(
    sources: Sequence[AnnotationSource], *, named: Sequence[str] | None = None, merges: Sequence[str] = ()
) -> ClassChoice:
    """Return the classes of what was annotated.

    They are those that are named; else those that the annotation files define; else the thermal action dataset's, if
    every action is one of them; else every action that occurs, sorted.

    Args:
        sources: what was annotated.
        named: class names in id order, if the user gave them.
        merges: "NEW=OLD,OLD,...": several actions that become one class. It takes the place of the first of them.

    Raises:
        DatasetError: if annotation files define different classes, or none of them holds an action.
        RequestError: if a merge is malformed or names an unknown action.
    """
    names, origin = _find_names(sources, named)
    merged: dict[str, str] = {}
    for merge in merges:
        new, olds = _parse_merge(merge)
        unknown = [old for old in olds if old not in names]
        if unknown:
            close = difflib.get_close_matches(unknown[0], names, n=1)
            suggestion = f' Is "{close[0]}" meant?' if close else ""
            raise RequestError(
                f'--merge-classes {new}: "{unknown[0]}" is not a class.{suggestion}',
                hint=f"there are: {', '.join(names)}",
            )
        place = names.index(olds[0])
        names[place] = new
        names = [name for position, name in enumerate(names) if position == place or name not in {new, *olds}]
        merged |= dict.fromkeys(olds, new)
    return ClassChoice(names=tuple(names), merged=merged, origin=f"{origin}, merged" if merged else origin)


def read_class_names(path: Path) -> tuple[str, ...]:
    """Return class names in id order from a `class_mapping.json`, or from a text file with one name a line.

    Raises:
        DatasetError: if the file cannot be read, holds no name, or one twice.
    """
    if path.suffix == ".json":
        return read_class_mapping(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})", hint=_NAMES_HINT) from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not text in UTF-8 (byte {error.start})", hint=_NAMES_HINT) from error
    names = [line.strip() for line in lines if line.strip()]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if not names or repeated:
        problem = f'lists "{repeated}" twice' if repeated else "holds no class name"
        raise DatasetError(f"{path}: {problem}", hint=_NAMES_HINT)
    return tuple(names)


def _find_names(sources: Sequence[AnnotationSource], named: Sequence[str] | None) -> tuple[list[str], str]:
    if named:
        return list(named), "as named"
    defined = {source.classes: source.path for source in sources if source.classes}
    if len(defined) > 1:
        (first, path), (second, other), *_ = defined.items()
        raise DatasetError(
            f"{other}: defines {len(second)} classes that are not the {len(first)} of {path}",
            hint="name the classes with --classes FILE",
        )
    if defined:
        return list(next(iter(defined))), "as the annotation files define them"
    actions = {person.action for source in sources for keyframe in source.keyframes for person in keyframe.people}
    if not actions:
        raise DatasetError(
            f"{', '.join(str(source.path) for source in sources)}: nobody in it does anything",
            hint="an annotation needs a person with an action",
        )
    if actions <= set(THERMAL_ACTION_CLASSES):
        return list(THERMAL_ACTION_CLASSES), "those of the thermal action dataset"
    return sorted(actions), "every action that occurs"


def _parse_merge(merge: str) -> tuple[str, list[str]]:
    new, equals, rest = merge.partition("=")
    olds = [old.strip() for old in rest.split(",") if old.strip()]
    if not new.strip() or not equals or not olds:
        raise RequestError(
            f'--merge-classes "{merge}": expected NEW=OLD,OLD,...',
            hint='as in --merge-classes "low=lower position-kneeling,lower position-bending"',
        )
    return new.strip(), olds
