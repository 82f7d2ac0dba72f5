from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from PIL import Image

from thermalctl.reports.timeline import Span, Timeline, draw_timeline, save_timeline
from thermalctl.streams.frames import Interruption
from thermalctl.streams.track import Stretch

CLASSES = ("standing", "lying", "sitting")


def make_stretch(start_s: float, end_s: float, name: str | None, **values: Any) -> Stretch:
    fields = {"person": None, "probability": 0.5, "num_windows": 3} | values
    return Stretch(start_ms=round(1000 * start_s), end_ms=round(1000 * end_s), class_name=name, **fields)


def make_timeline(**values: Any) -> Timeline:
    stretches = [make_stretch(5, 15, "lying", num_windows=9), make_stretch(16, 30, "standing")]
    fields = {"title": "R1", "start_ms": 0, "end_ms": 40_000, "window_s": 8.0, "stride_ms": 1000.0,
              "stretches": stretches, "classes": CLASSES}  # fmt: skip
    return Timeline(**(fields | values))


def list_bars(timeline: Timeline) -> list[tuple[float, float]]:
    """Return from when to when each bar is drawn, seconds."""
    [axes] = draw_timeline(timeline).axes
    bars = [bar for bar in axes.collections if isinstance(bar, PolyCollection)]
    ends = [bar.get_paths()[0].vertices[:, 0] for bar in bars]
    return [(float(np.min(xs)), float(np.max(xs))) for xs in ends]


def list_lanes(timeline: Timeline) -> list[str]:
    [axes] = draw_timeline(timeline).axes
    return [label.get_text() for label in axes.get_yticklabels()]


def test_lanes_are_the_classes_that_occur_the_most_frequent_on_top_and_events_above() -> None:
    event = Span(name="fall", start_ms=5000, end_ms=15_000, raised_ms=12_000)
    assert list_lanes(make_timeline()) == ["lying", "standing"]
    assert list_lanes(make_timeline(events=[event, event])) == ["fall", "lying", "standing"]


def test_bar_reaches_half_a_stride_beyond_its_windows_or_halfway_to_the_next() -> None:
    assert list_bars(make_timeline()) == [(4.5, 15.5), (15.5, 30.5)]
    apart = [make_stretch(5, 10, "lying"), make_stretch(20, 20, "standing")]
    assert list_bars(make_timeline(stretches=apart)) == [(4.5, 10.5), (19.5, 20.5)]
    near = [make_stretch(5, 10, "lying"), make_stretch(10.4, 12, "standing")]
    assert list_bars(make_timeline(stretches=near)) == [(4.5, pytest.approx(10.2)), (pytest.approx(10.2), 12.5)]


def test_people_do_not_cut_each_other_short() -> None:
    both = [make_stretch(5, 10, "lying", person=0), make_stretch(5, 12, "lying", person=1)]
    assert list_bars(make_timeline(stretches=both)) == [(4.5, 10.5), (4.5, 12.5)]


def test_event_is_a_bar_of_its_own_length() -> None:
    event = Span(name="fall", start_ms=6000, end_ms=14_000, raised_ms=12_000)
    assert (6.0, 14.0) in list_bars(make_timeline(events=[event]))


@pytest.mark.parametrize("hours", [0.01, 3, 50])
def test_picture_of_any_length_is_as_wide(tmp_path: Path, hours: float) -> None:
    end_ms = round(3_600_000 * hours)
    gap = Interruption(start_ms=end_ms // 3, end_ms=end_ms // 2, cause="gap")
    lost = make_stretch(1, 2, None)
    timeline = make_timeline(end_ms=end_ms, interruptions=[gap], stretches=[lost, make_stretch(3, 4, "sitting")])
    save_timeline(tmp_path / "timeline.png", timeline)
    with Image.open(tmp_path / "timeline.png") as picture:
        assert picture.width == 1200


def test_recording_without_an_answer_has_a_picture(tmp_path: Path) -> None:
    save_timeline(tmp_path / "timeline.png", make_timeline(stretches=[]))
    assert (tmp_path / "timeline.png").exists()
