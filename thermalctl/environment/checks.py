"""Every check of the doctor: is this machine ready for `train`?

Nothing that is examined is imported into this process: what may be broken is asked in processes of its own, all at
once, and what can be read off the machine is told before they answer.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import Self

from thermalctl.environment.accelerator import Driver, check_torch, query_driver
from thermalctl.environment.diagnosis import REPORT, Check, Diagnosis, diagnose
from thermalctl.environment.gpus import check_gpus
from thermalctl.environment.hdf5 import ScratchFolder, check_hdf5, make_scratch_folder, skip_hdf5
from thermalctl.environment.installation import address_pip
from thermalctl.environment.machine import (
    LEAST_WORK_BYTES,
    WORK_DIRS,
    check_cache,
    check_folder,
    check_open_files,
    check_shared_memory,
    estimate_loader_load,
    find_open_files_limit,
)
from thermalctl.environment.material import check_dataset, check_weights
from thermalctl.environment.packages import (
    check_numerics,
    check_onnx,
    check_opencv,
    check_python,
    check_stack_import,
    check_stack_versions,
    check_tensorboard,
)
from thermalctl.environment.probe import Probe, explain_end
from thermalctl.environment.resources import check_memory, check_processor, measure_resources
from thermalctl.environment.terminal import check_terminal
from thermalctl.environment.training_step import BFLOAT16, FLOAT32, check_step, skip_step

#: What can go wrong in this process where a package, or its metadata, is damaged.
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    SystemExit,
    TypeError,
    ValueError,
)

#: Told each check as soon as it is known.
OnCheck = Callable[[Check], None]
#: Told what is waited for.
OnWait = Callable[[str], None]


def run_checks(
    *,
    data: Path | None = None,
    current_folder: Path = Path(),
    on_check: OnCheck | None = None,
    on_wait: OnWait | None = None,
) -> Diagnosis:
    """Return what was found on this machine.

    Args:
        data: the dataset to look at; None for the one that `train` would find.
        current_folder: where a run would be started.
        on_check: told each check as soon as it is known, in the order of the list: those first that need no waiting.
        on_wait: told what is waited for, before it is.
    """
    checks: list[Check] = []
    with _Probes() as probes, make_scratch_folder(current_folder) as scratch, ThreadPoolExecutor(1) as pool:
        driver = pool.submit(query_driver)
        for check in _examine(probes, driver, data, current_folder, scratch, on_wait or _tell_nobody):
            addressed = replace(check, fix=address_pip(check.fix)) if check.fix else check
            addressed = _follow_from(addressed, checks)
            checks.append(addressed)
            if on_check is not None:
                on_check(addressed)
    has_gpu = bool(probes["torch"].wait().facts.get("gpus"))
    own_logs = {check.name: check.facts["traceback"] for check in checks if "traceback" in check.facts}
    return diagnose(checks, device="cuda" if has_gpu else "cpu", logs=probes.collect_logs() | own_logs)


def _follow_from(check: Check, earlier: Sequence[Check]) -> Check:
    """Return a check that failed as an earlier one did as following from that: one missing package is one failure."""
    first = next((other for other in earlier if other.status == "failed" and other.found == check.found), None)
    if check.status != "failed" or first is None:
        return check
    return replace(check, status="skipped", found=f"fails as {first.name} does", why="", fix=None)


def _examine(
    probes: _Probes,
    driver: Future[Driver],
    data: Path | None,
    current_folder: Path,
    scratch: ScratchFolder,
    on_wait: OnWait,
) -> Iterator[Check]:
    """Yield each check as soon as it is known."""
    # The longest are begun first, the short ones when this process has told what it knows itself.
    stack = probes.start("stack")
    torch = probes.start("torch")
    resources = measure_resources()
    load = estimate_loader_load(resources.num_usable)
    yield _judge("Python", check_python)
    yield _judge("MMAction2 stack", check_stack_versions)
    yield _judge("numpy", check_numerics)
    yield _judge("TensorBoard", check_tensorboard)
    yield check_processor(resources)
    yield check_memory(resources)
    yield check_shared_memory(load)
    yield check_open_files(load)
    yield check_folder("disk", current_folder / WORK_DIRS, LEAST_WORK_BYTES, needed=True)
    yield _judge("cache", check_cache)
    yield check_terminal()
    opencv = probes.start("opencv")
    hdf5 = probes.start("hdf5", str(scratch.folder)) if scratch.folder else None
    onnx = probes.start("onnx")
    weights = probes.start("weights", str(current_folder))
    dataset = probes.start("dataset", str(data) if data else "", str(current_folder))

    on_wait("torch and the GPU driver")
    found_torch, found_driver = torch.wait(), driver.result()
    yield _judge("torch", check_torch, found_torch, found_driver)
    gpus = check_gpus(found_torch, found_driver)
    yield from gpus
    usable = [check.facts["index"] for check in gpus if "index" in check.facts and check.facts["error"] is None]
    steps = {index: _start_gpu_step(probes, index, has_bf16=gpus[index].facts["bf16"]) for index in usable}
    on_wait("MMAction2 to be imported")
    imported = stack.wait()
    yield _judge("MMAction2 import", check_stack_import, imported, _find_folder(current_folder))
    on_wait("OpenCV")
    yield _judge("OpenCV", check_opencv, opencv.wait())
    on_wait("h5py")
    if hdf5 is None:
        yield skip_hdf5()
    else:
        yield _judge("h5py", check_hdf5, hdf5.wait(), elsewhere=scratch.elsewhere)
    on_wait("onnxruntime")
    yield _judge("ONNX", check_onnx, onnx.wait())
    on_wait("the weights to be verified")
    needs_weights = bool(found_torch.facts.get("gpus"))
    yield _judge("weights", check_weights, weights.wait(), needed=needs_weights)
    on_wait("the dataset to be read")
    yield _judge("dataset", check_dataset, dataset.wait(), open_files_limit=find_open_files_limit())
    if imported.error is not None:
        yield skip_step("CPU", "MMAction2 does not import")
        return
    on_wait("a training step on the CPU")
    yield _judge("step on CPU", check_step, "CPU", {FLOAT32: stack.wait(FLOAT32)}, needed=not usable)
    for index, (step, precisions) in steps.items():
        on_wait(f"a training step on GPU {index}")
        results = {precision: step.wait(precision) for precision in precisions}
        yield _judge(f"step on GPU {index}", check_step, f"GPU {index}", results, needed=index == 0)


def _start_gpu_step(probes: _Probes, index: int, *, has_bf16: bool) -> tuple[Probe, tuple[str, ...]]:
    precisions = (FLOAT32, BFLOAT16) if has_bf16 else (FLOAT32,)
    return probes.start("step", f"cuda:{index}", *precisions), precisions


class _Probes:
    """The probes of one examination; a context manager that ends those that are still at work."""

    def __init__(self) -> None:
        self._started: dict[str, Probe] = {}
        self._running = ExitStack()

    def start(self, name: str, *arguments: str) -> Probe:
        """Return a probe at work."""
        probe = self._running.enter_context(Probe(name, *arguments))
        self._started[f"{name} {arguments[0]}" if name == "step" else name] = probe
        return probe

    def collect_logs(self) -> dict[str, str]:
        """Return what the failed ones wrote last, by their names."""
        return {name: probe.log for name, probe in self._started.items() if probe.log}

    def __getitem__(self, name: str) -> Probe:
        return self._started[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.close()


def _judge(name: str, check: Callable[..., Check], *arguments: Any, **options: Any) -> Check:
    """Return a check, or the exception that it ended with: of a damaged installation, even metadata can raise."""
    try:
        judged = check(*arguments, **options)
    except _FAULTS as error:
        found = f"{type(error).__name__}: {error}".splitlines()[0]
        facts = {"traceback": traceback.format_exc()}
        return Check(name=name, status="warning", found=found, why="could not be looked into", fix=REPORT, facts=facts)
    cause = explain_end(judged.found) if judged.fix else None
    return replace(judged, why=cause[0], fix=cause[1]) if cause else judged


def _find_folder(current_folder: Path) -> Path:
    """Return an absolute path of the current folder; the root if it has been deleted."""
    try:
        return current_folder.resolve()
    except OSError:
        return Path("/")


def _tell_nobody(what: str) -> None:
    pass
