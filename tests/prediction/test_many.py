from __future__ import annotations

import json
import multiprocessing
import threading
from pathlib import Path

import pytest

from thermalctl.deploy.clip_models import ModelChoice, find_model
from thermalctl.errors import NotHeldError, RequestError
from thermalctl.prediction import many
from thermalctl.prediction.many import predict_many, share_out
from thermalctl.prediction.options import PredictOptions
from thermalctl.prediction.settings import describe_settings

OPTIONS = PredictOptions(batch_size=4)


@pytest.fixture
def choice(trained_run: Path) -> ModelChoice:
    return ModelChoice(path=find_model(trained_run), device="cpu")


@pytest.fixture
def recordings(simulated_dataset: Path) -> list[Path]:
    return sorted((simulated_dataset / "frames").glob("*.h5"))


def test_workers_write_what_one_process_writes(choice: ModelChoice, recordings: list[Path], tmp_path: Path) -> None:
    settings = describe_settings(choice, OPTIONS)
    for folder, num_workers in (("one", 1), ("two", 2)):
        result = predict_many(
            choice, recordings, OPTIONS, output=tmp_path / folder, settings=settings, num_workers=num_workers
        )
        assert [found.path for found in result.predicted] == recordings
    tables = sorted((tmp_path / "one").glob("*.answers.csv"))
    assert len(tables) == len(recordings) == 4
    for table in tables:
        ours, theirs = table.read_text().splitlines(), (tmp_path / "two" / table.name).read_text().splitlines()
        assert len(ours) > 5
        # A process has half the threads, and sums in another order.
        for mine, other in zip(ours[1:], theirs[1:], strict=True):
            assert mine.split(",")[:13] == other.split(",")[:13]


def test_finished_recordings_are_skipped_and_broken_off_ones_are_not(
    choice: ModelChoice, recordings: list[Path], tmp_path: Path
) -> None:
    settings = describe_settings(choice, OPTIONS)
    predict_many(choice, recordings[:2], OPTIONS, output=tmp_path, settings=settings)
    first, second = (path.stem for path in recordings[:2])
    (tmp_path / f"{second}.predicted.json").unlink()  # as if it had been killed before its end
    before = (tmp_path / f"{first}.answers.csv").stat().st_mtime_ns
    result = predict_many(choice, recordings, OPTIONS, output=tmp_path, settings=settings)
    assert result.skipped == (recordings[0],)
    assert [found.path for found in result.predicted] == recordings[1:]
    assert (tmp_path / f"{first}.answers.csv").stat().st_mtime_ns == before


def test_lost_file_is_predicted_again(choice: ModelChoice, recordings: list[Path], tmp_path: Path) -> None:
    settings = describe_settings(choice, OPTIONS)
    predict_many(choice, recordings[:1], OPTIONS, output=tmp_path, settings=settings)
    (tmp_path / f"{recordings[0].stem}.answers.csv").unlink()
    assert predict_many(choice, recordings[:1], OPTIONS, output=tmp_path, settings=settings).predicted


def test_predictions_of_another_kind_are_not_mixed(choice: ModelChoice, recordings: list[Path], tmp_path: Path) -> None:
    settings = describe_settings(choice, OPTIONS)
    predict_many(choice, recordings[:1], OPTIONS, output=tmp_path, settings=settings)
    other = settings | {"model_sha256": "another"}
    with pytest.raises(RequestError, match=r"was predicted with model_sha256 .*, not another"):
        predict_many(choice, recordings[:1], OPTIONS, output=tmp_path, settings=other)
    result = predict_many(choice, recordings[:1], OPTIONS, output=tmp_path, settings=other, force=True)
    assert len(result.predicted) == 1
    record = json.loads((tmp_path / f"{recordings[0].stem}.predicted.json").read_text())
    assert record["settings"]["model_sha256"] == "another"


@pytest.mark.parametrize("num_workers", [1, 2])
def test_damaged_recording_keeps_no_other_from_being_predicted(
    choice: ModelChoice, recordings: list[Path], tmp_path: Path, num_workers: int
) -> None:
    broken = tmp_path / "broken.h5"
    broken.write_bytes(recordings[0].read_bytes()[:2000])
    result = predict_many(
        choice, [broken, recordings[0]], OPTIONS, output=tmp_path / "out", settings={}, num_workers=num_workers
    )
    assert [found.path for found in result.predicted] == [recordings[0]]
    [problem] = result.problems
    assert problem.path == broken
    assert "broken.h5" in problem.message
    assert not (tmp_path / "out" / "broken.predicted.json").exists()


def test_every_recording_is_one_process_s() -> None:
    paths = [Path(f"{number}.h5") for number in range(7)]
    shares = [share_out(paths, rank, 3) for rank in range(3)]
    assert sorted(path for share in shares for path in share) == paths
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_another_recording_of_the_same_name_is_not_taken_for_finished(
    choice: ModelChoice, recordings: list[Path], tmp_path: Path
) -> None:
    settings = describe_settings(choice, OPTIONS)
    same = [tmp_path / folder / "rec.h5" for folder in ("a", "b")]
    for path, original in zip(same, recordings, strict=False):
        path.parent.mkdir()
        path.write_bytes(original.read_bytes())
    output = tmp_path / "out"
    predict_many(choice, same[:1], OPTIONS, output=output, settings=settings)
    assert predict_many(choice, same[:1], OPTIONS, output=output, settings=settings).skipped
    with pytest.raises(RequestError, match="another recording of the name rec was predicted into it"):
        predict_many(choice, same[1:], OPTIONS, output=output, settings=settings)


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"settings": [], "files": []}', '{"settings": {}, "files": 5}'])
def test_record_that_is_none_is_refused(choice: ModelChoice, recordings: list[Path], tmp_path: Path, text: str) -> None:
    (tmp_path / f"{recordings[0].stem}.predicted.json").write_text(text)
    with pytest.raises(RequestError, match="is no record of a prediction"):
        predict_many(choice, recordings[:1], OPTIONS, output=tmp_path, settings={})


def test_full_disk_is_told_of_each_recording(
    choice: ModelChoice, recordings: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(many, "predict_recording", refuse)
    result = predict_many(choice, recordings[:2], OPTIONS, output=tmp_path, settings={})
    assert [problem.message for problem in result.problems] == [f"{tmp_path}: No space left on device"] * 2


def test_killed_process_is_told(choice: ModelChoice, recordings: list[Path], tmp_path: Path) -> None:
    stop = threading.Event()
    others = set(multiprocessing.active_children())  # scikit-learn keeps its processes

    def kill_children() -> None:
        while not stop.wait(0.05):
            for child in set(multiprocessing.active_children()) - others:
                child.kill()

    killer = threading.Thread(target=kill_children)
    killer.start()
    try:
        with pytest.raises(NotHeldError, match="a process that predicted was killed"):
            predict_many(choice, recordings, OPTIONS, output=tmp_path, settings={}, num_workers=2)
    finally:
        stop.set()
        killer.join()
