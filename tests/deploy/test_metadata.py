from __future__ import annotations

import json
from typing import Any

import pytest

from thermalctl.clip_spec import ClipSpec
from thermalctl.deploy.metadata import FittedTemperature, OnnxMetadata
from thermalctl.errors import CheckpointError


def make_metadata(**changes: object) -> OnnxMetadata:
    spec = ClipSpec(classes=("sitting", "größer"), num_frames=8, input_size=(4, 6))
    values = {
        "classes": spec.classes,
        "clip_spec": spec,
        "input_kind": "raw",
        "checkpoint_sha256": "ab" * 32,
        "thermalctl_version": "1.2.3",
    }
    return OnnxMetadata(**(values | changes))


FIT = FittedTemperature(
    temperature=1.25, split="val", num_clips=73, by_session=True, log_loss=0.8, log_loss_scaled=0.7, ece=0.1,
    ece_scaled=0.05,
)  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"outputs": ("probabilities", "logits", "features"), "precision": "int8"},
        {"temperature": 1.25, "fit": FIT},
        {"temperature": 0.1 + 0.2},
    ],
)
def test_record_survives_the_way_into_a_file_and_back(changes: dict[str, Any]) -> None:
    metadata = make_metadata(**changes)
    assert OnnxMetadata.from_properties(metadata.to_properties(), "m.onnx") == metadata


def test_classes_and_clip_spec_are_plain_json() -> None:
    properties = make_metadata().to_properties()
    assert json.loads(properties["classes"]) == ["sitting", "größer"]
    assert json.loads(properties["clip_spec"])["temperature_range_c"] == [5.0, 45.0]


def test_file_of_an_older_version_has_probabilities_of_float32_and_no_temperature() -> None:
    properties = make_metadata().to_properties()
    for key in ("outputs", "precision", "temperature", "temperature_fit"):
        del properties[key]
    assert OnnxMetadata.from_properties(properties, "m.onnx") == make_metadata()


def test_rgb_input_may_lack_a_clip_spec() -> None:
    metadata = make_metadata(clip_spec=None, input_kind="rgb")
    assert OnnxMetadata.from_properties(metadata.to_properties(), "m.onnx").clip_spec is None


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("raw", {"target": "person"}, (12, 4)),
        ("raw", {"target": "person", "person_crop": "fixed"}, (4,)),
        ("raw", {"target": "frame"}, None),
        ("rgb", {"target": "person"}, None),
    ],
)
def test_only_degrees_into_a_model_of_people_need_regions_one_a_frame_if_it_follows(
    kind: str, options: dict[str, Any], expected: tuple[int, ...] | None
) -> None:
    spec = ClipSpec(classes=("a", "b"), num_frames=12, **options)
    assert make_metadata(clip_spec=spec, input_kind=kind).region_shape == expected


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("classes", None, "m.onnx: its metadata lacks classes"),
        ("classes", "[", "not JSON"),
        ("classes", '{"a": 1}', "expected a list of names"),
        ("clip_spec", "null", "input_kind 'raw' and a clip_spec that is a NoneType"),
        ("clip_spec", '{"classes": ["a"], "colour": 1}', "unknown fields"),
        ("input_kind", "grey", "input_kind 'grey'"),
        ("outputs", '["probabilities", "boxes"]', "expected some of probabilities, logits, features"),
        ("outputs", '"logits"', "outputs 'logits'"),
        ("precision", "int4", "precision 'int4'"),
        ("temperature", "0.0", "temperature 0.0"),
        ("temperature", "Infinity", "temperature inf"),
        ("temperature", "NaN", "temperature nan"),
        ("temperature", "true", "temperature True"),
        ("temperature_fit", '{"temperature": 1.5}', "a temperature_fit that does not hold exactly"),
    ],
)
def test_metadata_of_another_kind_is_refused(key: str, value: str | None, match: str) -> None:
    properties = make_metadata().to_properties() | ({} if value is None else {key: value})
    if value is None:
        del properties[key]
    with pytest.raises(CheckpointError, match=match):
        OnnxMetadata.from_properties(properties, "m.onnx")
