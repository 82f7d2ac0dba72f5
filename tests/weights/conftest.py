"""A weights server on this machine that can be told to misbehave, and small stand-ins for the published files."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from thermalctl.weights import transfer
from thermalctl.weights.catalog import PretrainedWeights

#: 600 kB that do not repeat, so that a wrongly joined file has another hash.
CONTENT = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(18_750))


@dataclass
class WeightsServer:
    """What is served, the faults to come and what was asked for.

    Attributes:
        files: content by path.
        statuses: answers to give to the next requests in place of the file.
        cuts: numbers of bytes after which the next answers are cut off.
        honours_ranges: whether a Range is answered with 206.
        requests: (path, Range header or None) of each request.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    honours_ranges: bool = True
    requests: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def content() -> bytes:
    return CONTENT


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    state = WeightsServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.requests.append((self.path, asked))
            if state.statuses:
                self._answer(state.statuses.pop(0))
                return
            content = state.files.get(self.path)
            if content is None:
                self._answer(404)
                return
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and state.honours_ranges else 0
            if asked and state.honours_ranges and start >= len(content):
                self._answer(416, {"Content-Range": f"bytes */{len(content)}"})
                return
            body = content[start:]
            ranges = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            self.send_response(206 if asked and state.honours_ranges else 200)
            for name, value in {"Content-Length": str(len(body)), **(ranges if asked else {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: state.cuts.pop(0)] if state.cuts else body)

        def _answer(self, status: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": "0", **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def entry(server: WeightsServer) -> PretrainedWeights:
    """An entry of the catalog with two names, served under the first."""
    digits = hashlib.sha256(CONTENT).hexdigest()[:8]
    made = PretrainedWeights(
        name="tiny_kinetics400",
        architecture="Tiny",
        clip="8 frames",
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
