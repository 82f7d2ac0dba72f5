"""Short real trainings: which frames, and which part of them, a model is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import Tensor

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.config import complete_config
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.restore import restore_model
from thermalctl.engine.score import score_split
from thermalctl.engine.train import TrainResult, train
from thermalctl.pipeline import augment_space, preprocessor
from thermalctl.pipeline.augment import Augmentation
from thermalctl.pipeline.time_augment import count_context_frames, draw_times

#: Of each batch in training: what was delivered (N, T', H, W), and what was drawn of it, (N, T).
Drawn = list[tuple[Tensor, Tensor]]

TIME = {"temporal_jitter": 2.0, "temporal_crop": 0.8, "speed": 0.5, "frame_dropout": 0.1}


@pytest.fixture
def run(
    tiny: Config, dataset: ThermalDataset, small: dict[str, Any], tmp_path: Path
) -> Callable[..., tuple[TrainResult, Config]]:
    """Train an epoch of the small SlowFast, `augment` being all that is varied."""

    def run(*, augment: dict[str, Any] | None = None, **options: Any) -> tuple[TrainResult, Config]:
        overrides = small | {"default_hooks.checkpoint.interval": 1}
        flags = TrainOptions(epochs=1, device="cpu", overrides=overrides, **options)
        work_dir = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        cfg = complete_config(tiny, flags, dataset, work_dir=work_dir, device="cpu")
        cfg.model.data_preprocessor.augment = augment or {}
        context_frames = count_context_frames(Augmentation(**(augment or {})), cfg.clip.num_frames)
        cfg.train_dataloader.dataset.context_frames = context_frames
        return train(cfg, on_event=lambda event: None), cfg

    return run


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """What `draw_times` answers to the preprocessor, and the clips that it is asked for."""
    found: Drawn = []
    take_frames = preprocessor._take_frames

    def watch_draw(*args: Any) -> Tensor:
        times = draw_times(*args)
        found[-1] = (found[-1][0], times)
        return times

    def watch_take(clips_c: Tensor, *args: Any) -> Any:
        found.append((clips_c, torch.empty(0)))
        return take_frames(clips_c, *args)

    monkeypatch.setattr(preprocessor, "draw_times", watch_draw)
    monkeypatch.setattr(preprocessor, "_take_frames", watch_take)
    return found


def test_frames_are_drawn_of_a_longer_clip_in_training_and_a_seed_repeats_them(
    run: Callable[..., tuple[TrainResult, Config]], drawn: Drawn
) -> None:
    results = [run(augment=TIME, seed=seed)[0] for seed in (1, 1)]
    assert all(np.isfinite(result.last["acc/top1"]) for result in results)
    # Two batches of six in each of two runs, and none in validation: rate 1.5 over 4 frames, and 2 of jitter.
    assert [clips.shape[:2] for clips, _ in drawn] == [(6, 8 + 2 * 4)] * 4
    times = [drawn_times for _, drawn_times in drawn]
    assert all(each.shape == (6, 8) for each in times)
    assert len({tuple(row) for each in times[:2] for row in each.tolist()}) > 6
    assert torch.equal(torch.cat(times[:2]), torch.cat(times[2:]))


@pytest.mark.parametrize("person_crop", ["follow", "fixed"])
def test_people_are_shown_in_their_own_part_of_each_frame(
    run: Callable[..., tuple[TrainResult, Config]],
    dataset: ThermalDataset,
    monkeypatch: pytest.MonkeyPatch,
    person_crop: str,
) -> None:
    """Followed people are shown in training, frames drawn or not, and in validation by one region for each frame."""
    seen: list[Tensor] = []
    resample = preprocessor.resize_images

    def watch(images: Tensor, regions: Tensor, size: tuple[int, int]) -> Tensor:
        seen.append(regions)
        return resample(images, regions, size)

    monkeypatch.setattr(preprocessor, "resize_images", watch)
    monkeypatch.setattr(augment_space, "resize_images", watch)
    result, _ = run(augment={"temporal_jitter": 2.0}, target="person", person_crop=person_crop)
    num_people = sum(len(dataset.samples(split, "person")) for split in ("train", "val"))
    assert sum(len(regions) for regions in seen) == num_people
    assert {tuple(regions.shape[1:]) for regions in seen} == {(8, 4) if person_crop == "follow" else (4,)}
    if person_crop == "follow":
        assert max(float(regions[..., :2].diff(dim=1).abs().max()) for regions in seen) > 0.1  # pixels a frame
        assert all(float(regions[..., 2:].diff(dim=1).abs().max()) == 0 for regions in seen)
    assert result.last_checkpoint is not None
    restored = restore_model(result.last_checkpoint)
    assert restored.clip_spec is not None and restored.clip_spec.person_crop == person_crop
    predictions = score_split(restored, dataset, "val")
    accuracy = (predictions.scores.argmax(axis=1) == predictions.labels).mean()
    assert accuracy == pytest.approx(result.last["acc/top1"], abs=1e-6)
