from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from thermalctl.cli.download_weights import download_weights
from thermalctl.errors import RequestError, WeightsError
from thermalctl.weights import catalog
from thermalctl.weights.catalog import PretrainedWeights

CONTENT = b"weights" * 1000
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture(autouse=True)
def current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder and an empty cache."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("THERMALCTL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    (tmp_path / "served").mkdir()
    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[PretrainedWeights]:
    """Two small entries in place of the catalog, served under their bare names."""
    made = [
        PretrainedWeights(
            name=name,
            architecture="Tiny",
            clip="8 slow + 32 fast frames, 224x224",
            kinetics400_top1=50.0,
            num_parameters=1_000_000,
            folder_url="http://publisher.invalid",
            file_names=(f"{name}-{DIGITS}.pth",),
        )
        for name in ("tiny_first", "tiny_second")
    ]
    monkeypatch.setattr(catalog, "CATALOG", tuple(made))
    monkeypatch.setattr(catalog, "DEFAULT_WEIGHTS", "tiny_first")
    return made


@pytest.fixture
def mirror(server: str, tmp_path: Path, entries: list[PretrainedWeights]) -> str:
    for entry in entries:
        (tmp_path / "served" / entry.file_names[0]).write_bytes(CONTENT)
    return server


def run(*options: str) -> Result:
    app = typer.Typer()
    app.command()(download_weights)
    return CliRunner().invoke(app, list(options), catch_exceptions=False)


def test_default_model_goes_to_the_cache_and_the_next_step_is_told(mirror: str, tmp_path: Path) -> None:
    result = run("--mirror", mirror)

    path = tmp_path / "cache" / "weights" / f"tiny_first-{DIGITS}.pth"
    assert path.read_bytes() == CONTENT
    assert result.stdout == f"tiny_first: fetched, 7,000 bytes, verified\n  {path}\n"
    assert result.stderr == "next: thermalctl train --load-from tiny_first\n"


def test_models_go_to_checkpoints_where_there_is_one(mirror: str, current: Path) -> None:
    (current / "checkpoints").mkdir()

    result = run("tiny_second", "tiny_first", "tiny_second", "--mirror", mirror)

    assert result.stdout.splitlines() == [
        "tiny_second: fetched, 7,000 bytes, verified",
        f"  checkpoints/tiny_second-{DIGITS}.pth",
        "tiny_first: fetched, 7,000 bytes, verified",
        f"  checkpoints/tiny_first-{DIGITS}.pth",
    ]


def test_folder_that_train_does_not_look_in_is_told_by_its_path(mirror: str, current: Path) -> None:
    result = run("--dir", "elsewhere", "--mirror", mirror)

    assert (current / "elsewhere" / f"tiny_first-{DIGITS}.pth").is_file()
    assert result.stderr == f"next: thermalctl train --load-from elsewhere/tiny_first-{DIGITS}.pth\n"


def test_all_fetches_every_model_and_json_tells_where_they_lie(mirror: str) -> None:
    told = json.loads(run("--all", "--json", "--mirror", mirror).stdout)

    assert [(item["name"], item["status"], item["num_bytes"]) for item in told] == [
        ("tiny_first", "fetched", 7000),
        ("tiny_second", "fetched", 7000),
    ]
    assert all(Path(item["path"]).read_bytes() == CONTENT for item in told)


def test_what_is_here_is_not_fetched_again(mirror: str) -> None:
    run("--mirror", mirror)

    assert run("--mirror", "http://127.0.0.1:9").stdout.startswith("tiny_first: already here")


def test_force_fetches_again(mirror: str, tmp_path: Path) -> None:
    damaged = tmp_path / "cache" / "weights" / f"tiny_first-{DIGITS}.pth"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"damaged")

    with pytest.raises(WeightsError, match="is damaged"):
        run("--mirror", mirror)
    run("--force", "--mirror", mirror)

    assert damaged.read_bytes() == CONTENT


def test_file_fetched_elsewhere_is_taken_without_a_network(current: Path, tmp_path: Path) -> None:
    (current / "download").write_bytes(CONTENT)

    result = run("tiny_second", "--from-file", "download")

    assert result.stdout.startswith("tiny_second: imported, 7,000 bytes, verified\n")
    assert (tmp_path / "cache" / "weights" / f"tiny_second-{DIGITS}.pth").read_bytes() == CONTENT


def test_list_shows_what_is_here(mirror: str, tmp_path: Path) -> None:
    run("--mirror", mirror)

    result = run("--list")

    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[1] == ["tiny_first", "8", "slow", "+", "32", "fast", "50.00", "4", "verified"]
    assert rows[2] == ["tiny_second", "8", "slow", "+", "32", "fast", "50.00", "4", "absent"]
    told = json.loads(run("--list", "--json").stdout)
    assert [item["status"] for item in told] == ["verified", "absent"]
    assert told[0]["path"] == str(tmp_path / "cache" / "weights" / f"tiny_first-{DIGITS}.pth")


def test_unknown_model_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"Is tiny_second meant\?") as raised:
        run("tiny_first", "tiny_secnd")

    assert raised.value.exit_code == 2
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["tiny_first", "--all"],
        ["tiny_first", "--list"],
        ["--list", "--force"],
        ["--list", "--dir", "x"],
        ["--all", "--from-file", "x"],
        ["tiny_first", "tiny_second", "--from-file", "x"],
        ["--from-file", "x", "--mirror", "http://127.0.0.1:9"],
    ],
)
def test_contradictory_options_are_refused(options: list[str]) -> None:
    with pytest.raises(RequestError):
        run(*options)
