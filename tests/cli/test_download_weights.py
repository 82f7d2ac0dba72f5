from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import shlex
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from thermalctl.cli.download_weights import download_weights
from thermalctl.errors import RequestError, WeightsError
from thermalctl.weights import catalog, download, transfer
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
            mmaction2_name=f"{name}_8xb8-32x2x1-10e_kinetics400-rgb",
            architecture="Tiny",
            num_frames=32,
            frame_interval=2,
            input_size=(224, 224),
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


@pytest.fixture
def in_config(entries: list[PretrainedWeights], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of the two is what a shipped configuration starts from."""
    first, second = entries
    monkeypatch.setattr(catalog, "CATALOG", (dataclasses.replace(first, config="slowfast-r50"), second))


def test_default_model_goes_to_the_cache_and_the_next_step_is_told(
    mirror: str, tmp_path: Path, in_config: None
) -> None:
    result = run("--mirror", mirror)

    path = tmp_path / "cache" / "weights" / f"tiny_first-{DIGITS}.pth"
    assert path.read_bytes() == CONTENT
    assert result.stdout == f"tiny_first: fetched, 7,000 bytes, verified\n  {path}\n"
    assert result.stderr == "next: thermalctl train --config slowfast-r50\n"


def test_models_go_to_checkpoints_where_there_is_one(mirror: str, current: Path) -> None:
    (current / "checkpoints").mkdir()

    result = run("tiny_second", "tiny_first", "tiny_second", "--mirror", mirror)

    assert result.stdout.splitlines() == [
        "tiny_second: fetched, 7,000 bytes, verified",
        f"  checkpoints/tiny_second-{DIGITS}.pth",
        "tiny_first: fetched, 7,000 bytes, verified",
        f"  checkpoints/tiny_first-{DIGITS}.pth",
    ]


def test_folder_that_train_does_not_look_in_is_told_by_its_path_as_a_shell_takes_it(
    mirror: str, current: Path, in_config: None
) -> None:
    result = run("--dir", "my weights/größer", "--mirror", mirror)

    path = f"my weights/größer/tiny_first-{DIGITS}.pth"
    assert (current / path).is_file()
    [command] = result.stderr.splitlines()
    assert shlex.split(command)[-2:] == ["--load-from", path]


def test_model_without_a_shipped_configuration_is_told_what_it_needs(mirror: str, in_config: None) -> None:
    assert run("tiny_second", "--mirror", mirror).stderr == (
        "to start from it: load_from = 'tiny_second' in a configuration of Tiny, "
        "as MMAction2's tiny_second_8xb8-32x2x1-10e_kinetics400-rgb\n"
    )


def test_file_in_the_cache_is_not_fetched_again_into_checkpoints(mirror: str, current: Path) -> None:
    run("--mirror", mirror)
    (current / "checkpoints").mkdir()

    assert run("--mirror", "http://127.0.0.1:9").stdout.startswith("tiny_first: already here")
    assert list((current / "checkpoints").iterdir()) == []


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


def test_list_shows_all_there_is_to_know_in_80_columns(
    mirror: str, tmp_path: Path, current: Path, entries: list[PretrainedWeights], monkeypatch: pytest.MonkeyPatch
) -> None:
    (current / "checkpoints").mkdir()
    run("tiny_second", "--mirror", mirror)
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    (tmp_path / "cache" / "weights" / f"tiny_first-{DIGITS}.pth").write_bytes(b"x" * 2_600_000)
    longest = dataclasses.replace(
        entries[0],
        name="slowfast_r101_8x8_kinetics400",
        num_parameters=62_900_000,
        file_names=("x-00000000.pth",),
        kinetics400_top1=78.65,
    )
    monkeypatch.setattr(catalog, "CATALOG", (*entries, longest))

    result = run("--list")

    table, _, paths = result.stdout.partition("\n\n")
    rows = [line.split() for line in table.splitlines()]
    assert rows[:2] == [["name"], ["model,", "input", "top-1", "size", "where", "verified"]]
    assert rows[2:] == [
        ["tiny_first", "50.00", "3", "MB", "cache", "no"],
        ["Tiny,", "32x2,", "224x224"],
        ["tiny_second", "50.00", "0", "MB", "checkpoints/", "yes"],
        ["Tiny,", "32x2,", "224x224"],
        ["slowfast_r101_8x8_kinetics400", "78.65", "about", "252", "MB", "-", "-"],
        ["Tiny,", "32x2,", "224x224"],
    ]
    assert max(len(line.rstrip()) for line in table.splitlines()) <= 80
    assert paths.splitlines() == [
        f"tiny_first: {tmp_path}/cache/weights/tiny_first-{DIGITS}.pth",
        f"tiny_second: checkpoints/tiny_second-{DIGITS}.pth",
    ]
    assert result.stderr.endswith("New ones go to checkpoints/\nnext: thermalctl download-weights tiny_first --force\n")


def test_list_as_json_says_what_is_known_and_what_estimated(mirror: str, tmp_path: Path) -> None:
    run("--mirror", mirror)

    told = json.loads(run("--list", "--json").stdout)

    assert [(item["status"], item["place"], item["num_bytes"], item["approximate_num_bytes"]) for item in told] == [
        ("verified", "cache", 7000, 4_000_000),
        ("absent", None, None, 4_000_000),
    ]
    assert told[0]["path"] == str(tmp_path / "cache" / "weights" / f"tiny_first-{DIGITS}.pth")


@pytest.mark.parametrize("name", ["mirrored name", f"tiny_first-{DIGITS}.pth"])
def test_address_of_a_model_is_stored_under_the_published_name(server: str, tmp_path: Path, name: str) -> None:
    (tmp_path / "served" / name).write_bytes(CONTENT)

    result = run("tiny_first", "--url", f"{server}/{name.replace(' ', '%20')}?token=x")

    assert result.stdout.startswith("tiny_first: fetched")
    assert (tmp_path / "cache" / "weights" / f"tiny_first-{DIGITS}.pth").read_bytes() == CONTENT


def test_address_of_a_published_file_needs_no_model(mirror: str, tmp_path: Path) -> None:
    result = run("--url", f"{mirror}/tiny_second-{DIGITS}.pth")

    assert result.stdout.startswith("tiny_second: fetched")


def test_address_with_a_hash_in_its_name_is_verified_by_that(server: str, tmp_path: Path) -> None:
    (tmp_path / "served" / f"mine-{DIGITS}.pth").write_bytes(CONTENT)
    (tmp_path / "served" / "mine-12345678.pth").write_bytes(CONTENT)

    result = run("--url", f"{server}/mine-{DIGITS}.pth")

    assert result.stdout.startswith(f"mine-{DIGITS}.pth: fetched, 7,000 bytes, verified")
    assert result.stderr == f"to start from it: load_from = 'mine-{DIGITS}.pth' in a configuration of its network\n"
    with pytest.raises(WeightsError, match="expected 12345678"):
        run("--url", f"{server}/mine-12345678.pth")


def test_address_that_promises_nothing_is_refused_with_another_way(server: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="ends in no hash") as raised:
        run("--url", f"{server}/epoch_10.pth")

    assert "train --load-from URL" in str(raised.value.hint)
    assert not (tmp_path / "cache").exists()


def test_other_content_at_an_address_is_refused(server: str, tmp_path: Path) -> None:
    (tmp_path / "served" / "x.pth").write_bytes(b"other")

    with pytest.raises(WeightsError, match=f"serves another file .* expected {DIGITS}"):
        run("tiny_first", "--url", f"{server}/x.pth")

    assert list((tmp_path / "cache" / "weights").iterdir()) == []


def test_model_named_twice_or_by_two_names_is_fetched_once(mirror: str) -> None:
    result = run("tiny_first", "tiny_first", "tiny_first_8xb8-32x2x1-10e_kinetics400-rgb", "--mirror", mirror)

    assert result.stdout.count("tiny_first:") == 1


def test_what_arrived_before_an_error_is_told(mirror: str, tmp_path: Path) -> None:
    (tmp_path / "served" / f"tiny_second-{DIGITS}.pth").unlink()
    app = typer.Typer()
    app.command()(download_weights)

    result = CliRunner().invoke(app, ["--all", "--mirror", mirror])

    assert isinstance(result.exception, WeightsError)
    assert "answered 404" in result.exception.message
    assert result.stdout.startswith("tiny_first: fetched, 7,000 bytes, verified\n")


def test_attempts_are_told_in_a_line_each_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transfer, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(transfer, "NUM_ATTEMPTS", 3)
    app = typer.Typer()
    app.command()(download_weights)

    result = CliRunner().invoke(app, ["--json", "--mirror", "http://127.0.0.1:9"])  # nothing listens there

    assert isinstance(result.exception, WeightsError)
    assert result.stdout == ""
    assert [line.partition("; ")[2] for line in result.stderr.splitlines()] == [
        "attempt 2 of 3 in 0 s",
        "attempt 3 of 3 in 0 s",
    ]


def test_interrupted_download_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "fetch_weights", interrupt)

    result = run()

    assert result.exit_code == 130
    assert result.stdout == ""
    assert result.stderr == "interrupted; what arrived is kept, the same command goes on from there\n"


@pytest.mark.parametrize("options", [(), ("--from-file", "x.pth")])
def test_folder_that_is_a_file_is_told(mirror: str, current: Path, options: tuple[str, ...]) -> None:
    (current / "file").write_text("")
    (current / "x.pth").write_bytes(CONTENT)
    source = options or ("--mirror", mirror)

    with pytest.raises(WeightsError, match=r"^file: is a file, expected a folder$"):
        run("--dir", "file", *source)


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
        ["--from-file", "x", "--url", "http://127.0.0.1:9/x.pth"],
        ["--url", "http://127.0.0.1:9/x.pth", "--mirror", "http://127.0.0.1:9"],
        ["--url", "http://127.0.0.1:9/x.pth", "--all"],
        ["--url", "http://127.0.0.1:9/x.pth", "tiny_first", "tiny_second"],
        ["--url", "http://127.0.0.1:9/x.pth", "--list"],
    ],
)
def test_contradictory_options_are_refused(options: list[str]) -> None:
    with pytest.raises(RequestError):
        run(*options)
