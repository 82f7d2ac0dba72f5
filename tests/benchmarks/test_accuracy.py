"""The benchmark of accuracy: its rows are flags that exist, its results are kept, its comparisons are sound."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import typer
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score

FOLDER = Path(__file__).parents[2] / "benchmarks" / "accuracy"
#: A real SlowFast that trains an epoch in a second.
SMALL = (
    "clip.num_frames=8",
    "clip.input_size=(16,24)",
    "model.backbone.resample_rate=4",
    "model.backbone.slow_pathway.base_channels=8",
    "model.backbone.fast_pathway.base_channels=2",
    "model.cls_head.in_channels=80",
)


def load(name: str) -> Iterator[ModuleType]:
    """Import a program of the benchmarks as Python does that runs it, from its own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module(name)
        for module in ("run", "paired_scores"):
            sys.modules.pop(module, None)


@pytest.fixture(scope="module")
def program() -> Iterator[ModuleType]:
    yield from load("run")


@pytest.fixture(scope="module")
def paired(program: ModuleType) -> ModuleType:
    return sys.modules["paired_scores"]


def make_result(labels: list[int], predicted: list[int], seconds: float = 10.0) -> dict[str, Any]:
    ids = [f"clip {index}" for index in range(len(labels))]
    return {"sample_ids": ids, "labels": labels, "predicted": predicted, "seconds": seconds}


@pytest.mark.parametrize("name", ["choices.yaml", "recipes.yaml"])
def test_every_row_is_a_training_that_can_be_asked_for(program: ModuleType, simulated_dataset: Path, name: str) -> None:
    """Each row's flags are read by `train`, do not contradict each other and fit the configuration."""
    from thermalctl.cli.app import app
    from thermalctl.dataset.layout import DatasetLayout
    from thermalctl.dataset.samples import load_dataset
    from thermalctl.engine.config import complete_config, load_config
    from thermalctl.engine.options import TrainOptions

    dataset = load_dataset(DatasetLayout(simulated_dataset))
    train = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]
    test = typer.main.get_command(app).commands["test"]  # type: ignore[attr-defined]
    for row in program.read_rows(FOLDER / name, None):
        assert test.make_context("test", row.test_flags.split())
        given = train.make_context("train", row.flags.split()).params
        chosen = {field.name: given[field.name] for field in fields(TrainOptions) if field.name in given}
        cfg = load_config(given["config"] or program.CONFIG)
        complete_config(cfg, TrainOptions(**chosen), dataset, work_dir=Path("run"), device="cpu")


def call_here(*arguments: str) -> str:
    """Run a command as the program does, but in this process: importing torch takes longer than these trainings."""
    from thermalctl.cli.app import main

    printed = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(printed),
        pytest.raises(SystemExit, match=r"^0$"),
    ):
        patch.setattr(sys, "argv", ["thermalctl", arguments[0], "--json", *arguments[1:]])
        main()
    return printed.getvalue()


