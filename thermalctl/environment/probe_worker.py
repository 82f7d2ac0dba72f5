"""What a probe does in its own process: import a package, use it a little, tell what it found.

Here, and only here, the doctor imports what it examines. An import that raises, crashes or hangs ends this process and
not the doctor. Modules are imported by name, so that importing this file imports none of them.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

#: Begins the one line that is the answer; imports print lines of their own.
ANSWER_MARK = "thermalctl-probe-answer:"

#: What the exported models use, see deploy/.
_ONNX_OPSET = 20
_ONNX_IR_VERSION = 10


def probe_torch() -> dict[str, Any]:
    """Return torch's build, and each GPU after a small sum on it."""
    torch = import_module("torch")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        is_available = torch.cuda.is_available()
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "complaint": str(caught[0].message).splitlines()[0] if caught else None,
        "gpus": [_probe_gpu(torch, index) for index in range(torch.cuda.device_count())] if is_available else [],
    }


def _probe_gpu(torch: Any, index: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    facts = {"name": properties.name, "total_bytes": properties.total_memory, "bf16": properties.major >= 8}
    try:
        num_free, _ = torch.cuda.mem_get_info(index)
        total = torch.ones(8, device=f"cuda:{index}").sum().item()
    except RuntimeError as error:  # torch's CUDA errors: no kernel for this GPU, out of memory, lost device
        return facts | {"error": str(error).splitlines()[0]}
    return facts | {"free_bytes": num_free, "error": None if total == 8 else f"8 ones sum to {total}"}


def probe_stack() -> dict[str, Any]:
    """Return where MMAction2, MMEngine and mmcv are imported from, with thermalctl's cures applied as `train` does."""
    import_module("thermalctl.compat").prepare_mmaction()
    for name in ("mmaction.models", "mmaction.datasets", "mmengine.runner"):
        import_module(name)
    return {
        name: {"version": import_module(name).__version__, "file": import_module(name).__file__}
        for name in ("mmaction", "mmengine", "mmcv")
    }


def probe_opencv() -> dict[str, Any]:
    """Return OpenCV's version after a resize."""
    numpy, cv2 = import_module("numpy"), import_module("cv2")
    resized = cv2.resize(numpy.zeros((40, 60), numpy.float32), (384, 256))
    return {"version": cv2.__version__, "shape": resized.shape}


def probe_hdf5(folder: str) -> dict[str, Any]:
    """Return the versions of h5py and HDF5 after a compressed file has been locked, written to `folder` and read."""
    numpy, h5py = import_module("numpy"), import_module("h5py")
    path = Path(folder, "probe.h5")
    written = numpy.arange(24, dtype=numpy.float32).reshape(4, 3, 2)
    with h5py.File(path, "w", locking=True) as file:
        file.create_dataset("frames", data=written, compression="gzip")
    with h5py.File(path, "r") as file:
        is_same = bool((file["frames"][:] == written).all())
    return {"version": h5py.__version__, "hdf5": h5py.version.hdf5_version, "reads_back": is_same}


def probe_onnx() -> dict[str, Any]:
    """Return the versions of onnx and onnxruntime after a model of one node has run."""
    numpy, onnx, onnxruntime = import_module("numpy"), import_module("onnx"), import_module("onnxruntime")
    helper = import_module("onnx.helper")
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "probe", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", _ONNX_OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=_ONNX_IR_VERSION)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [answer] = session.run(None, {"x": numpy.array([1, 2], numpy.float32)})
    return {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__, "runs": answer.tolist() == [-1.0, -2.0]}


PROBES: Mapping[str, Callable[..., dict[str, Any]]] = {
    "torch": probe_torch,
    "stack": probe_stack,
    "opencv": probe_opencv,
    "hdf5": probe_hdf5,
    "onnx": probe_onnx,
}


def main(name: str, *arguments: str) -> None:
    """Run one probe and write its answer as the last line of standard output."""
    import sys

    answer = PROBES[name](*arguments)
    sys.stdout.write(f"\n{ANSWER_MARK}{json.dumps(answer)}\n")
