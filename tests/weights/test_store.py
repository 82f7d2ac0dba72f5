from __future__ import annotations

from pathlib import Path
from typing import Any

import platformdirs
import pytest

from thermalctl.errors import WeightsError
from thermalctl.weights import catalog
from thermalctl.weights.catalog import PretrainedWeights
from thermalctl.weights.store import choose_folder, find_weights, get_cache_folder, resolve_load_from, verify_weights


@pytest.fixture
def entry(entry: PretrainedWeights, monkeypatch: pytest.MonkeyPatch) -> PretrainedWeights:
    """The stand-in, in the catalog."""
    monkeypatch.setattr(catalog, "CATALOG", (*catalog.CATALOG, entry))
    return entry


@pytest.fixture
def current(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def test_cache_is_below_the_users_unless_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_cache_folder() == cache

    monkeypatch.delenv("THERMALCTL_CACHE")
    assert get_cache_folder() == Path(platformdirs.user_cache_dir("thermalctl")) / "weights"


def test_new_weights_go_to_checkpoints_where_there_is_one(current: Path, cache: Path) -> None:
    assert choose_folder(current) == cache

    (current / "checkpoints").mkdir()
    assert choose_folder(current) == current / "checkpoints"


def test_none_means_random_weights(current: Path) -> None:
    assert resolve_load_from("none", current_folder=current) is None


def test_catalog_name_is_found_in_checkpoints_before_the_cache(
    entry: PretrainedWeights, content: bytes, current: Path, cache: Path
) -> None:
    in_cache = put(cache, entry.file_names[0], content)
    assert resolve_load_from(entry.name, current_folder=current) == in_cache

    in_checkpoints = put(current / "checkpoints", entry.file_names[1], content)
    assert resolve_load_from(entry.name, current_folder=current) == in_checkpoints


def test_absent_catalog_name_is_answered_with_the_command_that_fetches_it(
    entry: PretrainedWeights, current: Path
) -> None:
    assert find_weights(entry.name, current_folder=current) is None
    with pytest.raises(WeightsError, match="not on this machine") as raised:
        resolve_load_from(entry.name, current_folder=current)

    assert raised.value.hint == "fetch it: thermalctl download-weights tiny_kinetics400"


def test_damaged_catalog_file_is_refused(entry: PretrainedWeights, content: bytes, current: Path, cache: Path) -> None:
    damaged = put(cache, entry.file_names[0], content[:-1])

    with pytest.raises(WeightsError, match="is damaged or another file") as raised:
        resolve_load_from(entry.name, current_folder=current)

    assert raised.value.hint == "fetch it again: thermalctl download-weights tiny_kinetics400 --force"
    with pytest.raises(WeightsError, match="is damaged"):
        verify_weights(damaged, entry)


@pytest.mark.parametrize("which", [0, 1])
def test_checkpoints_path_of_a_config_is_found_in_the_cache_under_either_name(
    entry: PretrainedWeights, content: bytes, current: Path, cache: Path, which: int
) -> None:
    in_cache = put(cache, entry.file_names[which], content)

    found = resolve_load_from(f"checkpoints/{entry.file_names[0]}", current_folder=current)

    assert found == in_cache


def test_absent_checkpoints_path_of_a_published_file_is_answered_with_the_command(
    entry: PretrainedWeights, current: Path
) -> None:
    with pytest.raises(WeightsError) as raised:
        resolve_load_from(f"checkpoints/{entry.file_names[0]}", current_folder=current)

    assert raised.value.hint == "fetch it: thermalctl download-weights tiny_kinetics400"


def test_own_file_is_taken_as_it_is(current: Path) -> None:
    own = put(current / "work_dirs", "epoch_10.pth", b"anything")

    assert resolve_load_from("work_dirs/epoch_10.pth", current_folder=current) == own
    assert resolve_load_from(str(own), current_folder=current) == own


def test_own_file_under_a_published_name_is_still_verified(entry: PretrainedWeights, current: Path) -> None:
    put(current, entry.file_names[0], b"not these")

    with pytest.raises(WeightsError, match="is damaged or another file"):
        resolve_load_from(entry.file_names[0], current_folder=current)


def test_misspelt_path_is_answered_with_the_nearest_file(current: Path) -> None:
    put(current / "work_dirs", "epoch_10.pth", b"anything")

    with pytest.raises(WeightsError, match=r"no such file\. Is work_dirs/epoch_10\.pth meant\?"):
        resolve_load_from("work_dirs/epoch10.pth", current_folder=current)


def test_misspelt_name_is_answered_with_the_nearest_name(current: Path) -> None:
    with pytest.raises(WeightsError, match=r"Is slowfast_r50_8x8_kinetics400 meant\?") as raised:
        resolve_load_from("slowfast_r50_8x8_kinetics", current_folder=current)

    assert "slowfast_r101_8x8_kinetics400" in str(raised.value.hint)


def test_folder_is_refused(current: Path) -> None:
    (current / "work_dirs").mkdir()

    with pytest.raises(WeightsError, match="work_dirs: is a folder"):
        resolve_load_from("work_dirs", current_folder=current)


def test_address_of_published_weights_is_fetched_once_into_the_store(
    server: Any, entry: PretrainedWeights, content: bytes, current: Path, cache: Path
) -> None:
    first = resolve_load_from(entry.urls[0], current_folder=current)
    second = resolve_load_from(entry.urls[0], current_folder=current)

    assert first == second == cache / entry.file_names[0]
    assert first.read_bytes() == content
    assert len(server.requests) == 1


def test_files_of_one_name_from_two_addresses_are_kept_apart(server: Any, current: Path, cache: Path) -> None:
    server.files |= {"/a/epoch_10.pth": b"first", "/b/epoch_10.pth": b"second"}

    first = resolve_load_from(f"{server.url}/a/epoch_10.pth", current_folder=current)
    second = resolve_load_from(f"{server.url}/b/epoch_10.pth", current_folder=current)

    assert first is not None
    assert second is not None
    assert (first.read_bytes(), second.read_bytes()) == (b"first", b"second")
    assert cache in first.parents


def test_address_whose_name_promises_a_hash_is_verified(server: Any, current: Path) -> None:
    server.files["/other-12345678.pth"] = b"anything"

    with pytest.raises(WeightsError, match="expected 12345678"):
        resolve_load_from(f"{server.url}/other-12345678.pth", current_folder=current)
