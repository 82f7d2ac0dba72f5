from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from scipy.special import softmax

from thermalctl.dataset.samples import ThermalDataset, clip_indices
from thermalctl.deploy.export import export_onnx, reduce_precision
from thermalctl.deploy.metadata import InputKind, OutputName
from thermalctl.deploy.runtime import ThermalClassifier
from thermalctl.deploy.verify import split_into_batches, verify_onnx
from thermalctl.engine.restore import RestoredModel
from thermalctl.engine.score import score_split
from thermalctl.evaluation.metrics import compute_metrics
from thermalctl.recordings.hdf5 import RecordingFile

EVERYTHING: tuple[OutputName, ...] = ("probabilities", "logits", "features")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    def make(model: RestoredModel, input_kind: InputKind = "raw", **options: Any) -> Path:
        path = tmp_path_factory.mktemp("onnx") / "model.onnx"
        export_onnx(model, path, frame_size=(12, 18), input_kind=input_kind, opset=17, **options)
        return path

    return make


def change_weights(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change the last layer's weights in an ONNX file."""
    model = onnx.load(path)
    weights = next(each for each in model.graph.initializer if each.name.endswith("fc_cls.weight"))
    changed = change(numpy_helper.to_array(weights)).astype(np.float32)
    weights.CopyFrom(numpy_helper.from_array(changed, weights.name))
    onnx.save(model, path)


def scale_output(path: Path, name: str, factor: float) -> None:
    """Have an ONNX file give one of its outputs times a factor."""
    model = onnx.load(path)
    graph = model.graph
    node = next(node for node in graph.node if name in node.output)
    node.output[list(node.output).index(name)] = f"{name}_as_it_was"
    for user in graph.node:
        for place, given in enumerate(user.input):
            if given == name:
                user.input[place] = f"{name}_as_it_was"
    graph.initializer.append(numpy_helper.from_array(np.full(1, factor, dtype=np.float32), f"{name}_factor"))
    graph.node.append(onnx.helper.make_node("Mul", [f"{name}_as_it_was", f"{name}_factor"], [name]))
    onnx.save(model, path)


def read_clips(dataset: ThermalDataset) -> np.ndarray:
    """Return the val clips, (N, 16, 12, 18) deg C."""
    clips = []
    for sample in dataset.samples("val"):
        with RecordingFile(dataset.layout.recording_file(sample.recording)) as file:
            clips.append(file.read(clip_indices(sample.keyframe, 16, file.num_frames)))
    return np.stack(clips)


def test_faithful_file_holds(model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path]) -> None:
    told: list[tuple[int, int]] = []
    found = verify_onnx(export(model), model, dataset, on_progress=lambda *counts: told.append(counts))
    assert found.holds
    assert (found.split, found.num_clips, found.num_incomplete_clips) == ("val", 6, 5)
    assert found.batch_sizes == (1, 2, 3)  # the third batch would be 4, but three clips are left
    assert told == [(1, 6), (3, 6), (6, 6)]
    assert [(one.against, one.output, one.status) for one in found.differences] == [
        ("PyTorch", "probabilities", "ok"),
        ("thermalctl test", "probabilities", "ok"),
    ]
    assert all(0 < one.largest < 2e-6 and one.num_agreeing == 6 for one in found.differences)
    assert found.max_difference == found.differences[0].largest


def test_both_are_timed_weighed_and_judged(
    model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path]
) -> None:
    path = export(model)
    pytorch, onnx_file = verify_onnx(path, model, dataset).contenders
    assert (pytorch.name, onnx_file.name) == ("PyTorch", "ONNX fp32")
    assert min(pytorch.ms, onnx_file.ms) > 0
    assert onnx_file.num_bytes == path.stat().st_size
    assert pytorch.num_bytes == pytest.approx(onnx_file.num_bytes, rel=0.1)  # four bytes a weight on both sides
    metrics = compute_metrics(score_split(model, dataset, "val"))
    for one in (pytorch, onnx_file):
        assert (one.top1, one.mean_class) == pytest.approx((metrics.top1, metrics.mean_class_accuracy))


def test_logits_and_features_are_held_to_the_tolerance_too(
    model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path]
) -> None:
    path = export(model, outputs=EVERYTHING)
    found = verify_onnx(path, model, dataset, num_clips=3)
    assert [one.output for one in found.differences] == [*EVERYTHING, "probabilities"]
    assert [one.status for one in found.differences] == ["ok"] * 4
    scale_output(path, "features", 1.01)
    changed = verify_onnx(path, model, dataset, num_clips=3)
    assert not changed.holds
    assert [one.output for one in changed.differences if one.status == "failed"] == ["features"]


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_temperature_holds_against_test_which_knows_none(
    model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path], temperature: float
) -> None:
    path = export(model, temperature=temperature, outputs=("probabilities", "logits"))
    found = verify_onnx(path, model, dataset)
    assert found.holds
    outputs = ThermalClassifier(path).run(read_clips(dataset), outputs=("probabilities", "logits"))
    logits = score_split(model, dataset, "val").logits
    np.testing.assert_allclose(outputs.logits, logits, atol=1e-5)  # as the network says them
    np.testing.assert_allclose(outputs.probabilities, softmax(logits / temperature, axis=1), atol=2e-6)


