from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from thermalctl import demo
from thermalctl.engine.events import Event, ValidationDone
from thermalctl.errors import RequestError
from thermalctl.recordings.simulate import SimulationOptions


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A demo that takes seconds: what it does is that of the real one, how well is not."""
    options = SimulationOptions(
        num_sessions=2, recordings_per_session=1, frames_per_recording=200, keyframes_per_recording=8
    )
    monkeypatch.setattr(demo, "DEMO_SIMULATION", options)
    monkeypatch.setattr(demo, "DEMO_EPOCHS", 1)
    return


def test_demo_leaves_everything_it_speaks_of(small: None, tmp_path: Path) -> None:
    steps: list[str] = []
    result = demo.run_demo(tmp_path / "demo", on_step=steps.append)
    assert len(steps) == 5
    assert sum(split.num_keyframes for split in result.inspection.splits) == 16
    for path in (result.dataset / "annotations/train.json", result.onnx, result.files.text, result.files.json):
        assert path.is_file()
    assert result.files.confusion_picture is not None
    assert result.files.confusion_picture.is_file()
    assert result.report.metrics.num_samples == 8
    assert 0 <= result.nearest_top1 <= 1
    assert result.onnx_difference < 1e-4


def test_earlier_demo_is_replaced_only_when_forced(small: None, tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "kept").touch()
    with pytest.raises(RequestError, match="not empty"):
        demo.run_demo(tmp_path)
    assert (tmp_path / "dataset" / "kept").is_file()


def test_folder_of_something_else_is_never_removed(small: None, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RequestError, match="not empty"):
        demo.run_demo(tmp_path, force=True)
    assert (tmp_path / "thesis.tex").is_file()


@pytest.mark.slow
def test_demo_model_beats_what_knows_nothing_of_actions(tmp_path: Path) -> None:
    """On the held-out session both baselines stay under 60 %, and the model is better than both."""
    epochs: list[Event] = []
    result = demo.run_demo(tmp_path / "demo", on_event=epochs.append)
    majority = next(b for b in result.report.baselines if "majority" in b.name)
    assert majority.top1 < 0.6
    assert result.nearest_top1 < 0.6
    assert result.report.metrics.top1 > max(majority.top1, result.nearest_top1)
    assert result.report.metrics.mean_class_accuracy > max(majority.mean_class, result.nearest_mean_class)
    assert sum(isinstance(event, ValidationDone) for event in epochs) == demo.DEMO_EPOCHS
