"""Short trainings on simulated clips: what each loss and sampler does to the batch, the loss and the scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch import Tensor, nn

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.exporters import choose_exporter, trace
from thermalctl.engine.events import StepDone
from thermalctl.engine.restore import restore_model
from thermalctl.engine.runner import prepare_head
from thermalctl.engine.score import score_split
from thermalctl.errors import ConfigError
from thermalctl.models.losses import LogitAdjusted

#: Training clips of the simulated dataset's classes, of 14.
COUNTS = np.zeros(14)
COUNTS[[2, 4, 12, 6]] = 5, 4, 2, 1
PRESENT = COUNTS > 0


class StepRecorder(Hook):
    """Remembers of each training step the scores that the head returned, the labels and the loss."""

    def __init__(self) -> None:
        self.steps: list[tuple[Tensor, list[int], float]] = []
        self._scores: list[Tensor] = []
        instances.append(self)

    def before_train(self, runner: Any) -> None:
        runner.recognizer.cls_head.register_forward_hook(lambda head, inputs, output: self._scores.append(output))

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        labels = [int(sample.gt_label) for sample in data_batch["data_samples"]]
        self.steps.append((self._scores[-1].detach().double(), labels, float(outputs["loss"].detach())))


instances: list[StepRecorder] = []


@pytest.fixture
def recorded(training: Any) -> Iterator[Any]:
    """A training that records its steps; call it with options."""
    HOOKS.register_module(name="StepRecorder", module=StepRecorder)

    def run(**options: Any) -> list[tuple[Tensor, list[int], float]]:
        overrides = {"custom_hooks": [{"type": "StepRecorder"}]} | options.pop("overrides", {})
        training.run(**options, overrides=overrides)
        return instances[-1].steps

    yield run
    HOOKS.module_dict.pop("StepRecorder")


def lose(name: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each clip loses for each class in double precision, 0 for classes that the softmax leaves out."""
    losses = np.zeros_like(scores)
    if name == "cross-entropy":
        return -log_softmax(scores, axis=1)
    if name == "focal":
        logs = log_softmax(scores, axis=1)
        return -0.25 * (1 - np.exp(logs)) ** 2 * logs
    tau = {"balanced-softmax": 1.0, "logit-adjusted": 0.5}[name]
    losses[:, PRESENT] = -log_softmax(scores[:, PRESENT] + tau * np.log(COUNTS[PRESENT] / 12), axis=1)
    return losses


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cross-entropy", {}),
        ("focal", {}),
        ("balanced-softmax", {}),
        ("logit-adjusted", {"tau": 0.5}),
        ("balanced-softmax", {"label_smoothing": 0.2}),
    ],
    ids=str,
)
def test_loss_of_every_step_follows_its_equation(recorded: Any, name: str, options: dict[str, Any]) -> None:
    steps = recorded(loss=name, **options)
    assert len(steps) == 2
    for scores, labels, loss in steps:
        smoothing = options.get("label_smoothing", 0.0)
        shares = (1 - smoothing) * np.eye(14)[labels] + smoothing * PRESENT / PRESENT.sum()
        expected = (shares * lose(name, scores.numpy())).sum() / len(labels)
        assert loss == pytest.approx(expected, rel=1e-5)


def test_loss_of_every_step_is_weighted(recorded: Any) -> None:
    weights = np.divide(1, 1 - 0.999**COUNTS, where=PRESENT, out=np.ones(14))  # of five clips at most: no cap
    for scores, labels, loss in recorded(class_weights="effective"):
        losses = -log_softmax(scores.numpy(), axis=1)[range(len(labels)), labels]
        assert loss == pytest.approx(np.average(losses, weights=weights[labels]), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"sampler": "balanced", "oversample": 2.0}, {2: 6, 4: 6, 12: 6, 6: 6}),
        ({"sampler": "sqrt", "oversample": 2.0}, {2: 8.07, 4: 7.22, 12: 5.10, 6: 3.61}),  # 24 sqrt(n) / 6.650
        ({"oversample": 0.5}, None),
    ],
    ids=str,
)
def test_sampler_decides_which_labels_an_epoch_draws(
    recorded: Any, options: dict[str, Any], expected: dict[int, float] | None
) -> None:
    steps = recorded(**options)
    num_draws = 12 * options["oversample"]
    assert len(steps) == num_draws / 6  # batches of six
    drawn = Counter(label for _, labels, _ in steps for label in labels)
    assert sum(drawn.values()) == num_draws
    if expected is not None:
        assert set(drawn) == set(expected)
        assert all(abs(drawn[label] - number) < 1 for label, number in expected.items())


