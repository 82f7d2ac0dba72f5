"""Pretrained weights brought into a folder over the network, and verified before they get their name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from thermalctl.errors import WeightsError
from thermalctl.files import hash_file
from thermalctl.weights.arrival import (
    FetchedWeights,
    describe_arrival,
    expect_replaceable,
    find_present,
    writing_below,
)
from thermalctl.weights.catalog import PretrainedWeights, find_entry_of_file
from thermalctl.weights.connection import OTHER_WAYS, NotServedError, open_client
from thermalctl.weights.lock import hold_lock
from thermalctl.weights.transfer import OnProgress, Transfer
from thermalctl.weights.verify import find_hash_in_name

#: Another server that holds the published files, for machines that cannot reach the publisher.
MIRROR_VARIABLE = "THERMALCTL_MIRROR"

#: A file may be this many times its parameters' size before it is taken for another: one with the optimizer's state
#: is three times as large.
_SIZE_MARGIN = 4
#: The largest file that is fetched where nothing is known of it: no network that fits a GPU here is near that.
_LARGEST_BYTES = 8 << 30


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What to fetch.

    Attributes:
        name: what to call it in the answer.
        addresses: URL -> the file name that it is stored under; the first that serves a file is taken.
        file_names: any of these may be there already.
        sha256_prefix: how its SHA-256 must begin; "" for a file of which none is known.
        max_bytes: a larger file is another one.
    """

    name: str
    addresses: dict[str, str]
    file_names: tuple[str, ...]
    sha256_prefix: str
    max_bytes: int


