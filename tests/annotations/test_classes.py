from __future__ import annotations

import json
from pathlib import Path

import pytest

from thermalctl.annotations.classes import THERMAL_ACTION_CLASSES, parse_categories, read_class_mapping
from thermalctl.errors import DatasetError


def write(tmp_path: Path, value: object) -> Path:
    path = tmp_path / "class_mapping.json"
    path.write_text(json.dumps(value))
    return path


def test_mapping_gives_names_in_id_order(tmp_path: Path) -> None:
    path = write(tmp_path, {"classes": ["stand", "lie"], "class_to_id": {"lie": 1, "stand": 0}})
    assert read_class_mapping(path) == ("stand", "lie")


def test_mapping_without_class_to_id_is_enough(tmp_path: Path) -> None:
    assert read_class_mapping(write(tmp_path, {"classes": ["stand", "lie"]})) == ("stand", "lie")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"classes": ["stand", "lie"], "class_to_id": {"stand": 1, "lie": 0}}, '"class_to_id" is not the position'),
        ({"classes": ["stand", "lie", "stand"]}, 'class "stand" is listed twice'),
        ({"classes": []}, r'"classes" is \[\], expected a list of class names'),
        ({"classes": ["stand", 3]}, r'"classes" is \["stand", 3\]'),
        ({}, '"classes" is null'),
        (["stand"], "holds a JSON list, expected an object"),
    ],
)
def test_contradictory_mapping_is_refused(tmp_path: Path, value: object, message: str) -> None:
    with pytest.raises(DatasetError, match=message) as error:
        read_class_mapping(write(tmp_path, value))
    assert "class_mapping.json" in error.value.message


def test_categories_may_come_in_any_order() -> None:
    problems: list[str] = []
    names = parse_categories(Path("train.json"), [{"id": 1, "name": "lie"}, {"id": 0, "name": "stand"}], problems)
    assert names == ("stand", "lie")
    assert problems == []


@pytest.mark.parametrize(
    ("categories", "problem"),
    [
        (
            [{"id": 1, "name": "stand"}, {"id": 2, "name": "lie"}],
            "train.json: category ids start at 1 (1 to 2), expected 0 to 1; "
            "subtract 1 from them and from each annotation's category_id",
        ),
        (
            [{"id": 0, "name": "stand"}, {"id": 2, "name": "lie"}],
            "train.json: category ids are [0, 2], expected 0 to 1 without gaps; [1] missing",
        ),
        (
            [{"id": 0, "name": "stand"}, {"id": 0, "name": "lie"}],
            'train.json: category 1 has "id": 0, which "stand" has already.',
        ),
        ([{"id": 0, "name": "stand"}, {"id": 1, "name": "stand"}], 'train.json: categories name "stand" twice'),
        ([{"id": 0}], 'train.json: category 0 has no "name"; expected a text.'),
        ([{"id": True, "name": "x"}], 'train.json: category 0 has "id": true, expected a whole number, 0 or more.'),
        (["stand"], 'train.json: category 0 is "stand", expected an object'),
        ([], 'train.json: "categories" is [], expected a list of {"id", "name"}'),
        (None, 'train.json: "categories" is null, expected a list of {"id", "name"}'),
    ],
)
def test_wrong_categories_are_named(categories: object, problem: str) -> None:
    problems: list[str] = []
    assert parse_categories(Path("train.json"), categories, problems) == ()
    assert problems == [problem]


@pytest.mark.real
def test_known_classes_are_those_of_the_real_dataset(real_dataset: Path) -> None:
    assert read_class_mapping(real_dataset / "annotations" / "class_mapping.json") == THERMAL_ACTION_CLASSES
