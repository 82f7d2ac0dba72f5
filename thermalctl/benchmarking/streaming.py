"""What a stream of hours costs: the delay of its answers, and memory that must not grow."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from thermalctl.benchmarking.inference import FRAME_RATE_HZ, STRIDE_FRAMES
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.clip_models import OnnxModel
from thermalctl.environment.resources import measure_process_bytes
from thermalctl.prediction.live import LivePrediction
from thermalctl.prediction.options import PredictOptions
from thermalctl.streams.frames import ArrivedFrame
from thermalctl.streams.recorded import RecordedFrames
from thermalctl.streams.windows import Stride

#: Memory is first looked at after so many windows: until then everything is allocated once.
_SETTLED_WINDOWS = 50
#: Times at which it is looked at later.
_NUM_LOOKS = 24


@dataclass(frozen=True, kw_only=True)
class StreamRow:
    """A model that answers a stream for hours, of which the frames come as fast as they are taken.

    Attributes:
        model: its name.
        hours: of the stream.
        num_answers: to its windows.
        delay_s: from a window's last frame to its answer, median.
        worst_delay_s: the longest of them.
        settled_bytes: memory of the process, the first windows being answered.
        most_bytes: the most later on.
        last_bytes: at the end.
        seconds: that it took.
    """

    model: str
    hours: float
    num_answers: int
    delay_s: float
    worst_delay_s: float
    settled_bytes: int
    most_bytes: int
    last_bytes: int
    seconds: float


def measure_stream(
    file: Path, dataset: ThermalDataset, *, hours: float, threads: int, stride_frames: int = STRIDE_FRAMES
) -> StreamRow:
    """Return what a stream of hours costs a model: the dataset's frames over and over, each with noise of its own.

    Args:
        file: an ONNX file.
        dataset: whose frames are sent, 10 a second by their times.
        hours: of the stream.
        threads: of onnxruntime.
        stride_frames: from window to window.
    """
    model = OnnxModel(file, num_threads=threads)
    live = LivePrediction(model, "stream", PredictOptions(stride=Stride(frames=stride_frames), people="whole"))
    num_frames = round(hours * 3600 * FRAME_RATE_HZ)
    last_sent = 0.0

    def send() -> Iterator[ArrivedFrame]:
        nonlocal last_sent
        for frame in itertools.islice(_repeat_frames(dataset), num_frames):
            last_sent = time.perf_counter()
            yield frame

    started = time.perf_counter()
    delays: list[float] = []
    looks: list[int] = []
    look_every = max(1, (num_frames // stride_frames - _SETTLED_WINDOWS) // _NUM_LOOKS)
    for number, _ in enumerate(live.follow(send())):
        delays.append(time.perf_counter() - last_sent)
        if number >= _SETTLED_WINDOWS and (number - _SETTLED_WINDOWS) % look_every == 0:
            looks.append(measure_process_bytes())
    looks.append(measure_process_bytes())
    return StreamRow(
        model=file.stem,
        hours=hours,
        num_answers=live.num_answers,
        delay_s=median(delays),
        worst_delay_s=max(delays),
        settled_bytes=looks[0],
        most_bytes=max(looks),
        last_bytes=looks[-1],
        seconds=time.perf_counter() - started,
    )


def _repeat_frames(dataset: ThermalDataset) -> Iterator[ArrivedFrame]:
    """Yield the frames of a recording for ever, a tenth of a second apart; noise keeps them from being equal."""
    name = sorted(dataset.recordings)[0]
    frames_c = [frame.frame_c for frame in RecordedFrames(dataset.layout.frames_dir / f"{name}.h5")]
    noise = np.random.default_rng(0)
    for number in itertools.count():
        frame_c = frames_c[number % len(frames_c)]
        yield ArrivedFrame(
            frame_c + noise.standard_normal(frame_c.shape, dtype=np.float32) * np.float32(0.05),
            1_767_225_600_000 + round(1000 * number / FRAME_RATE_HZ),
        )
