"""Bringing one file over HTTP: resumed where it stopped, and tried again after a fault that may pass.

No answer is believed: one that does not begin where it was asked to, that is longer than it said, or that belongs to
another version of the file makes the download begin again; and what arrived is hashed by the caller in any case.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Callable
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
from thermalctl.weights.connection import OTHER_WAYS, NotServedError, PassingFaultError, expect_content, telling_faults

logger = logging.getLogger(__name__)

#: Told how many bytes are here and how many there will be, None where the server does not say.
OnProgress = Callable[[int, "int | None"], None]

NUM_ATTEMPTS = 6
#: Waits between attempts: about 1, 2, 4, 8 and 16 s, so a server that restarts is waited for.
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
#: An attempt that brought this much before its fault does not count as failed: on a line that is cut every few
#: megabytes, a long file would never arrive otherwise.
WORTHWHILE_BYTES = 1 << 18


class Transfer:
    """One file on its way from `url` into `part`.

    Args:
        client: from `open_client`.
        url: what to fetch.
        part: where it arrives; bytes that are there already are not asked for again.
        max_bytes: more than this is not the file; an answer without an end must not fill the disk.
        is_hash_known: whether a wrong join would be found out later. If not, only a server that names its version of
            the file (ETag, Last-Modified) is resumed.
        on_progress: told how far it is.
    """

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        part: Path,
        *,
        max_bytes: int,
        is_hash_known: bool,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._client = client
        self._url = url
        self._part = part
        self._max_bytes = max_bytes
        self._is_hash_known = is_hash_known
        self._on_progress = on_progress
        #: What the last answer named its version of the file by, and how long it said that the file is.
        self._version: str | None = None
        self._num_total: int | None = None
        self._most_here = self._count_here()
        self._is_one_answer = False

    def run(self) -> bool:
        """Bring the file to its full length, and return whether it is certainly as the server has it.

        False if it was joined from several answers, or if the server did not say how long it is: if it is the wrong
        file then, it is worth fetching once more.

        Raises:
            NotServedError: if the server has no such file.
            WeightsError: if it cannot be brought; what has arrived stays in the part.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(PassingFaultError),
            stop=stop_after_attempt(NUM_ATTEMPTS),
            wait=wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S) + wait_random(0, FIRST_WAIT_S),
            before_sleep=_log_retry,
            reraise=True,
        )
        try:
            while not retrying(self._attempt):
                pass
        except PassingFaultError as fault:
            raise WeightsError(
                f"{self._url}: {fault}, {NUM_ATTEMPTS} times in a row",
                hint=f"run the command again later, it goes on where it stopped; or {OTHER_WAYS}",
            ) from fault
        return self._is_one_answer and self._num_total is not None

    def _attempt(self) -> bool:
        """Ask once for what is missing; return False if much of it came before a fault.

        Raises:
            PassingFaultError: if little or nothing came.
        """
        try:
            with telling_faults(self._url):
                self._ask()
        except PassingFaultError as fault:
            if self._version is None and not self._is_hash_known:
                self._drop()
            gained = self._count_here() - self._most_here
            if gained < WORTHWHILE_BYTES:
                raise
            logger.info("%s; goes on at byte %d", fault, self._count_here())
            return False
        finally:
            self._most_here = max(self._most_here, self._count_here())
        return True

    def _ask(self) -> None:
        num_here = self._count_here()
        headers = {"Range": f"bytes={num_here}-"} if num_here else {}
        if num_here and self._version:
            headers["If-Range"] = self._version
        with self._client.stream("GET", self._url, headers=headers) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and num_here:
                self._expect_all_here(response, num_here)
                return
            expect_content(response)
            start = self._find_start(response, num_here)
            self._version = _find_version(response)
            self._write(response, start)
        if self._num_total is not None and self._count_here() < self._num_total:
            raise PassingFaultError("the server sent less than the whole file")

    def _expect_all_here(self, response: httpx.Response, num_here: int) -> None:
        """Check that nothing remains to be asked for; otherwise the part is no beginning of the file."""
        if response.headers.get("Content-Range") != f"bytes */{num_here}":
            self._drop()
            raise PassingFaultError("what was here is longer than the file")

    def _find_start(self, response: httpx.Response, num_here: int) -> int:
        """Return the byte that an answer begins with, having noted how long the file is.

        A server without ranges answers 200 and begins again, as does one whose file has changed.
        """
        length = response.headers.get("Content-Length", "")
        # Compressed although it was asked not to be: the positions and the length are not the file's.
        is_encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        if response.status_code == httpx.codes.OK:
            self._num_total = int(length) if length.isdigit() and not is_encoded else None
            self._is_one_answer = True
            return 0
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != num_here or is_encoded:
            self._drop()
            raise PassingFaultError("the server sent another part of the file than it was asked for")
        num_total = int(found[2])
        if self._num_total not in (None, num_total):
            self._drop()
            raise PassingFaultError("the file was replaced on the server")
        self._num_total = num_total
        self._is_one_answer = num_here == 0
        return num_here

    def _write(self, response: httpx.Response, start: int) -> None:
        limit = self._max_bytes if self._num_total is None else self._num_total
        if limit > self._max_bytes:
            raise NotServedError(f"the answer is of {limit:,} bytes, too many for these weights")
        _expect_space(self._part.parent, limit - start if self._num_total is not None else 0)
        blocks = response.iter_bytes()  # as they arrive: a chosen block size would lose what came before a cut
        block = next(blocks, b"")
        if start == 0 and _is_web_page(block):  # looked at before it takes the place of what is here
            raise NotServedError("the answer is a web page (a login's or a proxy's?), not a weights file")
        with self._part.open("r+b" if self._part.exists() else "wb") as file:
            file.truncate(start)
            file.seek(start)
            while block and file.tell() + len(block) <= limit:
                file.write(block)
                if self._on_progress is not None:
                    self._on_progress(file.tell(), self._num_total)
                block = next(blocks, b"")
            file.flush()
            os.fsync(file.fileno())
        if block:
            self._drop()
            raise NotServedError(f"the server sends more than the {limit:,} bytes that are to be expected")

    def _count_here(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _drop(self) -> None:
        """Begin again from the first byte."""
        self._part.unlink(missing_ok=True)
        self._version = None
        self._num_total = None


def _find_version(response: httpx.Response) -> str | None:
    """Return what a request can ask for the same version of the file by (RFC 9110, 13.1.5), or None."""
    tag: str | None = response.headers.get("ETag")
    if tag is not None and not tag.startswith("W/"):  # a weak tag does not promise the same bytes
        return tag
    changed: str | None = response.headers.get("Last-Modified")
    return changed


def _is_web_page(beginning: bytes) -> bool:
    """Return whether a file begins as HTML or XML do; PyTorch's begin with "PK" or a pickle's 0x80."""
    return beginning.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def _expect_space(folder: Path, num_bytes: int) -> None:
    num_free = shutil.disk_usage(folder).free
    if num_free < num_bytes:
        raise WeightsError(
            f"{folder}: {num_free / 1e6:,.0f} MB are free, {num_bytes / 1e6:,.0f} MB are needed",
            hint="free some space, or name a folder on another disk with --dir",
        )


def _log_retry(state: RetryCallState) -> None:
    fault = state.outcome.exception() if state.outcome else None
    wait_s = state.next_action.sleep if state.next_action else 0.0
    logger.warning("%s; attempt %d of %d in %.0f s", fault, state.attempt_number + 1, NUM_ATTEMPTS, wait_s)
