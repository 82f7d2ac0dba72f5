"""Bringing one file over HTTP: resumed where it stopped, tried again after a passing fault, given up after a final one.

Proxies and certificates come from the environment as httpx reads it: HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from thermalctl.errors import WeightsError
from thermalctl.version import __version__

logger = logging.getLogger(__name__)

#: Told how many bytes are here and how many there will be, None where the server does not say.
OnProgress = Callable[[int, "int | None"], None]

NUM_ATTEMPTS = 6
#: Waits between attempts: about 1, 2, 4, 8 and 16 s, so a server that restarts is waited for.
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 60.0

#: Client errors that pass: request timeout, too early, too many requests (RFC 9110, RFC 8470, RFC 6585).
_PASSING_CLIENT_ERRORS = frozenset({408, 425, 429})

#: What else a user can do whose machine does not reach the server.
OTHER_WAYS = "try --mirror URL, or fetch the file elsewhere and use --from-file FILE"


class NotServedError(Exception):
    """The server answered, and has no such file: another address may."""


class _PassingFaultError(Exception):
    """Worth another attempt."""


def open_client() -> httpx.Client:
    """Return the client that `transfer` needs; a context manager."""
    return httpx.Client(
        follow_redirects=True,
        timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        # A compressed answer has other byte positions than the file, so it could not be resumed.
        headers={"User-Agent": f"thermalctl/{__version__}", "Accept-Encoding": "identity"},
    )


def transfer(client: httpx.Client, url: str, part: Path, on_progress: OnProgress | None) -> None:
    """Bring `part` to the full length of what `url` serves; bytes that it already has are not asked for again.

    Raises:
        NotServedError: if the server has no such file.
        WeightsError: if it cannot be brought; what has arrived stays in `part`.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(_PassingFaultError),
        stop=stop_after_attempt(NUM_ATTEMPTS),
        wait=wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S) + wait_random(0, FIRST_WAIT_S),
        before_sleep=_log_retry,
        reraise=True,
    )
    try:
        retrying(_attempt, client, url, part, on_progress)
    except _PassingFaultError as fault:
        raise WeightsError(
            f"{url}: {fault}, {NUM_ATTEMPTS} times in a row",
            hint=f"run the command again later, it goes on where it stopped; or {OTHER_WAYS}",
        ) from fault


def _attempt(client: httpx.Client, url: str, part: Path, on_progress: OnProgress | None) -> None:
    num_here = part.stat().st_size if part.exists() else 0
    try:
        with client.stream("GET", url, headers={"Range": f"bytes={num_here}-"} if num_here else {}) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and num_here:
                _expect_all_here(response, part, num_here)
                return
            _expect_content(response)
            _append(response, part, on_progress)
    except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError) as error:
        causes = list(_list_causes(error))
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            raise WeightsError(
                f"{url}: the server's certificate is not trusted ({_describe(error)})",
                hint="behind a proxy that inspects traffic, point SSL_CERT_FILE at its certificate",
            ) from error
        if any(isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME for cause in causes):
            raise WeightsError(
                f"{url}: the name of the server is not known here",
                hint=f"is this machine offline, or behind a proxy (HTTPS_PROXY)? {OTHER_WAYS}",
            ) from error
        raise _PassingFaultError(_describe(error)) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WeightsError(
            f"{url}: cannot be fetched ({_describe(error)})",
            hint=f"check the address, and HTTPS_PROXY if there is a proxy; or {OTHER_WAYS}",
        ) from error


def _expect_content(response: httpx.Response) -> None:
    status = response.status_code
    if status in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        return
    answer = f"the server answered {status} {response.reason_phrase}".rstrip()
    if status >= 500 or status in _PASSING_CLIENT_ERRORS:
        raise _PassingFaultError(answer)
    raise NotServedError(answer)


def _expect_all_here(response: httpx.Response, part: Path, num_here: int) -> None:
    """Check that nothing remains to be asked for; otherwise `part` is no beginning of the file and is dropped."""
    if response.headers.get("Content-Range") != f"bytes */{num_here}":
        part.unlink()
        raise _PassingFaultError("what was here is longer than the file")


def _append(response: httpx.Response, part: Path, on_progress: OnProgress | None) -> None:
    start = _find_start(response)
    length = response.headers.get("Content-Length", "")
    num_total = start + int(length) if length.isdigit() else None
    if num_total is not None:
        _expect_space(part.parent, num_total - start)
    with part.open("r+b" if part.exists() else "wb") as file:
        # A server without ranges answers 200 and begins again: what was here goes.
        file.truncate(start)
        file.seek(start)
        for block in response.iter_bytes():  # as it arrives: a chosen block size would lose what came before a cut
            file.write(block)
            if on_progress is not None:
                on_progress(file.tell(), num_total)
        file.flush()
        os.fsync(file.fileno())


def _find_start(response: httpx.Response) -> int:
    if response.status_code == httpx.codes.OK:
        return 0
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if found is None:
        raise WeightsError(f"{response.url}: the server sent a part and did not say which", hint=OTHER_WAYS)
    return int(found[1])


def _expect_space(folder: Path, num_bytes: int) -> None:
    num_free = shutil.disk_usage(folder).free
    if num_free < num_bytes:
        raise WeightsError(
            f"{folder}: {num_free / 1e6:,.0f} MB are free, {num_bytes / 1e6:,.0f} MB are needed",
            hint="free some space, or name a folder on another disk with --dir",
        )


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from, down to the operating system's."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _describe(error: Exception) -> str:
    """Return an exception in one line; some of httpx's have no text of their own."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _log_retry(state: RetryCallState) -> None:
    fault = state.outcome.exception() if state.outcome else None
    wait_s = state.next_action.sleep if state.next_action else 0.0
    logger.warning("%s; attempt %d of %d in %.0f s", fault, state.attempt_number + 1, NUM_ATTEMPTS, wait_s)
