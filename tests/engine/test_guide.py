from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config

from thermalctl.clip_spec import ClipSpec
from thermalctl.compat import prepare_mmaction
from thermalctl.engine.config import load_config
from thermalctl.engine.guide import read_guide_clip_spec, require_clip_spec
from thermalctl.engine.runner import register_guide_dataset
from thermalctl.errors import CheckpointError

prepare_mmaction()

from mmengine.registry import DATASETS, MODELS, DefaultScope  # noqa: E402

from thermalctl.pipeline.preprocessor import ClipTransform  # noqa: E402
from thermalctl.recordings.pool import RecordingPool  # noqa: E402

CLASSES = tuple("abcdefghijklmn")


@pytest.fixture
def guide(users_config: Path) -> Config:
    return load_config(str(users_config))


def test_resize_and_normalisation_are_read(guide: Config) -> None:
    assert read_guide_clip_spec(guide, CLASSES) == ClipSpec(
        classes=CLASSES,
        num_frames=8,
        repair="none",
        temperature_range_c=(5.0, 45.0),
        input_size=(16, 24),
        channels="copy",
        quantize=True,
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
    )


def test_what_is_read_gives_the_guides_input_within_one_level(guide: Config, simulated_dataset: Path) -> None:
    guide.val_dataloader.dataset.pipeline[0].scale = (36, 20)
    guide.test_dataloader = guide.val_dataloader
    register_guide_dataset()
    with DefaultScope.overwrite_default_scope("mmaction"):
        items = DATASETS.build(guide.val_dataloader.dataset)
        preprocessor = MODELS.build(guide.model.data_preprocessor)
    spec = read_guide_clip_spec(guide, CLASSES)
    assert spec is not None
    pool, transform = RecordingPool(simulated_dataset / "frames"), ClipTransform(spec)
    for index in range(len(items)):
        item = items[index]
        batch = {"inputs": [item["inputs"]], "data_samples": [item["data_samples"]]}
        theirs = preprocessor(batch)["inputs"][:, 0]
        info = items.get_data_info(index)
        clip_c = pool.read(info["sensor_id"], np.arange(info["frame_idx"] - 4, info["frame_idx"] + 4))
        ours = transform(torch.from_numpy(clip_c)[None])
        assert ours.shape == theirs.shape == (1, 3, 8, 20, 36)
        levels = (ours - theirs).abs() * torch.tensor(spec.std).view(1, 3, 1, 1, 1)
        assert float(levels.max()) <= 1


def change(guide: Config, **values: Any) -> Config:
    guide.merge_from_dict({key.replace("__", "."): value for key, value in values.items()})
    return guide


@pytest.mark.parametrize(
    "values",
    [
        {"test_dataloader__dataset__type": "VideoDataset"},
        {"test_dataloader__dataset__pipeline__0__keep_ratio": True},
        {"test_dataloader__dataset__pipeline__0__interpolation": "nearest"},
        {"test_dataloader__dataset__pipeline__0__scale": (-1, 16)},
        {"test_dataloader__dataset__pipeline__0__type": "CenterCrop"},
        {"test_dataloader__dataset__pipeline": []},
        {"model__data_preprocessor__type": "MultiModalDataPreprocessor"},
    ],
    ids=lambda values: next(iter(values)).replace("__", "."),
)
def test_what_degrees_cannot_say_is_not_guessed(guide: Config, values: dict[str, Any]) -> None:
    assert read_guide_clip_spec(change(guide, **values), CLASSES) is None


def test_further_transform_and_unnamed_classes_are_not_guessed(guide: Config) -> None:
    assert read_guide_clip_spec(guide, ()) is None
    guide.test_dataloader.dataset.pipeline.insert(1, {"type": "ThreeCrop", "crop_size": 16})
    assert read_guide_clip_spec(guide, CLASSES) is None


def test_specification_that_is_needed_and_not_there_is_an_error() -> None:
    with pytest.raises(CheckpointError, match=r"x\.pth: its test pipeline is more than a resize"):
        require_clip_spec(None, "x.pth")
    spec = ClipSpec(classes=CLASSES)
    assert require_clip_spec(spec, "x.pth") is spec
