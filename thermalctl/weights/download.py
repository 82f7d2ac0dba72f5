"""Pretrained weights brought into a folder: fetched or imported, and verified before they get their name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
from filelock import FileLock

from thermalctl.errors import WeightsError
from thermalctl.files import replace_file
from thermalctl.weights.catalog import PretrainedWeights, find_entry_of_content, list_names
from thermalctl.weights.transfer import OTHER_WAYS, NotServedError, OnProgress, open_client, transfer
from thermalctl.weights.verify import hash_file, verify_file

#: Another server that holds the published files, for machines that cannot reach the publisher.
MIRROR_VARIABLE = "THERMALCTL_MIRROR"


@dataclass(frozen=True, kw_only=True)
class FetchedWeights:
    """Weights that now lie on this machine, verified.

    Attributes:
        name: the entry's name in the catalog; the file's name for weights from elsewhere.
        path: the file.
        sha256: of the file, 64 hexadecimal digits.
        num_bytes: its size.
        status: "fetched" or "imported" just now, or already "present".
        source: the address or the file that it came from; None if it was already present.
    """

    name: str
    path: Path
    sha256: str
    num_bytes: int
    status: Literal["fetched", "imported", "present"]
    source: str | None


def fetch_weights(
    entry: PretrainedWeights,
    folder: Path,
    *,
    mirror: str | None = None,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> FetchedWeights:
    """Return an entry's weights in `folder`, fetched if they are not there.

    Args:
        entry: what to fetch; each name that it is published under is tried.
        folder: where the file goes; it is created.
        mirror: the address of another server that holds the publisher's folders, or the bare files. Default:
            `$THERMALCTL_MIRROR`, else the publisher.
        force: fetch again what is there; the old file stays until the new one is verified.
        on_progress: told how far the download is.

    Raises:
        WeightsError: if the file cannot be fetched or is not what its name promises; the folder then holds no file
            under that name that was not there before.
    """
    mirror = mirror or os.environ.get(MIRROR_VARIABLE)
    urls = entry.urls if mirror is None else _list_mirror_urls(entry, mirror)
    return fetch_file(
        urls, folder, name=entry.name, sha256_prefix=entry.sha256_prefix, force=force, on_progress=on_progress
    )


def fetch_file(
    urls: Sequence[str],
    folder: Path,
    *,
    name: str,
    sha256_prefix: str | None,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> FetchedWeights:
    """Return the file that one of `urls` serves, in `folder` under the name in the address.

    A second process that wants the same file waits for the first and finds it there.

    Args:
        urls: tried in turn; the first that serves a file is taken.
        folder: where the file goes; it is created.
        name: what to call it in the answer.
        sha256_prefix: how its SHA-256 must begin; None for a file whose name does not promise one.
        force: fetch again what is there.
        on_progress: told how far the download is.

    Raises:
        WeightsError: as for `fetch_weights`.
    """
    paths = [folder / get_file_name(url) for url in urls]
    with _locked(folder, paths[0].name):
        present = next((path for path in paths if path.is_file()), None)
        if present is not None and not force:
            sha256 = verify_file(present, sha256_prefix or "", hint="fetch it again with --force")
            return _describe(name, present, sha256, "present", None)
        url, part, sha256 = _fetch_first(urls, folder, sha256_prefix, on_progress)
        path = present or folder / get_file_name(url)
        part.replace(path)
        return _describe(name, path, sha256, "fetched", url)


def import_weights(
    source: Path, folder: Path, *, entry: PretrainedWeights | None = None, force: bool = False
) -> FetchedWeights:
    """Return weights that were fetched elsewhere, copied into `folder`.

    Args:
        source: the file; its content says which weights it holds, its name may be any.
        folder: where the copy goes; it is created.
        entry: what the file should hold; None to take any entry of the catalog.
        force: overwrite a file that is already there.

    Raises:
        WeightsError: if the file cannot be read, or does not hold the entry's weights.
    """
    known = "the whole file must be copied, under any name"
    if entry is not None:
        verify_file(source, entry.sha256_prefix, hint=f"{entry.name} is {entry.file_names[0]}; {known}")
    else:
        sha256 = verify_file(source, "", hint="give the file that was fetched elsewhere")
        entry = find_entry_of_content(sha256)
        if entry is None:
            raise WeightsError(
                f"{source}: is damaged or no weights of the catalog: its SHA-256 begins with {sha256[:8]}",
                hint=f"the catalog has {list_names()}; {known}",
            )
    path = folder / (source.name if source.name in entry.file_names else entry.file_names[0])
    with _locked(folder, path.name):
        if path.is_file() and not force:
            sha256 = verify_file(path, entry.sha256_prefix, hint="replace it with --force")
            return _describe(entry.name, path, sha256, "present", None)
        with replace_file(path) as temporary:
            shutil.copyfile(source, temporary)
            sha256 = verify_file(temporary, entry.sha256_prefix, hint="the file changed while it was copied; try again")
    return _describe(entry.name, path, sha256, "imported", str(source))


def _fetch_first(
    urls: Sequence[str], folder: Path, sha256_prefix: str | None, on_progress: OnProgress | None
) -> tuple[str, Path, str]:
    """Return the first address that serves a file, the verified file under its temporary name, and its SHA-256."""
    refusals = []
    with open_client() as client:
        for url in urls:
            part = folder / f"{get_file_name(url)}.part"
            try:
                return url, part, _fetch_part(client, url, part, sha256_prefix, on_progress)
            except NotServedError as refusal:
                refusals.append(f"{url}: {refusal}")
    raise WeightsError("\n".join(refusals), hint=OTHER_WAYS)


def _fetch_part(
    client: httpx.Client, url: str, part: Path, sha256_prefix: str | None, on_progress: OnProgress | None
) -> str:
    """Return the SHA-256 of `part`, having brought it to its full length and checked it."""
    if sha256_prefix is None:
        part.unlink(missing_ok=True)  # nothing would tell whether an old beginning fits what is served now
    goes_on = part.exists()
    transfer(client, url, part, on_progress)
    sha256 = hash_file(part)
    if sha256.startswith(sha256_prefix or ""):
        return sha256
    num_bytes = part.stat().st_size
    part.unlink()
    if goes_on:  # the beginning was of another file, or damaged: once more from the first byte
        return _fetch_part(client, url, part, sha256_prefix, on_progress)
    raise WeightsError(
        f"{url}: serves another file ({num_bytes:,} bytes): its SHA-256 begins with {sha256[:8]}, "
        f"expected {sha256_prefix}. It was not kept.",
        hint=f"a proxy may have answered in the server's place; {OTHER_WAYS}",
    )


def _list_mirror_urls(entry: PretrainedWeights, mirror: str) -> list[str]:
    """Return where a mirror may hold the file: in the publisher's folders, or side by side with the others."""
    root = mirror.rstrip("/")
    return [f"{root}{urlsplit(url).path}" for url in entry.urls] + [f"{root}/{name}" for name in entry.file_names]


def get_file_name(url: str) -> str:
    """Return the name of the file that an address names.

    Raises:
        WeightsError: if it names none.
    """
    name = urlsplit(url).path.rpartition("/")[2]
    if name in ("", ".", "..") or "\\" in name:
        raise WeightsError(f"{url}: names no file", hint="give the address of the weights file itself")
    return name


def _describe(
    name: str, path: Path, sha256: str, status: Literal["fetched", "imported", "present"], source: str | None
) -> FetchedWeights:
    return FetchedWeights(
        name=name, path=path, sha256=sha256, num_bytes=path.stat().st_size, status=status, source=source
    )


@contextmanager
def _locked(folder: Path, file_name: str) -> Iterator[None]:
    """Hold the folder's lock for a file; a folder that cannot be written is told as such."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{file_name}.lock"):
            yield
    except OSError as error:
        raise WeightsError(
            f"{folder}: cannot be written ({error.strerror or error})", hint="name another folder with --dir"
        ) from error
