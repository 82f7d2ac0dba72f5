"""Where onnxruntime computes: on the CPU, or on an NVIDIA GPU by CUDA or TensorRT. Never elsewhere than asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as faults

from thermalctl.errors import CheckpointError, RequestError

Provider = Literal["cpu", "cuda", "tensorrt"]

#: onnxruntime's own names. After the one asked for come those that take the operators it lacks.
_PROVIDERS: dict[Provider, tuple[str, ...]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
#: onnxruntime-gpu takes the place of onnxruntime; of both installed, the one that came last is found.
_PACKAGES: dict[Provider, str] = {
    "cpu": "onnxruntime",
    "cuda": '"onnxruntime-gpu[cuda,cudnn]"',
    "tensorrt": '"onnxruntime-gpu[cuda,cudnn]" tensorrt',
}
#: What onnxruntime raises at a file that is no model, or is one that it cannot run. They have no base of their own.
_UNREADABLE = (
    faults.Fail,
    faults.InvalidArgument,
    faults.InvalidGraph,
    faults.InvalidProtobuf,
    faults.NotImplemented,
    faults.RuntimeException,
)
#: onnxruntime logs warnings on graphs that it simplifies; nobody there can act on them. 3 is errors only.
_ERRORS_ONLY = 3


def open_session(path: Path, provider: Provider, num_threads: int) -> onnxruntime.InferenceSession:
    """Return an onnxruntime session of a file that computes where it was asked to.

    Args:
        path: an ONNX file.
        provider: where to compute.
        num_threads: of the CPU; 0 for as many as there are cores.

    Raises:
        CheckpointError: if the file is missing, or onnxruntime cannot load it.
        RequestError: if this onnxruntime lacks the provider, or cannot start it on this machine.
    """
    _expect_provider(provider)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file", hint="thermalctl export-onnx  makes one")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = _ERRORS_ONLY
    wanted = _PROVIDERS[provider]
    try:
        # Of its own accord it would print a line and go on, on the CPU.
        session = onnxruntime.InferenceSession(str(path), options, providers=list(wanted), enable_fallback=False)
    except _UNREADABLE as error:
        raise CheckpointError(
            f"{path}: onnxruntime {onnxruntime.__version__} cannot load it ({str(error).splitlines()[0]})",
            hint="copy the file again; for an older onnxruntime, export with a lower --opset",
        ) from error
    used = session.get_providers()
    if used[0] != wanted[0]:
        raise RequestError(
            f"provider {provider}: onnxruntime {onnxruntime.__version__} could not start {wanted[0]} here and would "
            f"use {', '.join(used)}",
            hint=f"its driver or libraries are missing: see nvidia-smi, and pip install {_PACKAGES[provider]}",
        )
    return session


def _expect_provider(provider: Provider) -> None:
    if provider not in get_args(Provider):
        raise RequestError(f"provider {provider}: expected {', '.join(get_args(Provider))}")
    wanted = _PROVIDERS[provider][0]
    available = onnxruntime.get_available_providers()
    if wanted not in available:
        there = [name for name, needed in _PROVIDERS.items() if needed[0] in available]
        raise RequestError(
            f"provider {provider}: this onnxruntime {onnxruntime.__version__} has no {wanted}; "
            f"available: {', '.join(there)}",
            hint=f"pip uninstall onnxruntime && pip install {_PACKAGES[provider]}",
        )
