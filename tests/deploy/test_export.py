from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import thermalctl
from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.person_tracks import find_person_tracks
from thermalctl.dataset.samples import ThermalDataset, clip_indices
from thermalctl.deploy.classifier import find_last_layer
from thermalctl.deploy.export import export_onnx, read_exported
from thermalctl.deploy.runtime import ThermalClassifier
from thermalctl.engine.restore import RestoredModel
from thermalctl.engine.score import score_split
from thermalctl.errors import CheckpointError, RequestError
from thermalctl.recordings.hdf5 import RecordingFile
from thermalctl.recordings.health import find_incomplete_frames, repair_incomplete_frames

FRAME_SIZE = (12, 18)


def read_clips(dataset: ThermalDataset, target: str = "frame") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the val clips (N, 16, 12, 18), each one's first box (N, 4), and a person's in each frame (N, 16, 4)."""
    samples = dataset.samples("val", target)
    tracks = find_person_tracks(dataset)
    clips, followed = [], []
    for sample in samples:
        with RecordingFile(dataset.layout.recording_file(sample.recording)) as file:
            frames = clip_indices(sample.keyframe, 16, file.num_frames)
            clips.append(file.read(frames))
        if target == "person":
            followed.append(tracks[sample.sample_id].locate(frames))
    return np.stack(clips), np.array([sample.boxes[0] for sample in samples]), np.array(followed)


def list_names(values: object) -> list[str]:
    return [value.name for value in values]


@pytest.fixture(scope="module")
def exported(model: RestoredModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Degrees in, by the newer exporter."""
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(model, path, frame_size=FRAME_SIZE)
    return path


def test_export_says_what_was_written(model: RestoredModel, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "model.onnx"
    result = export_onnx(model, path, frame_size=FRAME_SIZE, opset=11)
    assert result.num_bytes == path.stat().st_size
    assert (result.opset, result.exporter, result.input_kind) == (11, "torchscript", "raw")
    assert result.inputs == {"input": (16, 12, 18)}
    assert result.outputs == {"output": (14,)}
    assert (result.precision, result.temperature, result.fit) == ("fp32", 1.0, None)
    assert result.num_classes == 14
    assert result == read_exported(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["model.onnx"]


def test_degrees_give_the_scores_of_thermalctl_test(
    exported: Path, model: RestoredModel, dataset: ThermalDataset
) -> None:
    scores = ThermalClassifier(exported).predict(read_clips(dataset)[0])
    expected = score_split(model, dataset, "val").scores
    assert scores.dtype == np.float32
    assert np.ptp(expected, axis=0).max() > 0.05  # the clips are told apart
    np.testing.assert_allclose(scores, expected, atol=2e-6)


@pytest.mark.parametrize("num_clips", [1, 2, 3, 6])
def test_batch_size_is_free(exported: Path, dataset: ThermalDataset, num_clips: int) -> None:
    clips = read_clips(dataset)[0]
    classifier = ThermalClassifier(exported)
    np.testing.assert_allclose(classifier.predict(clips[:num_clips]), classifier.predict(clips)[:num_clips], atol=2e-6)


def test_incomplete_frames_are_repaired_in_the_file(exported: Path, dataset: ThermalDataset) -> None:
    clips = read_clips(dataset)[0]
    incomplete = [find_incomplete_frames(clip) for clip in clips]
    assert sum(frames.any() for frames in incomplete) >= 3
    by_hand = np.stack([repair_incomplete_frames(clip, bad) for clip, bad in zip(clips, incomplete, strict=True)])
    classifier = ThermalClassifier(exported)
    np.testing.assert_array_equal(classifier.predict(clips), classifier.predict(by_hand))


def test_what_an_incomplete_frame_holds_does_not_matter(exported: Path, dataset: ThermalDataset) -> None:
    clip = read_clips(dataset)[0][3:4].copy()
    classifier = ThermalClassifier(exported)
    clip[0, 8] = np.linspace(0, 60, 216).reshape(FRAME_SIZE)
    seen = classifier.predict(clip)
    clip[0, 8, -2:] = -273.2
    lost = classifier.predict(clip)
    clip[0, 8] = np.nan
    np.testing.assert_array_equal(classifier.predict(clip), lost)
    assert np.abs(seen - lost).max() > 1e-3


def test_tensors_have_the_promised_names_and_a_free_batch(exported: Path) -> None:
    graph = onnx.load(exported).graph
    assert list_names(graph.input) == ["input"]
    assert list_names(graph.output) == ["output"]
    for value, shape in ((graph.input[0], [16, 12, 18]), (graph.output[0], [14])):
        batch, *fixed = value.type.tensor_type.shape.dim
        assert batch.dim_param == "batch"
        assert [size.dim_value for size in fixed] == shape


def test_classes_clip_spec_and_origin_are_in_the_metadata(exported: Path, model: RestoredModel) -> None:
    metadata = ThermalClassifier(exported).metadata
    assert metadata.classes == model.classes
    assert metadata.clip_spec == model.clip_spec
    assert metadata.input_kind == "raw"
    assert metadata.checkpoint_sha256 == model.sha256
    assert metadata.thermalctl_version == thermalctl.__version__


@pytest.mark.parametrize("opset", [17, pytest.param(20, marks=pytest.mark.slow)])
def test_outputs_have_their_names_and_shapes_in_the_file(model: RestoredModel, tmp_path: Path, opset: int) -> None:
    outputs = ("probabilities", "logits", "features")
    export_onnx(model, tmp_path / "m.onnx", frame_size=FRAME_SIZE, opset=opset, outputs=outputs)
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim[1:]]
        for value in onnx.load(tmp_path / "m.onnx").graph.output
    }
    assert shapes == {"output": [14], "logits": [14], "features": [160]}
    assert ThermalClassifier(tmp_path / "m.onnx").metadata.outputs == outputs


