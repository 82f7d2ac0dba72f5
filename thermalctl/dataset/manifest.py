"""What a dataset was built from: its inputs with their hashes, the options, and what was left out."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermalctl.annotations.keyframes import AnnotationSource, Skipped
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.files import hash_file
from thermalctl.recordings.hdf5 import Recording
from thermalctl.recordings.importing import list_recordings
from thermalctl.recordings.names import name_recording
from thermalctl.version import __version__

if TYPE_CHECKING:
    from thermalctl.dataset.build import BuildOptions


def describe_inputs(
    layout: DatasetLayout,
    recordings: Sequence[Path | Recording],
    sources: Sequence[AnnotationSource],
    skipped: Sequence[Skipped],
    options: BuildOptions,
) -> dict[str, Any]:
    """Return the content of a `manifest.json`; files are named without their folders, which differ between machines."""
    paths = list_recordings([item for item in recordings if isinstance(item, Path)])
    made = [item.sensor_id for item in recordings if isinstance(item, Recording)]
    return {
        "thermalctl": __version__,
        "options": dataclasses.asdict(options),
        "recordings": [
            *({"name": name_recording(path), **describe_file(path)} for path in paths),
            *({"name": name, "file": None, "sha256": hash_file(layout.recording_file(name))} for name in made),
        ],
        "annotations": [
            {**describe_file(source.path), "format": source.kind, "keyframes": len(source.keyframes)}
            for source in sources
        ],
        "skipped": {
            "counts": dict(sorted(Counter(entry.reason for entry in skipped).items())),
            "records": [{"where": Path(entry.where).name, "reason": entry.reason} for entry in skipped],
        },
    }


def describe_file(path: Path) -> dict[str, Any]:
    """Return a file's name, size and SHA-256; of a folder, those of its files together."""
    files = sorted(found for found in path.rglob("*") if found.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(hash_file(file).encode())
    sha256 = hash_file(path) if path.is_file() else digest.hexdigest()
    return {"file": path.name, "bytes": sum(file.stat().st_size for file in files), "sha256": sha256}