def fetch_weights(
    entry: PretrainedWeights,
    folder: Path,
    *,
    url: str | None = None,
    mirror: str | None = None,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> FetchedWeights:
    """Return an entry's weights in `folder`, fetched if they are not there.

    Args:
        entry: what to fetch; each name that it is published under is tried.
        folder: where the file goes; it is created.
        url: fetch it from this address, whatever the file is called there.
        mirror: the address of another server that holds the publisher's folders, or the bare files. Default:
            `$THERMALCTL_MIRROR`, else the publisher.
        force: fetch again what is there; the old file stays until the new one is verified.
        on_progress: told how far the download is.

    Raises:
        WeightsError: if the file cannot be fetched or is not what its name promises; the folder then holds no file
            under that name that was not there before.
    """
    mirror = mirror or os.environ.get(MIRROR_VARIABLE)
    if url is not None:
        is_named = find_entry_of_file(_guess_file_name(url)) == entry
        addresses = {url: _guess_file_name(url) if is_named else entry.file_names[0]}
    elif mirror is not None:
        addresses = _list_mirror_addresses(entry, mirror)
    else:
        addresses = dict(zip(entry.urls, entry.file_names, strict=True))
    wanted = _Wanted(
        name=entry.name,
        addresses=addresses,
        file_names=entry.file_names,
        sha256_prefix=entry.sha256_prefix,
        max_bytes=_SIZE_MARGIN * entry.approximate_size,
    )
    return _obtain(wanted, folder, force=force, on_progress=on_progress)


def fetch_named(
    url: str, folder: Path, *, force: bool = False, on_progress: OnProgress | None = None
) -> FetchedWeights:
    """Return the file at an address whose name says what it must be: one of the catalog's, or one with a hash in it.

    Raises:
        WeightsError: if the name promises nothing; otherwise as for `fetch_weights`.
    """
    file_name = get_file_name(url)
    entry = find_entry_of_file(file_name)
    if entry is not None:
        return fetch_weights(entry, folder, url=url, force=force, on_progress=on_progress)
    if find_hash_in_name(file_name) is None:
        raise WeightsError(
            f"{url}: its name ends in no hash (-xxxxxxxx.pth), so what arrives could not be verified",
            hint="name the MODEL that it holds; or take it as it is: thermalctl train --load-from URL",
        )
    return fetch_file(url, folder, name=file_name, force=force, on_progress=on_progress)


def fetch_file(
    url: str, folder: Path, *, name: str, force: bool = False, on_progress: OnProgress | None = None
) -> FetchedWeights:
    """Return the file that an address serves, in `folder` under the name in the address.

    Args:
        url: what to fetch; if the name in it ends in a hash, as published weights' do, the file must have that.
        folder: where the file goes; it is created.
        name: what to call it in the answer.
        force: fetch again what is there.
        on_progress: told how far the download is.

    Raises:
        WeightsError: as for `fetch_weights`.
    """
    file_name = get_file_name(url)
    wanted = _Wanted(
        name=name,
        addresses={url: file_name},
        file_names=(file_name,),
        sha256_prefix=find_hash_in_name(file_name) or "",
        max_bytes=_LARGEST_BYTES,
    )
    return _obtain(wanted, folder, force=force, on_progress=on_progress)


def get_file_name(url: str) -> str:
    """Return the name of the file that an address names.

    Raises:
        WeightsError: if it names none.
    """
    name = _guess_file_name(url)
    if name in ("", ".", "..") or re.search(r"[/\\\x00-\x1f]", name):
        raise WeightsError(f"{url}: names no file", hint="give the address of the weights file itself")
    return name


def _guess_file_name(url: str) -> str:
    """Return what an address ends in; it need not be a file's name."""
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:  # as for brackets that are no IPv6 address; the request will say so
        return ""


def _list_mirror_addresses(entry: PretrainedWeights, mirror: str) -> dict[str, str]:
    """Return where a mirror may hold the file: in the publisher's folders, or side by side with the others."""
    root = mirror.rstrip("/")
    in_folders = {f"{root}{urlsplit(url).path}": name for url, name in zip(entry.urls, entry.file_names, strict=True)}
    return in_folders | {f"{root}/{name}": name for name in entry.file_names}


def _obtain(wanted: _Wanted, folder: Path, *, force: bool, on_progress: OnProgress | None) -> FetchedWeights:
    """Return the file, fetched if it is not there.

    A second process that wants the same file waits for the first and finds it there.
    """
    paths = [folder / file_name for file_name in wanted.file_names]
    # Looked for before anything is written, and again when no one else can be bringing it.
    if not force and (present := _find_present(wanted, paths)) is not None:
        return present
    with writing_below(folder), hold_lock(paths[0]):
        if not force and (present := _find_present(wanted, paths)) is not None:
            return present
        for path in paths:
            expect_replaceable(path)
        url, part, sha256 = _fetch_first(wanted, folder, on_progress)
        path = next((path for path in paths if path.is_file()), folder / wanted.addresses[url])
        part.replace(path)
        return describe_arrival(wanted.name, path, sha256, "fetched", url)


def _find_present(wanted: _Wanted, paths: list[Path]) -> FetchedWeights | None:
    return find_present(wanted.name, paths, wanted.sha256_prefix, hint="fetch it again with --force")


def _fetch_first(wanted: _Wanted, folder: Path, on_progress: OnProgress | None) -> tuple[str, Path, str]:
    """Return the first address that serves a file, the verified file under its temporary name, and its SHA-256."""
    refusals = []
    with open_client() as client:
        for url, file_name in wanted.addresses.items():
            part = folder / f"{file_name}.part"
            try:
                return url, part, _fetch_part(client, url, part, wanted, on_progress)
            except NotServedError as refusal:
                refusals.append(f"{url}: {refusal}")
    raise WeightsError("; ".join(refusals), hint=OTHER_WAYS)


def _fetch_part(client: httpx.Client, url: str, part: Path, wanted: _Wanted, on_progress: OnProgress | None) -> str:
    """Return the SHA-256 of `part`, having brought it to its full length and checked it."""
    expect_replaceable(part)
    if not wanted.sha256_prefix:
        part.unlink(missing_ok=True)  # nothing would tell whether an old beginning fits what is served now
    for is_last in (False, True):
        transfer = Transfer(
            client,
            url,
            part,
            max_bytes=wanted.max_bytes,
            is_hash_known=bool(wanted.sha256_prefix),
            on_progress=on_progress,
        )
        is_as_served = transfer.run()
        sha256, num_bytes = hash_file(part), part.stat().st_size
        if sha256.startswith(wanted.sha256_prefix):
            return sha256
        part.unlink()
        if is_as_served or is_last:
            break  # otherwise pieces of different files were joined: once more from the first byte
    raise WeightsError(
        f"{url}: serves another file ({num_bytes:,} bytes): its SHA-256 begins with {sha256[:8]}, "
        f"expected {wanted.sha256_prefix}. It was not kept.",
        hint=f"a proxy may have answered in the server's place; {OTHER_WAYS}",
    )
