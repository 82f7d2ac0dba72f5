"""What simple baselines score, as a page's table: grouped by what a sample is and on what terms it was judged."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from thermalctl.clip_spec import Target
from thermalctl.evaluation.learnability import BaselineResult, Learnability
from thermalctl.reports.page_axes import TRACK_WIDTH
from thermalctl.reports.page_chart import draw_bar
from thermalctl.reports.sentences import count
from thermalctl.reports.text import format_percent

#: What the baselines are, for readers who meet them here first.
BASELINES = (
    ("majority", "always the most frequent label: of train, or of all sessions where each is held out in turn"),
    ("training majority", "always the most frequent label of the sessions trained on"),
    ("nearest keyframe", "the label of the training keyframe nearest in time, in the same recording"),
    ("nearest clip", "the label of the training clip with the most similar mean picture"),
    ("trees", "a tree ensemble on the pictures of a clip"),
    ("trees, as recorded", "the same trees on frames neither repaired nor taken relative to the room"),
)
_SAMPLES: dict[Target, tuple[str, str]] = {"frame": ("Whole frames", "frame"), "person": ("People", "person")}


@dataclass(frozen=True, kw_only=True)
class Score:
    """A rate in words, and the path of a bar as long as it."""

    text: str
    path: str


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """What one baseline scores."""

    name: str
    top1: Score
    mean_class: Score
    macro_f1: Score


@dataclass(frozen=True, kw_only=True)
class ScoreGroup:
    """The baselines that were judged on the same samples: what a sample is, on what terms, and how many there were."""

    samples: str
    terms: str
    num_judged: str
    rows: tuple[ScoreRow, ...]


def group_scores(learnability: Learnability) -> tuple[ScoreGroup, ...]:
    """Return the scores in their order, those on the same samples together."""
    groups = []
    for (target, terms, split), found in groupby(
        learnability.results, key=lambda result: (result.target, result.terms, result.split)
    ):
        results = list(found)
        samples, noun = _SAMPLES[target]
        groups.append(
            ScoreGroup(
                samples=samples,
                terms=f"trained on train, judged on {split}"
                if terms == "given split"
                else "each session held out in turn",
                num_judged=count(results[0].num_judged, noun, "people" if target == "person" else None),
                rows=tuple(_make_row(result) for result in results),
            )
        )
    return tuple(groups)


def describe_carry_over(learnability: Learnability) -> tuple[str, ...]:
    """Return for each target what the trees keep of their score in sessions that they never saw, a sentence each."""
    sentences = []
    for target, (samples, _) in _SAMPLES.items():
        given = learnability.find(target, "given split", "trees")
        held_out = learnability.find(target, "session held out", "trees")
        if given and held_out:
            sentences.append(
                f"{samples}: the same trees answer {_percent(given.top1)} rightly on the given split and "
                f"{_percent(held_out.top1)} in sessions that they never saw; mean class "
                f"{_percent(given.mean_class)} and {_percent(held_out.mean_class)}."
            )
    return tuple(sentences)


def _make_row(result: BaselineResult) -> ScoreRow:
    return ScoreRow(
        name=result.baseline,
        top1=_make_score(result.top1, result.top1_spread),
        mean_class=_make_score(result.mean_class, result.mean_class_spread),
        macro_f1=_make_score(result.macro_f1, None),
    )


def _make_score(rate: float, spread: float | None) -> Score:
    text = format_percent(rate) + (f" ± {format_percent(spread)}" if spread else "")
    return Score(text=text, path=draw_bar(0.0, TRACK_WIDTH * rate))


def _percent(rate: float) -> str:
    return f"{format_percent(rate)}\N{NO-BREAK SPACE}%"
