"""Findings as a page lists them: a verdict in one line, and for each finding the commands that help."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from thermalctl.dataset.findings import Finding
from thermalctl.dataset.inspect import Inspection
from thermalctl.reports.inspection import Section, find_section
from thermalctl.reports.sentences import count

#: The clips behind a finding, by what `preview --finding` calls it.
_PREVIEWS = {"frames": "incomplete", "labels": "conflicting", "classes": "rare"}


@dataclass(frozen=True, kw_only=True)
class FindingEntry:
    """A finding, the section that tells more of it, and commands to copy, each with what it does."""

    finding: Finding
    section: Section
    commands: tuple[tuple[str, str], ...]


def describe_verdict(findings: Sequence[Finding]) -> str:
    """Return what the findings come to, in one line."""
    errors = sum(finding.status == "error" for finding in findings)
    warnings = sum(finding.status == "warning" for finding in findings)
    if errors:
        others = f" and {count(warnings, 'warning')}" if warnings else ""
        them = "the error" if errors == 1 else "the errors"
        return f"{count(errors, 'error')}{others}: mend {them} before you trust any score."
    if warnings:
        return f"No error, {count(warnings, 'warning')}: know them before training."
    return f"Nothing to mend: {count(len(findings), 'check')} passed." if findings else "Nothing was checked."


def list_findings(findings: Sequence[Finding], inspection: Inspection) -> tuple[FindingEntry, ...]:
    """Return the findings in their order; where several are of one topic, the first has the commands."""
    told: set[str] = set()
    entries = []
    for finding in findings:
        is_new = finding.status != "ok" and finding.topic not in told
        commands = _list_commands(finding.topic, inspection) if is_new else ()
        if is_new:
            told.add(finding.topic)
        entries.append(FindingEntry(finding=finding, section=find_section(finding), commands=commands))
    return tuple(entries)


def _list_commands(topic: str, inspection: Inspection) -> tuple[tuple[str, str], ...]:
    data = f"--data {shlex.quote(str(inspection.root))}"
    if topic == "leakage":
        commands = []
        if len(inspection.sessions) > 1:
            commands.append(("split by session", f"thermalctl split-dataset {data} --by session"))
        commands += [
            ("look at the clips", f"thermalctl preview {data} --finding leakage --split {leakage.protocol.split}")
            for leakage in inspection.leakage
            if leakage.protocol.num_overlapping
        ]
        return tuple(commands)
    if topic == "timing":
        return (("as a command", f"thermalctl train {data} --time uniform --seconds 10"),)
    commands = []
    if topic == "labels":
        commands.append(("as a command", f"thermalctl train {data} --target person"))
    if topic in _PREVIEWS:
        raw = " --raw" if topic == "frames" else ""
        commands.append(("look at the clips", f"thermalctl preview {data} --finding {_PREVIEWS[topic]}{raw}"))
    return tuple(commands)
