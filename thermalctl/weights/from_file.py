"""Pretrained weights that were fetched elsewhere, brought to a machine without a network."""

from __future__ import annotations

import shutil
from pathlib import Path

from thermalctl.errors import WeightsError
from thermalctl.files import replace_file
from thermalctl.weights.arrival import (
    FetchedWeights,
    describe_arrival,
    expect_replaceable,
    find_present,
    writing_below,
)
from thermalctl.weights.catalog import PretrainedWeights, find_entry_of_content, list_names
from thermalctl.weights.lock import hold_lock
from thermalctl.weights.verify import verify_file


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
    entry = _recognise(source, entry)
    paths = [folder / file_name for file_name in entry.file_names]
    if not force and (present := _find_present(entry, paths)) is not None:
        return present
    with writing_below(folder), hold_lock(paths[0]):
        if not force and (present := _find_present(entry, paths)) is not None:
            return present
        named = folder / source.name if source.name in entry.file_names else paths[0]
        path = next((path for path in paths if path.is_file()), named)
        expect_replaceable(path)
        with replace_file(path) as temporary:
            shutil.copyfile(source, temporary)
            sha256 = verify_file(temporary, entry.sha256_prefix, hint="the file changed while it was copied; try again")
    return describe_arrival(entry.name, path, sha256, "imported", str(source))


def _recognise(source: Path, expected: PretrainedWeights | None) -> PretrainedWeights:
    """Return the entry whose weights a file holds."""
    sha256 = verify_file(source, "", hint="give the weights file that was fetched elsewhere")
    found = find_entry_of_content(sha256)
    if expected is None:
        if found is not None:
            return found
        raise WeightsError(
            f"{source}: is damaged or no weights of the catalog: its SHA-256 begins with {sha256[:8]}",
            hint=f"the catalog has {list_names()}; the whole file must be copied, under any name",
        )
    if sha256.startswith(expected.sha256_prefix):
        return expected
    if found is not None:
        raise WeightsError(f"{source}: holds {found.name}, not {expected.name}", hint=f"import it as {found.name}")
    raise WeightsError(
        f"{source}: is damaged or another file: its SHA-256 begins with {sha256[:8]}, "
        f"expected {expected.sha256_prefix} ({source.stat().st_size:,} bytes)",
        hint=f"{expected.name} is {expected.file_names[0]}; the whole file must be copied, under any name",
    )


def _find_present(entry: PretrainedWeights, paths: list[Path]) -> FetchedWeights | None:
    return find_present(entry.name, paths, entry.sha256_prefix, hint="replace it with --force")
