from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.annotations.coco import Box
from thermalctl.dataset.inspect import inspect_dataset
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.people import Spread
from thermalctl.errors import DatasetError
from thermalctl.evaluation.label_errors import SuspectLabel, find_label_errors
from thermalctl.evaluation.learnability import BaselineResult, Learnability, measure_learnability
from thermalctl.recordings.hdf5 import Recording, write_recording
from thermalctl.reports.inspection import SECTIONS, DatasetReport
from thermalctl.reports.inspection_page import render_inspection_page, write_inspection_page
from thermalctl.reports.page_template import shorten

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=timezone.utc)
WINDOW = 16
#: What somebody might call a class, a recording or a folder.
NASTY = (
    '<script>alert("class")</script>',
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; ]]> <!-- --> $x$",
    "\N{RIGHT-TO-LEFT OVERRIDE}right to left",
    "half a pair \ud800",
    "long " * 1000,
    "x" * 5000,
)
NASTY_RECORDING = "R\"><img src=x onerror='alert(2)'>&amp;<b>"

#: Elements that have no end tag.
VOID = {"meta", "br", "img", "link", "input", "hr", "base"}


class Page(HTMLParser):
    """A page as a browser would take it apart: elements, attributes, headings and all text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.headings: list[tuple[int, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if any(re.fullmatch("h[1-6]", tag) for tag in self.open):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)

    def find(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [
            attrs
            for name, attrs in self.elements
            if name == tag and all(attrs.get(key.rstrip("_")) == value for key, value in wanted.items())
        ]


def make_dataset(
    root: Path,
    *,
    recordings: Sequence[str] = ("A", "B"),
    classes: Sequence[str] = ("stand", "lie"),
    keyframes: Sequence[tuple[str, int, Sequence[int]]] = (
        ("train", 20, (0,)),
        ("train", 30, (1, 0)),
        ("val", 60, (1,)),
    ),
    num_frames: int = 80,
    incomplete: Sequence[int] = (3,),
) -> DatasetLayout:
    """Write recordings of 4x6 frames, one each 100 ms and a day apart, with the same keyframes in each."""
    documents: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for number, name in enumerate(recordings):
        start_ms = 1_760_000_000_000 + 86_400_000 * number
        frames_c = np.random.default_rng(number).normal(20, 0.3, (num_frames, 4, 6)).astype(np.float32)
        frames_c[list(incomplete), 2:] = -273.2
        write_recording(
            root / "frames" / f"{name}.h5",
            Recording(
                sensor_id=name,
                mac_address="02:00:00:00:00:01",
                frames_c=frames_c,
                timestamps_ms=start_ms + 100 * np.arange(num_frames, dtype=np.int64),
                frame_seqs=np.arange(num_frames, dtype=np.int64),
            ),
        )
        for split, keyframe, labels in keyframes:
            document = documents.setdefault(split, {"images": [], "annotations": []})
            image = {"id": f"{name}_{keyframe}", "sensor_id": name, "timestamp": start_ms + 100 * keyframe}
            document["images"].append(image | {"frame_idx": keyframe, "width": 6, "height": 4})
            document["annotations"] += [
                {
                    "id": len(document["annotations"]) + place,
                    "image_id": image["id"],
                    "bbox": [0.25 + 0.5 * place, 0.5, 0.25, 0.5],
                    "category_id": label,
                }
                for place, label in enumerate(labels)
            ]
    (root / "annotations").mkdir(parents=True)
    for split, document in documents.items():
        categories = [{"id": class_id, "name": name} for class_id, name in enumerate(classes)]
        (root / "annotations" / f"{split}.json").write_text(json.dumps(document | {"categories": categories}))
    return DatasetLayout(root)


def make_suspect(**changes: Any) -> SuspectLabel:
    fields: dict[str, Any] = {
        "sample_id": "A_30#1",
        "split": "train",
        "recording": "A",
        "keyframe": 30,
        "timestamp_ms": 1_760_000_003_000,
        "box": Box(0.25, 0.5, 0.25, 0.5),
        "suspicion": "unlikely",
        "label": "lie",
        "suggested": "stand",
        "label_score": 0.04,
        "suggested_score": 0.71,
        "num_neighbours": 4,
        "num_agreeing": 1,
    }
    return SuspectLabel(**(fields | changes))


LEARNABILITY = Learnability(
    num_frames=WINDOW,
    seeds=(0,),
    results=(
        BaselineResult(
            target="frame", terms="given split", split="val", baseline="trees", num_judged=2, top1=0.905,
            mean_class=0.5, macro_f1=0.5, top1_spread=None, mean_class_spread=None,
        ),
    ),
    remarks=("one thing was left out",),
)  # fmt: skip


def make_report(layout: DatasetLayout, **changes: Any) -> DatasetReport:
    report = DatasetReport(
        inspection=inspect_dataset(layout, window_frames=WINDOW),
        sections=SECTIONS,
        learnability=LEARNABILITY,
        suspects=(make_suspect(),),
    )
    return replace(report, **changes)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> DatasetReport:
    return make_report(make_dataset(tmp_path_factory.mktemp("page") / "dataset"))


@pytest.fixture(scope="module")
def html(report: DatasetReport) -> str:
    return render_inspection_page(report, now=NOW)


def check_sound(html: str) -> Page:
    """Return the page, having checked what holds for every page."""
    page = Page(html)
    assert not page.open
    assert not {"script", "link", "iframe", "object", "embed", "form", "base", "img"} & {
        tag for tag, _ in page.elements
    }
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in page.elements:
        assert not [name for name in attrs if name.startswith("on")]
        for name in ("src", "href", "data", "xlink:href", "action", "srcset", "poster"):
            link = attrs.get(name, "")
            assert re.match(r"data:image/png;base64,[A-Za-z0-9+/=]+$", link) or not link or link[1:] in ids, (tag, link)
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))
    assert all(text.strip() for _, text in page.headings)
    for attrs in page.find("svg"):
        assert attrs.get("aria-label") or attrs.get("aria-hidden") == "true"
    return page


def list_marks(page: Page, kind: str) -> list[str]:
    return [attrs["d"] for attrs in page.find("path", class_=f"mark {kind}")]


def test_page_is_one_sound_file_with_everything_in_it(html: str) -> None:
    page = check_sound(html)
    titles = [text.strip() for level, text in page.headings if level == 2]
    assert titles == [
        "Findings", "Structure", "Leakage", "Recording health", "Statistics", "Learnability", "Labels",
    ]  # fmt: skip
    linked = {attrs["href"] for attrs in page.find("a")}
    assert {"#findings", *(f"#{section}" for section in SECTIONS)} <= linked
    assert page.find("html", lang="en")
    assert "2026-03-04 05:06 UTC" in page.text
    assert "2 recordings · 2 sessions · 160 frames of 4×6 · 6 keyframes · 8 people · 2 classes" in page.text
    assert "url(" not in html
    assert "@import" not in html


def test_browser_is_told_to_load_nothing(html: str) -> None:
    [policy] = Page(html).find("meta", **{"http-equiv": "Content-Security-Policy"})
    assert "default-src 'none'" in policy["content"]
    assert "script-src" not in policy["content"]


def test_findings_come_worst_first_with_commands_to_copy(report: DatasetReport, html: str) -> None:
    page = check_sound(html)
    told = [attrs["class"].removeprefix("status ") for attrs in page.find("span") if "status" in attrs.get("class", "")]
    assert told == [finding.status for finding in report.findings]
    root = report.inspection.root
    assert f"thermalctl preview --data {root} --finding incomplete --raw" in page.text


@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
def test_class_names_are_text_wherever_they_appear(tmp_path: Path, nasty: str) -> None:
    layout = make_dataset(tmp_path / "dataset", classes=(nasty, "lie", f"never {nasty}"))
    report = make_report(layout, suspects=(make_suspect(label="lie", suggested=nasty),))
    path = tmp_path / "page.html"
    write_inspection_page(report, path)
    page = check_sound(path.read_text(encoding="utf-8"))
    shown = shorten(nasty).replace("\ud800", "\N{REPLACEMENT CHARACTER}")
    assert page.text.count(shown) >= 4  # chart, table, picture, doubtful label
    if len(nasty) > 60:
        assert nasty in [attrs.get("title") for attrs in page.find("bdi")]
        assert nasty not in page.text


def test_names_of_recordings_and_folders_are_text_wherever_they_appear(tmp_path: Path) -> None:
    layout = make_dataset(tmp_path / 'd"><script>alert(3)' / "'<b>{{ 1 }}", recordings=(NASTY_RECORDING,))
    suspect = make_suspect(sample_id=f"{NASTY_RECORDING}_30#1", recording=NASTY_RECORDING)
    page = check_sound(render_inspection_page(make_report(layout, suspects=(suspect,)), now=NOW))
    assert page.headings[0] == (1, "'<b>{{ 1 }}")
    assert page.text.count(NASTY_RECORDING) >= 6
    assert any(NASTY_RECORDING in attrs.get("aria-label", "") for attrs in page.find("svg"))


def change_people(report: DatasetReport) -> DatasetReport:
    nowhere = Spread(p5=float("nan"), median=float("nan"), p95=float("nan"))
    people = replace(report.inspection.people, box_width_px=nowhere, box_height_px=nowhere, box_area_px=nowhere)
    return replace(report, inspection=replace(report.inspection, people=people))


EMPTY: dict[str, tuple[dict[str, Any], Callable[[DatasetReport], DatasetReport], str]] = {
    "no val": ({"keyframes": [("train", 20, (0,)), ("train", 30, (1, 0))]}, lambda report: report, "nothing can leak"),
    "one recording": ({"recordings": ("A",)}, lambda report: report, "1 recording · 1 session"),
    "one class": (
        {"classes": ("only",), "keyframes": [("train", 20, (0,)), ("train", 30, (0, 0))]},
        lambda r: r,
        "only",
    ),
    "nothing learned": ({}, lambda report: replace(report, learnability=None), "This was not measured."),
    "nothing judged": (
        {},
        lambda report: replace(report, learnability=replace(LEARNABILITY, results=())),
        "Nothing could be judged.",
    ),
    "labels not asked for": ({}, lambda report: replace(report, suspects=None), "Labels were not looked at."),
    "no doubtful label": ({}, lambda report: replace(report, suspects=()), "No label is doubtful"),
    "no boxes": ({}, change_people, "No keyframe has a person's box."),
    "all frames complete": ({"incomplete": ()}, lambda report: report, "All frames are complete."),
    "no frame complete": ({"incomplete": range(80)}, lambda report: report, "No frame is complete."),
    "unjudged label": (
        {},
        lambda report: replace(report, suspects=(make_suspect(label_score=None, suggested_score=None),)),
        "Trees had nothing to learn it from",
    ),
    "impossible time": (
        {},
        lambda report: replace(report, suspects=(make_suspect(timestamp_ms=9 * 10**15),)),
        "287168-",  # 9e15 ms are 285,198.6 years of 365.2425 days after 1970
    ),
    "whole frame": (
        {},
        lambda report: replace(report, suspects=(make_suspect(sample_id="A_30", box=None, suspicion="flicker"),)),
        "Labels that flicker (1)",
    ),
}


@pytest.mark.parametrize("case", EMPTY)
def test_what_is_missing_is_said(tmp_path: Path, case: str) -> None:
    options, change, text = EMPTY[case]
    layout = make_dataset(tmp_path / "dataset", **options)
    page = check_sound(render_inspection_page(change(make_report(layout)), now=NOW))
    assert text in page.text


@pytest.mark.parametrize("section", SECTIONS)
def test_only_the_sections_asked_for_are_there(report: DatasetReport, section: Any) -> None:
    page = check_sound(render_inspection_page(replace(report, sections=(section,)), now=NOW))
    assert [attrs["id"] for attrs in page.find("section")] == ["findings", section]
    assert "left out here" in page.text
    assert bool(page.find("image")) == (section in ("statistics", "labels"))


def test_keyframes_lie_in_time_and_those_that_overlap_are_told_apart(tmp_path: Path) -> None:
    # A frame each 100 ms on an axis to 10 s is 10 units of the track; a clip of 16 reaches from 8 before to 7 after.
    keyframes = [("train", 30, (0,)), ("val", 40, (0,)), ("val", 70, (1,))]
    layout = make_dataset(tmp_path / "dataset", recordings=("A",), keyframes=keyframes, num_frames=101)
    page = check_sound(render_inspection_page(make_report(layout, suspects=()), now=NOW))
    assert "M300 13V23" in list_marks(page, "train")
    assert list_marks(page, "shared")[-1] == "M400 1V11"  # before it is the legend's
    assert list_marks(page, "free")[-1] == "M700 6V11"
    assert list_marks(page, "train-clips") == ["M220 15H370V21H220Z"]
    assert list_marks(page, "shared-clips") == ["M320 3H470V9H320Z"]
    assert list_marks(page, "free-clips") == ["M620 3H770V9H620Z"]
    assert "1 train, 2 val: 1 overlap" in page.text


def test_overlapping_clips_are_one_band(tmp_path: Path) -> None:
    keyframes = [("train", 30, (0,)), ("train", 40, (0,)), ("train", 80, (1,))]
    layout = make_dataset(tmp_path / "dataset", recordings=("A",), keyframes=keyframes, num_frames=101)
    page = check_sound(render_inspection_page(make_report(layout, suspects=()), now=NOW))
    assert list_marks(page, "train-clips") == ["M220 15H470V21H220Z" + "M720 15H870V21H720Z"]


def test_incomplete_frames_are_drawn_when_they_came(tmp_path: Path) -> None:
    # 160 stretches of 10 s hold 0.625 frames each: frame 50 lies alone in the one from 500 to 506.25.
    layout = make_dataset(tmp_path / "dataset", recordings=("A",), num_frames=101, incomplete=(50,))
    page = check_sound(render_inspection_page(make_report(layout), now=NOW))
    assert list_marks(page, "incomplete") == ["M500 0H506.2V24H500Z"]
    assert "1 of 101 (1.0 %)" in page.text


def test_shares_of_classes_are_bars_of_each_split(tmp_path: Path) -> None:
    keyframes = [("train", 20, (0,)), ("train", 30, (0,)), ("train", 40, (0,)), ("train", 50, (1,)), ("val", 60, (1,))]
    layout = make_dataset(tmp_path / "dataset", keyframes=keyframes)
    page = check_sound(render_inspection_page(make_report(layout, suspects=()), now=NOW))
    bars = [path for path in list_marks(page, "train") if path.endswith("H0Z")]
    assert bars == ["M0 1.5H750V10.5H0Z", "M0 1.5H250V10.5H0Z"]
    assert "M0 13.5H1000V22.5H0Z" in list_marks(page, "val")
    assert "6 train, 0 val" in page.text


def test_each_class_has_an_example_with_its_person_boxed(tmp_path: Path) -> None:
    layout = make_dataset(tmp_path / "dataset", classes=("stand", "lie", "fall"))
    page = check_sound(render_inspection_page(make_report(layout, suspects=()), now=NOW))
    assert len(page.find("image")) == 2
    assert page.text.count("in no keyframe") == 1
    # Lying is alone in frame 60 and one of two in frame 30; the keyframe with fewer people is shown.
    assert "A frame 60" in page.text
    [_, lying] = page.find("rect", class_="outline person")
    assert [float(lying[name]) for name in ("x", "y", "width", "height")] == [0.75, 1, 1.5, 2]


def test_doubtful_label_has_a_strip_around_its_keyframe(html: str) -> None:
    page = check_sound(html)
    assert (4, "lie → stand?") in page.headings
    [strip] = page.find("div", class_="strip")
    assert strip["aria-label"] == "8 thermal frames around frame 30 of A, the person's box drawn in"
    # A clip of 16 from frame 22: every second frame, the keyframe the fifth of them.
    captions = re.findall(r"[-+]\d\.\d\d s|0 s keyframe", page.text)
    assert captions == ["-0.80 s", "-0.60 s", "-0.40 s", "-0.20 s", "0 s keyframe", "+0.20 s", "+0.40 s", "+0.60 s"]
    assert len(page.find("figure", class_="keyframe")) == 1
    assert len(page.find("rect", class_="outline elsewhen")) == 7
    assert "Trees give the label 4 %, the suggestion 71 %; 1 of 4 neighbours in time have the label." in page.text
    assert "2025-10-09 08:53:23 UTC" in page.text


def test_hundreds_of_recordings_are_folded_and_counted(tmp_path: Path) -> None:
    names = [f"R{number:03d}" for number in range(120)]
    keyframes = [("train", 20, (0,)), ("val", 30, (0,))]
    layout = make_dataset(tmp_path / "dataset", recordings=names, keyframes=keyframes, num_frames=40)
    html = render_inspection_page(make_report(layout, suspects=()), now=NOW)
    page = check_sound(html)
    assert page.text.count("88 more recordings") == 5
    assert page.text.count("20 more recordings are not drawn") == 5
    assert page.text.count("20 more are not listed") == 2
    assert len(html) < 1_500_000


def test_forty_classes_are_folded(tmp_path: Path) -> None:
    classes = [f"class {number}" for number in range(40)]
    keyframes = [("train", 10 + number, (number,)) for number in range(40)]
    layout = make_dataset(tmp_path / "dataset", recordings=("A",), classes=classes, keyframes=keyframes)
    page = check_sound(render_inspection_page(make_report(layout, suspects=()), now=NOW))
    assert "20 more classes" in page.text
    assert len(page.find("image")) == 40


def test_dataset_that_changed_since_is_refused(tmp_path: Path) -> None:
    layout = make_dataset(tmp_path / "dataset")
    report = make_report(layout)
    document = json.loads(layout.annotation_file("val").read_text())
    document["annotations"][0]["category_id"] = 0
    layout.annotation_file("val").write_text(json.dumps(document))
    with pytest.raises(DatasetError, match="has changed since it was inspected"):
        write_inspection_page(report, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_long_texts_lose_their_middle() -> None:
    assert shorten("a" * 60) == "a" * 60
    assert shorten("a" * 100 + "z") == "a" * 40 + "…" + "a" * 18 + "z"


def read_colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", css))


def measure_contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.1, section 1.4.3)."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_legible(html: str, scheme: str) -> None:
    light, dark = re.findall(r":root \{(.*?)\n *\}", html, flags=re.DOTALL)
    colours = read_colours(light) | (read_colours(dark) if scheme == "dark" else {})
    assert set(read_colours(dark)) == set(read_colours(light))
    for paper in (colours["paper"], colours["raised"]):
        for text in ("ink", "soft", "link", "error", "warning", "ok"):
            assert measure_contrast(colours[text], paper) >= 4.5, text
    for mark in ("train", "val", "test", "shared", "free"):
        assert measure_contrast(colours[mark], colours["paper"]) >= 3, mark


@pytest.mark.real
@pytest.mark.slow
def test_real_dataset_makes_a_page_of_modest_size(real_dataset: Path, tmp_path: Path) -> None:
    from thermalctl.dataset.samples import load_dataset

    layout = DatasetLayout(real_dataset)
    dataset = load_dataset(layout)
    report = DatasetReport(
        inspection=inspect_dataset(layout),
        sections=SECTIONS,
        learnability=measure_learnability(dataset, targets=("person",), seeds=(0,), num_trees=10),
        suspects=find_label_errors(dataset, num_trees=10),
    )
    path = tmp_path / "page.html"
    write_inspection_page(report, path)
    page = check_sound(path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 3_000_000
    assert "37 train, 9 val: 9 overlap" in page.text
    assert page.text.count("in no keyframe") == 3
    assert len(page.find("image")) == 11 + 8 * len(report.suspects or ())
