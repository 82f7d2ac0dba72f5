from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from thermalctl.cli import console
from thermalctl.cli.preview import preview
from thermalctl.errors import ConfigError, DatasetError, RequestError


@pytest.fixture(autouse=True)
def current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulated_dataset: Path) -> Path:
    """An empty current folder, and a dataset that needs not be named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THERMALCTL_DATA", str(simulated_dataset))
    return tmp_path


def run(*options: str) -> Result:
    app = typer.Typer()
    app.command()(preview)
    return CliRunner().invoke(app, list(options), catch_exceptions=False)


def test_bare_command_writes_a_sheet_and_says_where_and_of_what(current: Path) -> None:
    result = run()
    lines = result.stdout.splitlines()
    assert lines == ["preview.png", "dataset: train, 12 of 12 clips, rarest classes first"]
    assert "dataset: " in result.stderr and "$THERMALCTL_DATA" in result.stderr
    with Image.open(current / "preview.png") as image:
        assert image.format == "PNG"
        assert image.width >= 1000 and image.height >= 12 * 100


def test_what_is_there_is_overwritten_with_force_only(current: Path) -> None:
    (current / "preview.png").write_bytes(b"mine")
    with pytest.raises(RequestError, match="is already there") as raised:
        run()
    assert raised.value.hint is not None and "--force" in raised.value.hint
    assert (current / "preview.png").read_bytes() == b"mine"
    run("--force")
    assert (current / "preview.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("name", ["clips.gif", "clips.mp4", "CLIPS.PNG"])
def test_format_follows_from_the_outputs_ending(current: Path, name: str) -> None:
    result = run("--output", f"deep/{name}", "--count", "1", "--split", "val")
    assert result.stdout.splitlines()[0] == f"deep/{name}"
    head = (current / "deep" / name).read_bytes()[:12]
    assert {"gif": b"GIF8", "mp4": b"ftyp", "png": b"PNG"}[name[-3:].lower()] in head


def test_animation_has_the_rate_that_was_asked_for() -> None:
    run("--format", "gif", "--count", "1", "--fps", "5")
    with Image.open("preview.gif") as film:
        assert film.info["duration"] % 200 == 0


def test_given_range_is_the_scales(current: Path) -> None:
    run("--range", "-100:100", "--count", "2", "--output", "a.png", "--colormap", "gray")
    with Image.open(current / "a.png") as image:
        pixels = np.asarray(image)
    # Rooms of 15 to 35 deg C are between 57 % and 68 % grey on that scale; a third of the sheet is frames.
    assert np.mean((pixels > 145) & (pixels < 174)) > 0.3


def test_terminal_shows_shades_where_there_is_no_colour(current: Path) -> None:
    result = run("--format", "terminal", "--count", "1")
    assert result.stdout.startswith("dataset: train, 1 of 12 clips")
    assert "0 s keyframe" in result.stdout
    assert "┌" in result.stdout and "▀" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert list(current.iterdir()) == []


def test_terminal_shows_half_blocks_where_there_is_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(
        console,
        "stdout",
        lambda: Console(file=written, force_terminal=True, color_system="truecolor", width=80, no_color=False),
    )
    run("--format", "terminal", "--count", "1")
    assert "▀" in written.getvalue() and "\x1b[38;2;" in written.getvalue()


def test_augmented_sheet_shows_draws_beside_the_clip(current: Path) -> None:
    options = ("--augmented", "3", "--config", "slowfast-tiny", "--count", "1", "--frames", "1", "--output")
    run(*options, "a.png")
    run(*options, "same.png")
    run(*options, "b.png", "--seed", "9")
    first, same, other = (Image.open(current / f"{name}.png").copy() for name in ("a", "same", "b"))
    assert first.tobytes() == same.tobytes()
    assert first.tobytes() != other.tobytes()
    assert first.width > 4 * 300  # the clip and three draws side by side


def test_configuration_decides_what_a_clip_is() -> None:
    result = run("--format", "terminal", "--count", "1", "--config", "slowfast-tiny", "--target", "person")
    assert "#" in result.stdout  # a person's id


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "gif", "--output", "a.png"], 'ends in ".png", expected .gif'),
        (["--output", "a.jpeg"], 'ends in ".jpeg", expected .png or .gif or .mp4'),
        (["--output", "."], "is a folder"),
        (["--format", "terminal", "--output", "a.png"], "the terminal is no file"),
        (["--fps", "5"], "--fps is for an animation"),
        (["--frames", "5", "--format", "gif"], "an animation shows all frames"),
        (["--seed", "5"], "--seed is of the draws"),
        (["--range", "30:20"], "expected LOW:HIGH"),
        (["--colormap", "infernal"], "Is inferno meant"),
        (["--class", "wlaking"], "Is walking meant"),
        (["--finding", "leek"], "no such name"),
    ],
)
def test_impossible_request_is_refused_and_nothing_written(current: Path, options: list[str], message: str) -> None:
    with pytest.raises(RequestError, match=message) as raised:
        run(*options)
    assert raised.value.hint
    assert list(current.iterdir()) == []


def test_unknown_split_and_configuration_are_refused() -> None:
    with pytest.raises(DatasetError, match='no split "vla"'):
        run("--split", "vla")
    with pytest.raises(ConfigError, match="no such configuration"):
        run("--augmented", "1", "--config", "slowfast-smal")


def test_sheet_needs_no_torch(current: Path) -> None:
    program = (
        "import sys, typer; from thermalctl.cli.preview import preview\n"
        "heavy = {'torch', 'mmengine', 'matplotlib', 'h5py', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "app = typer.Typer(); app.command()(preview); app(['--count', '1'], standalone_mode=False)\n"
        "heavy = {'torch', 'mmengine', 'mmaction', 'scipy.stats', 'cv2'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (current / "preview.png").is_file()


@pytest.mark.real
def test_every_finding_has_clips_in_the_real_recordings(current: Path, real_dataset: Path) -> None:
    for finding, text in {
        "leakage": "of 73 pairs",
        "conflicting": "of 94 clips",  # as inspect-dataset counts them
        "incomplete": "clips with incomplete frames",
        "doubtful": "with a label that is probably wrong",
        "rare": "clips of classes with fewer than 5",
    }.items():
        result = run("--data", str(real_dataset), "--finding", finding, "--count", "2", "--output", f"{finding}.png")
        assert text in result.stdout.replace("\n", " ")
        assert (current / f"{finding}.png").stat().st_size > 20_000
