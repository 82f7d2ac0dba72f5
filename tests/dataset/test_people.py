from __future__ import annotations

from pathlib import Path

import pytest

from thermalctl.annotations.coco import Box
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.people import Spread, summarise_people
from thermalctl.dataset.samples import ALL_SPLITS, Sample, load_dataset


def make_sample(*sizes: tuple[float, float]) -> Sample:
    boxes = tuple(Box(0.5, 0.5, width, height) for width, height in sizes)
    return Sample(sample_id="a", recording="r", keyframe=0, timestamp_ms=0, label=0, session="s", boxes=boxes)


def test_people_are_counted_by_keyframe_and_measured_in_pixels() -> None:
    samples = [make_sample((0.1, 0.5)), make_sample((0.2, 0.5), (0.3, 0.5)), make_sample((0.4, 0.5), (0.5, 0.5))]
    people = summarise_people(samples, (40, 60))
    assert people.keyframes_by_people == (0, 1, 2)
    # Widths 6, 12, 18, 24, 30: the 5th percentile lies a fifth of the way from the first to the second.
    assert people.box_width_px == Spread(p5=pytest.approx(7.2), median=18.0, p95=pytest.approx(28.8))
    assert people.box_height_px == Spread(p5=20.0, median=20.0, p95=20.0)
    assert people.box_area_px.median == pytest.approx(360.0)


@pytest.mark.real
def test_real_keyframes_show_500_people_one_or_two_at_a_time(real_dataset: Path) -> None:
    people = summarise_people(load_dataset(DatasetLayout(real_dataset)).samples(ALL_SPLITS), (40, 60))
    assert len(people.keyframes_by_people) == 3
    assert sum(people.keyframes_by_people) == 387
    assert people.keyframes_by_people[1] + 2 * people.keyframes_by_people[2] == 500
