from __future__ import annotations

import json
import random
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from thermalctl.engine.checkpoints import find_last
from thermalctl.engine.events import RunStarted, ValidationDone
from thermalctl.engine.running.loop import ResumableLoop
from thermalctl.engine.running.signals import TrainingInterrupted
from thermalctl.engine.train import train
from thermalctl.errors import CheckpointError, ConfigError
from thermalctl.evaluation.run_log import read_run_log

RunUntil = Callable[..., Any]
Same = Callable[[Path, Path], None]

#: Everything that draws at random or remembers what was.
EVERYTHING = {
    "augment": "overhead",
    "mix": "cutmix",
    "temporal_jitter": 2.0,
    "sampler": "balanced",
    "dropout": 0.5,
    "ema": 0.9,
    "early_stopping": 9,
    "layer_decay": 0.8,
}


def disturb() -> None:
    """Put every generator somewhere else, as another process would find them."""
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)


@pytest.mark.parametrize("step", [(1, 1), (1, 5), (2, 3), (2, 6)], ids=str)
def test_run_that_was_asked_to_end_goes_on_to_the_bit(
    training: Any, run_until: RunUntil, assert_same_run: Same, tmp_path: Path, step: tuple[int, int]
) -> None:
    run_until(epochs=2, **EVERYTHING)
    whole, training.work_dir = training.work_dir, tmp_path / "parts"
    with pytest.raises(TrainingInterrupted) as caught:
        run_until(step=step, epochs=2, **EVERYTHING)
    assert caught.value.exit_code == 143
    disturb()
    run_until(epochs=2, resume=True, **EVERYTHING)
    assert_same_run(training.work_dir / "epoch_2.pth", whole / "epoch_2.pth")
    validations = [read_run_log(folder).validations for folder in (whole, training.work_dir)]
    assert validations[0] == validations[1]


def test_run_cut_into_single_steps_is_the_same_run(
    training: Any, run_until: RunUntil, assert_same_run: Same, tmp_path: Path
) -> None:
    run_until(epochs=1, **EVERYTHING)
    whole, training.work_dir = training.work_dir, tmp_path / "parts"
    for step in range(1, 6):
        with pytest.raises(TrainingInterrupted):
            run_until(step=(1, step), epochs=1, resume=step > 1, **EVERYTHING)
        assert find_last(training.work_dir) == training.work_dir / f"iter_{step}.pth"
        disturb()
    run_until(epochs=1, resume=True, **EVERYTHING)
    assert_same_run(training.work_dir / "epoch_1.pth", whole / "epoch_1.pth")
    log = read_run_log(training.work_dir)
    assert [(entry.epoch, entry.step) for entry in log.steps] == [(1, step) for step in range(1, 7)]
    assert log.validations == read_run_log(whole).validations