def test_temperature_that_the_file_only_claims_does_not_hold(
    model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path]
) -> None:
    path = export(model)
    changed = onnx.load(path)
    next(entry for entry in changed.metadata_props if entry.key == "temperature").value = "2.0"
    onnx.save(changed, path)
    assert [one.status for one in verify_onnx(path, model, dataset).differences] == ["failed", "failed"]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_reduced_file_is_held_against_the_one_before(
    model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path], tmp_path: Path, precision: Any
) -> None:
    whole = export(model)
    reduced = tmp_path / "reduced.onnx"
    reduce_precision(whole, reduced, precision, ({"input": clip[None]} for clip in read_clips(dataset)))
    found = verify_onnx(reduced, model, dataset, before=whole)
    assert found.holds
    assert [(one.precision, one.against) for one in found.differences] == [
        ("fp32", "PyTorch"),
        ("fp32", "thermalctl test"),
        (precision, "fp32"),
    ]
    assert found.differences[2].largest > found.tolerance  # another model, by the rule for float32
    assert [one.name for one in found.contenders] == ["PyTorch", "ONNX fp32", f"ONNX {precision}"]
    assert found.is_measured_against_fp32
    assert found.time_ratio == found.contenders[2].ms / found.contenders[1].ms


def test_reduced_file_alone_is_held_against_pytorch(
    model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path], tmp_path: Path
) -> None:
    reduced = tmp_path / "reduced.onnx"
    reduce_precision(export(model), reduced, "fp16", ())
    found = verify_onnx(reduced, model, dataset)
    assert [(one.precision, one.against, one.status) for one in found.differences] == [("fp16", "PyTorch", "ok")]
    assert not found.is_measured_against_fp32


def test_reduced_file_that_answers_otherwise_does_not_hold(
    model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path], tmp_path: Path
) -> None:
    whole, reduced = export(model), tmp_path / "reduced.onnx"
    spoilt = tmp_path / "spoilt.onnx"
    spoilt.write_bytes(whole.read_bytes())
    change_weights(spoilt, lambda weights: weights[::-1])
    reduce_precision(spoilt, reduced, "fp16", ())
    found = verify_onnx(reduced, model, dataset, before=whole)
    assert [one.status for one in found.differences] == ["ok", "ok", "failed"]
    assert not found.holds


@pytest.mark.parametrize("name", ["person_model", "fixed_person_model"])
def test_model_of_people_holds(
    name: str, request: pytest.FixtureRequest, dataset: ThermalDataset, export: Callable[..., Path]
) -> None:
    restored = request.getfixturevalue(name)
    found = verify_onnx(export(restored), restored, dataset)
    assert [one.status for one in found.differences] == ["ok", "ok"]
    assert found.num_clips == len(dataset.samples("val", "person"))


@pytest.mark.parametrize("name", ["model", "person_model"])
def test_own_input_holds(
    name: str, request: pytest.FixtureRequest, dataset: ThermalDataset, export: Callable[..., Path]
) -> None:
    restored = request.getfixturevalue(name)
    found = verify_onnx(export(restored, "rgb"), restored, dataset, num_clips=3)
    assert [one.status for one in found.differences] == ["ok", "ok"]
    assert found.num_clips == 3


def test_model_of_the_guide_holds_although_its_own_pipeline_rounds(
    guide_model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path]
) -> None:
    found = verify_onnx(export(guide_model), guide_model, dataset)
    assert found.holds
    assert [one.status for one in found.differences] == ["ok", "note"]
    assert found.differences[0].largest < 2e-6
    assert 1e-5 < found.differences[1].largest < 0.05


def test_own_input_of_a_model_of_the_guide_gives_the_scores_of_test(
    guide_model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path]
) -> None:
    found = verify_onnx(export(guide_model, "rgb"), guide_model, dataset)
    assert [one.status for one in found.differences] == ["ok", "ok"]
    assert found.differences[1].largest < 2e-6


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
    assert [one.status for one in found.differences] == ["ok", "failed"]
    assert found.differences[1].largest > 1e-3
    assert not found.holds


def test_tolerance_decides(model: RestoredModel, dataset: ThermalDataset, export: Callable[..., Path]) -> None:
    path = export(model)
    change_weights(path, lambda weights: 1.01 * weights)
    found = verify_onnx(path, model, dataset, tolerance=0.5)
    assert found.holds
    assert found.max_difference > 1e-4


def test_batches_are_of_the_sizes_in_turn() -> None:
    assert [len(batch) for batch in split_into_batches(range(12), (1, 2, 4))] == [1, 2, 4, 1, 2, 2]
    assert [one for batch in split_into_batches(range(12), (1, 2, 4)) for one in batch] == list(range(12))
