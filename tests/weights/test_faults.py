"""What a server may do wrong, and that the weights' name never stands for anything but the verified file."""

from __future__ import annotations

import random
import ssl
from pathlib import Path
from typing import Any

import pytest

from thermalctl.errors import WeightsError
from thermalctl.weights import transfer
from thermalctl.weights.catalog import PretrainedWeights
from thermalctl.weights.download import fetch_file, fetch_weights

#: Cases of the random test, of one to four faults each.
NUM_CASES = 160


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a tenth of the file be worth another attempt, so that both kinds of attempts occur."""
    monkeypatch.setattr(transfer, "WORTHWHILE_BYTES", 60_000)


def test_over_200_random_faults_leave_the_whole_file_or_none_and_the_next_try_resumes(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context()  # reading the certificates anew for each client would take half the time
    monkeypatch.setattr(ssl, "create_default_context", lambda **options: context)
    draw = random.Random(20_220_901)
    num_faults = num_resumed = 0
    for case in range(NUM_CASES):
        folder = tmp_path / str(case)
        path = folder / entry.file_names[0]
        part = folder / f"{path.name}.part"
        server.watched, server.seen, server.requests = path, [], []
        num_here = draw.randint(1, 4)
        for _ in range(num_here):
            server.fail_at_random(draw, len(content))
        num_faults += num_here
        wrong = [fault.kind for fault in server.faults]
        if draw.random() < 0.6:  # then the server goes down for longer than is waited
            for _ in range(12):
                server.fail("status", status=503)
            wrong.append("down")

        try:
            assert fetch_weights(entry, folder).path == path, wrong
        except WeightsError as error:
            assert error.hint, wrong
            assert "\n" not in error.message, wrong
        assert not any(server.seen), wrong
        assert {found.name for found in folder.iterdir()} <= {path.name, part.name}, wrong
        if path.exists():
            assert path.read_bytes() == content, wrong
            assert not part.exists(), wrong
            server.faults = []
            continue

        here = part.read_bytes() if part.exists() else b""
        server.faults, server.requests = [], []
        assert fetch_weights(entry, folder).path.read_bytes() == content, wrong
        assert not part.exists(), wrong
        if here and content.startswith(here):
            num_resumed += 1
            assert [asked for _, asked in server.requests] == [f"bytes={len(here)}-"], wrong

    assert num_faults > 200
    assert num_resumed > 10


@pytest.mark.parametrize(
    ("kind", "num_requests"),
    [
        ("cut", 2),
        ("reset", 2),
        ("silence", 2),
        ("status", 2),
        ("short_ranges", 2),
        ("no_length", 1),
        ("no_length_cut", 2),
        ("compressed", 1),
        ("other_content_cut", 3),
        ("other_start", 2),
        ("no_position", 2),
        ("shorter_than_announced", 2),
    ],
)
def test_fault_that_passes_is_got_over_in_one_command(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path, kind: str, num_requests: int
) -> None:
    server.fail(kind, at=100_000)

    assert fetch_weights(entry, tmp_path).path.read_bytes() == content
    assert len(server.requests) == num_requests


@pytest.mark.parametrize(
    "kind", ["other_start", "other_total", "no_position", "wrong_416", "no_ranges", "other_content", "short_ranges"]
)
def test_wrong_answer_to_a_range_is_got_over_in_one_command(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path, kind: str
) -> None:
    (tmp_path / f"{entry.file_names[0]}.part").write_bytes(content[:1000])
    server.fail(kind, at=100_000)

    assert fetch_weights(entry, tmp_path).path.read_bytes() == content
    assert server.requests[0][1] == "bytes=1000-"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("other_content", "serves another file"),
        ("longer_than_announced", r"serves another file \(100,000 bytes\)"),
        ("endless", "sends more than the 2,400,000 bytes"),
        ("web_page", "the answer is a web page"),
        ("redirect_loop", "cannot be fetched .*redirects"),
    ],
)
def test_fault_that_stays_is_told_and_nothing_gets_the_name(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path, kind: str, message: str
) -> None:
    for _ in range(10):
        server.fail(kind, at=100_000)

    with pytest.raises(WeightsError, match=message) as raised:
        fetch_weights(entry, tmp_path)

    assert raised.value.hint
    assert list(tmp_path.iterdir()) == []


def test_login_page_does_not_cost_what_has_arrived(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    part = tmp_path / f"{entry.file_names[0]}.part"
    part.write_bytes(content[:400_000])
    server.honours_ranges = False
    server.fail("web_page")

    with pytest.raises(WeightsError, match="the answer is a web page"):
        fetch_weights(entry, tmp_path)

    assert part.read_bytes() == content[:400_000]


def test_answer_of_another_size_than_any_such_weights_is_not_read(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    server.files[f"/v1.0/tiny/{entry.file_names[0]}"] = content * 5

    with pytest.raises(WeightsError, match="3,000,000 bytes, too many for these weights"):
        fetch_weights(entry, tmp_path)


def test_line_that_is_cut_often_is_not_given_up_while_it_brings_something(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    server.cuts = [60_000] * 9  # more cuts than attempts

    assert fetch_weights(entry, tmp_path).path.read_bytes() == content
    assert len(server.requests) == 10


def test_server_that_always_begins_again_and_stops_is_given_up(
    server: Any, entry: PretrainedWeights, tmp_path: Path
) -> None:
    server.honours_ranges = False
    server.cuts = [200_000] * 100

    with pytest.raises(WeightsError, match="the connection was cut, 6 times in a row"):
        fetch_weights(entry, tmp_path)


def test_file_that_is_replaced_meanwhile_is_fetched_anew(server: Any, content: bytes, tmp_path: Path) -> None:
    """Of this file no hash is known, so a join of both versions would not be found out."""
    server.files["/epoch_10.pth"] = content
    server.headers = {"ETag": '"one"'}
    server.fail("cut", at=100_000)

    def replace(num_here: int, num_total: int | None) -> None:
        server.files["/epoch_10.pth"] = content[::-1]
        server.headers = {"ETag": '"two"'}

    fetched = fetch_file(f"{server.url}/epoch_10.pth", tmp_path, name="x", on_progress=replace)

    assert fetched.path.read_bytes() == content[::-1]
    assert [asked for _, asked in server.requests] == [None, "bytes=100000-"]


@pytest.mark.parametrize("headers", [{"ETag": '"one"'}, {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}])
def test_same_version_is_asked_for(server: Any, content: bytes, tmp_path: Path, headers: dict[str, str]) -> None:
    server.files["/epoch_10.pth"] = content
    server.headers = headers
    server.fail("cut", at=100_000)
    server.fail("status", status=503)

    fetched = fetch_file(f"{server.url}/epoch_10.pth", tmp_path, name="x")

    assert fetched.path.read_bytes() == content
    assert server.if_ranges == [None, *headers.values(), *headers.values()]
    assert [asked for _, asked in server.requests] == [None, "bytes=100000-", "bytes=100000-"]


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}], ids=["no version", "weak version"])
def test_file_of_which_neither_hash_nor_version_is_known_is_not_joined(
    server: Any, content: bytes, tmp_path: Path, headers: dict[str, str]
) -> None:
    server.files["/epoch_10.pth"] = content
    server.headers = headers
    server.fail("cut", at=100_000)

    fetched = fetch_file(f"{server.url}/epoch_10.pth", tmp_path, name="x")

    assert fetched.path.read_bytes() == content
    assert [asked for _, asked in server.requests] == [None, None]


def test_part_that_is_a_folder_is_told(entry: PretrainedWeights, tmp_path: Path) -> None:
    (tmp_path / f"{entry.file_names[0]}.part").mkdir()

    with pytest.raises(WeightsError, match=r"\.part: is a folder, where a file is to be written") as raised:
        fetch_weights(entry, tmp_path)

    assert raised.value.hint == "move it away, or name another folder with --dir"


def test_folder_under_the_files_name_is_told_before_anything_is_fetched(
    server: Any, entry: PretrainedWeights, tmp_path: Path
) -> None:
    (tmp_path / entry.file_names[1]).mkdir()

    with pytest.raises(WeightsError, match="is a folder"):
        fetch_weights(entry, tmp_path)

    assert server.requests == []


def test_part_that_cannot_be_written_is_told(
    entry: PretrainedWeights, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / f"{entry.file_names[0]}.part"
    part.write_bytes(content[:1000])
    open_path = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:  # root may write everywhere, chmod would not do
        if path == part:
            raise PermissionError(13, "Permission denied", str(path))
        return open_path(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(WeightsError, match=r"\.part: cannot be written \(Permission denied\)"):
        fetch_weights(entry, tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("HTTPS_PROXY", "gopher://127.0.0.1", "the proxy of the environment cannot be used"),
        ("SSL_CERT_FILE", "/absent.pem", "the certificates of the environment cannot be read"),
    ],
)
def test_impossible_environment_is_told(
    entry: PretrainedWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(WeightsError, match=message) as raised:
        fetch_weights(entry, tmp_path)

    assert name in str(raised.value.hint)