def test_head_without_a_last_layer_has_no_features() -> None:
    head: Any = torch.nn.Sequential(torch.nn.Flatten())
    head.num_classes = 14
    with pytest.raises(CheckpointError, match="Sequential: does not end in one linear layer") as caught:
        find_last_layer(head)
    assert "--outputs" in str(caught.value.hint)


def test_file_is_whole_and_tells_nothing_of_the_machine(exported: Path) -> None:
    onnx.checker.check_model(exported, full_check=True)
    content = exported.read_bytes()
    assert b"stack_trace" not in content
    assert str(Path(thermalctl.__file__).parent).encode() not in content


@pytest.mark.parametrize(
    "opset",
    [11, 13, 17, pytest.param(18, marks=pytest.mark.slow), pytest.param(21, marks=pytest.mark.slow),
     pytest.param(23, marks=pytest.mark.slow)],
)  # fmt: skip
def test_opset_asked_for_is_written_and_answers_the_same(
    model: RestoredModel, dataset: ThermalDataset, exported: Path, tmp_path: Path, opset: int
) -> None:
    export_onnx(model, tmp_path / "m.onnx", frame_size=FRAME_SIZE, opset=opset)
    assert [entry.version for entry in onnx.load(tmp_path / "m.onnx").opset_import if not entry.domain] == [opset]
    clips = read_clips(dataset)[0]
    expected = ThermalClassifier(exported).predict(clips)
    np.testing.assert_allclose(ThermalClassifier(tmp_path / "m.onnx").predict(clips), expected, atol=2e-6)


