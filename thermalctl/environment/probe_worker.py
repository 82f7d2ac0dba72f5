"""What a probe does in its own process: import a package, use it a little, tell what it found.

Here, and only here, the doctor imports what it examines. An import that raises, crashes or hangs ends this process and
not the doctor. Modules are imported by name, so that importing this file imports none of them; and only so can a probe
use `thermalctl.engine`, which lies above this floor, as `train` does: it is examined here, not built upon.

Each probe yields (stage, what was found in it); what one stage found is told before the next begins.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: Begins the line of an answer; imports print lines of their own.
ANSWER_MARK = "thermalctl-probe-answer:"
#: The only stage of most probes.
FIRST = "first"

#: What the exported models use, see deploy/.
_ONNX_OPSET = 20
_ONNX_IR_VERSION = 10

Answers = Iterator[tuple[str, dict[str, Any]]]


def probe_torch() -> Answers:
    """Yield torch's build, and each GPU after a small sum on it."""
    torch = import_module("torch")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        is_available = torch.cuda.is_available()
    yield (
        FIRST,
        {
            "version": torch.__version__,
            "cuda": torch.version.cuda,
            "complaint": str(caught[0].message).splitlines()[0] if caught else None,
            "architectures": torch.cuda.get_arch_list() if is_available else [],
            "gpus": [_probe_gpu(torch, index) for index in range(torch.cuda.device_count())] if is_available else [],
        },
    )


def _probe_gpu(torch: Any, index: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    facts = {
        "name": properties.name,
        "total_bytes": properties.total_memory,
        "capability": [properties.major, properties.minor],
        "bf16": properties.major >= 8,
    }
    try:
        num_free, _ = torch.cuda.mem_get_info(index)
        total = torch.ones(8, device=f"cuda:{index}").sum().item()
    except RuntimeError as error:  # torch's CUDA errors: no kernel for this GPU, out of memory, lost device
        return facts | {"error": str(error).splitlines()[0]}
    return facts | {"free_bytes": num_free, "error": None if total == 8 else f"8 ones sum to {total}"}


def probe_stack() -> Answers:
    """Yield where MMAction2, MMEngine and mmcv are imported from, cured as for `train`; then a training step."""
    import_module("thermalctl.compat").prepare_mmaction()
    for name in ("mmaction.models", "mmaction.datasets", "mmengine.runner"):
        import_module(name)
    yield (
        FIRST,
        {
            name: {"version": import_module(name).__version__, "file": import_module(name).__file__}
            for name in ("mmaction", "mmengine", "mmcv")
        }
        | {"operators_error": _import_operators()},
    )
    yield from probe_step("cpu", "float32")


def _import_operators() -> str | None:
    """Return how mmcv's compiled operators fail to import; None if they do not, or there are none.

    MMEngine imports them when it builds an optimizer with rates by layer, and not before.
    """
    if find_spec("mmcv._ext") is None:
        return None
    try:
        import_module("mmcv.ops")
    except (ImportError, AssertionError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def probe_step(device: str, *precisions: str) -> Answers:
    """Yield a training step on a device in each precision, as stages of those names."""
    step = import_module("thermalctl.environment.step_worker")
    for precision in precisions:
        yield precision, step.run_training_step(device, precision)


def probe_opencv() -> Answers:
    """Yield OpenCV's version after a resize."""
    numpy, cv2 = import_module("numpy"), import_module("cv2")
    resized = cv2.resize(numpy.zeros((40, 60), numpy.float32), (384, 256))
    yield FIRST, {"version": cv2.__version__, "shape": resized.shape}


def probe_hdf5(folder: str) -> Answers:
    """Yield the versions of h5py and HDF5 after a compressed file has been written to `folder` and read.

    It is written as `thermalctl.recordings.hdf5` writes, with h5py's own way of locking, and read as that reads,
    without locks.
    """
    numpy, h5py = import_module("numpy"), import_module("h5py")
    path = Path(folder, "probe.h5")
    written = numpy.arange(24, dtype=numpy.float32).reshape(4, 3, 2)
    lock_error = None
    try:
        _write_frames(h5py, path, written)
    except OSError as error:
        lock_error = str(error).splitlines()[0]
        _write_frames(h5py, path, written, locking=False)
    with h5py.File(path, "r", locking=False) as file:
        is_same = bool((file["frames"][:] == written).all())
    yield (
        FIRST,
        {
            "version": h5py.__version__,
            "hdf5": h5py.version.hdf5_version,
            "reads_back": is_same,
            "lock_error": lock_error,
        },
    )


def _write_frames(h5py: Any, path: Path, frames: Any, **options: Any) -> None:
    with h5py.File(path, "w", **options) as file:
        file.create_dataset("frames", data=frames, compression="gzip")


def probe_onnx() -> Answers:
    """Yield the versions of onnx and onnxruntime after a model of one node has run."""
    numpy, onnx, onnxruntime = import_module("numpy"), import_module("onnx"), import_module("onnxruntime")
    helper = import_module("onnx.helper")
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "probe", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", _ONNX_OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=_ONNX_IR_VERSION)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [answer] = session.run(None, {"x": numpy.array([1, 2], numpy.float32)})
    runs = answer.tolist() == [-1.0, -2.0]
    yield FIRST, {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__, "runs": runs}


def probe_weights(current_folder: str) -> Answers:
    """Yield whether the default weights are here and whole."""
    yield FIRST, import_module("thermalctl.environment.material").examine_weights(Path(current_folder))


def probe_dataset(data: str, current_folder: str) -> Answers:
    """Yield what is known of the dataset in the folder `data`, or of the one that is found if that is ""."""
    material = import_module("thermalctl.environment.material")
    yield FIRST, material.examine_dataset(Path(data) if data else None, Path(current_folder))


PROBES: Mapping[str, Callable[..., Answers]] = {
    "torch": probe_torch,
    "stack": probe_stack,
    "step": probe_step,
    "opencv": probe_opencv,
    "hdf5": probe_hdf5,
    "onnx": probe_onnx,
    "weights": probe_weights,
    "dataset": probe_dataset,
}


def main(name: str, *arguments: str) -> None:
    """Run one probe and write each of its answers to standard output, in a line of its own."""
    for stage, facts in PROBES[name](*arguments):
        answer = json.dumps({"stage": stage, "facts": facts})
        sys.stdout.write(f"\n{ANSWER_MARK}{answer}\n")
        sys.stdout.flush()
