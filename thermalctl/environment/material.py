"""What a training run starts from: pretrained weights and a dataset.

The `examine_` functions run in a probe's process, for they import what may be broken, and may take their time: they
hash weights of 135 MB and read every annotation. The `check_` functions judge what those found.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from thermalctl.environment.breaks import explain_break
from thermalctl.environment.diagnosis import REPORT, Check, Status
from thermalctl.environment.machine import OTHER_OPEN_FILES
from thermalctl.environment.probe import ProbeResult
from thermalctl.environment.quantities import quote_path, shorten_home
from thermalctl.errors import DatasetError


def examine_weights(current_folder: Path) -> dict[str, Any]:
    """Return the name of the guide's weights, and whether they are here: "verified", "damaged" or "absent"."""
    from thermalctl.weights.catalog import DEFAULT_WEIGHTS, get_entry
    from thermalctl.weights.listing import look_up

    listed = look_up(get_entry(DEFAULT_WEIGHTS), current_folder=current_folder)
    return {"name": DEFAULT_WEIGHTS, "status": listed.status, "path": str(listed.path) if listed.path else None}


def check_weights(probe: ProbeResult, *, needed: bool) -> Check:
    """Return whether the weights of the guide's configuration are here and whole.

    Args:
        probe: the answer of the probe "weights".
        needed: whether `train` starts from them unless told otherwise, as it does where there is a GPU.
    """
    unusable: Status = "failed" if needed else "warning"
    if probe.error is not None:
        why, fix = explain_break(probe.error)
        return Check(name="weights", status=unusable, found=probe.error, why=why, fix=fix or REPORT)
    name, status = probe.facts["name"], probe.facts["status"]
    command = f"thermalctl download-weights {name}"
    if status == "absent":
        return Check(
            name="weights",
            status="failed" if needed else "skipped",
            found=f"{name} is not here",
            why="train starts from it unless told --load-from none"
            if needed
            else "slowfast-r50, for a GPU, starts from it; slowfast-tiny from scratch",
            fix=command if needed else None,
            facts=probe.facts,
        )
    if status == "damaged":
        return Check(
            name="weights",
            status=unusable,
            found=f"{shorten_home(Path(probe.facts['path']))} is damaged",
            why="its SHA-256 is not the published one",
            fix=f"{command} --force",
            facts=probe.facts,
        )
    return Check(name="weights", status="ok", found=f"{name}, verified", facts=probe.facts)


def examine_dataset(data: Path | None, current_folder: Path) -> dict[str, Any]:
    """Return what is known of a dataset.

    Args:
        data: the folder that the user named, if any.
        current_folder: where one is looked for otherwise.

    Returns:
        {} if none was named and none is there; {"problems", "hint", "named", "root"} if it cannot be used, root being
        None where no folder could be chosen; else {"root", "name", "how", "recordings", "keyframes", "classes"}.
    """
    from thermalctl.dataset.layout import DATA_VARIABLE, find_dataset, search_datasets
    from thermalctl.dataset.samples import load_dataset

    is_named = data is not None or bool(os.environ.get(DATA_VARIABLE))
    if not is_named and next(search_datasets(current_folder), None) is None:
        return {}
    root = None
    try:
        found = find_dataset(data, current_folder=current_folder)
        root = str(found.layout.root)
        dataset = load_dataset(found.layout)
    except DatasetError as error:
        return {"problems": error.message.splitlines(), "hint": error.hint, "named": is_named, "root": root}
    return {
        "root": root,
        "name": found.layout.root.resolve().name,
        "how": found.how,
        "recordings": len(dataset.recordings),
        "keyframes": {split: len(annotated.images) for split, annotated in dataset.splits.items()},
        "classes": dataset.num_classes,
    }


def check_dataset(probe: ProbeResult, *, open_files_limit: int | None = None) -> Check:
    """Return whether a dataset is there and holds together.

    Args:
        probe: the answer of the probe "dataset".
        open_files_limit: how many files a process may open; loader workers keep every recording open.
    """
    if probe.error is not None:
        why, fix = explain_break(probe.error)
        return Check(name="dataset", status="failed", found=probe.error, why=why, fix=fix or REPORT)
    facts = probe.facts
    if not facts:
        return Check(
            name="dataset",
            status="skipped",
            found="none at or below the current folder",
            why="look at one with doctor --data DIR; thermalctl demo makes one to try",
        )
    if "problems" in facts:
        return _explain_problems(probe)
    keyframes = ", ".join(f"{count:,} {split}" for split, count in facts["keyframes"].items())
    found = (
        f"{facts['name']}, {facts['how']}; recordings: {facts['recordings']:,}; "
        f"keyframes: {keyframes}; classes: {facts['classes']}"
    )
    if open_files_limit is not None and facts["recordings"] + OTHER_OPEN_FILES > open_files_limit:
        why = f"a process keeps every recording open that it has read, and may open {open_files_limit:,} files"
        fix = f"ulimit -n {2 * (facts['recordings'] + OTHER_OPEN_FILES)}"
        return Check(name="dataset", status="warning", found=found, why=why, fix=fix, facts=facts)
    why = f"more: thermalctl inspect-dataset --data {quote_path(Path(facts['root']))}"
    return Check(name="dataset", status="ok", found=found, why=why, facts=facts)


def _explain_problems(probe: ProbeResult) -> Check:
    """Return the first problem and the number of the others.

    `inspect-dataset` refuses such a dataset as well and says all that it says: of use only if there are others.
    """
    problems, root = list(probe.facts["problems"]), probe.facts["root"]
    uncounted = re.match(r"\.\.\. and (\d+) more", problems[-1])
    num_others = len(problems) - 1 + (int(uncounted[1]) - 1 if uncounted else 0)
    has_more_to_say = root is not None and num_others > 0
    return Check(
        name="dataset",
        status="failed" if probe.facts["named"] or root is not None else "warning",
        found=problems[0],
        why=f"and {num_others:,} more problem{'s' if num_others > 1 else ''}" if num_others else "",
        fix=f"thermalctl inspect-dataset --data {quote_path(Path(root))}" if has_more_to_say else probe.facts["hint"],
        facts=probe.facts,
    )
