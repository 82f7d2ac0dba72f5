from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from thermalctl.engine.accuracy import Judged
from thermalctl.engine.pictures import ShownClip, choose_clips, draw_clips, draw_confusion_image

CLASSES = ("walking", "sitting", "lying down-lying on the bed/couch", "costs $1 or $2")


def read_board(work_dir: Path) -> EventAccumulator:
    (file,) = (work_dir / "tf_logs").iterdir()
    board = EventAccumulator(str(file))
    board.Reload()
    return board


def clip(rng: np.random.Generator, *, predicted: str) -> ShownClip:
    frames_c = rng.normal(25, 3, size=(4, 16, 24)).astype(np.float32)
    return ShownClip(frames_c=frames_c, truth="walking", predicted=predicted, probability=0.75)


def test_losses_and_scores_arrive_in_tensorboard(trained_run: Path) -> None:
    board = read_board(trained_run)
    scalars = {"loss", "lr", "top1_acc", "acc/top1", "acc/top3", "acc/mean_class", "acc/log_loss"}
    assert scalars <= set(board.Tags()["scalars"])
    assert [entry.step for entry in board.Scalars("acc/log_loss")] == [1]
    assert board.Tags()["images"] == []  # the fifth validation would be the first that is drawn


def test_pictures_arrive_in_tensorboard_as_often_as_asked_for(training: Any) -> None:
    training.run(epochs=2, picture_every=2)
    board = read_board(training.work_dir)
    for name in ("val_confusion.png", "val_clips.png"):
        (image,) = board.Images(name)
        assert image.step == 2
        pixels = cv2.imdecode(np.frombuffer(image.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        assert min(pixels.shape[:2]) >= 400
        assert pixels.std() > 20


def test_no_pictures_where_none_are_wanted(training: Any) -> None:
    training.run(epochs=1, picture_every=0)
    assert read_board(training.work_dir).Tags()["images"] == []


def test_interrupted_run_keeps_what_tensorboard_held_back(training: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        training.run(epochs=2, stop_after=1)
    assert [entry.step for entry in read_board(training.work_dir).Scalars("acc/top1")] == [1]


def test_rare_classes_are_shown_before_second_clips() -> None:
    assert choose_clips([0, 0, 0, 1, 0, 2, 1], 3) == [0, 3, 5]
    assert choose_clips([0, 0, 0, 1, 0, 2, 1], 4) == [0, 1, 3, 5]
    assert choose_clips([4, 4], 6) == [0, 1]


def test_confusion_picture_is_dark_where_a_class_is_found() -> None:
    scores = np.eye(4)[[0, 0, 0, 1]]
    picture = draw_confusion_image(Judged(scores=scores, labels=np.array([0, 0, 0, 1])), CLASSES)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    # Two classes are left of four. The diagonal is the darkest blue, each of its cells a quarter of the matrix.
    dark = (np.abs(picture.astype(int) - (8, 48, 107)) < 12).all(axis=2)
    rows, columns = np.nonzero(dark)
    height, width = rows.max() - rows.min(), columns.max() - columns.min()
    inner = dark[rows.min() : rows.max(), columns.min() : columns.max()]
    assert inner[: height // 2, : width // 2].mean() > 0.8
    assert inner[height // 2 :, width // 2 :].mean() > 0.8
    assert inner[: height // 2, width // 2 :].mean() < 0.05


def test_lost_frame_does_not_blacken_its_clip() -> None:
    rng = np.random.default_rng(0)
    whole = clip(rng, predicted="sitting")
    frames_c = whole.frames_c.copy()
    frames_c[2, 15, 22:] = -273.2  # the end of a frame that did not arrive
    broken = ShownClip(frames_c=frames_c, truth="walking", predicted="sitting", probability=0.75)
    pictures = [draw_clips([entry]).astype(int) for entry in (whole, broken)]
    assert pictures[0].shape == pictures[1].shape
    assert np.abs(pictures[0] - pictures[1]).mean() < 10


def test_right_and_wrong_are_told_apart_by_colour() -> None:
    rng = np.random.default_rng(0)
    pictures = [draw_clips([clip(rng, predicted=name)])[:28].astype(int) for name in ("walking", "sitting")]
    green, red = ((picture[..., 1] - picture[..., 0])[picture.sum(axis=2) < 500].mean() for picture in pictures)
    assert green > 30
    assert red < -30
