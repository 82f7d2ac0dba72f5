from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from thermalctl.dataset.frame_hashes import hash_values
from thermalctl.errors import RecordingError, RequestError
from thermalctl.events.files import read_events
from thermalctl.events.rules import EventRule
from thermalctl.prediction.options import PredictOptions
from thermalctl.prediction.recording import clear_leftovers, predict_recording
from thermalctl.recordings.hdf5 import Recording, write_recording
from thermalctl.streams.windows import Stride


@pytest.fixture
def recording() -> Recording:
    rng = np.random.default_rng(1)
    frames_c = rng.normal(22, 2, (40, 6, 8)).astype(np.float32)
    frames_c[20:] += np.float32(60)  # above 50, so that the model's answer changes
    return Recording(
        sensor_id="R1",
        mac_address="02:00:00:00:00:01",
        frames_c=frames_c,
        timestamps_ms=1_767_225_600_000 + np.arange(40, dtype=np.int64) * 100,
        frame_seqs=np.arange(40, dtype=np.int64),
    )


@pytest.fixture
def path(recording: Recording, tmp_path: Path) -> Path:
    write_recording(tmp_path / "R1.h5", recording)
    return tmp_path / "R1.h5"


OPTIONS = PredictOptions(stride=Stride(frames=4), batch_size=3)


def test_recording_is_answered_from_end_to_end(make_model: Callable[..., Any], path: Path) -> None:
    found = predict_recording(make_model(), path, OPTIONS)
    assert (found.recording, found.num_frames, found.num_windows, found.num_answers) == ("R1", 40, 10, 10)
    assert found.seconds == pytest.approx(3.9)
    # Windows end with frames 3, 7, ... 39; their keyframe is the third of four.
    assert [(stretch.class_name, stretch.num_windows) for stretch in found.stretches] == [("low", 5), ("high", 5)]
    assert [stretch.start_ms - found.start_ms for stretch in found.stretches] == [200, 2200]
    assert not found.files


def test_frames_pass_the_gate_and_the_rest_is_told(
    make_model: Callable[..., Any], recording: Recording, tmp_path: Path
) -> None:
    frames_c, times_ms = recording.frames_c.copy(), recording.timestamps_ms.copy()
    frames_c[5] = np.nan
    frames_c[7] = frames_c[6]
    times_ms[30:] += 60_000
    write_recording(tmp_path / "R1.h5", replace(recording, frames_c=frames_c, timestamps_ms=times_ms))
    found = predict_recording(make_model(), tmp_path / "R1.h5", OPTIONS)
    assert found.num_incomplete == 1
    assert found.num_refused == {"frozen": 1}
    assert [interruption.cause for interruption in found.interruptions] == ["gap"]


def test_frame_size_that_the_model_does_not_take_is_refused(make_model: Callable[..., Any], path: Path) -> None:
    with pytest.raises(RecordingError, match=r"has frames of 6x8 pixels, but fake\.onnx takes 40x60"):
        predict_recording(make_model(frame_size=(40, 60)), path, OPTIONS)


def test_recording_too_short_for_half_a_clip_has_no_answer(make_model: Callable[..., Any], path: Path) -> None:
    found = predict_recording(make_model(num_frames=100), path, OPTIONS)
    assert (found.num_windows, found.num_unjudged) == (0, 40)