@pytest.mark.parametrize("opset", [11, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("name", "shape"), [("person_model", (16, 4)), ("fixed_person_model", (4,))])
def test_model_of_people_takes_regions(
    name: str,
    shape: tuple[int, ...],
    request: pytest.FixtureRequest,
    dataset: ThermalDataset,
    tmp_path: Path,
    opset: int,
) -> None:
    restored = request.getfixturevalue(name)
    result = export_onnx(restored, tmp_path / "m.onnx", frame_size=FRAME_SIZE, opset=opset)
    assert result.inputs == {"input": (16, 12, 18), "regions": shape}
    clips, boxes, followed = read_clips(dataset, "person")
    assert np.ptp(followed[..., :2], axis=1).max() > 0.1  # somebody moves
    expected = score_split(restored, dataset, "val").scores
    assert np.ptp(expected, axis=0).max() > 0.05
    scores = ThermalClassifier(tmp_path / "m.onnx").predict(clips, followed if len(shape) == 2 else boxes)
    np.testing.assert_allclose(scores, expected, atol=2e-6)


@pytest.mark.parametrize(("channels", "num_channels"), [("copy", 3), ("fold", 1)])
def test_rgb_input_is_what_the_preprocessor_makes(
    make_model: Callable[..., RestoredModel], dataset: ThermalDataset, tmp_path: Path, channels: str, num_channels: int
) -> None:
    model = make_model(channels=channels, mean=(110.0,), std=(30.0,), repair="none")
    result = export_onnx(model, tmp_path / "m.onnx", input_kind="rgb", opset=11)
    assert result.inputs == {"input": (num_channels, 16, 24, 36)}
    classifier = ThermalClassifier(tmp_path / "m.onnx")
    inputs = model.model.data_preprocessor.transform(torch.from_numpy(read_clips(dataset)[0]))
    expected = score_split(model, dataset, "val").scores
    np.testing.assert_allclose(classifier.predict(inputs.numpy()), expected, atol=2e-6)


def test_model_of_the_guide_takes_degrees_or_its_own_input(
    guide_model: RestoredModel, dataset: ThermalDataset, tmp_path: Path
) -> None:
    raw = export_onnx(guide_model, tmp_path / "raw.onnx", frame_size=FRAME_SIZE, opset=11)
    rgb = export_onnx(guide_model, tmp_path / "rgb.onnx", input_kind="rgb", opset=11)
    assert raw.inputs == {"input": (16, 12, 18)}
    assert rgb.inputs == {"input": (3, 16, 24, 36)}
    # Half a level of 255 in the input, from rounding after resizing, moves the probabilities by a few percent at most.
    expected = score_split(guide_model, dataset, "val").scores
    scores = ThermalClassifier(tmp_path / "raw.onnx").predict(read_clips(dataset)[0])
    np.testing.assert_allclose(scores, expected, atol=0.05)


def test_pipeline_that_is_not_understood_needs_the_models_own_input(guide_model: RestoredModel, tmp_path: Path) -> None:
    model = dataclasses.replace(guide_model, clip_spec=None)
    with pytest.raises(CheckpointError, match="more than a resize") as caught:
        export_onnx(model, tmp_path / "m.onnx", frame_size=FRAME_SIZE)
    assert "--input rgb" in str(caught.value.hint)
    with pytest.raises(RequestError, match="does not say the size of its input"):
        export_onnx(model, tmp_path / "m.onnx", input_kind="rgb")
    export_onnx(model, tmp_path / "m.onnx", input_kind="rgb", rgb_shape=(3, 16, 24, 36), opset=11)
    assert ThermalClassifier(tmp_path / "m.onnx").metadata.clip_spec is None


def test_size_of_the_frames_must_be_known(model: RestoredModel, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="size of the sensor's frames is not known"):
        export_onnx(model, tmp_path / "m.onnx")


def test_classes_must_be_named(guide_model: RestoredModel, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="tells 14 classes apart, but nothing names its classes"):
        export_onnx(dataclasses.replace(guide_model, classes=()), tmp_path / "m.onnx", input_kind="rgb")
    with pytest.raises(CheckpointError, match="but 2 classes are named"):
        export_onnx(dataclasses.replace(guide_model, classes=("a", "b")), tmp_path / "m.onnx", input_kind="rgb")


def test_failed_export_leaves_the_old_file(
    model: RestoredModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old")

    def fail(*args: object, **kwargs: object) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="no space"):
        export_onnx(model, path, frame_size=FRAME_SIZE, opset=11)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_repair_that_is_switched_off_is_off_in_the_file(
    make_model: Callable[..., RestoredModel], dataset: ThermalDataset, tmp_path: Path
) -> None:
    model = make_model(repair="none")
    assert isinstance(model.clip_spec, ClipSpec)
    export_onnx(model, tmp_path / "m.onnx", frame_size=FRAME_SIZE, opset=11)
    clips = read_clips(dataset)[0]
    incomplete = find_incomplete_frames(clips[0])
    by_hand = repair_incomplete_frames(clips[0], incomplete)
    scores = ThermalClassifier(tmp_path / "m.onnx").predict(np.stack([clips[0], by_hand]))
    assert np.abs(scores[0] - scores[1]).max() > 1e-3
