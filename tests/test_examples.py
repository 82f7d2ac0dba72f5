from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.real
def test_journey_of_a_real_clip(real_dataset: Path) -> None:
    """Every row of docs/journey.md: shape, dtype and device."""
    import torch

    rows = _load("journey").follow_clip(real_dataset)
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    assert [(row.room, row.shape, row.dtype, row.device) for row in rows] == [
        ("recordings/hdf5", (498, 40, 60), "float32", "cpu"),
        ("recordings/health", (498,), "bool", "cpu"),
        ("dataset/samples", (73,), "int64", "cpu"),
        ("pipeline/clip_dataset", (64, 40, 60), "float32", "cpu"),
        ("mmengine collate", (64, 40, 60), "float32", "cpu"),
        ("pipeline/preprocessor", (2, 1, 1, 64, 40, 60), "float32", device),
        ("mmaction recognizer", (2, 14), "float32", device),
        ("evaluation/predictions", (2, 14), "float64", "cpu"),
        ("evaluation/metrics", (14, 14), "int64", "cpu"),
    ]


def test_journey_without_a_dataset_simulates_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["journey.py"])
    _load("journey").main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == list("123456789")
