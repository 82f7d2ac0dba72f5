from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.deploy.clip_models import ModelChoice, find_model
from thermalctl.prediction import live as live_module
from thermalctl.prediction.live import LivePrediction
from thermalctl.prediction.options import PredictOptions
from thermalctl.prediction.recording import predict_recording
from thermalctl.streams.answers import WindowAnswer
from thermalctl.streams.arriving import ArrivingFrames, Silence
from thermalctl.streams.frames import ArrivedFrame, Interruption
from thermalctl.streams.recorded import RecordedFrames
from thermalctl.streams.windows import Stride

OPTIONS = PredictOptions(stride=Stride(frames=2))
FAULTS = ["none"] * 12 + ["gap", "burst", "twice", "late", "size", "nan", "silence", "back", "stuck"]


def make_frames(number: int, start_ms: int = 0) -> Iterator[ArrivedFrame]:
    rng = np.random.default_rng(start_ms)
    for index in range(number):
        yield ArrivedFrame(rng.normal(22, 2, (2, 3)).astype(np.float32), start_ms + 100 * index)


def test_stream_has_the_answers_of_the_recording(trained_run: Path, simulated_dataset: Path, tmp_path: Path) -> None:
    path = sorted((simulated_dataset / "frames").glob("*.h5"))[0]
    model = ModelChoice(path=find_model(trained_run), device="cpu").load()
    lines = b"".join(
        json.dumps({"timestamp_ms": frame.timestamp_ms, "frame": frame.frame_c.astype(float).tolist()}).encode() + b"\n"
        for frame in RecordedFrames(path)
    )
    live = LivePrediction(model, "stream", PredictOptions())
    answers = [
        each for each in live.follow(ArrivingFrames(io.BytesIO(lines), "ndjson")) if isinstance(each, WindowAnswer)
    ]
    predict_recording(model, path, PredictOptions(formats=("jsonl",)), output=tmp_path)
    _, *recorded = map(json.loads, (tmp_path / f"{path.stem}.answers.jsonl").read_text().splitlines())
    assert [answer.keyframe for answer in answers] == [record["keyframe"] for record in recorded]
    for answer, record in zip(answers, recorded, strict=True):
        assert answer.probabilities is not None
        np.testing.assert_allclose(answer.probabilities, list(record["probabilities"].values()), atol=1e-5)


def test_answer_comes_with_the_last_frame_that_it_needs(make_model: Callable[..., Any]) -> None:
    taken = 0

    def count() -> Iterator[ArrivedFrame]:
        nonlocal taken
        for frame in make_frames(8):
            taken += 1
            yield frame

    live = LivePrediction(make_model(), "stream", OPTIONS)
    assert [taken for _ in live.follow(count())] == [4, 6, 8]
    assert live.num_answers == 3


def test_sensor_that_stops_ends_the_windows_and_begins_new_ones(make_model: Callable[..., Any]) -> None:
    arrivals = [*make_frames(4), Silence(3.0), Silence(6.0), Silence(7.0), *make_frames(4, start_ms=60_000)]
    found = list(LivePrediction(make_model(), "stream", OPTIONS).follow(arrivals))
    assert [type(each) for each in found] == [WindowAnswer, Interruption, WindowAnswer]
    assert found[1] == Interruption(start_ms=300, end_ms=6300, cause="silence")
    assert isinstance(found[2], WindowAnswer)
    assert (found[2].segment, found[2].first_frame) == (1, 4)


@pytest.mark.parametrize("seed", range(20))
def test_any_row_of_faults_gives_answers_to_real_frames_only(make_model: Callable[..., Any], seed: int) -> None:
    """Gaps, bursts, duplicates, late frames, wrong sizes, NaN, silences and set-back clocks in any order."""
    rng = np.random.default_rng(seed)
    sent: dict[int, ArrivedFrame] = {}
    now_ms = 1_000_000

    def send() -> Iterator[ArrivedFrame | Silence]:
        nonlocal now_ms
        for number, frame in enumerate(make_frames(300, start_ms=seed)):
            fault = rng.choice(
                ["none"] * 12 + ["gap", "burst", "twice", "late", "size", "nan", "silence", "back", "stuck"]
            )
            now_ms += int(rng.integers(1, 300))
            time_ms, frame_c = now_ms, frame.frame_c
            if fault == "gap":
                now_ms += 20_000
                time_ms = now_ms
            elif fault == "burst":
                now_ms -= 250
            elif fault == "late":
                time_ms -= 2000
            elif fault == "back":
                now_ms -= 500_000
                time_ms = now_ms
            elif fault == "size" and number > 3:
                frame_c = np.zeros((3, 2), dtype=np.float32)
            elif fault == "nan":
                frame_c = np.full((2, 3), np.nan, dtype=np.float32)
            elif fault == "silence":
                yield Silence(7.0)
            arrived = ArrivedFrame(frame_c, time_ms)
            for _ in range({"twice": 2, "stuck": 5}.get(fault, 1)):
                yield arrived
                sent[len(sent)] = arrived

    live = LivePrediction(make_model(frame_size=(2, 3)), "stream", OPTIONS)
    answers = [found for found in live.follow(send()) if isinstance(found, WindowAnswer)]
    assert len(answers) > 20
    assert live.gate.num_frames + sum(live.gate.refused.values()) == len(sent)
    last = -1
    for answer in answers:
        assert answer.start_ms <= answer.keyframe_ms <= answer.end_ms
        assert answer.end_ms - answer.start_ms <= 3 * 5000  # no window of four frames bridges a gap
        assert sent[answer.keyframe].timestamp_ms == answer.keyframe_ms
        assert answer.keyframe > last
        last = answer.keyframe
        if answer.status == "incomplete":
            assert answer.num_incomplete == 4
        else:
            assert answer.probabilities is not None
            assert np.isfinite(answer.probabilities).all()


def test_sensor_that_sends_only_refused_frames_is_as_good_as_silent(
    make_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    monkeypatch.setattr(live_module.time, "monotonic", lambda: now_s)

    def send() -> Iterator[ArrivedFrame]:
        nonlocal now_s
        yield from make_frames(5)
        for _ in range(20):
            now_s += 0.5
            yield ArrivedFrame(np.zeros((9, 9), dtype=np.float32), 600)

    found = list(LivePrediction(make_model(frame_size=(2, 3)), "stream", OPTIONS).follow(send()))
    assert [each.cause for each in found if isinstance(each, Interruption)] == ["silence"]
