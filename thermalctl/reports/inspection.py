"""Everything that `inspect-dataset` tells: what is in a dataset, what can be learned from it, what looks wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, get_args

from thermalctl.dataset.findings import Finding
from thermalctl.dataset.inspect import Inspection, inspect_dataset
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import load_dataset
from thermalctl.evaluation.label_errors import SuspectLabel, find_label_errors
from thermalctl.evaluation.learnability import Learnability, measure_learnability

#: The parts of an inspection, in the order in which they are shown.
Section = Literal["structure", "leakage", "health", "statistics", "learnability", "labels"]
SECTIONS: tuple[Section, ...] = get_args(Section)

#: Which part a finding belongs to, by its topic; a split's own finding is about its size.
_SECTION_OF_TOPIC: dict[str, Section] = {
    "leakage": "leakage",
    "copies": "leakage",
    "splits": "structure",
    "stamps": "structure",
    "classes": "statistics",
    "labels": "labels",
}
_HEALTH_TOPICS = frozenset(
    {"frames", "pixels", "room", "timing", "gaps", "sensor", "range", "drift", "glitches", "frozen", "warm-up"}
)


@dataclass(frozen=True, kw_only=True)
class DatasetReport:
    """An inspection and the sections that were asked for.

    Attributes:
        inspection: what was found in the files.
        sections: what was asked for.
        learnability: what simple baselines score; None where it was not asked for.
        suspects: labels that are probably wrong; None where they were not asked for.
    """

    inspection: Inspection
    sections: tuple[Section, ...]
    learnability: Learnability | None
    suspects: tuple[SuspectLabel, ...] | None

    @property
    def holds(self) -> bool:
        """Whether there is neither an error nor a leak."""
        return not any(
            finding.status == "error" or (finding.topic == "leakage" and finding.status != "ok")
            for finding in self.findings
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of the sections that were asked for, worst first."""
        return tuple(finding for finding in self.inspection.findings if find_section(finding) in self.sections)


def report_dataset(
    layout: DatasetLayout,
    *,
    window_frames: int = 64,
    sections: Collection[Section] = SECTIONS,
    num_cores: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> DatasetReport:
    """Return everything that can be told of a dataset without a network.

    Args:
        layout: the dataset folder.
        window_frames: T, frames in a clip.
        sections: what to look at; the tree ensembles of "learnability" and "labels" take most of the time.
        num_cores: processor cores for the trees.
        on_progress: told (steps done, steps in all) of each stage.
        on_stage: told in words what comes next.

    Raises:
        DatasetError: if the dataset contradicts itself.
        RecordingError: if a recording is damaged.
    """
    tell = on_stage or (lambda stage: None)
    tell("reading recordings")
    inspection = inspect_dataset(layout, window_frames=window_frames, on_progress=on_progress)
    learnability = suspects = None
    dataset = load_dataset(layout)
    if "learnability" in sections:
        tell("growing trees: what can be learned")
        learnability = measure_learnability(
            dataset, num_frames=window_frames, n_jobs=num_cores, on_progress=on_progress
        )
    if "labels" in sections:
        tell("growing trees: doubtful labels")
        suspects = find_label_errors(dataset, num_frames=window_frames, n_jobs=num_cores, on_progress=on_progress)
    return DatasetReport(
        inspection=inspection,
        sections=tuple(section for section in SECTIONS if section in sections),
        learnability=learnability,
        suspects=suspects,
    )


def find_section(finding: Finding) -> Section:
    """Return which part of an inspection a finding belongs to."""
    if finding.topic in _HEALTH_TOPICS:
        return "health"
    return _SECTION_OF_TOPIC.get(finding.topic, "statistics")
