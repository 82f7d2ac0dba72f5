from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest
from onnx import TensorProto, helper

from thermalctl.deploy.providers import open_session
from thermalctl.errors import CheckpointError, RequestError

GPU_BUILD = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A model that does nothing."""
    tensor = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("input", "output")]
    graph = helper.make_graph([helper.make_node("Identity", ["input"], ["output"])], "same", tensor[:1], tensor[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    return tmp_path / "m.onnx"


def pretend(monkeypatch: pytest.MonkeyPatch, *, used: list[str]) -> list[Any]:
    """Have onnxruntime be the one for GPUs, whose sessions say that they use `used`; return what they are made with."""
    made: list[Any] = []

    def make(*args: object, **kwargs: object) -> object:
        made.append(kwargs)
        return SimpleNamespace(get_providers=lambda: used)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: GPU_BUILD)
    monkeypatch.setattr(onnxruntime, "InferenceSession", make)
    return made


def test_cpu_computes_on_the_cpu_and_nothing_else(path: Path) -> None:
    assert open_session(path, "cpu", 1).get_providers() == ["CPUExecutionProvider"]


@pytest.mark.parametrize(
    ("provider", "wanted", "package"),
    [
        ("cuda", "CUDAExecutionProvider", "onnxruntime-gpu[cuda,cudnn]"),
        ("tensorrt", "TensorrtExecutionProvider", "tensorrt"),
    ],
)
def test_provider_that_is_not_built_in_is_refused_with_what_is_and_what_to_install(
    path: Path, monkeypatch: pytest.MonkeyPatch, provider: Any, wanted: str, package: str
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["AzureExecutionProvider", GPU_BUILD[-1]])
    with pytest.raises(RequestError, match=f"provider {provider}: .* has no {wanted}; available: cpu$") as caught:
        open_session(path, provider, 0)
    assert "pip uninstall onnxruntime && pip install" in str(caught.value.hint)
    assert package in str(caught.value.hint)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_provider_that_does_not_start_is_refused_not_replaced(
    path: Path, monkeypatch: pytest.MonkeyPatch, provider: Any
) -> None:
    """So onnxruntime-gpu behaves on a machine without a driver: it logs a line and computes on the CPU."""
    pretend(monkeypatch, used=["CPUExecutionProvider"])
    with pytest.raises(RequestError, match=f"provider {provider}: .* could not start .* use CPUExecutionProvider"):
        open_session(path, provider, 0)


@pytest.mark.parametrize(("provider", "used"), [("tensorrt", GPU_BUILD), ("cuda", GPU_BUILD[1:])])
def test_provider_that_starts_is_the_one_asked_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, provider: Any, used: list[str]
) -> None:
    made = pretend(monkeypatch, used=used)
    open_session(path, provider, 0)
    assert made == [{"providers": used, "enable_fallback": False}]


def test_unknown_provider_is_refused(path: Path) -> None:
    unknown: Any = "gpu"
    with pytest.raises(RequestError, match="provider gpu: expected cpu, cuda, tensorrt"):
        open_session(path, unknown, 0)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.onnx: no such file"):
        open_session(tmp_path / "none.onnx", "cpu", 0)
