from __future__ import annotations

import re
import shutil
import subprocess
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.evaluation.predictions import Predictions
from thermalctl.reports.classification import build_report
from thermalctl.reports.evaluation_page import render_evaluation_page, write_evaluation_page

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
CLASSES = ("sitting", "lying <at> risk", "walking", "other")


def find_browser() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


VOID = {"meta", "br", "link", "img", "path", "rect", "image"}


class Checker(HTMLParser):
    """Checks that tags are closed in order, and collects ids, links and what is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.headings: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if "id" in values:
            self.ids.append(values["id"] or "")
        if tag == "a":
            self.links.append(values["href"] or "")
        elif "href" in values or "src" in values:
            self.loaded.append(values.get("href") or values.get("src") or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


@pytest.fixture
def predictions(answer: Any) -> Predictions:
    labels = [0] * 12 + [1] * 8 + [2] * 2
    predicted = [0] * 10 + [1, 2] + [1] * 6 + [0, 0] + [2, 0]
    references = {"reference_names": ("majority",), "reference_answers": np.zeros((1, 22), dtype=np.int64)}
    made: Predictions = answer(
        labels, predicted, CLASSES, sessions=("a", "b") * 11, train_counts=np.array([9, 5, 1, 0]), **references
    )
    return made


def render(predictions: Predictions, **options: Any) -> str:
    return render_evaluation_page(build_report(predictions, **options), predictions, now=NOW)


def test_page_is_whole_and_loads_nothing(predictions: Predictions) -> None:
    page = render(predictions)
    checker = check(page)
    assert checker.loaded == []
    assert len(set(checker.ids)) == len(checker.ids)
    assert {link.removeprefix("#") for link in checker.links} <= set(checker.ids)
    assert checker.headings[0] == 1
    assert all(after - before <= 1 for before, after in zip(checker.headings, checker.headings[1:], strict=False))
    assert "default-src 'none'" in page
    assert "<script" not in page


def test_names_are_escaped(predictions: Predictions) -> None:
    page = render(predictions)
    assert "lying &lt;at&gt; risk" in page
    assert "lying <at> risk" not in page


def test_page_says_what_the_report_says(predictions: Predictions) -> None:
    page = render(predictions, costs=1 - np.eye(4), recalls=[("walking", 1.0)])
    for text in (
        "val, 22 clips",
        "The model does not beat",
        "77.3 [",  # 17 of 22
        "no clip here",
        "2 sessions say little about others",
        "Mistakes cost 0.227 a clip",
        "an alarm from a probability of",
        "Their frames are not shown",
        "0123456789abcdef",
    ):
        assert text in page, text
    assert "Costs" not in render(predictions)


def test_matrix_holds_every_count_in_both_orders(predictions: Predictions) -> None:
    page = render(predictions)
    matrices = re.findall(r'<table class="confusion">.*?</table>', page, re.DOTALL)
    assert len(matrices) == 4  # two of all, and one of each session
    halves = [[int(cell) for cell in re.findall(r"<td[^>]*>(\d+)</td>", matrix)] for matrix in matrices[2:]]
    assert sum(map(sum, halves)) == 22
    for matrix in matrices[:2]:
        cells = [int(cell) for cell in re.findall(r"<td[^>]*>(\d+)</td>", matrix)]
        assert sorted(cells) == [1, 1, 1, 1, 2, 6, 10]
        assert matrix.count('class="right"') == 3  # the fourth class is neither there nor answered


def test_mistakes_are_shown_where_the_dataset_is(simulated_dataset: Path, answer: Any) -> None:
    samples = load_dataset(DatasetLayout(simulated_dataset)).samples("val")
    dataset = load_dataset(DatasetLayout(simulated_dataset))
    labels = [sample.label for sample in samples]
    made = answer(
        labels,
        [(label + 1) % dataset.num_classes for label in labels],
        dataset.classes,
        sample_ids=tuple(sample.sample_id for sample in samples),
        clip_spec={"num_frames": 8},
    )
    provenance = type(made.provenance)(**(vars(made.provenance) | {"dataset": str(simulated_dataset)}))
    page = render(type(made)(**(vars(made) | {"provenance": provenance})))
    checker = check(page)
    assert len(checker.loaded) == 12 * 8  # a strip of eight frames for each mistake
    assert all(uri.startswith("data:image/png;base64,") for uri in checker.loaded)
    assert "not shown" not in page


@pytest.mark.slow
def test_ten_thousand_predictions_make_a_small_page(answer: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 14, 10_000)
    predicted = np.where(rng.random(10_000) < 0.8, labels, rng.integers(0, 14, 10_000))
    predictions = answer(
        labels.tolist(),
        predicted.tolist(),
        tuple(f"class {index}" for index in range(14)),
        sessions=tuple(f"session {index % 300}" for index in range(10_000)),
    )
    write_evaluation_page(build_report(predictions), predictions, tmp_path / "report.html", now=NOW)
    assert (tmp_path / "report.html").stat().st_size < 300_000
    check((tmp_path / "report.html").read_text())


def test_too_many_classes_make_no_matrix(answer: Any) -> None:
    labels = list(range(45))
    page = render(answer(labels, labels, tuple(f"class {index}" for index in labels)))
    assert "45 classes are too many to draw here" in page
    assert '<table class="confusion">' not in page


def test_curves_are_in_the_page_where_there_are_any(predictions: Predictions, tmp_path: Path) -> None:
    picture = tmp_path / "curves.png"
    picture.write_bytes(b"a picture")
    report = build_report(predictions)
    page = render_evaluation_page(report, predictions, curves=picture, now=NOW)
    assert check(page).loaded == ["data:image/png;base64,YSBwaWN0dXJl"]
    assert 'alt="Curves of the training' in page
    missing = render_evaluation_page(report, predictions, curves=tmp_path / "none.png", now=NOW)
    assert check(missing).loaded == []
    assert "Training" not in missing


@pytest.mark.skipif(find_browser() is None, reason="no Chromium here")
def test_page_opens_in_a_browser_without_a_word_in_its_console(predictions: Predictions, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_evaluation_page(build_report(predictions), predictions, path, now=NOW)
    browser = find_browser()
    assert browser is not None
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--user-data-dir={tmp_path}")
    done = subprocess.run([browser, *options, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "The model does not beat" in done.stdout
    assert done.stdout.count("<details") >= 3
    assert "CONSOLE" not in done.stderr  # where the page's errors and refused loads are told
