"""Templates of pages: each page has a folder of its own, and they share a style and macros."""

from __future__ import annotations

import jinja2

from thermalctl.dataset.findings import percent
from thermalctl.reports.sentences import count

#: Names longer than this are cut in the middle; they are there in full when pointed at.
MAX_NAME = 60


def load_template(page: str) -> jinja2.Template:
    """Return a page's template."""
    # Every value is escaped, in attributes and SVG too: names come from whoever made the dataset.
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader("thermalctl.reports", f"templates/{folder}") for folder in (page, "shared")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": count,
        "percent": percent,
        "shorten": shorten,
        "fixed": lambda number, digits=1: "-" if number is None else f"{number:,.{digits}f}",
        "whole": lambda number: f"{number:,}",
    }
    return environment.get_template("page.html.j2")


def shorten(text: str, most: int = MAX_NAME) -> str:
    """Return a text of `most` characters at most, its middle left out where it is longer."""
    kept = most - 1
    return text if len(text) <= most else f"{text[: kept - kept // 3]}…{text[-(kept // 3) :]}"
