from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "model_cost.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("model_cost", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["slowfast-tiny", "thermal-small"])
def test_model_is_measured_as_it_trains(program: ModuleType, name: str) -> None:
    found = program.measure(name, {"clip.num_frames": 16, "clip.input_size": [20, 30]})
    assert found["input_shape"] == (1, 1, 16, 20, 30)
    assert found["gmacs"] > 0
    assert found["forward_s"] > 0
    assert found["step_s"] > 0


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ("clip.num_frames=32", {"clip.num_frames": 32}),
        ("clip.input_size=[40,60]", {"clip.input_size": [40, 60]}),
        ("model.backbone.type=package.Class", {"model.backbone.type": "package.Class"}),
    ],
)
def test_edits_are_values_where_they_can_be(program: ModuleType, text: str, edits: dict[str, Any]) -> None:
    assert program.parse_edits([text]) == edits


def test_table_begins_with_the_cheapest_and_compares_with_the_reference(program: ModuleType) -> None:
    costs = {"num_parameters": 33_600_000, "activation_bytes": 3 * 2**30, "peak_bytes": 5 * 2**20, "forward_s": 1.0}
    table = program.format_table(
        {
            "slowfast-r50": costs | {"input_shape": [1, 3, 64, 256, 384], "gmacs": 108.3, "step_s": 8.0},
            "tsm-r50": costs | {"input_shape": [8, 3, 256, 384], "gmacs": 64.1, "step_s": 2.0},
        }
    )
    assert table.splitlines()[2:] == [
        "| tsm-r50 | 8 x 256x384 | 33.6 M | 64.1 | 3.0 GiB | 5 MiB | 1 s | 2 s | 0.25 |",
        "| slowfast-r50 | 64 x 256x384 | 33.6 M | 108 | 3.0 GiB | 5 MiB | 1 s | 8 s | 1 |",
    ]
