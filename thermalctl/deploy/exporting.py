"""An ONNX file made, checked and described, from what was asked to the verdict."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.card import card_path, write_card
from thermalctl.deploy.clip_choice import choose_dataset, choose_split
from thermalctl.deploy.export import ExportedModel
from thermalctl.deploy.exporters import choose_exporter
from thermalctl.deploy.making import ExportOptions, find_calibration_clips, make_file, make_reduced_file
from thermalctl.deploy.quantize import expect_int8_opset
from thermalctl.deploy.scaling import fit_scaling
from thermalctl.deploy.training_facts import find_own_predictions, find_training_facts
from thermalctl.deploy.verification import DEFAULT_TOLERANCE, Verification
from thermalctl.deploy.verify import verify_onnx
from thermalctl.engine.restore import RestoredModel, find_checkpoint, restore_model
from thermalctl.engine.score import OnProgress, check_classes, score_split
from thermalctl.errors import RequestError
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.runs import find_run

OnNote = Callable[[str], None]
OnStage = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """An export and what became of it.

    Attributes:
        checkpoint: the model.
        exported: the file.
        verification: how it compares with PyTorch; None where there was no dataset to compare on.
        card: the file's description; None where nothing was written.
    """

    checkpoint: Path
    exported: ExportedModel
    verification: Verification | None
    card: Path | None

    @property
    def holds(self) -> bool:
        """Whether the file was compared with PyTorch, and is the same model."""
        return self.verification is not None and self.verification.holds


def run_export(
    path: Path | None,
    options: ExportOptions | None = None,
    *,
    output: Path | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    num_clips: int | None = None,
    last: bool = False,
    config: str | None = None,
    data: Path | None = None,
    force: bool = False,
    on_note: OnNote = lambda text: None,
    on_stage: OnStage = lambda text: None,
    on_progress: OnProgress | None = None,
) -> ExportResult:
    """Export a run's or a checkpoint's model and return the file with how it compares with PyTorch on real clips.

    Args:
        path: a work dir or a checkpoint; None for the newest run.
        options: what to make of it.
        output: the ONNX file; None for the checkpoint's name in the work dir.
        tolerance: largest difference in probability that is accepted of float32.
        num_clips: how many clips to compare on at most; None for all.
        last: take the last checkpoint although there is one chosen as the best.
        config: a configuration to use instead of the checkpoint's own.
        data: the dataset to compare on; None for what the run was trained on, or else the one that is found. With
            `options.frame_size` none is needed; the file is then not compared with anything.
        force: replace files that are there.
        on_note: told what was chosen.
        on_stage: told what comes next.
        on_progress: told (clips done, clips in all).

    Raises:
        RequestError: if a file is there already, or what is asked for is impossible.
        CheckpointError: if the model cannot be read, or says too little.
        DatasetError: if there is no dataset and one is needed.
    """
    options = options or ExportOptions()
    choose_exporter(options.opset)
    if options.precision == "int8":
        expect_int8_opset(options.opset)
    run = find_run(path)
    checkpoint = find_checkpoint(run, last=last)
    on_note(f"model: {checkpoint} ({run.how})")
    output = output or run.folder / f"{checkpoint.stem}{_name_variant(options)}.onnx"
    _expect_free(output, force=force)
    dataset = choose_dataset(data, run, may_lack=options.frame_size is not None, on_note=on_note)
    if dataset is None and options.precision == "int8":
        raise RequestError("--precision int8: needs clips to measure its scales on", hint="name a dataset with --data")
    restored = restore_model(checkpoint, config=config, dataset=dataset)
    if dataset is not None:
        check_classes(restored, dataset)
    judged = find_own_predictions(run.folder, restored, choose_split(dataset))
    fit = None
    if options.fits_temperature:
        on_stage("fitting the temperature")
        fit = fit_scaling(_find_fitting(judged, dataset) or _score(restored, dataset, on_progress))
    clips = None
    with tempfile.TemporaryDirectory() as folder:
        on_stage("exporting")
        before = Path(folder, "fp32.onnx") if options.precision != "fp32" else None
        exported = make_file(restored, before or output, dataset, options, fit=fit)
        if before is not None:
            on_stage("reducing")
            if dataset is not None and options.precision == "int8":
                clips = find_calibration_clips(restored, dataset, exported, options)
            exported = make_reduced_file(exported, output, options, clips)
        on_stage("checking")
        verification = None
        if dataset is not None:
            verification = verify_onnx(
                output,
                restored,
                dataset,
                split=choose_split(dataset),
                num_clips=num_clips,
                tolerance=tolerance,
                before=before,
                on_progress=on_progress,
            )
    card = write_card(
        exported,
        restored,
        find_training_facts(restored, dataset, judged),
        verification=verification,
        judged=judged,
        num_calibration_clips=None if clips is None else len(clips),
    )
    return ExportResult(checkpoint=checkpoint, exported=exported, verification=verification, card=card)


def _name_variant(options: ExportOptions) -> str:
    kind = "_rgb" if options.input_kind == "rgb" else ""
    return kind if options.precision == "fp32" else f"{kind}_{options.precision}"


def _expect_free(output: Path, *, force: bool) -> None:
    if output.is_dir():
        raise RequestError(f"{output}: is a folder", hint=f"name a file, as {output / 'model.onnx'}")
    if output.suffix == card_path(output).suffix:
        raise RequestError(f"{output}: is the name of its card", hint=f"as {output.with_suffix('.onnx')}")
    for file in (output, card_path(output)):
        if file.exists() and not force:
            raise RequestError(f"{file}: is there already", hint="--force replaces it; --output names another file")


def _find_fitting(judged: Predictions | None, dataset: ThermalDataset | None) -> Predictions | None:
    """Return predictions that a temperature can be fitted on: with logits, and of this dataset if there is one."""
    if judged is None or judged.logits is None:
        return None
    is_same = dataset is None or judged.provenance.dataset_fingerprint == dataset.fingerprint()
    return judged if is_same else None


def _score(restored: RestoredModel, dataset: ThermalDataset | None, on_progress: OnProgress | None) -> Predictions:
    if dataset is None:
        raise RequestError("--temperature fit: needs clips to fit it on", hint="name a dataset with --data")
    return score_split(restored, dataset, choose_split(dataset), on_progress=on_progress)
