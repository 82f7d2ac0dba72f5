"""Export of every shipped model, in every precision: shallower ones, as tracing takes its time by the layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import nn

from thermalctl.dataset.person_regions import find_person_regions
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.classifier import build_classifier
from thermalctl.deploy.export import export_onnx, reduce_precision
from thermalctl.deploy.metadata import OutputName, Precision
from thermalctl.deploy.runtime import ThermalClassifier
from thermalctl.deploy.verify import verify_onnx
from thermalctl.engine.config import complete_config, list_shipped_configs, load_config
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.restore import RestoredModel, build_model, restore_model
from thermalctl.engine.score import score_split
from thermalctl.errors import CheckpointError
from thermalctl.pipeline.clip_dataset import ClipDataset

FRAME_SIZE = (12, 18)
SIZE = (32, 64)
_SHALLOW_SLOWFAST: dict[str, Any] = {
    "clip.num_frames": 32,
    "model.backbone.slow_pathway.depth": 18,
    "model.backbone.fast_pathway.depth": 18,
    "model.cls_head.in_channels": 512 + 64,
}
#: Every shipped configuration with a few of its layers.
SHALLOW: dict[str, dict[str, Any]] = {
    "slowfast-tiny": {},
    "slowfast-small": {"clip.num_frames": 8},
    "thermal-small": {"clip.num_frames": 8},
    "slowfast-r50": _SHALLOW_SLOWFAST,
    "slowfast-r50-8x8": _SHALLOW_SLOWFAST,
    "slowfast-r101": _SHALLOW_SLOWFAST,
    "slowonly-r50": {"model.backbone.depth": 18, "model.cls_head.in_channels": 512},
    "tsm-r50": {"model.backbone.depth": 18, "model.cls_head.in_channels": 512},
    "x3d-s": {"model.backbone.gamma_d": 1},
    "uniformer-s": {"model.backbone.depth": [1, 1, 1, 1]},
}
EVERYTHING: tuple[OutputName, ...] = ("probabilities", "logits", "features")


def make_telling(model: Any, clips: dict[str, Any]) -> None:
    """Give a model weights that tell these clips apart; those that training begins with answer the same to each.

    Batch normalisation gets the statistics of these clips, so that what differs between them is not lost in the rest.
    """
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    last = [module for module in model.cls_head.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        inputs = model.data_preprocessor(clips)["inputs"]
        model.train().extract_feat(inputs)
        features, arguments = model.eval().extract_feat(inputs)
        last.bias.zero_()
        last.weight.mul_(1 / model.cls_head(features, **arguments).std(dim=0).mean())
        last.bias.sub_(model.cls_head(features, **arguments).mean(dim=0))


@pytest.fixture(scope="module")
def make(dataset: ThermalDataset, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RestoredModel]:
    """Return a function that makes a shipped model at a small input size; each is made once."""
    made: dict[tuple[str, bool], RestoredModel] = {}

    def make(name: str, *, is_shallow: bool = True) -> RestoredModel:
        if (name, is_shallow) not in made:
            overrides = {"clip.input_size": SIZE, "class_weights": "none"} | (SHALLOW[name] if is_shallow else {})
            options = TrainOptions(overrides=overrides)
            cfg = complete_config(load_config(name), options, dataset, work_dir=Path("work_dirs"), device="cpu")
            torch.manual_seed(0)
            model = build_model(cfg)
            clips = ClipDataset(str(dataset.layout.root), "val", cfg.model.data_preprocessor.clip_spec)
            make_telling(model, pseudo_collate([clips[index] for index in range(len(clips))]))
            path = tmp_path_factory.mktemp("run") / "epoch_1.pth"
            torch.save({"state_dict": model.state_dict(), "meta": {"cfg": cfg.pretty_text, "epoch": 1}}, path)
            made[name, is_shallow] = restore_model(path)
        return made[name, is_shallow]

    return make


def read_clips(restored: RestoredModel, dataset: ThermalDataset) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the val clips, (N, T, 12, 18) deg C, and of a model of people the boxes in them, (N, T, 4)."""
    assert restored.clip_spec is not None
    clips = ClipDataset(str(dataset.layout.root), "val", restored.clip_spec.to_dict())
    items = [clips[index] for index in range(len(clips))]
    tracks = [item["data_samples"].metainfo.get("track") for item in items]
    return np.stack([item["inputs"].numpy() for item in items]), None if tracks[0] is None else np.stack(tracks)


