from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from thermalctl.deploy.export import export_onnx, reduce_precision
from thermalctl.engine.restore import restore_model

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "onnx_precision.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("onnx_precision", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pytorch_and_each_file_are_measured(program: ModuleType, trained_run: Path, tmp_path: Path) -> None:
    checkpoint = trained_run / "epoch_1.pth"
    files = [tmp_path / f"{precision}.onnx" for precision in ("fp32", "fp16")]
    export_onnx(restore_model(checkpoint), files[0], frame_size=(16, 24), opset=17)
    reduce_precision(*files, "fp16", ())
    found = program.measure(checkpoint, files, repeats=2)
    assert list(found) == ["PyTorch", "ONNX fp32", "ONNX fp16"]
    assert all(ms > 0 for ms, _ in found.values())
    assert [found[f"ONNX {file.stem}"][1] for file in files] == [file.stat().st_size for file in files]


def test_time_is_the_median_of_the_runs_after_the_first(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.003, 1.0, 1.001, 2.0, 2.008])
    monkeypatch.setattr(program.time, "process_time", lambda: next(clock))
    calls: list[str] = []
    assert program.time_each({"it": lambda: calls.append("it")}, 3) == {"it": pytest.approx(3.0)}
    assert len(calls) == 4


def test_row_has_the_share_of_pytorchs_time(program: ModuleType) -> None:
    rows = program.format_rows({"PyTorch": (2000.0, 10_000_000), "ONNX int8": (5000.0, 2_500_000)})
    assert rows.splitlines() == ["| PyTorch | 2,000.0 | 1.00 | 10.0 |", "| ONNX int8 | 5,000.0 | 2.50 | 2.5 |"]
