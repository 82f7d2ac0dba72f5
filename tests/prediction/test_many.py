from __future__ import annotations

import json
from pathlib import Path

import pytest

from thermalctl.deploy.clip_models import ModelChoice, find_model
from thermalctl.errors import RequestError
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
    tables = sorted((tmp_path / "one").glob("*.csv"))
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
    before = (tmp_path / f"{first}.csv").stat().st_mtime_ns
    result = predict_many(choice, recordings, OPTIONS, output=tmp_path, settings=settings)
    assert result.skipped == (recordings[0],)
    assert [found.path for found in result.predicted] == recordings[1:]
    assert (tmp_path / f"{first}.csv").stat().st_mtime_ns == before


def test_lost_file_is_predicted_again(choice: ModelChoice, recordings: list[Path], tmp_path: Path) -> None:
    settings = describe_settings(choice, OPTIONS)
    predict_many(choice, recordings[:1], OPTIONS, output=tmp_path, settings=settings)
    (tmp_path / f"{recordings[0].stem}.csv").unlink()
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