def test_progress_ends_with_all_frames(make_model: Callable[..., Any], path: Path) -> None:
    told: list[tuple[int, int]] = []
    predict_recording(make_model(), path, OPTIONS, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (40, 40)
    assert told == sorted(told)


def test_files_and_pictures_are_written(make_model: Callable[..., Any], path: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, formats=("csv", "jsonl", "hdf5", "coco"), pictures=("timeline", "animation"))
    found = predict_recording(make_model(), path, options, output=tmp_path / "out")
    names = {file.name for file in found.files}
    assert names == {
        "R1.answers.csv", "R1.answers.jsonl", "R1.answers.h5", "R1.coco.json", "R1.timeline.png", "R1.gif"
    }  # fmt: skip
    assert {file.name for file in (tmp_path / "out").iterdir()} == names
    with Image.open(tmp_path / "out" / "R1.gif") as film:
        assert film.n_frames == 20  # 3.9 s, five pictures a second
    with Image.open(tmp_path / "out" / "R1.timeline.png") as picture:
        assert picture.width == 1200


def test_animation_of_hours_is_refused_before_anything_is_predicted(
    make_model: Callable[..., Any], recording: Recording, tmp_path: Path
) -> None:
    times_ms = recording.timestamps_ms + np.arange(40) * 60_000
    write_recording(tmp_path / "R1.h5", replace(recording, timestamps_ms=times_ms))
    model = make_model()
    with pytest.raises(RequestError, match="an animation at most 600 s"):
        predict_recording(model, tmp_path / "R1.h5", replace(OPTIONS, pictures=("animation",)), output=tmp_path)
    assert not model.batches


@pytest.mark.parametrize(("people", "num_events"), [("whole", 1), ("detect", 0)])
def test_model_of_people_that_looks_at_the_whole_frame_raises_alarms_too(
    make_model: Callable[..., Any], recording: Recording, tmp_path: Path, people: Any, num_events: int
) -> None:
    # Nobody is found in an empty room: what a model of people says of the whole frame then tells nothing.
    empty_c = np.random.default_rng(2).normal(82, 0.05, recording.frames_c.shape).astype(np.float32)
    times_ms = recording.timestamps_ms[:1] + np.arange(40) * 1000
    write_recording(tmp_path / "R1.h5", replace(recording, frames_c=empty_c, timestamps_ms=times_ms))
    rule = EventRule(name="hot", classes=("high",), start_above=0.5, end_below=0.4, for_s=5)
    options = replace(OPTIONS, people=people)
    found = predict_recording(make_model(target="person"), tmp_path / "R1.h5", options, rules=[rule])
    assert len([event for event in found.events if event.raised_ms is not None]) == num_events
    assert found.num_whole_frame == found.num_windows


def test_frames_that_were_trained_on_are_counted(
    make_model: Callable[..., Any], recording: Recording, path: Path
) -> None:
    model = make_model()
    assert predict_recording(model, path, OPTIONS).num_trained is None
    model.trained_frames = frozenset(hash_values(frame_c) for frame_c in recording.frames_c[10:25])
    assert predict_recording(model, path, OPTIONS).num_trained == 15


def test_answers_beside_their_recording_leave_it_alone(make_model: Callable[..., Any], path: Path) -> None:
    before = path.read_bytes()
    options = replace(OPTIONS, formats=("csv", "jsonl", "hdf5", "coco"))
    found = predict_recording(make_model(), path, options, output=path.parent)
    assert path.read_bytes() == before
    assert path not in found.files


@pytest.mark.parametrize("name", ["rec", "rec[1]"])
def test_what_another_process_writes_now_is_left_alone(tmp_path: Path, name: str) -> None:
    own = [tmp_path / f".{name}{suffix}.x1.tmp" for suffix in (".answers.csv", ".coco.json", ".events.jsonl", ".gif")]
    others = [tmp_path / f".{other}.answers.csv.x1.csv" for other in (f"{name}.2", "rec1", f"{name}2")]
    for path in (*own, *others):
        path.touch()
    clear_leftovers(tmp_path, name)
    assert set(tmp_path.iterdir()) == set(others)


def test_what_a_killed_process_left_is_removed(make_model: Callable[..., Any], path: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    for name in (".R1.answers.csv.abc.csv", ".R1.coco.json.x1.json", ".R10.answers.csv.abc.csv"):
        (output / name).touch()
    predict_recording(make_model(), path, OPTIONS, output=output)
    assert sorted(file.name for file in output.iterdir()) == [".R10.answers.csv.abc.csv", "R1.answers.csv"]


def test_recording_without_a_window_has_a_file_of_events_in_its_name(
    make_model: Callable[..., Any], path: Path, tmp_path: Path
) -> None:
    rule = EventRule(name="hot", classes=("high",), start_above=0.5, end_below=0.4, for_s=5)
    predict_recording(make_model(num_frames=100), path, OPTIONS, rules=[rule], output=tmp_path / "out")
    assert read_events(tmp_path / "out" / "R1.events.jsonl").recording == "R1"
