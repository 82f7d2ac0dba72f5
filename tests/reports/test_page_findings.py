from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from thermalctl.dataset.findings import Finding
from thermalctl.dataset.leakage import Leakage, Protocol
from thermalctl.reports.page_findings import describe_verdict, list_findings


def make(status: Any = "warning", topic: str = "frames") -> Finding:
    return Finding(status=status, topic=topic, text="something", fix=None if status == "ok" else "mend it")


def make_leakage(split: str, num_overlapping: int) -> Leakage:
    protocol = Protocol(
        split=split, split_rule="given", num_clips=5, num_overlapping=num_overlapping, num_sessions=2,
        sessions_in_train=("a",), shared_sessions=("a",),
    )  # fmt: skip
    return Leakage(
        protocol=protocol, num_same_frames=0, median_distance_frames=None, copy_top1=0.0, copy_mean_class=0.0,
        majority_top1=0.0, majority_mean_class=0.0,
    )  # fmt: skip


@dataclass
class InspectionOfSomething:
    """As much of an inspection as commands depend on."""

    root: Path = Path("my data")
    sessions: tuple[str, ...] = ("a", "b")
    leakage: tuple[Leakage, ...] = field(default_factory=tuple)


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        (["error", "warning", "ok"], "1 error and 1 warning: mend the error before you trust any score."),
        (["error", "error"], "2 errors: mend the errors before you trust any score."),
        (["warning", "warning", "ok"], "No error, 2 warnings: know them before training."),
        (["ok", "ok"], "Nothing to mend: 2 checks passed."),
        ([], "Nothing was checked."),
    ],
)
def test_verdict_says_what_to_do(findings: list[str], verdict: str) -> None:
    assert describe_verdict([make(status) for status in findings]) == verdict


def list_commands(inspection: InspectionOfSomething, *findings: Finding) -> list[list[str]]:
    entries = list_findings(findings, inspection)  # type: ignore[arg-type]
    return [[command for _, command in entry.commands] for entry in entries]


def test_leakage_is_mended_by_a_split_and_looked_at_in_each_split_that_overlaps() -> None:
    inspection = InspectionOfSomething(leakage=(make_leakage("val", 3), make_leakage("test", 0)))
    assert list_commands(inspection, make("error", "leakage")) == [
        [
            "thermalctl split-dataset --data 'my data' --by session",
            "thermalctl preview --data 'my data' --finding leakage --split val",
        ]
    ]


def test_one_session_cannot_be_split() -> None:
    inspection = InspectionOfSomething(sessions=("a",), leakage=(make_leakage("val", 3),))
    [[command]] = list_commands(inspection, make("error", "leakage"))
    assert "preview" in command


def test_commands_are_told_once_a_topic_and_not_for_what_is_fine() -> None:
    told = list_commands(InspectionOfSomething(), make(), make(), make("ok", "labels"), make(topic="labels"))
    assert [len(commands) for commands in told] == [1, 0, 0, 1 + 1]


def test_folder_is_quoted_for_a_shell() -> None:
    inspection = InspectionOfSomething(root=Path("a'; rm -rf $HOME #"))
    [[command]] = list_commands(inspection, make(topic="classes"))
    assert shlex.split(command) == [
        "thermalctl", "preview", "--data", "a'; rm -rf $HOME #", "--finding", "rare",
    ]  # fmt: skip


def test_finding_knows_its_section() -> None:
    entries = list_findings([make(topic="leakage"), make(topic="gaps"), make(topic="labels")], InspectionOfSomething())  # type: ignore[arg-type]
    assert [entry.section for entry in entries] == ["leakage", "health", "labels"]