def feed(restored: RestoredModel, dataset: ThermalDataset) -> Iterator[dict[str, np.ndarray]]:
    """Yield the val clips one by one as the network's inputs."""
    clips, boxes = read_clips(restored, dataset)
    assert restored.clip_spec is not None
    regions = None if boxes is None else find_person_regions(boxes, FRAME_SIZE, restored.clip_spec)
    for index, clip in enumerate(clips):
        yield {"input": clip[None]} | ({} if regions is None else {"regions": regions[index][None]})


def test_every_shipped_model_is_here() -> None:
    assert set(SHALLOW) == set(list_shipped_configs())


@pytest.mark.parametrize(
    ("name", "opset"),
    [
        *((name, 13) for name in SHALLOW),
        pytest.param("tsm-r50", 20, marks=pytest.mark.slow),
        pytest.param("uniformer-s", 20, marks=pytest.mark.slow),
    ],
)
def test_degrees_give_the_scores_of_thermalctl_test(
    name: str, opset: int, make: Callable[..., RestoredModel], dataset: ThermalDataset, tmp_path: Path
) -> None:
    restored = make(name)
    result = export_onnx(restored, tmp_path / "m.onnx", frame_size=FRAME_SIZE, opset=opset)
    clips, boxes = read_clips(restored, dataset)
    assert result.inputs["input"] == clips.shape[1:]
    expected = score_split(restored, dataset, "val").scores
    assert np.ptp(expected, axis=0).max() > 0.2  # the clips are told apart
    classifier = ThermalClassifier(tmp_path / "m.onnx")
    np.testing.assert_allclose(classifier.predict(clips, boxes), expected, atol=1e-5)
    first = None if boxes is None else boxes[:1]
    np.testing.assert_allclose(classifier.predict(clips[:1], first), expected[:1], atol=1e-5)


@pytest.mark.parametrize("name", ["slowfast-tiny", "slowonly-r50", "tsm-r50", "x3d-s", "uniformer-s"])
def test_last_layer_makes_the_logits_from_the_features(
    name: str, make: Callable[..., RestoredModel], dataset: ThermalDataset, tmp_path: Path
) -> None:
    """Of each kind of head."""
    restored = make(name)
    result = export_onnx(restored, tmp_path / "m.onnx", frame_size=FRAME_SIZE, opset=13, outputs=EVERYTHING)
    found = ThermalClassifier(tmp_path / "m.onnx").run(read_clips(restored, dataset)[0][:3], outputs=EVERYTHING)
    head: Any = restored.model.cls_head
    last = [module for module in head.modules() if isinstance(module, nn.Linear)][-1]
    assert found.features is not None
    assert found.features.shape == (3, last.in_features)
    assert result.outputs == {"output": (14,), "logits": (14,), "features": (last.in_features,)}
    expected = found.features @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    np.testing.assert_allclose(found.logits, expected, atol=1e-4)
    np.testing.assert_allclose(found.logits, score_split(restored, dataset, "val").logits[:3], atol=1e-4)


def reduce_each(
    restored: RestoredModel, dataset: ThermalDataset, folder: Path, least_likeness: dict[Precision, float]
) -> None:
    """Export a model in float32 and in these precisions, and check that it answers about the same."""
    whole = folder / "fp32.onnx"
    exported = export_onnx(restored, whole, frame_size=FRAME_SIZE, opset=13)
    clips, boxes = read_clips(restored, dataset)
    expected = ThermalClassifier(whole).predict(clips, boxes)
    assert len(set(expected.argmax(1))) > 1
    for precision, likeness in least_likeness.items():
        reduced = reduce_precision(whole, folder / "reduced.onnx", precision, feed(restored, dataset))
        onnx.checker.check_model(reduced.path, full_check=True)
        assert reduced.precision == precision
        assert (reduced.inputs, reduced.outputs) == (exported.inputs, exported.outputs)
        assert reduced.num_bytes < LARGEST_SHARE[precision] * exported.num_bytes
        scores = ThermalClassifier(reduced.path).predict(clips, boxes)
        assert correlate(scores, expected) > likeness


def correlate(scores: np.ndarray, others: np.ndarray) -> float:
    """Return how much alike two models' scores differ from clip to clip: 1 for the same, 0 for nothing in common."""
    pair = [(each - each.mean(axis=0)).ravel() for each in (scores, others)]
    return float(np.corrcoef(*pair)[0, 1])


