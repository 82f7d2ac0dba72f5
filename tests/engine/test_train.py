from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.config import load_config
from thermalctl.engine.events import RunStarted, StepDone, ValidationDone
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.train import TrainResult, choose_device, train
from thermalctl.engine.trust import load_checkpoint_safely
from thermalctl.errors import CheckpointError, ConfigError, NotHeldError, RequestError, WeightsError


def read_weights(path: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = load_checkpoint_safely(path)["state_dict"]
    return weights


def read_log(work_dir: Path) -> str:
    return "".join(path.read_text() for path in sorted(work_dir.glob("*.log")))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def edit_checkpoint(source: Path, target: Path, **entries: Any) -> Path:
    torch.save(load_checkpoint_safely(source) | entries, target)
    return target


def test_run_leaves_its_files_where_the_guide_has_them(trained_run: Path) -> None:
    names = sorted(path.name for path in trained_run.iterdir())
    logs = [name for name in names if name.endswith(".log")]
    assert len(logs) == 1
    assert [name for name in names if name not in logs] == [
        "best_acc_top1_epoch_1.pth",
        "epoch_1.pth",
        "last_checkpoint",
        "metrics.jsonl",
        "run.json",
        "slowfast_tiny.py",
        "tf_logs",
    ]
    assert (trained_run / "last_checkpoint").read_text() == str(trained_run / "epoch_1.pth")


def test_tensorboard_shows_loss_rate_and_scores(trained_run: Path) -> None:
    files = list((trained_run / "tf_logs").iterdir())
    assert [path.name.startswith("events.out.tfevents") for path in files] == [True]
    events = EventAccumulator(str(files[0]))
    events.Reload()
    assert {"loss", "lr", "acc/top1", "acc/top3", "acc/mean_class"} <= set(events.Tags()["scalars"])


def test_log_can_be_searched_for_the_scores(trained_run: Path) -> None:
    validation = next(line for line in read_log(trained_run).splitlines() if "Epoch(val)" in line)
    for key in ("acc/top1", "acc/top3", "acc/top5", "acc/mean1", "acc/mean_class"):
        assert re.search(rf"{key}: [01]\.\d{{4}}", validation), key


def test_log_has_the_real_rates_and_every_class(trained_run: Path, dataset: ThermalDataset) -> None:
    log = read_log(trained_run)
    assert "learning rate of backbone: 0.05\n" in log
    assert "learning rate of cls_head: 0.05\n" in log
    assert "class 2 walking: 5 training clips, loss weight 1\n" in log
    assert all(f"class {index} {name}: " in log for index, name in enumerate(dataset.classes))


def test_copied_configuration_is_what_ran(trained_run: Path, simulated_dataset: Path) -> None:
    cfg = load_config(str(trained_run / "slowfast_tiny.py"))
    assert cfg.train_cfg.max_epochs == 1
    assert cfg.train_dataloader.dataset.data_root == str(simulated_dataset)
    assert cfg.model.cls_head.num_classes == 14


def test_run_says_where_it_comes_from(trained_run: Path, dataset: ThermalDataset, simulated_dataset: Path) -> None:
    record = json.loads((trained_run / "run.json").read_text())
    assert record["command"] == ["thermalctl", "train"]
    assert record["dataset"] == str(simulated_dataset)
    assert record["dataset_fingerprint"] == dataset.fingerprint()
    assert (record["seed"], record["weights"]) == (42, None)
    assert record["clip_spec"]["num_frames"] == 8
    assert record["versions"]["torch"] == torch.__version__
    assert "train_sample_ids" not in record


@pytest.mark.parametrize("name", ["epoch_1.pth", "best_acc_top1_epoch_1.pth"])
def test_checkpoint_says_what_it_expects_and_was_trained_on(
    trained_run: Path, dataset: ThermalDataset, name: str
) -> None:
    meta = load_checkpoint_safely(trained_run / name)["meta"]
    assert meta["epoch"] == 1
    assert tuple(meta["dataset_meta"]["classes"]) == dataset.classes
    assert meta["thermalctl"]["clip_spec"]["input_size"] == [16, 24]
    expected = [sample.sample_id for sample in dataset.samples("train")]
    assert meta["thermalctl"]["train_sample_ids"] == expected


def test_events_tell_the_run_from_start_to_end(training: Any, dataset: ThermalDataset) -> None:
    result: TrainResult = training.run(epochs=2)
    started, *steps = training.events
    assert isinstance(started, RunStarted)
    assert (started.num_train, started.num_val, started.max_epochs, started.first_epoch) == (12, 12, 2, 1)
    assert (started.model, started.precision, started.batch_size) == ("ResNet3dSlowFast, depth 18", "float32", 6)
    assert started.rates == {"backbone": 0.05, "cls_head": 0.05}
    assert started.classes == dataset.classes
    assert started.train_counts == (0, 0, 5, 0, 4, 0, 1, 0, 0, 0, 0, 0, 2, 0)
    assert started.class_weights == ()
    assert (started.weights, started.fitted) == (None, None)
    assert started.incomplete_share is not None
    assert 0 < started.incomplete_share < 0.2
    last_steps = [event for event in steps if isinstance(event, StepDone) and event.step == event.num_steps == 2]
    assert [event.epoch for event in last_steps] == [1, 2]
    assert all(event.clips_per_s > 0 and event.memory_gib > 0 for event in last_steps)
    assert last_steps[-1].seconds_left == 0
    validations = [event for event in steps if isinstance(event, ValidationDone)]
    assert [event.epoch for event in validations] == [1, 2]
    assert validations[0].is_best
    assert result.last == validations[-1].metrics
    assert result.best == [event.metrics for event in validations if event.is_best][-1]
    assert (result.epochs, result.stopped_early) == (2, False)
    assert result.last_checkpoint == training.work_dir / "epoch_2.pth"
    assert result.best_checkpoint == training.work_dir / f"best_acc_top1_epoch_{result.best_epoch}.pth"


def test_nothing_is_printed(training: Any, capfd: pytest.CaptureFixture[str]) -> None:
    training.run()
    assert capfd.readouterr() == ("", "")


def test_configuration_given_is_not_changed(training: Any) -> None:
    cfg = training.prepare()
    before = cfg.pretty_text
    train(cfg, on_event=lambda event: None)
    assert cfg.pretty_text == before


def test_seeded_runs_repeat_exactly(training: Any, tmp_path: Path) -> None:
    augment = {"model.data_preprocessor.augment.erase": 0.5}
    weights = []
    for name, seed in (("one", 5), ("again", 5), ("other", 6)):
        training.work_dir = tmp_path / name
        training.run(seed=seed, overrides=augment)
        weights.append(read_weights(training.work_dir / "epoch_1.pth"))
    one, again, other = weights
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_interrupted_run_is_resumed_where_it_stopped(training: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        training.run(epochs=4, stop_after=2)
    best = next(training.work_dir.glob("best_*.pth")).name
    training.events.clear()
    result = training.run(epochs=4, resume=True)
    started, *steps = training.events
    assert (started.first_epoch, started.max_epochs) == (3, 4)
    assert sorted({event.epoch for event in steps}) == [3, 4]
    assert (result.epochs, result.stopped_early) == (4, False)
    assert result.last_checkpoint == training.work_dir / "epoch_4.pth"
    assert load_checkpoint_safely(training.work_dir / "epoch_4.pth")["meta"]["epoch"] == 4
    found = [path.name for path in training.work_dir.glob("best_*.pth")]
    assert found == [f"best_acc_top1_epoch_{result.best_epoch}.pth"]
    if result.best_epoch is not None and result.best_epoch <= 2:
        assert found == [best]
    assert 0 <= result.best["acc/top1"] <= 1


def test_resumed_run_equals_one_that_never_stopped(training: Any, tmp_path: Path) -> None:
    augment = {"model.data_preprocessor.augment.erase": 0.5}
    training.run(epochs=3, overrides=augment)
    whole = read_weights(training.work_dir / "epoch_3.pth")
    training.work_dir = tmp_path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        training.run(epochs=3, overrides=augment, stop_after=2)
    torch.manual_seed(12345)  # another process would be somewhere else in its random numbers
    training.run(epochs=3, overrides=augment, resume=True)
    resumed = read_weights(training.work_dir / "epoch_3.pth")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_early_stopping_remembers_what_it_waited(training: Any) -> None:
    training.cfg = load_config("slowfast-tiny")
    training.cfg.custom_hooks = [
        {"type": "EarlyStoppingHook", "monitor": "acc/top1", "rule": "greater", "patience": 3, "min_delta": 2.0}
    ]
    with pytest.raises(KeyboardInterrupt):
        training.run(epochs=9, stop_after=3)  # the second and the third validation were no better
    result = training.run(epochs=9, resume=True)
    assert result.stopped_early
    assert result.epochs == 4  # as without the stop: the log has the validation that the checkpoint does not hold


def test_best_of_before_is_kept_if_nothing_better_follows(training: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        training.run(epochs=2, stop_after=1)
    # As if the first epoch had been perfect.
    path = training.work_dir / "epoch_1.pth"
    checkpoint = load_checkpoint_safely(path)
    checkpoint["message_hub"]["runtime_info"]["best_score"] = 2.0
    torch.save(checkpoint, path)
    result = training.run(epochs=2, resume=True)
    assert (result.best_epoch, result.best) == (1, {"acc/top1": 2.0})
    assert result.best_checkpoint == training.work_dir / "best_acc_top1_epoch_1.pth"
    assert [event.is_best for event in training.events if isinstance(event, ValidationDone)] == [True, False]


def test_moved_run_is_resumed_from_its_own_checkpoint(training: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        training.run(epochs=2, stop_after=1)
    training.work_dir = training.work_dir.rename(tmp_path / "moved")
    assert training.run(epochs=2, resume=True).epochs == 2


def test_resumed_run_of_another_length_is_refused(training: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        training.run(epochs=3, stop_after=1)
    before = snapshot(training.work_dir)
    with pytest.raises(ConfigError, match=r"epoch_1\.pth: belongs to a run of 3 epochs, but 5 are asked for") as caught:
        training.run(epochs=5, resume=True)
    assert "--epochs 3" in str(caught.value.hint)
    assert snapshot(training.work_dir) == before


def test_existing_run_is_not_overwritten(training: Any) -> None:
    training.run()
    (training.work_dir / "last_checkpoint").unlink()  # as in a run that never reached its first regular checkpoint
    (training.work_dir / "epoch_1.pth").unlink()
    before = snapshot(training.work_dir)
    with pytest.raises(RequestError, match=r"run: holds a run already \(its last checkpoint is best_acc_top1_epoch_1"):
        training.run()
    assert snapshot(training.work_dir) == before


def test_nothing_to_resume_from_is_told(training: Any) -> None:
    with pytest.raises(RequestError, match=r"--resume: .* holds no checkpoint"):
        training.run(resume=True)
    assert not training.work_dir.exists()


def test_weights_without_the_optimizers_state_are_not_resumed(training: Any) -> None:
    training.run()
    best = next(training.work_dir.glob("best_*.pth"))
    with pytest.raises(CheckpointError, match="holds weights without the optimizer's state") as caught:
        training.run(resume=True, load_from=str(best))
    assert f"--load-from {best}" in str(caught.value.hint)


def test_checkpoint_of_other_classes_is_not_resumed(training: Any, trained_run: Path, tmp_path: Path) -> None:
    weights = read_weights(trained_run / "epoch_1.pth")
    weights |= {"cls_head.fc_cls.weight": torch.zeros(5, 80), "cls_head.fc_cls.bias": torch.zeros(5)}
    other = edit_checkpoint(trained_run / "epoch_1.pth", tmp_path / "other.pth", state_dict=weights)
    with pytest.raises(CheckpointError, match=r"other\.pth: was trained for 5 classes, the model has 14"):
        training.run(resume=True, load_from=str(other))


@pytest.mark.parametrize("name", ["absent.pth", "slowfast_r50_4x16_kinetics400"])
def test_weights_that_are_not_here_are_refused_before_anything_is_written(
    training: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THERMALCTL_CACHE", str(tmp_path / "empty"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=name):
        training.run(load_from=name)
    assert not training.work_dir.exists()


def test_weights_of_another_architecture_are_refused(training: Any, tmp_path: Path) -> None:
    torch.save({"state_dict": {"backbone.layer1.weight": torch.zeros(3)}}, tmp_path / "resnet.pth")
    with pytest.raises(CheckpointError, match="only 0% of the backbone's weights fit"):
        training.run(load_from=str(tmp_path / "resnet.pth"))


def test_pretrained_weights_are_accounted_for(training: Any, trained_run: Path, tmp_path: Path) -> None:
    weights = read_weights(trained_run / "epoch_1.pth")
    weights |= {"cls_head.fc_cls.weight": torch.zeros(400, 80), "cls_head.fc_cls.bias": torch.zeros(400)}
    for pathway in ("slow", "fast"):
        stem = f"backbone.{pathway}_path.conv1.conv.weight"
        weights[stem] = weights[stem].expand(-1, 3, -1, -1, -1) / 3
    torch.save({"state_dict": weights}, tmp_path / "kinetics.pth")
    training.run(load_from=str(tmp_path / "kinetics.pth"))
    fitted = training.events[0].fitted
    assert fitted.remade == ("cls_head.fc_cls.bias", "cls_head.fc_cls.weight")
    assert set(fitted.adapted) == {f"backbone.{pathway}_path.conv1.conv.weight" for pathway in ("fast", "slow")}
    assert fitted.backbone_share == 1
    log = read_log(training.work_dir)
    assert "weights new: cls_head.fc_cls.bias, cls_head.fc_cls.weight" in log
    assert "  backbone.slow_path.conv1: 5 loaded, 1 adapted, 0 new, 0 unused" in log
    assert f"Load checkpoint from {tmp_path / 'kinetics.pth'}" in log


def test_start_from_random_weights_is_in_the_log(training: Any) -> None:
    training.run(load_from="none")
    assert "weights: none, the model starts from random ones" in read_log(training.work_dir)


def test_scores_that_are_not_numbers_end_the_run(training: Any, trained_run: Path, tmp_path: Path) -> None:
    weights = read_weights(trained_run / "epoch_1.pth")
    weights["cls_head.fc_cls.bias"][3] = torch.nan
    torch.save({"state_dict": weights}, tmp_path / "broken.pth")
    with pytest.raises(NotHeldError, match="weights of the model are not numbers since epoch 1"):
        training.run(load_from=str(tmp_path / "broken.pth"))


def test_early_stopping_is_told(training: Any) -> None:
    stop = {"type": "EarlyStoppingHook", "monitor": "acc/top1", "rule": "greater", "patience": 1, "min_delta": 2.0}
    training.cfg = load_config("slowfast-tiny")
    training.cfg.custom_hooks = [stop]
    result = training.run(epochs=6)
    assert result.stopped_early
    assert result.epochs == 2


def test_scaled_rate_is_the_one_that_is_told_and_used(training: Any) -> None:
    training.run(auto_scale_lr=True)
    # Batches of 6 where the rate is meant for 8.
    assert training.events[0].rates == pytest.approx({"backbone": 0.05 * 6 / 8, "cls_head": 0.05 * 6 / 8})
    assert "learning rate of cls_head: 0.0375\n" in read_log(training.work_dir)
    assert max(event.lr for event in training.events if isinstance(event, StepDone)) <= 0.0375


def test_backbone_has_a_rate_of_its_own(training: Any) -> None:
    training.run(backbone_lr_mult=0.1)
    assert training.events[0].rates == pytest.approx({"backbone": 0.005, "cls_head": 0.05})
    assert "learning rate of backbone: 0.005\n" in read_log(training.work_dir)


def test_class_weights_are_told_and_used(training: Any, dataset: ThermalDataset) -> None:
    training.run(overrides={"class_weights": "inverse"})
    weights = training.events[0].class_weights
    assert weights[2] == pytest.approx(12 / (14 * 5))
    assert "class 2 walking: 5 training clips, loss weight 0.1714\n" in read_log(training.work_dir)


def test_people_are_trained_on_one_by_one(training: Any, dataset: ThermalDataset) -> None:
    training.run(overrides={"clip.target": "person", "clip.input_size": (16, 16)})
    assert training.events[0].num_train == len(dataset.samples("train", "person")) > 12


def test_mixed_precision_trains_on_a_cpu(training: Any) -> None:
    result = training.run(amp=True)
    assert training.events[0].precision == "bfloat16"
    assert all(torch.isfinite(torch.tensor(event.loss)) for event in training.events if isinstance(event, StepDone))
    assert 0 <= result.last["acc/top1"] <= 1
    weights = read_weights(training.work_dir / "epoch_1.pth")
    assert all(value.dtype != torch.bfloat16 and torch.isfinite(value).all() for value in weights.values())


def test_run_without_validation_keeps_its_last_checkpoint(training: Any) -> None:
    training.cfg = load_config("slowfast-tiny")
    training.cfg.update(val_dataloader=None, val_cfg=None, val_evaluator=None)
    training.cfg.default_hooks.checkpoint = {"type": "CheckpointHook", "interval": 1}
    training.overrides = {key: value for key, value in training.overrides.items() if "val_dataloader" not in key}
    result = training.run()
    assert (result.last, result.best, result.best_epoch, result.best_checkpoint) == ({}, {}, None, None)
    assert result.last_checkpoint == training.work_dir / "epoch_1.pth"


def test_users_configuration_trains_unchanged(users_training: Any, capfd: pytest.CaptureFixture[str]) -> None:
    result = users_training.run(epochs=None)
    assert result.epochs == 1
    assert {"acc/top1", "acc/top5", "acc/mean1", "acc/top3", "acc/mean_class", "acc/log_loss"} == set(result.last)
    started = users_training.events[0]
    assert (started.num_train, started.num_val, len(started.classes)) == (12, 12, 14)
    assert sum(started.train_counts) == 12
    assert (users_training.work_dir / "thermal_slowfast.py").is_file()
    meta = load_checkpoint_safely(users_training.work_dir / "epoch_1.pth")["meta"]
    assert len(meta["thermalctl"]["train_sample_ids"]) == 12
    assert meta["thermalctl"]["clip_spec"] is None
    assert capfd.readouterr() == ("", "")


def test_users_configuration_trains_on_the_dataset_that_is_named(
    users_training: Any, dataset: ThermalDataset, simulated_dataset: Path, tmp_path: Path
) -> None:
    text = users_training.cfg.pretty_text.replace(str(simulated_dataset), "/nowhere")
    path = tmp_path / "elsewhere.py"
    path.write_text(text)
    users_training.cfg, users_training.dataset = load_config(str(path)), dataset
    assert users_training.run(epochs=None).epochs == 1


def test_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose_device(None) == "cpu"
    assert choose_device("cpu") == "cpu"
    with pytest.raises(RequestError, match="--device cuda: 0 GPUs are visible to torch"):
        choose_device("cuda")
    with pytest.raises(RequestError, match="--device tpu: no such device"):
        choose_device("tpu")
    with pytest.raises(RequestError, match="--device cuda:x: no such device"):
        choose_device("cuda:x")


def test_second_gpu_is_chosen_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device(None) == "cuda"
    assert choose_device("cuda:1") == "cuda:1"
    with pytest.raises(RequestError, match="--device cuda:2: 2 GPUs"):
        choose_device("cuda:2")


def test_copy_of_a_finished_run_is_not_a_place_for_a_new_one(training: Any, trained_run: Path) -> None:
    shutil.copytree(trained_run, training.work_dir)
    with pytest.raises(RequestError, match=r"its last checkpoint is epoch_1\.pth"):
        training.run()


def test_options_of_a_resumed_run_may_name_no_length(training: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        training.run(epochs=2, stop_after=1)
    training.cfg = load_config(str(training.work_dir / "slowfast_tiny.py"))
    assert TrainOptions(epochs=None).epochs is None
    assert training.run(epochs=None, resume=True).epochs == 2
