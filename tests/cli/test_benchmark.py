from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thermalctl.benchmarking import running

TRAIN_TURN = {
    "wait_s": 0.5,
    "step_s": 1.5,
    "prepare_s": 0.5,
    "forward_s": 0.4,
    "backward_s": 0.6,
    "convolution_share": 0.75,
    "peak_bytes": 3.0 * 2**30,
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the sides are asked; they answer at once, ours four times as fast as stock MMAction2."""
    calls: list[dict[str, Any]] = []

    def answer(kind: str, contenders: Any, *, num_rounds: int, asked: dict[str, Any], **_: Any) -> Any:
        calls.append({"kind": kind, "num_rounds": num_rounds, "names": [one.name for one in contenders]} | asked)
        found = []
        for one in contenders:
            factor = 1 if one.is_stock else 0.25
            data = {"read_s": 0.2 * factor, "prepare_s": 0.1 * factor, "num_bytes": 614_400.0}
            train = {name: value * (factor if name.endswith("_s") else 1) for name, value in TRAIN_TURN.items()}
            found.append([data if kind == "data" else train] * num_rounds)
        return found

    monkeypatch.setattr(running, "take_turns", answer)
    return calls


def test_data_table(simulated_dataset: Path, asked: list[dict[str, Any]], thermalctl: Callable[..., Any]) -> None:
    outcome = thermalctl("benchmark", "data", "--data", str(simulated_dataset), "--device", "cpu", "--clips", "5")
    assert outcome.code == 0
    assert "slowfast-small               50.00       25.00     13.3       614,400   4.0 x" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert "40 clips of each, in 5 rounds" in outcome.err  # of 5, two batches of 4
    assert asked[0]["options"] == {"batch_size": 4, "num_batches": 2}


def test_train_table_and_json(
    simulated_dataset: Path, asked: list[dict[str, Any]], thermalctl: Callable[..., Any]
) -> None:
    command = ["benchmark", "train", "--data", str(simulated_dataset), "--device", "cpu", "--config", "slowfast-tiny"]
    outcome = thermalctl(*command, "--batch-size", "3", "--steps", "7", "--rounds", "2")
    assert outcome.code == 0
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["stock", "MMAction2", "1.5", "3.0", "GiB", "13", "min", "1", "x", "1", "x"] in lines
    assert ["slowfast-tiny", "6", "3.0", "GiB", "3", "min", "4", "x", "4", "x"] in lines
    assert ["the", "guide's,", "V100", "12", "2", "min"] in lines  # 100 epochs of 12 clips
    assert ["slowfast-tiny", "25%", "25%", "20%", "30%", "50%"] in lines
    assert "slowfast-tiny is bound by the network (50%), of which convolutions 75%" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert asked[0]["options"] == {"batch_size": 3, "num_workers": 0, "num_steps": 7, "num_warmup": 1}
    result = json.loads(thermalctl(*command, "--json").out)
    assert [row["name"] for row in result["rows"]] == ["stock MMAction2", "slowfast-tiny"]
    assert result["rows"][1]["speedup"] == {"median": 4.0, "least": 4.0, "most": 4.0}
    assert result["num_train"] == 12


def test_wrong_requests_are_told_before_anything_is_measured(
    simulated_dataset: Path, tmp_path: Path, asked: list[dict[str, Any]], thermalctl: Callable[..., Any]
) -> None:
    data = ["--data", str(simulated_dataset)]
    unknown = thermalctl("benchmark", "train", *data, "--config", "slowfast-tini")
    assert (unknown.code, "is slowfast-tiny meant?" in unknown.err) == (2, True)
    assert thermalctl("benchmark", "data", "--data", str(tmp_path / "none")).code == 2
    assert thermalctl("benchmark", "train", *data, "--device", "cuda:9").code == 2
    assert thermalctl("benchmark", "data", *data, "--rounds", "0").code == 2
    assert not asked


@pytest.mark.slow
def test_data_is_measured(simulated_dataset: Path, thermalctl: Callable[..., Any]) -> None:
    outcome = thermalctl(
        "benchmark", "data", "--data", str(simulated_dataset), "--device", "cpu", "--clips", "1", "--rounds", "1",
        "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    rows = json.loads(outcome.out)["rows"]
    assert [(row["name"], row["in_memory"]) for row in rows][:2] == [
        ("stock MMAction2", False),
        ("slowfast-r50", False),
    ]
    assert [row["bytes_per_clip"] for row in rows] == [3 * 64 * 256 * 384, *[64 * 16 * 24 * 4] * 3] * 2
    assert all(row["speedup"]["median"] > 1 for row in rows if not row["name"].startswith("stock"))


@pytest.mark.slow
def test_answers_are_measured(simulated_dataset: Path, trained_run: Path, thermalctl: Callable[..., Any]) -> None:
    command = ["benchmark", "infer", str(trained_run), "--data", str(simulated_dataset), "--device", "cpu"]
    outcome = thermalctl(*command, "--rounds", "2", "--hours", "0.05")
    assert outcome.code == 0, outcome.err
    assert max(map(len, outcome.out.splitlines())) <= 80
    result = json.loads(thermalctl(*command, "--rounds", "2", "--hours", "0.05", "--json").out)
    runtimes = ["PyTorch", "onnxruntime fp32", "onnxruntime fp16", "onnxruntime int8"]
    assert [row["runtime"] for row in result["rows"]] == runtimes
    for row in result["rows"]:
        assert row["windows_per_second"] == pytest.approx(1 / row["window_s"])
        assert row["real_time"] == pytest.approx(0.8 / row["window_s"])  # 8 frames at 10 a second
    sizes = [row["num_bytes"] for row in result["rows"]]
    assert sizes[0] == 0
    assert sizes[2] < sizes[1]
    assert result["rows"][0]["speedup"]["median"] == 1
    [stream] = result["streams"]
    assert stream["num_answers"] == 1 + (1800 - 8) // 8  # three minutes of 10 frames a second, clips of 8
    assert 0 < stream["delay_s"] <= stream["worst_delay_s"]
    assert stream["last_bytes"] <= stream["most_bytes"] < 1.1 * stream["settled_bytes"]


def test_model_with_random_weights_is_measured_too(simulated_dataset: Path, thermalctl: Callable[..., Any]) -> None:
    outcome = thermalctl(
        "benchmark", "infer", "--config", "slowfast-tiny", "--data", str(simulated_dataset), "--device", "cpu",
        "--rounds", "1", "--precision", "fp32", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert [row["model"] for row in json.loads(outcome.out)["rows"]] == ["slowfast-tiny"] * 2
