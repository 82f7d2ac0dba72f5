from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from thermalctl.errors import RequestError
from thermalctl.evaluation.run_log import RunLog
from thermalctl.evaluation.run_records import Finding, RunEnded, RunHeader, StepDone, ValidationDone
from thermalctl.reports.curves import draw_curves, save_curves

HEADER = RunHeader(
    model="X3D",
    num_parameters=7,
    device="CPU",
    precision="float32",
    num_train=40,
    num_val=4,
    classes=("a", "b"),
    train_counts=(30, 10),
    batch_size=4,
    max_epochs=3,
    warmup_epochs=0,
    first_epoch=1,
    weights=None,
    rates={"backbone": 0.1},
    version="0.1.0",
    host="here",
    pid=1,
)


def step(epoch: int, number: int, loss: float) -> StepDone:
    return StepDone(
        epoch=epoch,
        max_epochs=3,
        step=number,
        num_steps=4,
        loss=loss,
        lr=0.1 / epoch,
        clips_per_s=9.0,
        memory_gib=1.0,
        seconds_left=2.0,
    )


def validation(epoch: int, *, is_best: bool = False, accuracy: float | None = 0.75) -> ValidationDone:
    metrics = {"acc/top1": 0.5, "acc/mean_class": 0.25, "acc/log_loss": 1.5 / epoch}
    return ValidationDone(epoch=epoch, metrics=metrics, train_loss=1 / epoch, is_best=is_best, train_accuracy=accuracy)


def make_log(**changes: Any) -> RunLog:
    values: dict[str, Any] = {
        "work_dir": Path("runs/one"),
        "header": HEADER,
        "steps": (step(1, 2, 1.5), step(1, 4, 1.0), step(2, 2, 0.75), step(2, 4, 0.5)),
        "validations": (validation(1, is_best=True), validation(2)),
        "findings": (),
        "end": None,
        "updated_s": 0.0,
        "damaged": (),
    }
    return RunLog(**values | changes)


def test_panels_hold_the_figures_of_the_log() -> None:
    loss, accuracy, rate = draw_curves(make_log()).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in (*loss.lines, *accuracy.lines)}
    assert lines["train, step"] == [[0.5, 1.5], [1.0, 1.0], [1.5, 0.75], [2.0, 0.5]]
    assert lines["train, epoch"] == [[1, 1.0], [2, 0.5]]
    assert lines["val, log loss"] == [[1, 1.5], [2, 0.75]]
    assert lines["val, top-1"] == [[1, 50], [2, 50]]
    assert lines["val, mean class"] == [[1, 25], [2, 25]]
    assert lines["train, as seen"] == [[1, 75], [2, 75]]
    assert rate.lines[0].get_xydata().tolist() == [[0.5, 0.1], [1.0, 0.1], [1.5, 0.05], [2.0, 0.05]]
    assert loss.get_yscale() == "linear"


def test_title_says_how_the_run_stands() -> None:
    text = draw_curves(make_log()).get_suptitle()
    assert text == "one: X3D, 2 of 3 epochs, running; best: epoch 1"
    ended = make_log(end=RunEnded(status="interrupted", epochs=2, seconds=3), validations=())
    assert draw_curves(ended).get_suptitle() == "one: X3D, 0 of 3 epochs, interrupted"


def test_findings_stand_where_they_were_made() -> None:
    finding = Finding(epoch=2, topic="learning rate", text="explodes", advice="--lr 0.01")
    loss = draw_curves(make_log(findings=(finding,))).axes[0]
    assert [(text.get_text(), text.xy[0]) for text in loss.texts] == [("learning rate", 2)]


def test_explosion_does_not_flatten_all_else() -> None:
    steps = (step(1, 2, 1.5), step(1, 4, 1.0), step(2, 2, 4000.0), step(2, 4, math.nan))
    assert draw_curves(make_log(steps=steps)).axes[0].get_yscale() == "log"


@pytest.mark.parametrize("changes", [{"steps": ()}, {"validations": ()}, {"steps": (), "validations": ()}])
def test_log_that_has_little_is_drawn(changes: dict[str, Any]) -> None:
    assert len(draw_curves(make_log(**changes)).axes) == 3


def test_mixed_labels_leave_out_the_accuracy_in_train() -> None:
    accuracy = draw_curves(make_log(validations=(validation(1, accuracy=None),))).axes[1]
    assert "train, as seen" not in [line.get_label() for line in accuracy.lines]


def test_picture_lies_in_the_runs_folder(trained_run: Path, tmp_path: Path) -> None:
    shutil.copy(trained_run / "metrics.jsonl", tmp_path)
    path = save_curves(tmp_path)
    assert path == tmp_path / "curves.png"
    with Image.open(path) as picture:
        assert picture.size == (1200, 1000)


def test_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"holds no metrics\.jsonl"):
        save_curves(tmp_path)
    assert not list(tmp_path.iterdir())
