"""Each trouble planted in a real short training, and none in one that goes well."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.engine.config import load_config
from thermalctl.engine.events import Finding
from thermalctl.engine.meter import StepMeter
from thermalctl.engine.trust import load_checkpoint_safely
from thermalctl.errors import DatasetError, NotHeldError
from thermalctl.evaluation.run_log import read_run_log
from thermalctl.pipeline.clip_dataset import ClipDataset

#: Neither validates nor saves, which would take most of the time.
ONLY_TRAIN = {"train_cfg.val_interval": 100, "default_hooks.checkpoint.interval": 100}
RATE = "optim_wrapper.optimizer.lr"


def find(training: Any) -> list[Finding]:
    return [event for event in training.events if isinstance(event, Finding)]


def edit_weights(source: Path, target: Path, name: str, place: Any, value: float) -> str:
    checkpoint = load_checkpoint_safely(source)
    checkpoint["state_dict"][name][place] = value
    torch.save({"state_dict": checkpoint["state_dict"]}, target)
    return str(target)


def test_training_that_goes_well_is_told_nothing(training: Any) -> None:
    result = training.run(epochs=3)
    assert find(training) == []
    assert result.findings == ()


def test_rate_of_nothing_leaves_the_loss_where_it_is(training: Any) -> None:
    result = training.run(epochs=6, warmup_epochs=0, overrides=ONLY_TRAIN | {RATE: 0.0})
    assert [(finding.topic, finding.epoch) for finding in find(training)] == [("loss not falling", 5)]
    assert result.findings == tuple(find(training))
    log = next(training.work_dir.glob("*.log")).read_text()
    assert log.count("loss not falling: the loss is 2.6") == 1
    assert read_run_log(training.work_dir).findings == result.findings


def test_rate_far_too_high_makes_the_loss_explode(training: Any) -> None:
    result = training.run(epochs=4, warmup_epochs=0, overrides=ONLY_TRAIN | {RATE: 30.0})
    topics = [finding.topic for finding in find(training)]
    assert topics == ["learning rate"]
    assert "the loss explodes" in result.findings[0].text
    assert result.findings[0].advice == "--lr 3, a tenth of now"


def test_weights_that_are_not_numbers_end_the_run(training: Any, trained_run: Path, tmp_path: Path) -> None:
    broken = edit_weights(trained_run / "epoch_1.pth", tmp_path / "broken.pth", "cls_head.fc_cls.bias", 3, torch.nan)
    with pytest.raises(NotHeldError, match="training cannot go on: weights of the model are not numbers since epoch 1"):
        training.run(load_from=broken)
    assert [(finding.topic, finding.text) for finding in find(training)] == [
        ("loss not a number", "the loss is nan in step 1 of epoch 1")
    ]
    end = read_run_log(training.work_dir).end
    assert end is not None
    assert (end.status, end.epochs) == ("failed", 0)
    assert "training cannot go on" in end.reason


def test_one_broken_batch_is_told_and_survived(training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    add, seen = StepMeter.add, []

    def break_second(meter: StepMeter, outputs: Any, *, num_clips: int) -> None:
        seen.append(outputs)
        # Both hooks that meter a step see it: the third call is the second step's first.
        outputs = dict(outputs, loss=torch.tensor(torch.inf)) if len(seen) in (3, 4) else outputs
        add(meter, outputs, num_clips=num_clips)

    monkeypatch.setattr(StepMeter, "add", break_second)
    result = training.run(epochs=2)
    assert result.epochs == 2
    assert [finding.text for finding in find(training)] == ["the loss is inf in step 2 of epoch 1"]
    steps = [line for line in (training.work_dir / "metrics.jsonl").read_text().splitlines() if '"step"' in line]
    assert json.loads(steps[0])["loss"] is None


def test_scores_that_are_not_numbers_end_the_run(training: Any, trained_run: Path, tmp_path: Path) -> None:
    # Statistics of batch normalisation: training takes each batch's own, only validation sees these.
    name = "backbone.slow_path.conv1.bn.running_var"
    broken = edit_weights(trained_run / "epoch_1.pth", tmp_path / "broken.pth", name, 0, torch.nan)
    with pytest.raises(NotHeldError, match="the scores of 12 of 12 validation clips are not numbers"):
        training.run(load_from=broken)
    end = read_run_log(training.work_dir).end
    assert end is not None
    assert "the scores of 12 of 12 validation clips" in end.reason


def test_slow_recordings_starve_the_device(training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read = ClipDataset.__getitem__

    def read_slowly(dataset: ClipDataset, index: int) -> dict[str, Any]:
        time.sleep(0.1)
        return read(dataset, index)

    monkeypatch.setattr(ClipDataset, "__getitem__", read_slowly)
    overrides = ONLY_TRAIN | {"train_dataloader.batch_size": 1}
    training.run(epochs=2, overrides=overrides)
    (finding,) = find(training)
    assert (finding.topic, finding.epoch) == ("data loading", 2)
    assert finding.advice.startswith("--num-workers 2, ")


@pytest.fixture
def contrary_dataset(simulated_dataset: Path, tmp_path: Path) -> Path:
    """The simulated dataset with every val label replaced by one that never occurs in train."""
    root = tmp_path / "contrary"
    shutil.copytree(simulated_dataset, root)
    path = root / "annotations" / "val.json"
    content = json.loads(path.read_text())
    for person in content["annotations"]:
        person.update(category_id=0, category_name="sitting")
    path.write_text(json.dumps(content))
    return root


def test_training_clips_far_better_known_than_val_are_overfitting(
    training: Any, contrary_dataset: Path, trained_run: Path, tmp_path: Path
) -> None:
    # A model that answers with the most frequent class in train: 5 of 12 are right, and none in val.
    biased = edit_weights(trained_run / "epoch_1.pth", tmp_path / "biased.pth", "cls_head.fc_cls.bias", 2, 6.0)
    training.dataset = load_dataset(DatasetLayout(contrary_dataset))
    training.run(epochs=3, load_from=biased)
    (finding,) = find(training)
    assert (finding.topic, finding.epoch) == ("overfitting", 3)
    assert finding.text == "accuracy in train is 42 points above val (42% and 0%)"


def test_model_that_answers_with_one_class_is_told(training: Any, trained_run: Path, tmp_path: Path) -> None:
    biased = edit_weights(trained_run / "epoch_1.pth", tmp_path / "biased.pth", "cls_head.fc_cls.bias", 2, 6.0)
    training.run(epochs=4, warmup_epochs=0, load_from=biased, overrides={"train_dataloader.batch_size": 2})
    (finding,) = find(training)  # at the end, after 3 validations or more
    assert (finding.topic, finding.epoch) == ("classes never predicted", 4)
    assert finding.text == "only 1 of the 4 classes in val is ever predicted"


def test_label_without_a_score_is_named_before_the_first_step(training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = training.prepare()
    cfg.model.cls_head.num_classes = 6
    monkeypatch.setattr(training, "prepare", lambda **options: cfg)
    with pytest.raises(
        DatasetError, match=r"its label is \d+, but the model tells 6 classes apart \(0 to 5\)"
    ) as caught:
        training.run()
    assert caught.value.problems[0].startswith('sample "')
    assert training.events == []


def test_label_of_a_users_own_configuration_is_checked_too(users_training: Any, users_config: Path) -> None:
    users_config.write_text(users_config.read_text().replace("num_classes=14", "num_classes=7"))
    users_training.cfg = load_config(str(users_config))
    with pytest.raises(DatasetError, match="but the model tells 7 classes apart"):
        users_training.run(epochs=None)
