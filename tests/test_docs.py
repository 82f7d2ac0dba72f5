from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from thermalctl.cli.app import app
from thermalctl.cli.reference import list_commands

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
COMMANDS: dict[str, Any] = dict(list_commands(typer.main.get_command(app)))
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_flags_in_the_pages_exist(page: Path) -> None:
    shown = re.findall(
        r"^(?:\$ |    )?thermalctl .*$|`thermalctl [^`]+`", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    for line in shown:
        words = line.strip("`$ ").partition("#")[0].split()[1:]
        name = next(word for word in words if not word.startswith("--"))
        if name in GROUPS:
            name = " ".join(words[words.index(name) :][:2])
        if name == "COMMAND":
            continue
        assert name in COMMANDS, line
        known = {option for param in COMMANDS[name].params for option in (*param.opts, *param.secondary_opts)}
        assert {word for word in words if re.fullmatch(r"--[a-z-]+", word)} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_the_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
