"""The file to attach to a bug: the diagnosis and what it was found in, without secrets and without the user's name."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from thermalctl.environment.accelerator import query_driver
from thermalctl.environment.diagnosis import Diagnosis, describe_host
from thermalctl.environment.masking import SECRET_NAME, Mask
from thermalctl.environment.quantities import format_bytes
from thermalctl.environment.resources import measure_resources
from thermalctl.errors import RequestError
from thermalctl.files import replace_file

WIDTH = 120
#: Variables that change what happens; no others are looked at.
_VARIABLES = re.compile(
    r"THERMALCTL_\w+|CUDA_\w+|NVIDIA_\w+|HDF5_\w+|(OMP|MKL|OPENBLAS)_NUM_THREADS|PYTHON(PATH|UTF8|HOME|WARNINGS)"
    r"|LD_LIBRARY_PATH|LD_PRELOAD|NO_COLOR|FORCE_COLOR|TERM|COLUMNS|LANG|LC_ALL|VIRTUAL_ENV|CONDA_PREFIX|TMPDIR"
    r"|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_FILE|PYTORCH_\w+|TORCH_\w+",
    flags=re.IGNORECASE,
)
#: What programs write to colour a terminal.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def write_report(diagnosis: Diagnosis, folder: Path = Path()) -> Path:
    """Write the report to `thermalctl-doctor-<date>-<time>.txt` and return its path.

    Raises:
        RequestError: if the folder cannot be written.
    """
    now = datetime.now().astimezone()
    path = folder / f"thermalctl-doctor-{now:%Y%m%d-%H%M%S}.txt"
    text = compose_report(diagnosis, made=now)
    try:
        with replace_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise RequestError(
            f"{path}: cannot be written ({error.strerror})",
            hint="run `thermalctl doctor --report` in a folder where you may write",
        ) from error
    return path


def compose_report(diagnosis: Diagnosis, *, made: datetime) -> str:
    """Return the report, plain text of `WIDTH` columns at most, masked."""
    sections = {
        "Checks": _describe_checks(diagnosis),
        **{f"Traceback: {name}": log.splitlines() for name, log in diagnosis.logs.items()},
        "Machine": _describe_machine(),
        "nvidia-smi": query_driver().text.splitlines(),
        "Environment variables": [f"{name}={value}" for name, value in _list_variables(os.environ)],
        "sys.path": [entry or "(the current folder)" for entry in sys.path],
        "Installed distributions": [", ".join(_list_distributions())],
    }
    lines = [f"{describe_host()} · {made:%Y-%m-%d %H:%M:%S %z}"]
    for title, content in sections.items():
        lines += ["", f"== {title} ==", *(content or ["none"])]
    mask = Mask(os.environ)
    return "\n".join(wrapped for line in lines for wrapped in _wrap(mask(line))) + "\n"


def _describe_checks(diagnosis: Diagnosis) -> Iterator[str]:
    for check in diagnosis.checks:
        yield f"{check.status:<8} {check.name:<17} {check.found}"
        for label, text in (("why", check.why), ("fix", check.fix)):
            if text:
                yield f"{'':<8} {label}: {text}"
    yield f"failed: {diagnosis.num_failed}, warnings: {diagnosis.num_warnings}, device: {diagnosis.device}"


def _describe_machine() -> Iterator[str]:
    resources = measure_resources()
    yield f"system: {platform.platform()}, {' '.join(platform.libc_ver())}"
    yield f"python: {' '.join(sys.version.split())}"
    yield f"executable: {sys.executable}"
    yield f"prefix: {sys.prefix}, base: {sys.base_prefix}"
    yield f"processor: {resources.processor}"
    yield f"cores: {resources.num_cores}, allowed: {resources.num_allowed}, quota: {resources.quota}"
    for name, num_bytes in (("memory", resources.memory_bytes), ("available", resources.available_bytes)):
        if num_bytes is not None:
            yield f"{name}: {format_bytes(num_bytes)}"
    yield f"current folder: {_describe_folder()}"


def _describe_folder() -> str:
    """Return the current folder and the kind of its file system."""
    try:
        folder = Path.cwd()
    except OSError:
        return "deleted"
    return f"{folder} ({_find_file_system(folder)})"


def _find_file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the type of the file system that holds a folder and whether it is read-only: "nfs4, rw"."""
    try:
        rows = [line.split() for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return "unknown"
    # Spaces and the like are written as octal numbers, see fstab(5). Of two on one point the later covers the earlier.
    points = [
        (Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), row[1])), row) for row in rows if len(row) > 3
    ]
    holding = [
        (len(point.parts), number, row) for number, (point, row) in enumerate(points) if folder.is_relative_to(point)
    ]
    if not holding:
        return "unknown"
    row = max(holding)[2]
    return f"{row[2]}, {row[3].partition(',')[0]}"


def _list_variables(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(
        (name, "***" if SECRET_NAME.search(name) else value)
        for name, value in environment.items()
        if _VARIABLES.fullmatch(name)
    )


def _list_distributions() -> list[str]:
    """Return "name==version" of everything installed, sorted; a broken distribution may have neither."""
    found = set()
    for distribution in importlib.metadata.distributions():
        try:
            text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
        except ValueError:  # not UTF-8
            text = ""
        fields = dict(re.findall(r"^(Name|Version): (.+)$", text, flags=re.MULTILINE))
        found.add(f"{fields.get('Name', '?')}=={fields.get('Version', '?')}")
    return sorted(found, key=str.lower)


def _wrap(line: str) -> list[str]:
    """Return a line in pieces of `WIDTH` columns at most, the further ones indented."""
    line = _ESCAPES.sub("", line).expandtabs()
    indent = " " * min(len(line) - len(line.lstrip()) + 4, WIDTH // 2)
    pieces = textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False, replace_whitespace=False)
    return pieces or [""]
