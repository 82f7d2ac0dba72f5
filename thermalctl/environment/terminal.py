"""The terminal: can tables, bars and colours be drawn where the command runs?"""

from __future__ import annotations

import os
import shutil
import sys

from thermalctl.environment.diagnosis import Check

#: Tables and charts are laid out for this many columns.
LEAST_COLUMNS = 80
#: How rich calls what a terminal can show.
_COLOURS = {None: "no colour", "standard": "16 colours", "256": "256 colours", "truecolor": "16 million colours"}
#: What a user sets to change that.
_VARIABLES = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE")


def check_terminal() -> Check:
    """Return the width, the encoding and the colours of the terminal, and which variables change them."""
    from rich.console import Console

    stream = sys.__stdout__  # sys.stdout itself may be a progress display's stand-in
    if stream is None or not stream.isatty():
        return Check(name="terminal", status="skipped", found="the output is not a terminal")
    columns, encoding = shutil.get_terminal_size().columns, stream.encoding.lower()
    colours = Console(file=stream).color_system
    parts = [f"{columns} columns", encoding, _COLOURS.get(colours, str(colours))]
    if os.environ.get("TERM") in ("dumb", "unknown"):
        parts.append(f"TERM={os.environ['TERM']}")
    # rich goes by whether these are empty, and so does https://no-color.org
    parts += [f"{name} is set" for name in _VARIABLES if os.environ.get(name)]
    facts = {"columns": columns, "encoding": encoding, "colours": colours}
    why, fix = "", None
    if not encoding.startswith("utf"):
        why, fix = "bars and lines need UTF-8", "export PYTHONUTF8=1"
    elif columns < LEAST_COLUMNS:
        why, fix = f"tables are made for {LEAST_COLUMNS} columns and will be folded", "widen the window"
    return Check(
        name="terminal", status="warning" if fix else "ok", found=", ".join(parts), why=why, fix=fix, facts=facts
    )
