"""Where pretrained weights lie on this machine: `checkpoints/` in the current folder, and the user's cache."""

from __future__ import annotations

import difflib
import hashlib
import os
from pathlib import Path
from typing import NoReturn

import platformdirs

from thermalctl.errors import WeightsError
from thermalctl.weights.catalog import PretrainedWeights, find_entry, find_entry_of_file, list_names, suggest_name
from thermalctl.weights.download import fetch_file, fetch_weights, get_file_name
from thermalctl.weights.transfer import OnProgress
from thermalctl.weights.verify import verify_file

#: Where MMAction2's guides put weights, and configs look for them: `load_from = 'checkpoints/...'`.
CHECKPOINTS_FOLDER = "checkpoints"
#: Names the cache folder in place of the operating system's.
CACHE_VARIABLE = "THERMALCTL_CACHE"
#: What `load_from` says for a model that starts from random weights.
NO_WEIGHTS = "none"


class NotFetchedError(WeightsError):
    """Weights of the catalog are meant, and are not on this machine yet."""


def get_cache_folder() -> Path:
    """Return the folder of downloaded weights: below `$THERMALCTL_CACHE`, else below the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    cache = Path(named).expanduser() if named else platformdirs.user_cache_path("thermalctl")
    return cache / "weights"


def choose_folder(current_folder: Path = Path()) -> Path:
    """Return where new weights go: `checkpoints/` if the current folder has one, else the cache."""
    checkpoints = current_folder / CHECKPOINTS_FOLDER
    return checkpoints if checkpoints.is_dir() else get_cache_folder()


def find_folder(entry: PretrainedWeights, current_folder: Path = Path()) -> Path:
    """Return the folder that an entry's file lies in, or else where it would go."""
    found = _find_file(entry.file_names, current_folder)
    return found.parent if found else choose_folder(current_folder)


def find_weights(name_or_path: str, *, current_folder: Path = Path()) -> Path | None:
    """Return where weights lie, or None if they are not on this machine; their content is not looked at.

    Args:
        name_or_path: a name of the catalog; or a file, which is found by its path or, failing that, by its name in
            either of the two folders (so a config's `checkpoints/x.pth` finds the x.pth in the cache).
        current_folder: where `checkpoints/` and a relative path begin.
    """
    entry = find_entry(name_or_path)
    if entry is not None:
        return _find_file(entry.file_names, current_folder)
    path = current_folder / name_or_path
    if path.is_file():
        return path
    published = find_entry_of_file(path.name)
    return _find_file(published.file_names if published else (path.name,), current_folder)


def verify_weights(path: Path, entry: PretrainedWeights) -> str:
    """Return the SHA-256 of an entry's file, having checked it.

    Raises:
        WeightsError: if it is damaged or another file.
    """
    return verify_file(path, entry.sha256_prefix, hint=f"fetch it again: {_fetch_command(entry)} --force")


def resolve_load_from(
    text: str, *, current_folder: Path = Path(), on_progress: OnProgress | None = None
) -> Path | None:
    """Return the weights file that a `load_from` means, or None if it means to start from random weights.

    Args:
        text: "none"; a name of the catalog; a file; or an http(s) address, which is fetched first if need be.
        current_folder: where `checkpoints/` and a relative path begin.
        on_progress: told how far a download is.

    Raises:
        WeightsError: if the weights are not here, are damaged, or cannot be fetched.
    """
    if text.lower() == NO_WEIGHTS:
        return None
    if text.startswith(("http://", "https://")):
        return _fetch_address(text, current_folder, on_progress)
    found = find_weights(text, current_folder=current_folder)
    entry = find_entry(text) or find_entry_of_file(Path(text).name)
    if found is None:
        _raise_not_here(text, entry, current_folder)
    if entry is not None:
        verify_weights(found, entry)
    return found


def _find_file(file_names: tuple[str, ...], current_folder: Path) -> Path | None:
    folders = (current_folder / CHECKPOINTS_FOLDER, get_cache_folder())
    candidates = (folder / file_name for folder in folders for file_name in file_names)
    return next((path for path in candidates if path.is_file()), None)


def _fetch_address(url: str, current_folder: Path, on_progress: OnProgress | None) -> Path:
    entry = find_entry_of_file(get_file_name(url))
    if entry is not None:
        found = find_weights(entry.name, current_folder=current_folder)
        if found is not None:
            verify_weights(found, entry)
            return found
        return fetch_weights(entry, choose_folder(current_folder), url=url, on_progress=on_progress).path
    # Files of one name from two addresses ("epoch_10.pth") must not be taken for each other.
    folder = get_cache_folder() / hashlib.sha256(url.encode()).hexdigest()[:12]
    return fetch_file(url, folder, name=url, on_progress=on_progress).path


def _raise_not_here(text: str, entry: PretrainedWeights | None, current_folder: Path) -> NoReturn:
    if entry is not None:
        raise NotFetchedError(
            f"{text}: not on this machine (looked in {CHECKPOINTS_FOLDER}/ and {get_cache_folder()})",
            hint=f"fetch it: {_fetch_command(entry)}",
        )
    path = current_folder / text
    if path.is_dir():
        raise WeightsError(f"{text}: is a folder", hint="name the weights file in it")
    siblings = sorted(found.name for found in path.parent.glob("*.pth")) if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, siblings, n=1)
    suggestion = f" Is {Path(text).with_name(close[0])} meant?" if close else suggest_name(path.stem)
    raise WeightsError(
        f"{text}: no such file.{suggestion}",
        hint=f'give a file, an address, "{NO_WEIGHTS}", or one of {list_names()}',
    )


def _fetch_command(entry: PretrainedWeights) -> str:
    return f"thermalctl download-weights {entry.name}"
