from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from thermalctl.cli.app import main
from thermalctl.recordings.hdf5 import RecordingFile


@pytest.fixture
def recording(simulated_dataset: Path) -> Path:
    return sorted((simulated_dataset / "frames").glob("*.h5"))[0]


class Outcome(NamedTuple):
    returncode: int
    stdout: bytes
    stderr: bytes


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Outcome]:
    """Run the command in this process."""

    def run_here(*arguments: object, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "argv", ["thermalctl", "predict", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        return Outcome(int(str(code or 0)), *capfdbinary.readouterr())

    return run_here


def make_lines(recording: Path) -> bytes:
    with RecordingFile(recording) as file:
        frames_c, times_ms = file.read(np.arange(file.num_frames)), file.timestamps_ms
    return b"".join(
        json.dumps({"timestamp_ms": int(time_ms), "frame": frame_c.astype(float).tolist()}).encode() + b"\n"
        for frame_c, time_ms in zip(frames_c, times_ms, strict=True)
    )


def test_recording_is_shown_as_a_timeline_and_nothing_is_written(
    run: Callable[..., Outcome], trained_run: Path, recording: Path, tmp_path: Path
) -> None:
    before = set(trained_run.iterdir())
    outcome = run(recording, "--model", trained_run)
    assert outcome.returncode == 0, outcome.stderr
    shown = outcome.stdout.decode()
    assert shown.startswith(f"{recording.stem}  0:")
    assert "100 frames, 13 windows" in shown  # of 8 frames, 8 apart, and one that ends with the recording
    assert "were trained on: this is no test of the model" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert set(trained_run.iterdir()) == before


def test_folder_is_written_once_and_then_skipped(
    run: Callable[..., Outcome], trained_run: Path, simulated_dataset: Path, tmp_path: Path
) -> None:
    arguments = (simulated_dataset / "frames", "--model", trained_run, "--output", tmp_path, "--format", "csv,coco")
    assert run(*arguments).returncode == 0
    assert len(list(tmp_path.glob("*.answers.csv"))) == len(list(tmp_path.glob("*.coco.json"))) == 4
    again = run(*arguments)
    assert again.returncode == 0
    assert b"4 recordings finished before, with the same options" in again.stderr
    other = run(*arguments, "--stride", 4)
    assert other.returncode == 2
    assert b"was predicted with stride_frames 8, not 4" in other.stderr


def test_stream_is_answered_line_by_line(trained_run: Path, recording: Path) -> None:
    command = [sys.executable, "-m", "thermalctl", "predict", "--stream", "ndjson", "--model", str(trained_run)]
    outcome = subprocess.run(command, input=make_lines(recording), capture_output=True, timeout=300, check=False)
    assert outcome.returncode == 0, outcome.stderr
    records = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [record["type"] for record in records] == ["answer"] * 13
    assert records[0]["last_frame"] == 7
    assert sum(records[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert b"the stream ended: 100 frames, 13 answers" in outcome.stderr


def test_raw_stream_has_the_answers_of_the_same_frames(
    run: Callable[..., Outcome], trained_run: Path, recording: Path
) -> None:
    with RecordingFile(recording) as file:
        content = file.read(np.arange(file.num_frames)).astype("<f4").tobytes()
    outcome = run("--stream", "raw", "--frame-size", "16x24", "--frame-rate", 8, "--model", trained_run, stdin=content)
    lines = run("--stream", "ndjson", "--model", trained_run, stdin=make_lines(recording))
    assert outcome.returncode == 0, outcome.stderr
    ours, theirs = ([json.loads(line) for line in each.stdout.splitlines()] for each in (outcome, lines))
    assert [record["probabilities"] for record in ours] == [record["probabilities"] for record in theirs]


def test_stream_without_a_frame_does_not_hold(run: Callable[..., Outcome], trained_run: Path) -> None:
    outcome = run("--stream", "ndjson", "--model", trained_run, stdin=b"")
    assert outcome.returncode == 1
    assert b"no frame came" in outcome.stderr


def test_events_are_told_with_their_file(
    run: Callable[..., Outcome], trained_run: Path, recording: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "rules:\n  anything:\n    classes: [standing, walking, sitting, lying down-lying with risk]\n"
        "    start_above: 0.01\n    end_below: 0.005\n    for_s: 0.5\n    unsure_below: 0.0\n"
    )
    outcome = run(recording, "--model", trained_run, "--events", rules, "--output", tmp_path / "out")
    assert outcome.returncode == 0, outcome.stderr
    assert b"anything" in outcome.stdout
    header, event = map(json.loads, (tmp_path / "out" / f"{recording.stem}.events.jsonl").read_text().splitlines())
    assert header["recording"] == recording.stem
    assert header["about"]["num_trained_frames"] > 50
    assert (event["rule"], event["end"]) == ("anything", "finished")


def test_rules_that_do_not_fit_the_model_are_refused_before_anything_is_predicted(
    run: Callable[..., Outcome], trained_run: Path, recording: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n  fall:\n    classes: [lying dwn]\n")
    outcome = run(recording, "--model", trained_run, "--events", rules, "--output", tmp_path / "out")
    assert outcome.returncode == 2
    assert b"lying dwn" in outcome.stderr
    assert not (tmp_path / "out").exists()


def test_sample_is_the_guides_single_sample_inference(
    run: Callable[..., Outcome], trained_run: Path, simulated_dataset: Path, tmp_path: Path
) -> None:
    images = json.loads((simulated_dataset / "annotations" / "val.json").read_text())["images"]
    picture = tmp_path / "one.png"
    outcome = run(
        "--sample", images[0]["id"], "--model", trained_run, "--data", simulated_dataset, "--picture", picture
    )
    assert outcome.returncode == 0, outcome.stderr
    assert b"annotators say" in outcome.stdout
    assert picture.exists()
    plain = run("--sample", images[0]["id"], "--model", trained_run, "--data", simulated_dataset, "--json")
    [answer] = json.loads(plain.stdout)
    assert answer["probability"] == max(answer["probabilities"].values())


def test_damaged_recording_is_exit_1_and_the_others_are_shown(
    run: Callable[..., Outcome], trained_run: Path, recording: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"no HDF5")
    outcome = run(recording, broken, "--model", trained_run)
    assert outcome.returncode == 1
    assert recording.stem.encode() in outcome.stdout
    assert b"failed:" in outcome.stdout
    assert b"broken.h5" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to predict was named"),
        (("a.h5", "--stream", "raw"), "RECORDINGS and --stream name different things"),
        (("--at", "5"), "--at is a frame of one recording"),
        (("a.h5", "--picture", "x.png"), "--picture is for --sample or --at"),
        (("a.h5", "--data", "x"), "--data is for --sample"),
        (("--sample", "x", "--output", "y"), "--output is for recordings"),
        (("--stream", "raw", "--timeline"), "--timeline is for recordings"),
        (("--stream", "ndjson", "--json"), "--json is for recordings or --sample or --at"),
        (("a.h5", "--at", "3", "--events", "default"), "--events is for recordings or --stream"),
        (("a.h5", "--format", "csv"), "--format: where to?"),
        (("a.h5", "--output", "o", "--format", "xml"), "--format xml: no such format"),
        (("a.h5", "--stride", "4", "--stride-s", "2"), "a stride of 4 frames and 2.0 s"),
        (("a.h5", "--max-gap", "0"), "--max-gap is 0"),
        (("a.h5", "--timeline"), "--timeline: where to?"),
        (("nowhere.h5",), "nowhere.h5: no such file"),
        (("a.h5", "--device", "tensorrt"), "--device tensorrt"),
    ],
)
def test_contradictory_request_is_refused(
    run: Callable[..., Outcome],
    trained_run: Path,
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    if "nowhere.h5" not in arguments:
        (tmp_path / "a.h5").write_bytes(b"")
    outcome = run(*arguments, "--model", trained_run)
    assert outcome.returncode == 2
    assert message in " ".join(outcome.stderr.decode().split())


def listen_to_interrupts() -> None:
    """Undo what a shell does to the commands that it runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupted_stream_ends_its_events_and_says_what_came(
    trained_run: Path, recording: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "rules:\n  anything:\n    classes: [standing, walking, sitting, lying down-lying with risk]\n"
        "    start_above: 0.01\n    end_below: 0.005\n    for_s: 0.5\n    unsure_below: 0.0\n"
    )
    command = [sys.executable, "-m", "thermalctl", "predict", "--stream", "ndjson", "--model", str(trained_run)]
    with subprocess.Popen(
        [*command, "--events", str(rules)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=listen_to_interrupts,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(make_lines(recording))
        process.stdin.flush()
        while b'"raised"' not in (seen := process.stdout.readline()):
            assert seen
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().splitlines()
        told = process.stderr.read()
        assert process.wait(60) == 130, told
    assert (json.loads(rest[-1])["kind"], json.loads(rest[-1])["end"]) == ("ended", "finished")
    assert b"the stream ended: " in told
