"""The GPUs: can torch compute on each, and if not, why?"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from thermalctl.environment.accelerator import Driver, install_build, suggest_build
from thermalctl.environment.diagnosis import Check, Status
from thermalctl.environment.probe import ProbeResult

#: Less than this share of a GPU's memory free: somebody else is using it.
_LEAST_FREE_SHARE = 0.5
#: torch dropped GPUs older than this from its newer builds; `_OLDER_BUILD` is the last that has them.
_TURING = (7, 5)
_OLDER_BUILD, _NEWEST_BUILD = "cu126", "cu130"


def check_gpus(probe: ProbeResult, driver: Driver) -> list[Check]:
    """Return one check for each GPU that torch can use, or one that says why there is none."""
    if probe.error is not None:
        return [Check(name="GPU", status="skipped", found="torch does not import, so it was not asked")]
    gpus = probe.facts["gpus"]
    if gpus:
        return [_check_gpu(index, gpu, probe.facts["architectures"]) for index, gpu in enumerate(gpus)]
    if driver.gpus or driver.error:
        return [_explain_unused_gpu(probe, driver)]
    return [
        Check(
            name="GPU",
            status="skipped",
            found="none",
            why="slowfast-tiny trains on the CPU; slowfast-r50 was measured at 16 s a clip",
        )
    ]


def _check_gpu(index: int, gpu: Mapping[str, Any], architectures: Sequence[str]) -> Check:
    name, total_gib = f"GPU {index}", gpu["total_bytes"] / 2**30
    capability = (int(gpu["capability"][0]), int(gpu["capability"][1]))
    shown = ".".join(str(number) for number in capability)
    facts = dict(gpu) | {"index": index, "architectures": list(architectures)}
    support = find_support(capability, architectures)
    # Without a device named, `train` takes the first.
    broken: Status = "failed" if index == 0 else "warning"
    if support == "none":
        build = _OLDER_BUILD if capability < _TURING else _NEWEST_BUILD
        return Check(
            name=name,
            status=broken,
            found=f"{gpu['name']}, compute capability {shown}",
            why=f"this torch has code for {', '.join(architectures)} only",
            fix=f"{install_build(build)}   or   thermalctl train --device cpu",
            facts=facts,
        )
    if gpu["error"] is not None:
        return Check(
            name=name,
            status=broken,
            found=f"{gpu['name']}: {gpu['error']}",
            why="a sum of eight numbers on it did not work",
            fix=f"leave it out (CUDA_VISIBLE_DEVICES without {index}), or install a torch build that supports it",
            facts=facts,
        )
    free_gib = gpu["free_bytes"] / 2**30
    found = (
        f"{gpu['name']}, {free_gib:.0f} of {total_gib:.0f} GiB free, "
        f"capability {shown}, {'bf16' if gpu['bf16'] else 'no bf16'}"
    )
    if support == "compiled":
        return Check(
            name=name,
            status="warning",
            found=found,
            why="newer than this torch, which compiles its code for it at each start",
            fix=install_build(_NEWEST_BUILD),
            facts=facts,
        )
    if free_gib < _LEAST_FREE_SHARE * total_gib:
        return Check(
            name=name,
            status="warning",
            found=found,
            why="another process holds most of its memory",
            fix="see nvidia-smi; wait for it, or choose another GPU with CUDA_VISIBLE_DEVICES",
            facts=facts,
        )
    return Check(name=name, status="ok", found=found, facts=facts)


def find_support(capability: tuple[int, int], architectures: Sequence[str]) -> Literal["built", "compiled", "none"]:
    """Return how a torch build serves a GPU: with code "built" for it, "compiled" on it, or "none".

    Code for sm_80 runs on 8.0 and on later 8.x; code that ends in a letter (sm_90a) on that very GPU only. compute_80
    is an intermediate language that the driver compiles for 8.0 and for whatever comes later.
    Source: https://docs.nvidia.com/cuda/cuda-c-programming-guide, sections "Binary Compatibility" and "PTX
    Compatibility".

    Args:
        capability: (major, minor) of the GPU.
        architectures: from `torch.cuda.get_arch_list()`; an empty list says nothing, and counts as "built".
    """
    is_compiled = False
    for architecture in architectures:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", architecture)
        if found is None:  # another maker's GPU
            return "built"
        code, is_specific = (int(found[2]), int(found[3])), bool(found[4])
        if found[1] == "compute":
            is_compiled |= not is_specific and code <= capability
        elif code == capability or (not is_specific and code[0] == capability[0] and code < capability):
            return "built"
    if is_compiled:
        return "compiled"
    return "none" if architectures else "built"


def _explain_unused_gpu(probe: ProbeResult, driver: Driver) -> Check:
    """Return why torch sees no GPU although there is one."""
    found = driver.error or f"{', '.join(driver.gpus)}, which torch cannot use"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    why, fix = "the driver does not answer", "reinstall the NVIDIA driver, or restart the machine after its update"
    if driver.error is None and probe.facts["cuda"] is None:
        why, fix = "torch is a CPU build", "see torch above"
    elif driver.error is None and visible is not None:
        why, fix = f"CUDA_VISIBLE_DEVICES is {visible!r}", "unset CUDA_VISIBLE_DEVICES"
    elif driver.error is None:
        why = probe.facts["complaint"] or f"torch's CUDA {probe.facts['cuda']} does not start"
        update = f"update driver {driver.version}, or install a torch build for an older CUDA"
        fix = suggest_build(driver.cuda) or update
    return Check(name="GPU", status="warning", found=found, why=f"{why}; train would run on the CPU", fix=fix)
