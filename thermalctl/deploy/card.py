"""The card that lies beside an exported model: what it is, what it was trained on, how good it is, and its limits."""

from __future__ import annotations

from pathlib import Path

import jinja2

from thermalctl.clip_spec import ClipSpec
from thermalctl.deploy.export import ExportedModel
from thermalctl.deploy.training_facts import TrainingFacts
from thermalctl.deploy.verification import Verification
from thermalctl.engine.restore import RestoredModel
from thermalctl.evaluation.predictions import Predictions
from thermalctl.files import replace_file
from thermalctl.recordings.health import INCOMPLETE_BELOW_C
from thermalctl.reports.classification import build_report
from thermalctl.reports.judged import list_rows
from thermalctl.reports.sentences import count
from thermalctl.version import __version__

#: A class with fewer training clips is named among the limits.
FEW_TRAIN_CLIPS = 5


def card_path(path: Path) -> Path:
    """Return where the card of an ONNX file lies."""
    return path.with_suffix(".md")


def write_card(
    exported: ExportedModel,
    restored: RestoredModel,
    facts: TrainingFacts,
    *,
    verification: Verification | None,
    judged: Predictions | None,
    num_calibration_clips: int | None = None,
) -> Path:
    """Write a model's card beside it, in Markdown, and return where. It holds no path of this machine.

    Args:
        exported: the file.
        restored: the model that it was made from.
        facts: what that was trained on.
        verification: how the file compares with it; None where it was not compared.
        judged: what the model answers on clips whose class is known; None where nobody asked.
        num_calibration_clips: on how many training clips the scales of int8 were measured.
    """
    report = None if judged is None else build_report(judged)
    text = _load_template().render(
        exported=exported,
        restored=restored,
        spec=restored.clip_spec,
        clip_sentences=_describe_clip(restored.clip_spec, exported, facts),
        facts=facts,
        limits=_list_limits(restored, facts, judged),
        verification=verification,
        report=report,
        rows=() if report is None else list_rows(report.metrics, report.judgement, report.baselines),
        num_calibration_clips=num_calibration_clips,
        version=__version__,
    )
    path = card_path(exported.path)
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _load_template() -> jinja2.Template:
    # Markdown, which is not escaped as a page is; names of classes, which come from others, go through `cell`.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("thermalctl.deploy"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "cell": lambda text: " ".join(str(text).split()).replace("|", "\\|"),
        "count": count,
        "percent": lambda share: f"{100 * share:.1f}",
        "shape": lambda sizes: f"(N, {', '.join(map(str, sizes))})",
    }
    return environment.get_template("model_card.md.j2")


def _describe_clip(spec: ClipSpec | None, exported: ExportedModel, facts: TrainingFacts) -> list[str]:
    """Return what a clip must be, a sentence each."""
    if exported.input_kind == "rgb" or spec is None:
        return [
            "The network's own input: clips that were scaled, resized and normalised before, as in its training.",
            "What that was is in the training's configuration, not in this file.",
        ]
    height, width = exported.inputs["input"][-2:]
    how = "consecutive frames" if spec.time_sampling == "consecutive" else f"frames spread over {spec.window_s:g} s"
    sentences = [
        f"{spec.num_frames} {how} of {height}x{width} pixels, float32, degrees Celsius, as the sensor sent them.",
        f"The answer is about the middle of the clip, its frame {spec.num_frames // 2} counted from 0.",
    ]
    if facts.clip_s is not None:
        low, high = facts.clip_s
        sentences.append(
            f"In training a clip lasted {low:.1f} to {high:.1f} s; a sensor of another frame rate shows actions at "
            "another speed."
        )
    low_c, high_c = spec.temperature_range_c
    where = " above the room, the clip's median," if spec.temperatures == "relative" else ""
    sentences.append(
        f"Temperatures from {low_c:g} to {high_c:g} °C{where} are told apart; below and above all are the same to it."
    )
    if spec.repair == "nearest":
        sentences.append(
            f"A frame with a pixel below {INCOMPLETE_BELOW_C:g} °C, or with one that is not a number, counts as "
            "incomplete; the file replaces it by the nearest complete frame of the clip. One must be complete."
        )
    else:
        sentences.append("Incomplete frames are not repaired: leave them out, or replace them beforehand.")
    if spec.target == "person":
        sentences.append(
            "It judges one person, whose box is given "
            + ("for each frame." if spec.person_crop == "follow" else "for the middle frame.")
        )
    else:
        sentences.append("It judges the frame as a whole, with whoever is in it.")
    return sentences


def _list_limits(restored: RestoredModel, facts: TrainingFacts, judged: Predictions | None) -> list[str]:
    """Return what a user must not expect of the model, a sentence each."""
    limits = []
    if facts.counts is not None:
        unseen = [name for name, number in zip(restored.classes, facts.counts, strict=True) if not number]
        rare = [
            name for name, number in zip(restored.classes, facts.counts, strict=True) if 0 < number < FEW_TRAIN_CLIPS
        ]
        if unseen:
            limits.append(f"It has never seen {_enumerate(unseen)}: it cannot be expected to recognise that.")
        if rare:
            limits.append(f"It has seen fewer than {FEW_TRAIN_CLIPS} clips each of {_enumerate(rare)}.")
    if judged is None:
        limits.append("Nobody has measured how often it is right.")
    elif judged.protocol.num_overlapping:
        limits.append(
            f"{judged.protocol.num_overlapping} of the {judged.num_samples} clips it was judged on share frames with "
            "its training clips: in another room it will be right less often than the figures say."
        )
    if facts.num_sensors == 1:
        limits.append("All of its training clips are of one sensor; others were not tried.")
    limits += [
        "How high the sensor hangs and what it looks at is not recorded here; the model knows the view that it was "
        "trained on.",
        "It always answers one of its classes, also for an empty room or an action that it does not know.",
    ]
    return limits


def _enumerate(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
