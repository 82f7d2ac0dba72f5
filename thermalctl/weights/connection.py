"""The way to a weights server: the client, and which of its faults are worth another attempt.

Proxies and certificates come from the environment as httpx reads it: HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from thermalctl.errors import WeightsError
from thermalctl.version import __version__

CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 60.0

#: Client errors that pass: request timeout, too early, too many requests (RFC 9110, RFC 8470, RFC 6585).
_PASSING_CLIENT_ERRORS = frozenset({408, 425, 429})
#: How h11 begins to say that a connection ended too soon.
_CUTS = ("peer closed connection", "Server disconnected")

#: What else a user can do whose machine does not reach the server.
OTHER_WAYS = "try --mirror URL, or fetch the file elsewhere and use --from-file FILE"


class NotServedError(Exception):
    """The server answered, and has no such file: another address may."""


class PassingFaultError(Exception):
    """Worth another attempt."""


def open_client() -> httpx.Client:
    """Return the client to fetch with; a context manager.

    Raises:
        WeightsError: if the environment names a proxy or certificates that cannot be used.
    """
    try:
        return httpx.Client(
            follow_redirects=True,
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            # A compressed answer has other byte positions than the file, so it could not be resumed.
            headers={"User-Agent": f"thermalctl/{__version__}", "Accept-Encoding": "identity"},
        )
    except OSError as error:
        raise WeightsError(
            f"the certificates of the environment cannot be read ({_describe(error)})",
            hint="check SSL_CERT_FILE and SSL_CERT_DIR, or unset them",
        ) from error
    except (ValueError, ImportError, httpx.InvalidURL) as error:  # as httpx tells of a proxy of an unknown kind
        raise WeightsError(
            f"the proxy of the environment cannot be used ({_describe(error)})",
            hint="check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or unset them",
        ) from error


@contextmanager
def telling_faults(url: str) -> Iterator[None]:
    """Turn what httpx raises within into a fault that passes, or into an error for the user.

    Raises:
        PassingFaultError: if another attempt may do.
        WeightsError: if it will not.
    """
    try:
        yield
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
        raise PassingFaultError(_describe_fault(error)) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WeightsError(
            f"{url}: cannot be fetched ({_describe(error)})",
            hint=f"check the address, and HTTPS_PROXY if there is a proxy; or {OTHER_WAYS}",
        ) from error


def expect_content(response: httpx.Response) -> None:
    """Check that an answer brings a file or a part of one.

    Raises:
        PassingFaultError: if it does not now.
        NotServedError: if it does not at all.
    """
    status = response.status_code
    if status in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        return
    answer = f"the server answered {status} {response.reason_phrase}".rstrip()
    if status >= 500 or status in _PASSING_CLIENT_ERRORS:
        raise PassingFaultError(answer)
    raise NotServedError(answer)


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from, down to the operating system's."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _describe_fault(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"the server did not answer within {CONNECT_TIMEOUT_S:.0f} s"
    if isinstance(error, httpx.ReadTimeout):
        return f"the server fell silent for {READ_TIMEOUT_S:.0f} s"
    text = _describe(error)
    if isinstance(error, httpx.ReadError) or text.startswith(_CUTS):
        return "the connection was cut"
    return text


def _describe(error: Exception) -> str:
    """Return an exception in one line; some of httpx's have no text of their own."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