def test_resumed_run_draws_what_an_uninterrupted_one_does(recorded: Any, training: Any) -> None:
    options = {"sampler": "sqrt", "oversample": 1.5, "epochs": 2}
    whole = [labels for _, labels, _ in recorded(**options)]
    work_dir = training.work_dir
    training.work_dir = work_dir.with_name("resumed")
    with pytest.raises(KeyboardInterrupt):
        recorded(**options, stop_after=1)
    first = [labels for _, labels, _ in instances[-1].steps]
    second = [labels for _, labels, _ in recorded(**options, resume=True)]
    assert first + second == whole
    assert first != second


def favour_absent_classes(model: nn.Module) -> None:
    """Make the absent classes the likeliest by far, which only a mask can undo."""
    with torch.no_grad():
        model.cls_head.fc_cls.bias.copy_(torch.where(torch.from_numpy(PRESENT), 0.0, 500.0))


def test_absent_classes_are_never_predicted_by_a_restored_model(training: Any, dataset: ThermalDataset) -> None:
    result = training.run(loss="logit-adjusted")
    restored = restore_model(result.last_checkpoint)
    favour_absent_classes(restored.model)
    scores = score_split(restored, dataset, "val", device="cpu").scores
    assert scores.shape == (12, 14)
    assert (scores[:, ~PRESENT] == 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)


def test_absent_classes_are_not_masked_by_the_guides_loss(trained_run: Path, dataset: ThermalDataset) -> None:
    restored = restore_model(trained_run / "epoch_1.pth")
    favour_absent_classes(restored.model)
    assert not PRESENT[score_split(restored, dataset, "val", device="cpu").scores.argmax(axis=1)].any()


class Model(nn.Module):
    """A head whose loss leaves classes out, prepared as a recognizer's is."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_head = nn.Linear(5, 14)
        self.cls_head.loss_cls = LogitAdjusted(class_counts=COUNTS.astype(int).tolist(), class_weight=[1.0] * 14)
        prepare_head(self)

    def forward(self, features: Tensor) -> Tensor:
        return self.cls_head(features).softmax(1)


@pytest.mark.parametrize("opset", [17, 20])
def test_absent_classes_are_masked_in_onnx_too(opset: int) -> None:
    model = Model().eval()
    inputs = torch.randn(3, 5)
    written = trace(model, {"features": inputs[:2]}, outputs=["scores"], opset=opset, exporter=choose_exporter(opset))
    session = onnxruntime.InferenceSession(written.SerializeToString())
    (scores,) = session.run(None, {"features": inputs.numpy()})
    np.testing.assert_allclose(scores, model(inputs).detach().numpy(), atol=1e-6)
    assert (scores[:, ~PRESENT] == 0).all()
    names = {tensor.name for tensor in written.graph.initializer}
    assert not any("class_weight" in name or "score_offsets" in name for name in names)


def test_users_own_configuration_may_have_another_loss_and_sampler(users_training: Any) -> None:
    with pytest.raises(ConfigError, match="has no class_counts, and BalancedSoftmax needs them"):
        users_training.run(loss="balanced-softmax")
    result = users_training.run(loss="focal", oversample=2.0)
    assert restore_model(result.last_checkpoint).cfg.model.cls_head.loss_cls.type.endswith(".FocalLoss")
    steps = [event for event in users_training.events if isinstance(event, StepDone)]
    assert steps[-1].num_steps == 4  # twice 12 clips in batches of six