@pytest.mark.parametrize("saved", ["epoch_1.pth", "epoch_2.pth", "iter_9.pth"])
def test_run_goes_on_from_any_of_its_checkpoints(
    training: Any, run_until: RunUntil, assert_same_run: Same, tmp_path: Path, saved: str
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    keep = training.work_dir / saved

    def copy_when_there(event: Any) -> None:
        if keep.is_file() and not (kept / saved).is_file():
            shutil.copy(keep, kept)

    train(training.prepare(epochs=3, save_every=9, **EVERYTHING), on_event=copy_when_there)
    whole, training.work_dir = training.work_dir, tmp_path / "again"
    disturb()
    run_until(epochs=3, resume=True, load_from=str(kept / saved), **EVERYTHING)
    assert_same_run(training.work_dir / "epoch_3.pth", whole / "epoch_3.pth")


def test_validation_that_was_left_is_done_when_the_run_goes_on(
    training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_until: RunUntil, assert_same_run: Same
) -> None:
    run_until(epochs=2, **EVERYTHING)
    whole, training.work_dir = training.work_dir, tmp_path / "parts"
    with monkeypatch.context() as patch:
        patch.setattr("thermalctl.engine.accuracy.ClassAccuracy.process", lambda *given: signal.raise_signal(15))
        with pytest.raises(TrainingInterrupted):
            run_until(epochs=2, **EVERYTHING)
    assert read_run_log(training.work_dir).validations == ()
    training.events.clear()
    run_until(epochs=2, resume=True, **EVERYTHING)
    assert [event.epoch for event in training.events if isinstance(event, ValidationDone)] == [1, 2]
    assert_same_run(training.work_dir / "epoch_2.pth", whole / "epoch_2.pth")


def test_run_stopped_early_is_not_trained_further_when_it_is_resumed(training: Any, run_until: RunUntil) -> None:
    options = {"early_stopping": 1, "min_delta": 2.0, "epochs": 5}  # no score is better by so much
    assert run_until(**options).epochs == 2
    training.events.clear()
    assert run_until(resume=True, **options).epochs == 2
    assert not any(isinstance(event, ValidationDone) for event in training.events)


def test_checkpoint_within_an_epoch_goes_when_the_epochs_own_is_there(training: Any, run_until: RunUntil) -> None:
    names: list[list[str]] = []
    cfg = training.prepare(epochs=2, save_every=2)
    train(cfg, on_event=lambda event: names.append(sorted(path.name for path in training.work_dir.glob("iter_*.pth"))))
    assert ["iter_2.pth"] in names
    assert ["iter_4.pth"] in names
    assert max(map(len, names)) == 1
    assert not list(training.work_dir.glob("iter_*.pth"))
    assert find_last(training.work_dir) == training.work_dir / "epoch_2.pth"


def test_resumed_run_says_where_it_goes_on(training: Any, run_until: RunUntil) -> None:
    with pytest.raises(TrainingInterrupted):
        run_until(step=(2, 1), epochs=2)
    training.events.clear()
    run_until(epochs=2, resume=True)
    (started,) = (event for event in training.events if isinstance(event, RunStarted))
    assert (started.first_epoch, started.first_step, started.is_resumed) == (2, 2, True)
    header = json.loads((training.work_dir / "metrics.jsonl").read_text().splitlines()[0])
    assert header["first_step"] == 1


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"overrides": {"optim_wrapper.optimizer.lr": 0.5}}, "optim_wrapper.optimizer.lr=0.05, but 0.5"),
        ({"loss": "focal"}, "model.cls_head.loss_cls.alpha=nothing, but 0.25"),
        ({"layer_decay": 0.5}, "optim_wrapper.constructor=nothing, but thermalctl"),
        ({"overrides": {"train_dataloader.batch_size": 4}}, "train_dataloader.batch_size=2, but 4"),
        ({"seed": 5}, "randomness.seed=42, but 5"),
        ({"sampler": "balanced"}, "train_dataloader.sampler.strategy=natural, but balanced"),
    ],
    ids=str,
)
def test_run_is_not_resumed_as_another(training: Any, trained_twice: Path, options: dict[str, Any], key: str) -> None:
    training.work_dir = trained_twice
    before = sorted((path.name, path.read_bytes()) for path in trained_twice.iterdir() if path.is_file())
    with pytest.raises(ConfigError, match=re.escape(key)):
        training.run(epochs=2, resume=True, **options)
    assert before == sorted((path.name, path.read_bytes()) for path in trained_twice.iterdir() if path.is_file())


def test_what_decides_nothing_may_change(training: Any, trained_twice: Path, tmp_path: Path) -> None:
    training.work_dir = Path(shutil.copytree(trained_twice, tmp_path / "copy"))
    options = {"num_workers": 0, "save_every": 3, "early_stopping": 7, "log_to": ["none"]}
    assert training.run(epochs=2, resume=True, **options).epochs == 2


def test_place_in_an_epoch_of_another_length_is_refused() -> None:
    loop = SimpleNamespace(dataloader=range(6), num_done=2)
    ResumableLoop.check_place(loop, 6)  # type: ignore[arg-type]
    ResumableLoop.check_place(loop, None)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="had 3 steps in an epoch, and now has 6"):
        ResumableLoop.check_place(loop, 3)  # type: ignore[arg-type]


@pytest.mark.slow
def test_workers_of_a_users_pipeline_draw_what_they_would_have_drawn(
    users_training: Any, assert_same_run: Same, tmp_path: Path
) -> None:
    overrides = {"default_hooks.logger.interval": 1, "train_dataloader.batch_size": 2}
    options = {"epochs": 2, "num_workers": 2, "overrides": overrides}
    train(users_training.prepare(**options), on_event=lambda event: None)
    whole, users_training.work_dir = users_training.work_dir, tmp_path / "parts"

    def interrupt(event: Any) -> None:
        if getattr(event, "step", None) == 4 and event.epoch == 2:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(TrainingInterrupted):
        train(users_training.prepare(**options), on_event=interrupt)
    disturb()
    train(users_training.prepare(resume=True, **options), on_event=lambda event: None)
    assert_same_run(users_training.work_dir / "epoch_2.pth", whole / "epoch_2.pth")
