"""How sure a report's numbers are, as the rows and sentences that stand beside them."""

from __future__ import annotations

import math

from thermalctl.evaluation.baselines import BaselineScore
from thermalctl.evaluation.calibration import Calibration
from thermalctl.evaluation.costs import CostView, OperatingPoint
from thermalctl.evaluation.judgement import FEW_SESSIONS, JudgedReference, Judgement, Number
from thermalctl.evaluation.metrics import Metrics
from thermalctl.evaluation.paired import SIGNIFICANT, Comparison
from thermalctl.evaluation.resampling import Interval
from thermalctl.reports.sentences import count
from thermalctl.reports.text import format_percent

#: (name, top-1, mean class, macro F1, what a paired test says), as the tables have them.
Row = tuple[str, str, str, str, str]

_NAMES = {
    "top3": "top-3",
    "top5": "top-5",
    "mean_average_precision": "mean average precision",
    "ece": "calibration error",
    "log_loss": "log loss",
    "brier": "Brier score",
}
#: Ends of wider intervals are told without decimals, which they would not deserve.
NARROW = 0.1
#: These are no shares.
_PLAIN = frozenset({"log_loss", "brier"})


def list_rows(metrics: Metrics, judgement: Judgement, baselines: tuple[BaselineScore, ...]) -> list[Row]:
    """Return the model, the baselines that were fitted on its training clips, the best first, and those of chance."""
    top1, mean_class = judgement.numbers["top1"], judgement.numbers["mean_class"]
    rows: list[Row] = [
        (
            "this model",
            format_number(metrics.top1, find_shown(top1, judgement)),
            format_number(metrics.mean_class_accuracy, find_shown(mean_class, judgement)),
            format_percent(metrics.macro_f1),
            "",
        )
    ]
    for one in judgement.references:
        rows.append(
            (
                one.name,
                format_number(one.top1, one.top1_interval),
                format_number(one.mean_class, one.mean_class_interval),
                format_percent(one.macro_f1),
                describe_comparison(one.comparison),
            )
        )
    known = {one.name for one in judgement.references}
    for baseline in baselines:
        if baseline.name not in known:
            chance, mean = format_percent(baseline.top1), format_percent(baseline.mean_class)
            rows.append((baseline.name, chance, mean, format_percent(baseline.macro_f1), ""))
    return rows


def list_other_numbers(judgement: Judgement) -> list[tuple[str, str]]:
    """Return (name, value with its interval) of the numbers that are not in the first table."""
    found = []
    for name, title in _NAMES.items():
        number = judgement.numbers[name]
        if number.value is not None:
            shown = find_shown(number, judgement)
            found.append((title, format_number(number.value, shown, plain=name in _PLAIN)))
    return found


def find_shown(number: Number, judgement: Judgement) -> Interval | None:
    """Return the interval that stands beside a number: of sessions where there are enough of them, else of clips."""
    return number.by_session if judgement.num_sessions >= FEW_SESSIONS else number.by_clip


def format_number(value: float | None, interval: Interval | None, *, plain: bool = False) -> str:
    """Return a number with its interval: "87.7 [78, 95]" in percent, or plain; a narrow one has a digit more."""

    def show(number: float, digits: int) -> str:
        return f"{number:.{digits + 2}f}" if plain else f"{100 * number:.{digits}f}"

    if value is None:
        return "-"
    if interval is None:
        return show(value, 1)
    digits = int(interval.high - interval.low < NARROW)
    return f"{show(value, 1)} [{show(interval.low, digits)}, {show(interval.high, digits)}]"


def describe_comparison(comparison: Comparison) -> str:
    """Return what a paired test of top-1 says of a baseline, seen from it: "better, p = 0.58"."""
    if comparison.top1 == 0:
        return "equal"
    return f"{'worse' if comparison.top1 > 0 else 'better'}, {format_p(comparison.mcnemar.p)}"


