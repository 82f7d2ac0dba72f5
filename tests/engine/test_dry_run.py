from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from mmaction.models import SlowFastHead

from thermalctl.engine.cost import measure_cost
from thermalctl.engine.dry_run import dry_run
from thermalctl.errors import WeightsError


def list_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_everything_is_built_and_nothing_left(training: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cfg = training.prepare(epochs=7)
    before, text = list_files(tmp_path), cfg.pretty_text
    found = dry_run(cfg)
    assert list_files(tmp_path) == before
    assert cfg.pretty_text == text
    assert capfd.readouterr() == ("", "")
    assert found.input_shape == (6, 1, 1, 8, 16, 24)
    assert found.loss == pytest.approx(math.log(14), rel=0.2)  # a guess among 14 classes
    assert found.num_steps == 2
    assert found.cost == measure_cost(cfg)
    assert found.step_bytes == found.cost.fixed_bytes + 6 * found.cost.activation_bytes
    assert (found.started.work_dir, found.started.max_epochs) == (training.work_dir, 7)
    assert (found.problem, found.fix) == (None, None)


def test_missing_weights_are_told_with_their_cure(training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERMALCTL_CACHE", str(training.work_dir / "cache"))
    found = dry_run(training.prepare(load_from="slowfast_r50_4x16_kinetics400"))
    assert found.are_weights_missing
    assert str(found.problem).startswith("slowfast_r50_4x16_kinetics400: not on this machine")
    assert found.fix == "fetch it: thermalctl download-weights slowfast_r50_4x16_kinetics400"


def test_weights_that_do_not_exist_are_refused_before_anything_is_built(training: Any) -> None:
    with pytest.raises(WeightsError, match=r"absent\.pth: no such file"):
        dry_run(training.prepare(load_from="absent.pth"))


def test_existing_run_is_told(training: Any, trained_run: Path) -> None:
    training.work_dir = trained_run
    found = dry_run(training.prepare())
    assert "holds a run already" in str(found.problem)
    assert found.started.work_dir == trained_run


def test_resumed_run_says_where_it_goes_on(training: Any, trained_run: Path) -> None:
    training.work_dir = trained_run
    before = list_files(trained_run)
    found = dry_run(training.prepare(resume=True))
    assert (found.problem, found.started.first_epoch) == (None, 2)
    assert list_files(trained_run) == before


def test_mixed_precision_is_tried_too(training: Any) -> None:
    found = dry_run(training.prepare(amp=True))
    assert found.started.precision == "bfloat16"
    assert math.isfinite(found.loss)


def test_users_configuration_is_tried(users_training: Any) -> None:
    found = dry_run(users_training.prepare(epochs=None))
    assert found.input_shape == (6, 1, 3, 8, 16, 24)
    assert found.problem is None
    assert found.cost is not None
    assert found.cost.input_shape == (1, 3, 8, 16, 24)


def test_model_that_only_real_tensors_go_through_has_no_cost(training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = SlowFastHead.forward

    def look_at_values(self: SlowFastHead, features: Any, **kwargs: Any) -> Any:
        assert not features[0].sum().isnan().item()
        return forward(self, features, **kwargs)

    monkeypatch.setattr(SlowFastHead, "forward", look_at_values)
    found = dry_run(training.prepare())
    assert (found.cost, found.step_bytes, found.problem) == (None, None, None)
