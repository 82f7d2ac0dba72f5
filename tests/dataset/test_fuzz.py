"""Annotation files changed at random: an error that names the file, or a dataset that holds together."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ALL_SPLITS, load_dataset
from thermalctl.errors import DatasetError

#: What a slip of a tool or a hand may leave in a field.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-2, 30),
    st.floats(),
    st.sampled_from(["", "../../x", "/etc/passwd", "SL14_R1", "\ud800", "a\0b", "0", "nan", "..", "C:\\x"]),
    st.text(max_size=5),
    st.lists(st.floats(-1, 70), max_size=5),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@pytest.fixture(scope="module")
def root(simulated_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of its own, with the recordings of another and few keyframes."""
    folder = tmp_path_factory.mktemp("fuzz") / "dataset"
    shutil.copytree(simulated_dataset, folder)
    for split in ("train", "val"):
        path = folder / "annotations" / f"{split}.json"
        document = json.loads(path.read_text())
        document["images"] = document["images"][:3]
        kept = {image["id"] for image in document["images"]}
        document["annotations"] = [entry for entry in document["annotations"] if entry["image_id"] in kept]
        path.write_text(json.dumps(document))
    return folder


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[str, Any, Any]]:
    """Return what to change: (kind, where to look, the new value)."""
    kinds = st.sampled_from(["replace", "replace", "replace", "remove", "repeat", "extra"])
    place = st.lists(st.integers(0, 40), min_size=1, max_size=4)
    return [(draw(kinds), draw(place), draw(VALUES)) for _ in range(draw(st.integers(1, 3)))]


def apply(document: Any, kind: str, place: list[int], value: Any) -> None:
    """Walk down the document by `place` and change what is there."""
    holder, key = None, None
    node = document
    for step in place:
        if isinstance(node, dict) and node:
            holder, key = node, list(node)[step % len(node)]
        elif isinstance(node, list) and node:
            holder, key = node, step % len(node)
        else:
            break
        node = holder[key]
    if holder is None:
        return
    if kind == "replace":
        holder[key] = value
    elif kind == "remove":
        del holder[key]
    elif kind == "repeat" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif kind == "extra" and isinstance(holder, dict):
        holder["extra"] = value


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(changed=changes(), file=st.sampled_from(["train", "val", "class_mapping"]))
def test_changed_annotations_are_refused_by_name_or_hold_together(
    root: Path, changed: list[tuple[str, Any, Any]], file: str
) -> None:
    path = root / "annotations" / f"{file}.json"
    original = path.read_text()
    document = json.loads(original)
    for kind, place, value in changed:
        apply(document, kind, place, value)
    path.write_text(json.dumps(document))
    try:
        dataset = load_dataset(DatasetLayout(root))
    except DatasetError as error:
        assert error.problems
        assert all(f"{file}.json" in problem for problem in error.problems), error.problems
    else:
        for sample in dataset.samples(ALL_SPLITS):
            assert 0 <= sample.label < dataset.num_classes
            assert 0 <= sample.keyframe < dataset.recordings[sample.recording].num_frames
            assert all(0 <= part <= 1 for box in sample.boxes for part in box)
    finally:
        path.write_text(original)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_are_refused_by_name_or_hold_together(root: Path, places: list[tuple[int, int]]) -> None:
    path = root / "annotations" / "train.json"
    original = path.read_bytes()
    content = bytearray(original)
    for place, value in places:
        content[place % len(content)] = value
    path.write_bytes(content)
    try:
        dataset = load_dataset(DatasetLayout(root))
    except DatasetError as error:
        assert "train.json" in error.message
    else:
        assert len(dataset.samples("train")) == 3
    finally:
        path.write_bytes(original)
