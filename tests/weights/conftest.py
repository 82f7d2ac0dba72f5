"""A weights server on this machine that can be told to misbehave, and small stand-ins for the published files."""

from __future__ import annotations

import gzip
import hashlib
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from thermalctl.weights import transfer
from thermalctl.weights.catalog import PretrainedWeights

#: 600 kB that do not repeat, so that a wrongly joined file has another hash.
CONTENT = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(18_750))


@dataclass(frozen=True)
class Fault:
    """One answer that is not as it should be; FAULTS lists the kinds.

    Attributes:
        kind: the name of a method of `_Answers`.
        at: a number of bytes, where the kind needs one.
        status: an HTTP status, where the kind needs one.
    """

    kind: str
    at: int = 0
    status: int = 0


@dataclass
class WeightsServer:
    """What is served, the faults to come and what was asked for.

    Attributes:
        files: content by path.
        statuses: answers to give to the next requests in place of the file.
        cuts: numbers of bytes after which the next answers are cut off.
        faults: what else goes wrong with the next answers, one each.
        honours_ranges: whether a Range is answered with 206.
        headers: sent with every file: ETag, Last-Modified.
        block_bytes: a file is sent in blocks of this size.
        pause_s: waited after each block.
        gate: no file is sent before this is set.
        requests: (path, Range header or None) of each request.
        if_ranges: If-Range header or None of each request.
        watched: a path that is looked at with every request.
        seen: what was found there, None for nothing.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    honours_ranges: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    block_bytes: int = 1 << 20
    pause_s: float = 0.0
    gate: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    if_ranges: list[str | None] = field(default_factory=list)
    watched: Path | None = None
    seen: list[bytes | None] = field(default_factory=list)

    def fail(self, kind: str, at: int = 0, *, status: int = 500) -> None:
        """Let one more answer go wrong."""
        self.faults.append(Fault(kind=kind, at=at, status=status))

    def fail_at_random(self, random: random.Random, length: int) -> None:
        """Let one more answer for a file of this length go wrong, in any way."""
        self.fail(random.choice(FAULTS), random.randrange(length), status=random.choice(FAULT_STATUSES))


class _Answers(BaseHTTPRequestHandler):
    """A server that does as its state says; the methods named in FAULTS are what it does wrong."""

    state: WeightsServer
    content: bytes
    start: int

    def do_GET(self) -> None:
        state = self.state
        asked = self.headers.get("Range")
        condition = self.headers.get("If-Range")
        state.requests.append((self.path, asked))
        state.if_ranges.append(condition)
        if state.watched is not None:
            state.seen.append(state.watched.read_bytes() if state.watched.exists() else None)
        state.gate.wait()
        if state.statuses:
            self.answer(state.statuses.pop(0))
            return
        found = state.files.get(self.path)
        if found is None:
            self.answer(404)
            return
        self.content = found
        is_same_version = condition is None or condition in state.headers.values()
        is_part = asked is not None and state.honours_ranges and is_same_version
        self.start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and is_part else 0
        if state.faults:
            fault = state.faults.pop(0)
            getattr(self, fault.kind)(fault)
        elif is_part and self.start >= len(found):
            self.answer(416, {"Content-Range": f"bytes */{len(found)}"})
        elif is_part:
            self.send_part()
        else:
            self.send_whole()

    def send_whole(self, body: bytes | None = None) -> None:
        body = self.content if body is None else body
        self.send(200, body, {"Content-Length": str(len(body))})

    def send_part(self, body: bytes | None = None) -> None:
        body = self.content[self.start :] if body is None else body
        position = f"bytes {self.start}-{len(self.content) - 1}/{len(self.content)}"
        self.send(206, body, {"Content-Length": str(len(body)), "Content-Range": position})

    def send_as_asked(self, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send a body, good or bad, under the headers of the right answer unless others are given."""
        length = len(self.content) - self.start
        position = f"bytes {self.start}-{len(self.content) - 1}/{len(self.content)}"
        right = {"Content-Length": str(length), **({"Content-Range": position} if self.start else {})}
        self.send(206 if self.start else 200, body, right | (headers or {}))

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | self.state.headers).items():
            self.send_header(name, value)
        self.end_headers()
        body = body[: self.state.cuts.pop(0)] if self.state.cuts else body
        for first in range(0, len(body), self.state.block_bytes):
            self.wfile.write(body[first : first + self.state.block_bytes])
            time.sleep(self.state.pause_s)

    def answer(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass

    # What goes wrong.

    def status(self, fault: Fault) -> None:
        self.answer(fault.status)

    def cut(self, fault: Fault) -> None:
        self.send_as_asked(self.content[self.start :][: fault.at])

    def reset(self, fault: Fault) -> None:
        self.cut(fault)
        self.wfile.flush()
        # Closing then sends RST, not FIN: zero seconds to linger.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def silence(self, fault: Fault) -> None:
        self.close_connection = True

    def no_http(self, fault: Fault) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")

    def no_ranges(self, fault: Fault) -> None:
        self.send_whole()

    def other_content(self, fault: Fault) -> None:
        self.send_as_asked(bytes(len(self.content) - self.start))

    def other_content_cut(self, fault: Fault) -> None:
        self.send_as_asked(bytes(len(self.content) - self.start)[: fault.at])

    def shorter_than_announced(self, fault: Fault) -> None:
        length = str(len(self.content) - self.start + fault.at + 1)
        self.send_as_asked(self.content[self.start :], {"Content-Length": length})

    def longer_than_announced(self, fault: Fault) -> None:
        self.send_as_asked(self.content[self.start :], {"Content-Length": str(fault.at)})

    def no_length(self, fault: Fault) -> None:
        self.send(200, self.content, {})

    def no_length_cut(self, fault: Fault) -> None:
        self.send(200, self.content[: fault.at], {})

    def endless(self, fault: Fault) -> None:
        self.send(200, b"", {})
        for _ in range(1000):
            self.wfile.write(self.content)

    def other_start(self, fault: Fault) -> None:
        start = min(self.start + fault.at + 1, len(self.content) - 1)
        position = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        body = self.content[start:]
        self.send(206, body, {"Content-Length": str(len(body)), "Content-Range": position})

    def other_total(self, fault: Fault) -> None:
        total = len(self.content) + fault.at + 1
        body = bytes(total - self.start)
        position = f"bytes {self.start}-{total - 1}/{total}"
        self.send(206, body, {"Content-Length": str(len(body)), "Content-Range": position})

    def no_position(self, fault: Fault) -> None:
        body = self.content[self.start :]
        self.send(206, body, {"Content-Length": str(len(body))})

    def short_ranges(self, fault: Fault) -> None:
        body = self.content[self.start :][: fault.at + 1]
        position = f"bytes {self.start}-{self.start + len(body) - 1}/{len(self.content)}"
        self.send(206, body, {"Content-Length": str(len(body)), "Content-Range": position})

    def wrong_416(self, fault: Fault) -> None:
        self.answer(416, {"Content-Range": f"bytes */{fault.at}"})

    def web_page(self, fault: Fault) -> None:
        self.send_whole(b"\n<!DOCTYPE html><title>Please log in</title>" * 10)

    def redirect_loop(self, fault: Fault) -> None:
        self.state.faults.insert(0, fault)  # until the client has had enough
        self.answer(302, {"Location": self.path})

    def compressed(self, fault: Fault) -> None:
        body = gzip.compress(self.content[self.start :])
        self.send_as_asked(body, {"Content-Encoding": "gzip", "Content-Length": str(len(body))})

    def compressed_cut(self, fault: Fault) -> None:
        body = gzip.compress(self.content[self.start :])
        self.send_as_asked(body[: fault.at], {"Content-Encoding": "gzip", "Content-Length": str(len(body))})


#: Every kind of fault, each a method above.
FAULTS = (
    "status",
    "cut",
    "reset",
    "silence",
    "no_http",
    "no_ranges",
    "other_content",
    "other_content_cut",
    "shorter_than_announced",
    "longer_than_announced",
    "no_length",
    "no_length_cut",
    "endless",
    "other_start",
    "other_total",
    "no_position",
    "short_ranges",
    "wrong_416",
    "web_page",
    "redirect_loop",
    "compressed",
    "compressed_cut",
)
FAULT_STATUSES = (403, 404, 408, 429, 500, 502, 503)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hangs up on an endless answer is what is tested


@pytest.fixture
def content() -> bytes:
    return CONTENT


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    state = WeightsServer()
    state.gate.set()
    httpd = _Server(("127.0.0.1", 0), type("Answers", (_Answers,), {"state": state}))
    state.url = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield state
    state.gate.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def entry(server: WeightsServer) -> PretrainedWeights:
    """An entry of the catalog with two names, served under the first."""
    digits = hashlib.sha256(CONTENT).hexdigest()[:8]
    made = PretrainedWeights(
        name="tiny_kinetics400",
        mmaction2_name="tiny_8xb8-8x4x1-10e_kinetics400-rgb",
        architecture="Tiny",
        num_frames=8,
        frame_interval=4,
        input_size=(224, 224),
        kinetics400_top1=50.0,
        num_parameters=150_000,
        folder_url=f"{server.url}/v1.0/tiny",
        file_names=(f"tiny_20220818-{digits}.pth", f"tiny_20220901-{digits}.pth"),
    )
    server.files[f"/v1.0/tiny/{made.file_names[0]}"] = CONTENT
    return made


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; no proxy; and no waiting between attempts."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("THERMALCTL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(transfer, "FIRST_WAIT_S", 0.0)
    return tmp_path / "cache" / "weights"