#: Of the float32 file's size: weights have half the bytes or a quarter, and scales and casts a few too.
LARGEST_SHARE: dict[Precision, float] = {"fp16": 0.6, "int8": 0.5}
#: Weights drawn at random are far worse to reduce than trained ones, which tell clips apart by more than rounding makes
#: of them, and the worse the more layers there are: 8 bits leave X3D a likeness of 0.66, the others 0.89 to 0.98.
SHALLOW_LIKENESS: dict[Precision, float] = {"fp16": 0.999, "int8": 0.4}
DEEP_LIKENESS: dict[Precision, float] = {"fp16": 0.99}


@pytest.mark.parametrize(
    "name", [name if name == "slowfast-tiny" else pytest.param(name, marks=pytest.mark.slow) for name in SHALLOW]
)
def test_reduced_network_answers_the_same(
    name: str, make: Callable[..., RestoredModel], dataset: ThermalDataset, tmp_path: Path
) -> None:
    reduce_each(make(name), dataset, tmp_path, SHALLOW_LIKENESS)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, changes in SHALLOW.items() if changes])
def test_model_as_deep_as_it_is_shipped_answers_the_same(
    name: str, make: Callable[..., RestoredModel], dataset: ThermalDataset, tmp_path: Path
) -> None:
    restored = make(name, is_shallow=False)
    reduce_each(restored, dataset, tmp_path, DEEP_LIKENESS)
    expected = score_split(restored, dataset, "val").scores
    found = ThermalClassifier(tmp_path / "fp32.onnx").predict(*read_clips(restored, dataset))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_own_input_of_a_model_of_images_is_images(
    make: Callable[..., RestoredModel], dataset: ThermalDataset, tmp_path: Path
) -> None:
    restored = make("tsm-r50")
    path = tmp_path / "m.onnx"
    result = export_onnx(restored, path, input_kind="rgb", opset=17)
    assert result.inputs == {"input": (8, 3, *SIZE)}
    sizes = [size.dim_value for size in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]
    assert sizes[1:] == [8, 3, *SIZE]
    verification = verify_onnx(path, restored, dataset, num_clips=3)
    assert [one.status for one in verification.differences] == ["ok", "ok"]
    assert max(one.largest for one in verification.differences) < 1e-5


def restore_fake(model: Any) -> RestoredModel:
    values: Any = {"path": Path("epoch_1.pth"), "model": model, "clip_spec": None}
    fake: Any = SimpleNamespace(**values)
    return fake


@pytest.mark.parametrize(
    ("name", "attributes", "message"),
    [
        ("RecognizerAudio", {}, "holds a RecognizerAudio, expected a Recognizer3D or Recognizer2D"),
        ("Recognizer2D", {"with_neck": True, "backbone_from": "mmaction2"}, "holds a Recognizer2D with a neck"),
        ("Recognizer2D", {"with_neck": False, "backbone_from": "timm"}, "holds a Recognizer2D with a backbone of timm"),
    ],
)
def test_model_that_cannot_be_exported_is_named(name: str, attributes: dict[str, Any], message: str) -> None:
    model = type(name, (), attributes)()
    with pytest.raises(CheckpointError, match=rf"epoch_1\.pth: {message}") as caught:
        build_classifier(restore_fake(model), "rgb")
    assert "cannot be exported here" in str(caught.value.hint) or "can be exported here" in str(caught.value.hint)


def test_plain_images_are_classified_too(dataset: ThermalDataset) -> None:
    """TSN: images by themselves, averaged in the head, which has to be told how many of them are one clip."""
    cfg = Config(
        {
            "model": {
                "type": "Recognizer2D",
                "backbone": {"type": "ResNet", "depth": 18, "pretrained": None},
                "cls_head": {"type": "TSNHead", "num_classes": 5, "in_channels": 512, "average_clips": "prob",
                             "consensus": {"type": "AvgConsensus", "dim": 1}},
            }
        }
    )  # fmt: skip
    torch.manual_seed(0)
    model = build_model(cfg)
    images = torch.rand(2, 3, 3, 32, 32)
    with torch.no_grad():
        [scores] = build_classifier(restore_fake(model), "rgb")(images)
        expected = [model.cls_head(model.backbone(clip), 3).softmax(1)[0] for clip in images]
    torch.testing.assert_close(scores, torch.stack(expected), rtol=1e-5, atol=1e-6)
    assert (scores[0] - scores[1]).abs().max() > 1e-4
