from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.export import export_onnx
from thermalctl.deploy.session import OnnxClassifier
from thermalctl.engine.restore import RestoredModel
from thermalctl.engine.score import score_split
from thermalctl.errors import CheckpointError, RecordingError, RequestError

EXAMPLE = Path(__file__).parents[2] / "examples" / "onnx_minimal.py"


@pytest.fixture(scope="module")
def path(model: RestoredModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(model, path, frame_size=(12, 18), opset=17)
    return path


@pytest.fixture(scope="module")
def person_path(person_model: RestoredModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "person.onnx"
    export_onnx(person_model, path, frame_size=(12, 18), opset=17)
    return path


@pytest.fixture(scope="module")
def fixed_person_path(fixed_person_model: RestoredModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "fixed.onnx"
    export_onnx(fixed_person_model, path, frame_size=(12, 18), opset=17)
    return path


def make_clips(number: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(22, 3, size=(number, 16, 12, 18)).astype(np.float32)


def run_python(*arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=True)
    return done.stdout


def test_session_says_what_the_model_expects(path: Path, model: RestoredModel) -> None:
    classifier = OnnxClassifier(path)
    assert classifier.clip_shape == (16, 12, 18)
    assert classifier.classes == model.classes


def test_probabilities_add_up_to_one(path: Path) -> None:
    scores = OnnxClassifier(path).predict(make_clips(3))
    assert scores.shape == (3, 14)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)


def test_clips_of_another_type_or_layout_in_memory_are_taken(path: Path) -> None:
    clips = make_clips(2)
    classifier = OnnxClassifier(path)
    expected = classifier.predict(clips)
    np.testing.assert_array_equal(classifier.predict(clips.astype(np.float64)), expected)
    np.testing.assert_array_equal(classifier.predict(clips[::-1])[::-1], expected)


@pytest.mark.parametrize("shape", [(16, 12, 18), (1, 16, 18, 12), (2, 8, 12, 18)])
def test_clips_of_another_shape_are_refused(path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match=r"expected \(N, 16, 12, 18\)"):
        OnnxClassifier(path).predict(np.full(shape, 22, dtype=np.float32))


def test_clip_without_a_complete_frame_is_refused(path: Path) -> None:
    clips = make_clips(2)
    clips[1, :, -1] = -273.2
    with pytest.raises(RecordingError, match="clip 1: none of its 16 frames is complete"):
        OnnxClassifier(path).predict(clips)
    clips[1, 3] = 22
    OnnxClassifier(path).predict(clips)


@pytest.mark.parametrize("shape", [(1, 16, 4), (2, 4), (2, 15, 4), (2, 16, 3)])
def test_model_that_follows_people_wants_a_box_for_each_frame(person_path: Path, shape: tuple[int, ...]) -> None:
    classifier = OnnxClassifier(person_path)
    with pytest.raises(RequestError, match=r"got no boxes, expected boxes of shape \(2, 16, 4\)"):
        classifier.predict(make_clips(2))
    with pytest.raises(RequestError, match=r"expected boxes of shape \(2, 16, 4\)"):
        classifier.predict(make_clips(2), np.full(shape, 0.5))


def test_model_that_looks_at_one_place_wants_a_box_for_each_clip(fixed_person_path: Path) -> None:
    classifier = OnnxClassifier(fixed_person_path)
    with pytest.raises(RequestError, match=r"got boxes of shape \(2, 16, 4\), expected boxes of shape \(2, 4\)"):
        classifier.predict(make_clips(2), np.full((2, 16, 4), 0.5))


def test_model_of_whole_frames_wants_no_box(path: Path) -> None:
    with pytest.raises(RequestError, match="expected no boxes"):
        OnnxClassifier(path).predict(make_clips(1), np.array([[0.5, 0.5, 0.2, 0.2]]))


def test_box_decides_where_a_model_of_people_looks(person_path: Path, fixed_person_path: Path) -> None:
    clips = np.repeat(make_clips(1), 2, axis=0)
    boxes = np.array([[0.2, 0.3, 0.2, 0.3], [0.8, 0.7, 0.2, 0.3]])
    for path, where in ((fixed_person_path, boxes), (person_path, boxes[:, None].repeat(16, axis=1))):
        scores = OnnxClassifier(path).predict(clips, where)
        assert np.abs(scores[0] - scores[1]).max() > 1e-3


def test_way_that_a_person_takes_matters(person_path: Path) -> None:
    clips = np.repeat(make_clips(1), 2, axis=0)
    still = np.tile([0.5, 0.5, 0.2, 0.3], (16, 1))
    walking = still.copy()
    walking[:, 0] = np.linspace(0.2, 0.8, 16)
    scores = OnnxClassifier(person_path).predict(clips, np.stack([still, walking]))
    assert np.abs(scores[0] - scores[1]).max() > 1e-3


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.onnx: no such file"):
        OnnxClassifier(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_damaged_file_is_refused(path: Path, tmp_path: Path, content: bytes | None) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(path.read_bytes()[:10_000] if content is None else content)
    with pytest.raises(CheckpointError, match=r"damaged\.onnx: onnxruntime .* cannot load it") as caught:
        OnnxClassifier(damaged)
    assert "\n" not in caught.value.message


def test_model_from_elsewhere_is_refused(path: Path, tmp_path: Path) -> None:
    foreign = onnx.load(path)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(CheckpointError, match="its metadata lacks classes, clip_spec, input_kind"):
        OnnxClassifier(tmp_path / "foreign.onnx")


def test_prediction_needs_no_torch(path: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path; from thermalctl.deploy.session import OnnxClassifier; "
        f"OnnxClassifier(Path({str(path)!r})).predict(np.full((1, 16, 12, 18), 22, dtype=np.float32)); "
        "print([name for name in ('torch', 'mmengine', 'mmaction', 'h5py') if name in sys.modules])"
    )
    assert run_python("-c", code).strip() == "[]"


def test_example_prints_the_class_of_a_clip(path: Path, model: RestoredModel, dataset: ThermalDataset) -> None:
    sample = dataset.samples("val")[2]
    scores = score_split(model, dataset, "val").scores[2]
    recording = dataset.layout.recording_file(sample.recording)
    printed = run_python(str(EXAMPLE), str(path), str(recording), str(sample.keyframe))
    assert printed == f"{dataset.classes[scores.argmax()]} {scores.max():.3f}\n"
