from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from onnx import helper
from torch import Tensor, nn

from thermalctl.deploy.exporters import choose_exporter, trace
from thermalctl.errors import RequestError


class Exponential(nn.Module):
    """ONNX has no operator for it, and neither exporter a translation."""

    def forward(self, values: Tensor) -> tuple[Tensor]:
        return (torch.linalg.matrix_exp(values),)


class Double(nn.Module):
    def forward(self, values: Tensor) -> tuple[Tensor]:
        print("doubling")
        return (2 * values,)


@pytest.mark.parametrize(
    ("opset", "exporter"), [(11, "torchscript"), (17, "torchscript"), (18, "dynamo"), (20, "dynamo"), (23, "dynamo")]
)
def test_older_exporter_writes_what_the_newer_cannot(opset: int, exporter: str) -> None:
    assert choose_exporter(opset) == exporter


@pytest.mark.parametrize("opset", [-1, 10, 24])
def test_opset_that_neither_writes_is_refused(opset: int) -> None:
    with pytest.raises(RequestError, match=f"--opset {opset}: cannot be written, expected 11 to 23"):
        choose_exporter(opset)


@pytest.mark.parametrize("opset", [17, 20])
def test_model_that_cannot_be_exported_is_an_error_of_two_lines(opset: int) -> None:
    with pytest.raises(RequestError, match=f"--opset {opset}: torch .* cannot export this model") as caught:
        trace(Exponential().eval(), {"input": torch.eye(2).repeat(2, 1, 1)}, outputs=["output"], opset=opset,
              exporter=choose_exporter(opset))  # fmt: skip
    assert "\n" not in caught.value.message


def test_opset_that_is_silently_raised_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    written = helper.make_model(
        helper.make_graph([], "empty", [], []), opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    monkeypatch.setattr(torch.onnx, "export", lambda *args, **kwargs: SimpleNamespace(model_proto=written))
    with pytest.raises(RequestError, match=r"--opset 19: torch .* would write 18 instead"):
        trace(Double().eval(), {"input": torch.ones(2, 3)}, outputs=["output"], opset=19, exporter="dynamo")


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    trace(Double().eval(), {"input": torch.ones(2, 3)}, outputs=["output"], opset=20, exporter="dynamo")
    trace(Double().eval(), {"input": torch.ones(2, 3)}, outputs=["output"], opset=11, exporter="torchscript")
    assert capfd.readouterr() == ("", "")
