from __future__ import annotations

import dataclasses
import hashlib
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from thermalctl.errors import WeightsError
from thermalctl.weights.arrival import FetchedWeights
from thermalctl.weights.catalog import PretrainedWeights
from thermalctl.weights.download import fetch_file, fetch_weights


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_is_fetched_verified_and_named(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    told: list[tuple[int, int | None]] = []

    fetched = fetch_weights(entry, tmp_path / "new", on_progress=lambda here, total: told.append((here, total)))

    assert fetched == FetchedWeights(
        name=entry.name,
        path=tmp_path / "new" / entry.file_names[0],
        sha256=hashlib.sha256(content).hexdigest(),
        num_bytes=len(content),
        status="fetched",
        source=entry.urls[0],
    )
    assert fetched.path.read_bytes() == content
    assert list_names(tmp_path / "new") == [entry.file_names[0]]
    assert told[-1] == (len(content), len(content))
    assert told == sorted(told)


def test_what_is_there_is_verified_and_not_asked_for_again(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / entry.file_names[1]).write_bytes(content)

    fetched = fetch_weights(entry, tmp_path)

    assert (fetched.status, fetched.path, fetched.source) == ("present", tmp_path / entry.file_names[1], None)
    assert server.requests == []


def test_damaged_file_is_kept_and_told_without_force(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / entry.file_names[0]).write_bytes(content[:-1])

    with pytest.raises(WeightsError, match="is damaged or another file") as raised:
        fetch_weights(entry, tmp_path)

    assert raised.value.hint == "fetch it again with --force"
    assert (tmp_path / entry.file_names[0]).read_bytes() == content[:-1]


@pytest.mark.parametrize("which", [0, 1])
def test_damaged_file_is_replaced_with_force(
    entry: PretrainedWeights, content: bytes, tmp_path: Path, which: int
) -> None:
    (tmp_path / entry.file_names[which]).write_bytes(content[:-1])

    fetched = fetch_weights(entry, tmp_path, force=True)

    assert fetched.path == tmp_path / entry.file_names[which]
    assert fetched.path.read_bytes() == content
    assert list_names(tmp_path) == [entry.file_names[which]]


def test_cut_connection_is_resumed_at_the_byte_where_it_was_cut(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    server.cuts = [250_000, 100_000]

    fetched = fetch_weights(entry, tmp_path)

    assert fetched.path.read_bytes() == content
    assert [asked for _, asked in server.requests] == [None, "bytes=250000-", "bytes=350000-"]


def test_part_of_an_earlier_process_is_resumed(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / f"{entry.file_names[0]}.part").write_bytes(content[:1000])

    fetched = fetch_weights(entry, tmp_path)

    assert fetched.path.read_bytes() == content
    assert [asked for _, asked in server.requests] == ["bytes=1000-"]
    assert list_names(tmp_path) == [entry.file_names[0]]


def test_complete_part_of_an_earlier_process_is_taken(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / f"{entry.file_names[0]}.part").write_bytes(content)

    assert fetch_weights(entry, tmp_path).path.read_bytes() == content
    assert [asked for _, asked in server.requests] == [f"bytes={len(content)}-"]


@pytest.mark.parametrize("rubbish", [b"x" * 1000, b"x" * 700_000], ids=["shorter", "longer than the file"])
def test_part_of_another_file_is_dropped_and_the_download_begun_again(
    entry: PretrainedWeights, content: bytes, tmp_path: Path, rubbish: bytes
) -> None:
    (tmp_path / f"{entry.file_names[0]}.part").write_bytes(rubbish)

    assert fetch_weights(entry, tmp_path).path.read_bytes() == content


def test_server_without_ranges_is_read_from_the_beginning(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    server.honours_ranges = False
    server.cuts = [250_000]

    assert fetch_weights(entry, tmp_path).path.read_bytes() == content
    assert [asked for _, asked in server.requests] == [None, "bytes=250000-"]


def test_whole_answer_replaces_a_longer_part(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    server.honours_ranges = False
    (tmp_path / f"{entry.file_names[0]}.part").write_bytes(b"x" * 700_000)

    assert fetch_weights(entry, tmp_path).path.read_bytes() == content
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_passing_fault_is_tried_again(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path, status: int
) -> None:
    server.statuses = [status]

    assert fetch_weights(entry, tmp_path).path.read_bytes() == content
    assert len(server.requests) == 2


def test_server_that_keeps_failing_is_given_up_and_the_part_kept(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    server.cuts = [1000]
    server.statuses = []
    (tmp_path / f"{entry.file_names[0]}.part").write_bytes(content[:500])
    server.statuses = [502] * 6

    with pytest.raises(WeightsError, match="answered 502 Bad Gateway, 6 times in a row") as raised:
        fetch_weights(entry, tmp_path)

    assert "goes on where it stopped" in str(raised.value.hint)
    assert list_names(tmp_path) == [f"{entry.file_names[0]}.part"]


def test_second_name_is_tried_when_the_first_is_not_served(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    server.files = {f"/v1.0/tiny/{entry.file_names[1]}": content}

    fetched = fetch_weights(entry, tmp_path)

    assert (fetched.path.name, fetched.source) == (entry.file_names[1], entry.urls[1])
    assert len(server.requests) == 2


def test_file_served_under_neither_name_is_refused_with_both_addresses(
    server: Any, entry: PretrainedWeights, tmp_path: Path
) -> None:
    server.files = {}

    with pytest.raises(WeightsError, match="answered 404 Not Found") as raised:
        fetch_weights(entry, tmp_path)

    assert all(url in raised.value.message for url in entry.urls)
    assert len(server.requests) == 2
    assert list_names(tmp_path) == []


def test_other_content_never_gets_the_name(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    server.files[f"/v1.0/tiny/{entry.file_names[0]}"] = b"PK, but no weights"

    with pytest.raises(WeightsError, match=f"expected {entry.sha256_prefix}. It was not kept"):
        fetch_weights(entry, tmp_path)

    assert list_names(tmp_path) == []
    assert len(server.requests) == 1


def test_unreachable_server_is_told_with_other_ways(
    entry: PretrainedWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsError, match="refused, 6 times in a row") as raised:
        # Port 9, "discard", is where nothing listens.
        fetch_weights(entry, tmp_path, mirror="http://127.0.0.1:9")

    assert "--from-file" in str(raised.value.hint)


def test_offline_machine_is_told_at_once(
    entry: PretrainedWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def resolve_nothing(host: object, *arguments: object, **options: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve_nothing)
    with pytest.raises(WeightsError, match="the name of the server is not known here"):
        fetch_weights(entry, tmp_path, mirror="http://mirror.invalid")

    assert len(asked) == 1


def test_untrusted_certificate_is_told_at_once(
    entry: PretrainedWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def distrust(self: object, request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ConnectError("verify failed") from ssl.SSLCertVerificationError("self-signed certificate")

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", distrust)
    with pytest.raises(WeightsError, match="certificate is not trusted") as raised:
        fetch_weights(entry, tmp_path)

    assert "SSL_CERT_FILE" in str(raised.value.hint)
    assert len(asked) == 1


def test_address_of_an_unknown_kind_is_not_tried_again(entry: PretrainedWeights, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be fetched"):
        fetch_weights(entry, tmp_path, mirror="ftp://127.0.0.1")


@pytest.mark.parametrize("folder", ["/v1.0/tiny/", "/"], ids=["publisher's folders", "bare files"])
def test_mirror_is_asked_in_both_layouts_and_the_publisher_is_not(
    server: Any, entry: PretrainedWeights, content: bytes, tmp_path: Path, folder: str
) -> None:
    published = dataclasses.replace(entry, folder_url="http://publisher.invalid/v1.0/tiny")
    server.files = {f"/mirror{folder}{entry.file_names[0]}": content}

    fetched = fetch_weights(published, tmp_path, mirror=f"{server.url}/mirror/")

    assert fetched.source == f"{server.url}/mirror{folder}{entry.file_names[0]}"


def test_mirror_of_the_environment_is_used(
    server: Any, entry: PretrainedWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THERMALCTL_MIRROR", server.url)
    published = dataclasses.replace(entry, folder_url="http://publisher.invalid/v1.0/tiny")

    assert fetch_weights(published, tmp_path).status == "fetched"


def test_two_at_once_fetch_it_once(server: Any, entry: PretrainedWeights, tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(fetch_weights(entry, tmp_path).status)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == ["fetched", "present"]
    assert len(server.requests) == 1


def test_folder_that_cannot_be_made_is_told(entry: PretrainedWeights, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(WeightsError, match=r"file/below: cannot be written") as raised:
        fetch_weights(entry, tmp_path / "file" / "below")

    assert raised.value.hint == "name another folder with --dir"


def test_download_that_does_not_fit_the_disk_is_not_begun(
    server: Any, entry: PretrainedWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "thermalctl.weights.transfer.shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000})
    )

    with pytest.raises(WeightsError, match="0 MB are free, 1 MB are needed"):
        fetch_weights(entry, tmp_path)

    assert list_names(tmp_path) == []


def test_old_part_of_a_file_without_a_hash_is_not_resumed(server: Any, content: bytes, tmp_path: Path) -> None:
    server.files["/epoch_10.pth"] = content
    (tmp_path / "epoch_10.pth.part").write_bytes(b"x" * 1000)

    fetched = fetch_file(f"{server.url}/epoch_10.pth", tmp_path, name="epoch_10")

    assert fetched.path.read_bytes() == content


@pytest.mark.parametrize("address", ["http://127.0.0.1/", "http://127.0.0.1/weights/.."])
def test_address_that_names_no_file_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(WeightsError, match="names no file"):
        fetch_file(address, tmp_path, name="x")
