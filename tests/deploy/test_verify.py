from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.export import export_onnx
from thermalctl.deploy.metadata import InputKind
from thermalctl.deploy.verify import Verification, split_into_batches, verify_onnx
from thermalctl.engine.restore import RestoredModel


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    def make(model: RestoredModel, input_kind: InputKind = "raw") -> Path:
        path = tmp_path_factory.mktemp("onnx") / "model.onnx"
        export_onnx(model, path, frame_size=(12, 18), input_kind=input_kind, opset=17)
        return path

    return make


def change_weights(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change the last layer's weights in an ONNX file."""
    model = onnx.load(path)
    weights = next(each for each in model.graph.initializer if each.name.endswith("fc_cls.weight"))
    changed = change(numpy_helper.to_array(weights)).astype(np.float32)
    weights.CopyFrom(numpy_helper.from_array(changed, weights.name))
    onnx.save(model, path)


def test_faithful_file_holds(model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path]) -> None:
    told: list[tuple[int, int]] = []
    found = verify_onnx(export(model), model, dataset, on_progress=lambda *counts: told.append(counts))
    assert found.holds
    assert (found.split, found.num_clips, found.num_incomplete_clips) == ("val", 6, 5)
    assert found.batch_sizes == (1, 2, 3)  # the third batch would be 4, but three clips are left
    assert told == [(1, 6), (3, 6), (6, 6)]
    assert 0 < found.max_difference < 2e-6
    assert 0 < found.test_max_difference < 2e-6
    assert found.num_agreeing == found.num_agreeing_with_test == 6
    assert found.test_counts
    assert found.onnx_ms > 0
    assert found.time_ratio == pytest.approx(found.onnx_ms / found.torch_ms)


@pytest.mark.parametrize("name", ["person_model", "fixed_person_model"])
def test_model_of_people_holds(
    name: str, request: pytest.FixtureRequest, dataset: ThermalDataset, export: Callable[..., Path]
) -> None:
    restored = request.getfixturevalue(name)
    found = verify_onnx(export(restored), restored, dataset)
    assert found.holds
    assert found.test_counts
    assert found.num_clips == len(dataset.samples("val", "person"))


@pytest.mark.parametrize("name", ["model", "person_model"])
def test_own_input_holds(
    name: str, request: pytest.FixtureRequest, dataset: ThermalDataset, export: Callable[..., Path]
) -> None:
    restored = request.getfixturevalue(name)
    found = verify_onnx(export(restored, "rgb"), restored, dataset, num_clips=3)
    assert found.holds
    assert found.num_clips == 3
    assert found.test_counts


def test_model_of_the_guide_holds_although_its_own_pipeline_rounds(
    guide_model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path]
) -> None:
    found = verify_onnx(export(guide_model), guide_model, dataset)
    assert found.holds
    assert not found.test_counts
    assert found.max_difference < 2e-6
    assert 1e-5 < found.test_max_difference < 0.05


def test_own_input_of_a_model_of_the_guide_gives_the_scores_of_test(
    guide_model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path]
) -> None:
    found = verify_onnx(export(guide_model, "rgb"), guide_model, dataset)
    assert found.holds
    assert found.test_counts
    assert found.test_max_difference < 2e-6


@pytest.mark.parametrize(
    "change", [lambda weights: 1.01 * weights, lambda weights: weights[::-1], lambda weights: np.nan * weights]
)
def test_changed_weights_do_not_hold(
    model: RestoredModel,
    dataset: ThermalDataset,
    export: Callable[..., Path],
    change: Callable[[np.ndarray], np.ndarray],
) -> None:
    path = export(model)
    change_weights(path, change)
    found = verify_onnx(path, model, dataset)
    assert not found.holds
    assert not found.max_difference <= 1e-4


def test_module_that_differs_from_test_does_not_hold(
    model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = export(model)
    head: Any = model.model.cls_head
    monkeypatch.setattr(head, "average_clip", lambda scores, num_segs=1: (2 * scores).softmax(1))
    found = verify_onnx(path, model, dataset)
    assert found.max_difference < 2e-6
    assert found.test_max_difference > 1e-3
    assert not found.holds


def test_tolerance_decides(model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path]) -> None:
    path = export(model)
    change_weights(path, lambda weights: 1.01 * weights)
    found: Verification = verify_onnx(path, model, dataset, tolerance=0.5)
    assert found.holds
    assert found.max_difference > 1e-4


def test_batches_are_of_the_sizes_in_turn() -> None:
    assert [len(batch) for batch in split_into_batches(range(12), (1, 2, 4))] == [1, 2, 4, 1, 2, 2]
    assert [one for batch in split_into_batches(range(12), (1, 2, 4)) for one in batch] == list(range(12))
