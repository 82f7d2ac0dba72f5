"""Class names: from `class_mapping.json` and from a COCO file's `categories`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from thermalctl.annotations.json_records import JsonRecord, quote, read_json_object
from thermalctl.errors import DatasetError, summarise_problems

#: The classes of the dataset that the finetuning guide describes, in id order. Simulated recordings use them; a real
#: dataset always brings its own.
THERMAL_ACTION_CLASSES = (
    "sitting",
    "standing",
    "walking",
    "lying down-lying with risk",
    "lying down-lying on the bed/couch",
    "leaning",
    "transition-normal transition",
    "transition-lying with risk transition",
    "transition-lying on the bed transition",
    "lower position-other",
    "lower position-kneeling",
    "lower position-bending",
    "lower position-crouching",
    "other",
)


def read_class_mapping(path: Path) -> tuple[str, ...]:
    """Return the class names in id order from a `class_mapping.json`.

    The file holds `{"classes": [name, ...], "class_to_id": {name: id, ...}}`; `class_to_id` may be left out.

    Raises:
        DatasetError: if the file is not such a mapping or its two parts contradict each other.
    """
    mapping = read_json_object(path)
    names = mapping.get("classes")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise DatasetError(f'{path}: "classes" is {quote(names)}, expected a list of class names in id order')
    problems = [f'{path}: class "{name}" is listed twice' for name in sorted(_find_repeated(names))]
    expected = {name: position for position, name in enumerate(names)}
    if "class_to_id" in mapping and mapping["class_to_id"] != expected:
        problems.append(f'{path}: "class_to_id" is not the position of each name in "classes"')
    if problems:
        raise DatasetError(summarise_problems(problems))
    return tuple(names)


def parse_categories(path: Path, categories: object, problems: list[str]) -> tuple[str, ...]:
    """Return the class names in id order from a COCO file's `categories`; `()` if `problems` were added.

    Args:
        path: the file, named in the problems.
        categories: `[{"id": 0, "name": ...}, ...]`, in any order; the ids must be 0 to K - 1.
        problems: where problems are added.
    """
    if not isinstance(categories, list) or not categories:
        problems.append(f'{path}: "categories" is {quote(categories)}, expected a list of {{"id", "name"}}')
        return ()
    found_before = len(problems)
    names_by_id: dict[int, str] = {}
    for position, values in enumerate(categories):
        where = f"{path}: category {position}"
        if not isinstance(values, dict):
            problems.append(f"{where} is {quote(values)}, expected an object")
            continue
        record = JsonRecord(where=where, values=values, problems=problems)
        category_id, name = record.integer("id"), record.text("name")
        if category_id is None or name is None:
            continue
        if category_id in names_by_id:
            record.report(f'has "id": {category_id}, which "{names_by_id[category_id]}" has already.')
        names_by_id[category_id] = name
    if len(problems) > found_before:
        return ()
    problems.extend(_check_ids(path, sorted(names_by_id)))
    names = [names_by_id[category_id] for category_id in sorted(names_by_id)]
    problems.extend(f'{path}: categories name "{name}" twice' for name in sorted(_find_repeated(names)))
    return () if len(problems) > found_before else tuple(names)


def _check_ids(path: Path, ids: Sequence[int]) -> list[str]:
    if list(ids) == list(range(len(ids))):
        return []
    if list(ids) == list(range(1, len(ids) + 1)):
        return [
            f"{path}: category ids start at 1 (1 to {ids[-1]}), expected 0 to {len(ids) - 1}; "
            f"subtract 1 from them and from each annotation's category_id"
        ]
    missing = sorted(set(range(len(ids))) - set(ids))
    return [
        f"{path}: category ids are {quote(list(ids))}, expected 0 to {len(ids) - 1} without gaps; {missing} missing"
    ]


def _find_repeated(names: Sequence[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}