def format_p(p: float) -> str:
    """Return a p value."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.1 else f"p = {p:.2f}"


def describe_unbeaten(metrics: Metrics, judgement: Judgement) -> str | None:
    """Return which baseline the model does not beat by more than chance, the best on each count; None if none."""
    unbeaten = judgement.unbeaten
    if not unbeaten:
        return None
    best = (max(unbeaten, key=lambda one: one.top1), max(unbeaten, key=lambda one: one.mean_class))
    told = [_describe_unbeaten(metrics, one) for one in {one.name: one for one in best}.values()]
    return f"The model does not beat, by more than chance, {'; nor '.join(told)}."


def _describe_unbeaten(metrics: Metrics, one: JudgedReference) -> str:
    found = one.comparison
    top1 = f"top-1 {100 * metrics.top1:.1f} against {100 * one.top1:.1f} ({format_p(found.mcnemar.p)})"
    mean = f"mean class {100 * metrics.mean_class_accuracy:.1f} against {100 * one.mean_class:.1f}"
    return f'"{one.name}": {top1}, {mean} ({format_p(found.mean_class_p)})'


def describe_sureness(judgement: Judgement) -> tuple[str, ...]:
    """Return what the intervals are, and how far they can be relied on."""
    by_clip, by_session = judgement.coverage_by_clip, judgement.coverage_by_session
    if by_session is None:
        return (
            "In brackets: 95 % intervals, clips drawn anew. All clips are of one session, so that nothing here says "
            "how much another session would differ.",
        )
    if judgement.num_sessions >= FEW_SESSIONS:
        return (
            f"In brackets: 95 % intervals, the {judgement.num_sessions} sessions drawn anew (of baselines, clips). In "
            f"simulated sessions as many and as large as these they hold the truth in {by_session:.0%} of cases.",
        )
    top1, mean_class = (
        format_number(judgement.numbers[name].value, judgement.numbers[name].by_session)
        for name in ("top1", "mean_class")
    )
    return (
        f"In brackets: 95 % intervals, clips drawn anew. With the {judgement.num_sessions} sessions drawn anew: top-1 "
        f"{top1}, mean class {mean_class}.",
        f"Neither is what it claims: {judgement.num_sessions} sessions say little about others. In simulated sessions "
        f"as many and as large as these, intervals of clips hold the truth in {by_clip:.0%} of cases, those of "
        f"sessions in {by_session:.0%}.",
    )


def describe_tests() -> str:
    """Return how baselines are compared."""
    return (
        "better, worse: on top-1, seen from the baseline, with the p of McNemar's exact test; a model beats a baseline "
        f"if it is above it on top-1 and mean class with p < {SIGNIFICANT} on both, and with sessions drawn anew. p "
        "takes clips for independent; those of a session are alike, so it is too small for other sessions."
    )


def describe_calibration(found: Calibration) -> tuple[str, ...]:
    """Return whether the model is too sure or not sure enough, and what a temperature would mend."""
    if found.temperature is None or found.log_loss_scaled is None or found.ece_scaled is None:
        return ("No temperature can be fitted to these clips: there are too few of them, or none of its mistakes.",)
    kind = "too sure" if found.temperature > 1.05 else "not sure enough" if found.temperature < 0.95 else "about right"
    tried = "sessions that it was not fitted on" if found.by_session else "every fifth clip, fitted on the others"
    return (
        f"Its probabilities are {kind}: a temperature of {found.temperature:.2f} fits these clips best. Tried on "
        f"{tried}, log loss goes from {found.log_loss:.3f} to {found.log_loss_scaled:.3f} and the calibration error "
        f"from {100 * found.ece:.1f} to {100 * found.ece_scaled:.1f}.",
    )


def describe_cost(view: CostView | None) -> tuple[str, ...]:
    """Return what mistakes come to where they do not cost the same; nothing where nobody said so."""
    if view is None:
        return ()
    return (
        f"Mistakes cost {view.cost:.3g} a clip. Answering what is expected to cost least instead of what is most "
        f"probable makes it {view.cost_by_least:.3g} and changes {count(view.num_changed, 'answer')}. Always "
        f'"{view.cheapest}", the cheapest constant here, costs {view.cost_of_majority:.3g}.',
    )


def describe_alarm(point: OperatingPoint) -> str:
    """Return where to raise an alarm for a class."""
    of = f"{round(point.recall * point.num_clips)} of its {count(point.num_clips, 'clip')}"
    false = f"{count(point.num_false, 'false alarm')} among {point.num_alarms} ({100 * point.precision:.0f} % right)"
    return (
        f'"{point.name}": an alarm from a probability of {_round_down(point.threshold)} finds {of}, with {false}. '
        "Chosen on these very clips; on others it will differ."
    )


def _round_down(threshold: float) -> str:
    """Return a threshold with six digits, not above it: rounded up it would miss the clip that it was found by."""
    rounded = math.floor(threshold * 1e6) / 1e6
    return f"{rounded:.6g}" if rounded > 0 else repr(threshold)
