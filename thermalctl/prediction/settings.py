"""What decides what is written of a recording, as plain values: the same settings write the same files."""

from __future__ import annotations

from typing import Any

from thermalctl.deploy.clip_models import ModelChoice
from thermalctl.errors import RequestError
from thermalctl.files import hash_file
from thermalctl.prediction.options import DEFAULT_EVENTS, PredictOptions
from thermalctl.version import __version__


def describe_settings(choice: ModelChoice, options: PredictOptions) -> dict[str, Any]:
    """Return the settings of a prediction; how many processes and where it is computed are none of them.

    Raises:
        RequestError: if a file of rules cannot be read.
    """
    imports = options.imports
    return {
        "model": choice.path.name,
        "model_sha256": hash_file(choice.path),
        "config": choice.config,
        "thermalctl_version": __version__,
        "stride_frames": options.stride.frames,
        "stride_s": options.stride.seconds,
        "max_gap_s": options.max_gap_s,
        "people": options.people,
        "formats": sorted(options.formats),
        "pictures": sorted(options.pictures),
        "events": _describe_events(options),
        "unit": imports.unit.value if imports.unit else None,
        "frame_size": list(imports.frame_size) if imports.frame_size else None,
        "frame_rate_hz": imports.frame_rate_hz,
        "start_ms": imports.start_ms,
    }


def _describe_events(options: PredictOptions) -> str | None:
    """Return the rules as they were written: a file may say something else tomorrow."""
    if options.events is None or options.events == DEFAULT_EVENTS:
        return None if options.events is None else str(DEFAULT_EVENTS)
    try:
        return options.events.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{options.events}: cannot be read ({error})", hint="name a file of rules") from error