@pytest.fixture
def run(
    program: ModuleType, simulated_dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the program with one seed and one epoch: its exit code and both streams."""

    def run(output: Path, *more: str, epochs: int = 1, rows: Path = FOLDER / "choices.yaml") -> tuple[int, str, str]:
        asked = ["--data", str(simulated_dataset), "--results", str(output), "--epochs", str(epochs), "--seeds", "5"]
        asked += ["--rows", str(rows)]
        monkeypatch.setattr(sys, "argv", ["run.py", *asked, *more, "--cfg-options", *SMALL])
        capsys.readouterr()
        code = program.main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_stopped_benchmark_goes_on_where_it_was(
    program: ModuleType,
    run: Callable[..., tuple[int, str, str]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A short path: past 75 characters MMEngine takes 2 s each time it writes a configuration.
    output, asked = tmp_path_factory.mktemp("o"), ["--split", "sessions", "--only", "base"]
    monkeypatch.setattr(program, "call", call_here)
    code, out, err = run(output, *asked)
    assert code == 0, err
    result = json.loads((output / "sessions/base/seed-5.json").read_text())
    judged = result["targets"]["frame"]["sample_ids"]
    assert len(judged) == len(set(judged)) == 24  # every clip of both folds, once
    assert result["task"]["epochs"] == 1

    code, out, err = run(output, *asked, "--only", "focal")
    assert code == 0, err
    assert err.splitlines()[-1] == "1/1  sessions  focal  seed 5  done"
    rows = [[cell.strip() for cell in line.split("|")] for line in out.splitlines() if line.startswith("| ")]
    *references, base, focal = rows[2:]
    assert "*always the majority*" in [reference[1] for reference in references]
    assert base[1:5] == ["base", "", "1", "1"]
    assert focal[1:5] == ["focal", "`--loss focal`", "1", "1"]
    assert float(focal[9]) == pytest.approx(float(focal[5]) - float(base[5]), abs=0.11)
    assert (base[9], base[10]) == ("", "")
    assert out.splitlines()[0] == "**sessions frame**"
    assert "24 clips." in out

    monkeypatch.setattr(program, "call", lambda *arguments: pytest.fail("nothing is left to train"))
    assert run(output, *asked, "--only", "focal")[0] == 0
    with pytest.raises(SystemExit, match="has epochs 1, asked for is 2"):
        run(output, *asked, epochs=2)


def test_people_are_judged_and_the_keyframes_they_are_in(
    program: ModuleType,
    run: Callable[..., tuple[int, str, str]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path_factory.mktemp("p")
    page = output / "page.md"
    marks = "".join(f"<!-- measured: given {target} -->\n<!-- end -->\nafter\n" for target in program.TARGETS)
    page.write_text(f"before\n{marks}")
    rows = output / "rows.yaml"
    rows.write_text("epochs: 1\nrows: [{name: people, flags: --target person, finds_people: true}]\n")
    monkeypatch.setattr(program, "call", call_here)
    code, out, err = run(output, "--split", "given", "--write", str(page), rows=rows)
    assert (code, out) == (0, ""), err
    targets = json.loads((output / "given/people/seed-5.json").read_text())["targets"]
    keyframes = set(targets["frame"]["sample_ids"])
    assert {clip.partition("#")[0] for clip in targets["person"]["sample_ids"]} == keyframes
    assert len(targets["person"]["sample_ids"]) > len(keyframes) == 12
    assert targets["found"]["sample_ids"] == targets["frame"]["sample_ids"]
    for target in targets.values():
        assert len(target["predicted"]) == len(target["references"]["always the majority"]) == len(target["labels"])
    lines = page.read_text().splitlines()
    assert lines[0] == "before"
    assert lines.count("after") == lines.count("<!-- end -->") == 3
    assert sum(line.startswith("| people | `--target person` | 1 | 1 |") for line in lines) == 3

    page.write_text("no marks")
    with pytest.raises(SystemExit, match="the page has no <!-- measured: given frame -->"):
        run(output, "--split", "given", "--write", str(page), rows=rows)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("epochs: 1\nrows: [{name: a, base: b}]", "there is no row b"),
        ("epochs: 1\nrows: [{name: a}, {name: a}]", "two rows have the same name"),
    ],
)
def test_rows_that_make_no_sense_are_refused(program: ModuleType, tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "rows.yaml"
    path.write_text(text)
    with pytest.raises(SystemExit, match=problem):
        program.read_rows(path, None)


def test_tables_of_the_page_are_those_of_the_results(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, copy = FOLDER.parents[1] / "docs" / "accuracy.md", tmp_path / "accuracy.md"
    copy.write_text(page.read_text())
    monkeypatch.setattr(sys, "argv", ["run.py", "--table", "--write", str(copy)])
    assert program.main() == 0
    assert copy.read_text() == page.read_text()


def test_unknown_row_is_told(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"choices\.yaml has no bass; it has base, person,"):
        run(tmp_path, "--only", "bass")


def test_failed_training_is_told_and_the_next_one_begins(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    rows = tmp_path / "rows.yaml"
    rows.write_text("epochs: 1\nrows: [{name: base, flags: --no-such-flag}, {name: focal, flags: --loss dice}]\n")
    code, _, err = run(tmp_path, "--split", "given", rows=rows)
    assert code == 1
    assert "1/2  given  base  seed 5  failed: " in err
    assert "No such option: --no-such-flag" in err
    assert "2/2  given  focal  seed 5  failed: " in err
    assert not (tmp_path / "given").exists()


def test_scores_of_each_seed_are_worked_out_by_hand(paired: ModuleType) -> None:
    """Labels 0 0 0 1: three of class 0 and one of class 1."""
    labels = [0, 0, 0, 1]
    answers = paired.gather({5: make_result(labels, [0, 0, 1, 1], 10), 6: make_result(labels, [0, 0, 0, 0], 20)})
    assert answers.top1 == {5: pytest.approx(3 / 4), 6: pytest.approx(3 / 4)}
    assert answers.mean_class == {5: pytest.approx((2 / 3 + 1) / 2), 6: pytest.approx(1 / 2)}
    assert answers.right.tolist() == [1.0, 1.0, 0.5, 0.5]
    assert answers.seconds == 15


def test_difference_is_taken_clip_by_clip_and_seed_by_seed(paired: ModuleType) -> None:
    labels = [0, 0, 0, 1]
    base = paired.gather({5: make_result(labels, [0, 0, 1, 0]), 6: make_result(labels, [0, 0, 0, 0])})
    other = paired.gather({5: make_result(labels, [0, 0, 1, 1]), 6: make_result(labels, [0, 0, 0, 1])})
    for score, gain in (("top1", 1 / 4), ("mean_class", 1 / 2)):
        difference = paired.compare(other, base, score)
        assert difference.mean == pytest.approx(gain)
        assert difference.std == pytest.approx(0)
    one = paired.gather({5: make_result(labels, [0, 0, 1, 1])})
    assert paired.compare(one, base, "top1").std is None


def test_clips_are_matched_by_name_and_not_by_place(paired: ModuleType) -> None:
    result = make_result([0, 1, 1], [0, 1, 0])
    turned = result | {name: result[name][::-1] for name in ("sample_ids", "labels", "predicted")}
    difference = paired.compare(paired.gather({5: turned}), paired.gather({5: result}), "top1")
    assert (difference.mean, difference.p) == (0, 1)


def test_interval_is_that_of_keyframes_drawn_anew(paired: ModuleType) -> None:
    """Against resamples of whole keyframes, each scored with scikit-learn."""
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 3, 60), rng.integers(0, 3, 60)
    predicted[:40] = labels[:40]
    ids = [f"frame {index // 2}#{index}" for index in range(60)]
    result = {"sample_ids": ids, "labels": labels.tolist(), "predicted": predicted.tolist(), "seconds": 1.0}
    answers = paired.gather({5: result})
    draws = [np.concatenate([[2 * frame, 2 * frame + 1] for frame in rng.integers(0, 30, 30)]) for _ in range(3000)]
    for score, of_sklearn in (("top1", accuracy_score), ("mean_class", balanced_accuracy_score)):
        expected = np.quantile([of_sklearn(labels[draw], predicted[draw]) for draw in draws], [0.025, 0.975])
        assert paired.find_bounds(answers, score) == pytest.approx(tuple(expected), abs=0.02)


def test_answers_without_a_network_come_with_their_scores(paired: ModuleType) -> None:
    result = make_result([0, 0, 0, 1], [0, 0, 1, 1]) | {"references": {"always": [0, 0, 0, 0]}}
    always = paired.gather({5: result, 6: result}).references["always"]
    assert (list(always.top1.values()), list(always.mean_class.values())) == ([0.75], [0.5])


def test_other_clips_are_refused(paired: ModuleType) -> None:
    base = paired.gather({5: make_result([0, 1], [0, 1])})
    with pytest.raises(ValueError, match="different clips"):
        paired.compare(paired.gather({5: make_result([0, 1, 1], [0, 1, 1])}), base, "top1")
    with pytest.raises(ValueError, match="different clips"):
        paired.gather({5: make_result([0, 1], [0, 1]), 6: make_result([0], [0])})


@pytest.mark.parametrize(("gained", "lost"), [(9, 2), (5, 5), (1, 0), (15, 3)])
def test_p_of_one_seed_is_mcnemars(paired: ModuleType, gained: int, lost: int) -> None:
    """Against scipy's exact binomial test of the clips that only one of the two has right."""
    differences = np.array([1.0] * gained + [-1.0] * lost + [0.0] * 40) / 60
    expected = stats.binomtest(gained, gained + lost).pvalue
    assert paired.find_p(differences) == pytest.approx(expected, abs=0.015)


def test_p_of_several_seeds_is_that_of_all_swaps(paired: ModuleType) -> None:
    """Against all 2^10 swaps of ten clips with unequal differences."""
    differences = np.array([1, 1 / 3, 2 / 3, -1 / 3, 1, 2 / 3, -1, 1 / 3, 1 / 3, 1]) / 10
    signs = np.array([[1 if number >> bit & 1 else -1 for bit in range(10)] for number in range(1024)])
    expected = (np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12).mean()
    assert paired.find_p(differences) == pytest.approx(expected, abs=0.015)
