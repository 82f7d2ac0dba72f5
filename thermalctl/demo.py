"""The whole journey on simulated recordings: from nothing to a verified ONNX file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thermalctl.dataset.inspect import Inspection, inspect_dataset
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.leakage import score_labels
from thermalctl.dataset.samples import load_dataset
from thermalctl.dataset.simulate import simulate_dataset
from thermalctl.deploy.export import export_onnx
from thermalctl.deploy.verify import verify_onnx
from thermalctl.engine.events import OnEvent
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.plan import plan_training
from thermalctl.engine.restore import restore_model
from thermalctl.engine.testing import TestOptions, run_test
from thermalctl.engine.train import train
from thermalctl.errors import NotHeldError, RequestError
from thermalctl.recordings.simulate import DEMO_SIMULATION
from thermalctl.reports.classification import Report, ReportFiles, build_report, report_folder, write_report

#: Where the demo leaves everything.
DEMO_FOLDER = Path("thermalctl_demo")
DEMO_CONFIG = "slowfast-tiny"
#: Fixed beforehand; the demo has to fit into four minutes on two cores.
DEMO_EPOCHS = 12


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo made and how good it is, on the session that was held out.

    Attributes:
        folder: all of it.
        dataset: the simulated dataset.
        work_dir: the training run.
        files: the report's files.
        onnx: the exported model.
        inspection: what is in the dataset.
        report: the metrics and the baselines.
        nearest_top1: accuracy of copying the label of the training clip that looks most alike, 0 to 1.
        nearest_mean_class: its mean class accuracy, 0 to 1.
        onnx_difference: the largest difference of a probability between PyTorch and the exported model.
        seconds: how long it all took.
    """

    folder: Path
    dataset: Path
    work_dir: Path
    files: ReportFiles
    onnx: Path
    inspection: Inspection
    report: Report
    nearest_top1: float
    nearest_mean_class: float
    onnx_difference: float
    seconds: float


def run_demo(
    folder: Path = DEMO_FOLDER,
    *,
    force: bool = False,
    seed: int | None = None,
    on_step: Callable[[str], None] = lambda text: None,
    on_inspection: Callable[[Inspection], None] = lambda inspection: None,
    on_event: OnEvent = lambda event: None,
) -> DemoResult:
    """Simulate, inspect, train, test, report and export; return what came out.

    Args:
        folder: where it all goes.
        force: remove an earlier demo there.
        seed: of the training; None for the configuration's.
        on_step: told what comes next.
        on_inspection: told what is in the dataset.
        on_event: told how the training goes.

    Raises:
        RequestError: if the folder holds something already.
    """
    started = time.monotonic()
    _clear(folder, force=force)
    layout, work_dir = DatasetLayout(folder / "dataset"), folder / "run"

    on_step(f"simulating {DEMO_SIMULATION.num_sessions} sessions of a ceiling sensor")
    simulate_dataset(layout.root, DEMO_SIMULATION)

    on_step("inspecting the dataset")
    inspection = inspect_dataset(layout)
    on_inspection(inspection)

    on_step("training a small SlowFast; the last session is held out")
    options = TrainOptions(epochs=DEMO_EPOCHS, seed=seed)
    plan = plan_training(config=DEMO_CONFIG, data=layout.root, work_dir=work_dir, options=options)
    train(plan.cfg, on_event=on_event, command=("thermalctl", "demo"))

    on_step("scoring the last checkpoint on the held-out session")
    result, predictions = run_test(work_dir, TestOptions(last=True), data=layout.root)
    report = build_report(predictions)
    files = write_report(report, report_folder(result.predictions))
    dataset = load_dataset(layout)
    nearest_scores = score_labels(predictions.references["most similar clip"], predictions.labels)

    on_step("exporting to ONNX and comparing with PyTorch on the held-out clips")
    restored = restore_model(result.checkpoint)
    onnx = work_dir / f"{result.checkpoint.stem}.onnx"
    export_onnx(restored, onnx, frame_size=DEMO_SIMULATION.frame_size, input_kind="raw")
    verification = verify_onnx(onnx, restored, dataset)
    if not verification.holds:
        raise NotHeldError(
            f"{onnx}: differs from PyTorch by {verification.max_difference:.1e}, expected {verification.tolerance:.0e}",
            hint="thermalctl doctor shows the versions of torch, onnx and onnxruntime",
        )
    return DemoResult(
        folder=folder,
        dataset=layout.root,
        work_dir=work_dir,
        files=files,
        onnx=onnx,
        inspection=inspection,
        report=report,
        nearest_top1=nearest_scores[0],
        nearest_mean_class=nearest_scores[1],
        onnx_difference=verification.max_difference,
        seconds=time.monotonic() - started,
    )


def _clear(folder: Path, *, force: bool) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        return
    is_demo = {path.name for path in folder.iterdir()} <= {"dataset", "run"}
    if not (force and is_demo):
        raise RequestError(
            f"{folder}: the folder is not empty",
            hint="--force replaces an earlier demo" if is_demo else "name another folder with --output",
        )
    shutil.rmtree(folder)
