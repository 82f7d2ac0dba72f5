"""Short real trainings: what augmentation, mixing, channels and layout do to the batch, the labels and the loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from scipy.special import log_softmax
from torch import Tensor

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.config import complete_config
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.train import TrainResult, train
from thermalctl.pipeline.preprocessor import ThermalDataPreprocessor

Seen = list[tuple[Tensor, list[Tensor]]]


@pytest.fixture
def run(
    tiny: Config, dataset: ThermalDataset, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[TrainResult, Seen, Config]]:
    """Train an epoch of two batches with flags; return the result, what the model was given, and the configuration."""
    forward = ThermalDataPreprocessor.forward

    def run(**options: Any) -> tuple[TrainResult, Seen, Config]:
        seen: Seen = []

        def watch(self: ThermalDataPreprocessor, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
            ready = forward(self, data, training)
            if training:
                seen.append((ready["inputs"], [sample.gt_label for sample in ready["data_samples"]]))
            return ready

        monkeypatch.setattr(ThermalDataPreprocessor, "forward", watch)
        flags = TrainOptions(epochs=1, device="cpu", overrides=small, **options)
        work_dir = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        cfg = complete_config(tiny, flags, dataset, work_dir=work_dir, device="cpu")
        return train(cfg, on_event=lambda event: None), seen, cfg

    return run


def read_log(result: TrainResult) -> str:
    [log] = result.work_dir.glob("*.log")
    return log.read_text(encoding="utf-8")


@pytest.mark.parametrize("mix", ["mixup", "cutmix", "cuboid", "mixup+cuboid"])
def test_mixed_batches_train_with_shares_of_classes(
    run: Callable[..., tuple[TrainResult, Seen, Config]], mix: str
) -> None:
    result, seen, cfg = run(mix=mix, mix_probability=1.0)
    assert cfg.model.data_preprocessor.mixing.mode == mix
    assert len(seen) == 2
    for _, labels in seen:
        shares = torch.stack(labels).double()
        assert shares.shape == (6, 14)
        np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
    assert result.epochs == 1
    log = read_log(result)
    assert "loss_cls" in log
    assert "top1_acc" not in log  # an accuracy of mixed clips means nothing


def test_loss_of_a_mixed_batch_is_that_of_its_shares(
    run: Callable[..., tuple[TrainResult, Seen, Config]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmaction.models.heads import SlowFastHead

    computed = []
    loss_by_feat = SlowFastHead.loss_by_feat

    def watch(self: Any, scores: Tensor, samples: Any) -> Any:
        losses = loss_by_feat(self, scores, samples)
        computed.append((scores.detach().double().numpy(), float(losses["loss_cls"].detach())))
        return losses

    monkeypatch.setattr(SlowFastHead, "loss_by_feat", watch)
    _, seen, _ = run(mix="mixup", mix_probability=1.0, mixup_alpha=2.0)
    mixed = torch.stack([label for _, labels in seen for label in labels])
    assert ((mixed > 0.01) & (mixed < 0.99)).any()  # a clip may well be mixed with one of its own class
    for (scores, loss), (_, labels) in zip(computed, seen, strict=True):
        shares = torch.stack(labels).double().numpy()
        assert loss == pytest.approx(-(shares * log_softmax(scores, axis=1)).sum(1).mean(), rel=1e-5)


def test_plain_batches_between_mixed_ones_log_their_accuracy(
    run: Callable[..., tuple[TrainResult, Seen, Config]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from thermalctl.pipeline import preprocessor

    drawn = iter([True, False])
    draw_mix = preprocessor.draw_mix
    monkeypatch.setattr(preprocessor, "draw_mix", lambda *told: draw_mix(*told) if next(drawn) else None)
    result, seen, _ = run(mix="mixup", mix_probability=1.0)
    assert [labels[0].shape for _, labels in seen] == [(14,), (1,)]
    assert "top1_acc" in read_log(result)


def test_motion_trains_with_three_channels_that_differ(
    run: Callable[..., tuple[TrainResult, Seen, Config]],
) -> None:
    result, seen, cfg = run(channels="motion", augment="overhead", row_dropout=0.2, erase=0.5, erase_mode="cuboid")
    inputs = seen[0][0]
    assert inputs.shape == (6, 1, 3, 8, 16, 24)
    assert not torch.equal(inputs[:, :, 0], inputs[:, :, 1])
    assert (cfg.clip.mean, cfg.clip.std) == ((110.0, 127.5, 127.5), (30.0, 25.5, 25.5))
    assert math.isfinite(result.last["acc/top1"])
    state = torch.load(result.last_checkpoint or "", weights_only=False)["state_dict"]
    assert state["backbone.slow_path.conv1.conv.weight"].shape[1] == 3


def test_augmentation_on_and_off_differ_in_training_only(
    run: Callable[..., tuple[TrainResult, Seen, Config]],
) -> None:
    _, plain, _ = run(augment="none", seed=1)
    _, varied, _ = run(augment="light", seed=1)
    assert not torch.allclose(plain[0][0], varied[0][0], atol=0.05)
    _, again, _ = run(augment="light", seed=1)
    assert all(torch.equal(one, other) for (one, _), (other, _) in zip(varied, again, strict=True))
