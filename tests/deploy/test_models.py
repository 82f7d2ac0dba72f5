"""Export of each kind of shipped model: shallower ones, as tracing takes its time by the layer."""

from __future__ import annotations

from collections.abc import Callable
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

from thermalctl.dataset.samples import ThermalDataset, find_clip
from thermalctl.deploy.classifier import build_classifier
from thermalctl.deploy.export import export_onnx
from thermalctl.deploy.session import OnnxClassifier
from thermalctl.deploy.verify import verify_onnx
from thermalctl.engine.config import complete_config, load_config
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.restore import RestoredModel, build_model, restore_model
from thermalctl.engine.score import score_split
from thermalctl.errors import CheckpointError
from thermalctl.pipeline.clip_dataset import ClipDataset
from thermalctl.recordings.hdf5 import RecordingFile

FRAME_SIZE = (12, 18)
SIZE = (32, 64)
#: Each kind of network with a few of its layers.
SHALLOW: dict[str, dict[str, Any]] = {
    "slowfast-small": {"clip.num_frames": 8},
    "slowonly-r50": {"model.backbone.depth": 18, "model.cls_head.in_channels": 512},
    "tsm-r50": {"model.backbone.depth": 18, "model.cls_head.in_channels": 512},
    "x3d-s": {"model.backbone.gamma_d": 1},
    "uniformer-s": {"model.backbone.depth": [1, 1, 1, 1]},
}


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
def make_shallow(dataset: ThermalDataset, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], RestoredModel]:
    made: dict[str, RestoredModel] = {}

    def make(name: str) -> RestoredModel:
        if name not in made:
            overrides = {"clip.input_size": SIZE, "class_weights": "none"} | SHALLOW[name]
            options = TrainOptions(overrides=overrides)
            cfg = complete_config(load_config(name), options, dataset, work_dir=Path("work_dirs"), device="cpu")
            torch.manual_seed(0)
            model = build_model(cfg)
            clips = ClipDataset(str(dataset.layout.root), "val", cfg.model.data_preprocessor.clip_spec)
            make_telling(model, pseudo_collate([clips[index] for index in range(len(clips))]))
            path = tmp_path_factory.mktemp("run") / "epoch_1.pth"
            torch.save({"state_dict": model.state_dict(), "meta": {"cfg": cfg.pretty_text, "epoch": 1}}, path)
            made[name] = restore_model(path)
        return made[name]

    return make


def read_clips(restored: RestoredModel, dataset: ThermalDataset) -> np.ndarray:
    """Return the val clips, (N, T, 12, 18) deg C."""
    assert restored.clip_spec is not None
    clips = []
    for sample in dataset.samples("val"):
        with RecordingFile(dataset.layout.recording_file(sample.recording)) as file:
            clips.append(file.read(find_clip(sample, dataset, restored.clip_spec)))
    return np.stack(clips)


@pytest.mark.parametrize(
    ("name", "opset"),
    [
        *((name, 13) for name in SHALLOW),
        pytest.param("tsm-r50", 20, marks=pytest.mark.slow),
        pytest.param("uniformer-s", 20, marks=pytest.mark.slow),
    ],
)
def test_degrees_give_the_scores_of_thermalctl_test(
    name: str, opset: int, make_shallow: Callable[[str], RestoredModel], dataset: ThermalDataset, tmp_path: Path
) -> None:
    restored = make_shallow(name)
    result = export_onnx(restored, tmp_path / "m.onnx", frame_size=FRAME_SIZE, opset=opset)
    clips = read_clips(restored, dataset)
    assert result.inputs == {"input": clips.shape[1:]}
    expected = score_split(restored, dataset, "val").scores
    assert np.ptp(expected, axis=0).max() > 0.2  # the clips are told apart
    classifier = OnnxClassifier(tmp_path / "m.onnx")
    np.testing.assert_allclose(classifier.predict(clips), expected, atol=1e-5)
    np.testing.assert_allclose(classifier.predict(clips[:1]), expected[:1], atol=1e-5)


def test_own_input_of_a_model_of_images_is_images(
    make_shallow: Callable[[str], RestoredModel], dataset: ThermalDataset, tmp_path: Path
) -> None:
    restored = make_shallow("tsm-r50")
    path = tmp_path / "m.onnx"
    result = export_onnx(restored, path, input_kind="rgb", opset=17)
    assert result.inputs == {"input": (8, 3, *SIZE)}
    sizes = [size.dim_value for size in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]
    assert sizes[1:] == [8, 3, *SIZE]
    verification = verify_onnx(path, restored, dataset, num_clips=3)
    assert verification.holds
    assert verification.test_counts
    assert max(verification.max_difference, verification.test_max_difference) < 1e-5


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
        scores = build_classifier(restore_fake(model), "rgb")(images)
        expected = [model.cls_head(model.backbone(clip), 3).softmax(1)[0] for clip in images]
    torch.testing.assert_close(scores, torch.stack(expected), rtol=1e-5, atol=1e-6)
    assert (scores[0] - scores[1]).abs().max() > 1e-4
