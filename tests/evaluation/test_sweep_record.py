from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from thermalctl.errors import RequestError
from thermalctl.evaluation.sweep_record import find_sweep, read_outcomes, write_sweep
from thermalctl.evaluation.sweep_summary import RunOutcome, summarise_sweep


def finished(name: str, top1: float, **changes: Any) -> RunOutcome:
    run = RunOutcome(name=name, status="finished", epochs=3, last={"acc/top1": top1}, last_checkpoint="epoch_3.pth")
    return dataclasses.replace(run, **changes)


def test_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    runs = (
        finished("fold-1", 0.5, fold=1, data="/data/fold_1", best={"acc/top1": 0.6}, best_epoch=2, seconds=1.5),
        RunOutcome(name="fold-2", fold=2, data="/data/fold_2"),
    )
    write_sweep(summarise_sweep(tmp_path, runs))
    assert read_outcomes(tmp_path) == runs
    assert find_sweep(tmp_path) == tmp_path


def test_newest_run_tells_its_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = Path("work_dirs/sweep/seed-1")
    run.mkdir(parents=True)
    (run / "epoch_1.pth").touch()
    assert find_sweep(None) is None
    write_sweep(summarise_sweep(run.parent, [RunOutcome(name="seed-1", seed=1)]))
    assert find_sweep(None) == run.parent


def _edit(change: dict[str, Any]) -> str:
    entry = dataclasses.asdict(RunOutcome(name="seed-1", seed=1)) | change
    return json.dumps({"format": "thermalctl sweep", "version": 1, "runs": [entry]})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "is not JSON"),
        ("[]", "is no record of a sweep"),
        ('{"format": "thermalctl sweep", "version": 2}', "another version"),
        (_edit({"name": "../elsewhere"}), r"'\.\./elsewhere' is not as train writes it"),
        (_edit({"status": "done"}), "is not as train writes it"),
        (_edit({"seed": "1"}), "is not as train writes it"),
        (_edit({"colour": "red"}), "expected best, best_checkpoint"),
    ],
)
def test_damaged_record_is_refused(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(RequestError, match=named):
        read_outcomes(tmp_path)


def test_missing_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="holds no sweep"):
        read_outcomes(tmp_path)
