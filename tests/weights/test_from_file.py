from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from thermalctl.errors import WeightsError
from thermalctl.weights import catalog
from thermalctl.weights.catalog import PretrainedWeights
from thermalctl.weights.from_file import import_weights


def test_file_of_any_name_is_imported_under_the_published_one(
    entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "download (1)").write_bytes(content)

    imported = import_weights(tmp_path / "download (1)", tmp_path / "store", entry=entry)

    assert (imported.status, imported.path) == ("imported", tmp_path / "store" / entry.file_names[0])
    assert imported.path.read_bytes() == content
    assert (tmp_path / "download (1)").exists()


def test_imported_file_keeps_its_second_name(entry: PretrainedWeights, content: bytes, tmp_path: Path) -> None:
    (tmp_path / entry.file_names[1]).write_bytes(content)

    imported = import_weights(tmp_path / entry.file_names[1], tmp_path / "store", entry=entry)

    assert imported.path.name == entry.file_names[1]


def test_imported_file_is_recognised_by_its_content(
    entry: PretrainedWeights, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "CATALOG", (*catalog.CATALOG, entry))
    (tmp_path / "x.pth").write_bytes(content)

    assert import_weights(tmp_path / "x.pth", tmp_path / "store").name == entry.name


def test_import_of_other_content_is_refused(entry: PretrainedWeights, content: bytes, tmp_path: Path) -> None:
    (tmp_path / entry.file_names[0]).write_bytes(content[:-1])

    with pytest.raises(WeightsError, match="is damaged or another file"):
        import_weights(tmp_path / entry.file_names[0], tmp_path / "store", entry=entry)
    with pytest.raises(WeightsError, match="is damaged or no weights of the catalog"):
        import_weights(tmp_path / entry.file_names[0], tmp_path / "store")

    assert not (tmp_path / "store").exists()


def test_import_of_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"x\.pth: cannot be read \(No such file or directory\)"):
        import_weights(tmp_path / "x.pth", tmp_path / "store")


def test_import_overwrites_a_damaged_file_only_with_force(
    entry: PretrainedWeights, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / entry.file_names[0]).write_bytes(b"damaged")

    with pytest.raises(WeightsError, match="is damaged or another file"):
        import_weights(tmp_path / "x.pth", tmp_path / "store", entry=entry)

    assert import_weights(tmp_path / "x.pth", tmp_path / "store", entry=entry, force=True).path.read_bytes() == content


def test_file_of_another_entry_is_named(
    entry: PretrainedWeights, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = hashlib.sha256(b"other").hexdigest()[:8]
    other = dataclasses.replace(entry, name="other_kinetics400", file_names=(f"other-{digits}.pth",))
    monkeypatch.setattr(catalog, "CATALOG", (entry, other))
    (tmp_path / "x.pth").write_bytes(b"other")

    with pytest.raises(WeightsError, match=r"x\.pth: holds other_kinetics400, not tiny_kinetics400"):
        import_weights(tmp_path / "x.pth", tmp_path / "store", entry=entry)


def test_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot be read \(Is a directory\)"):
        import_weights(tmp_path, tmp_path / "store")


@pytest.mark.parametrize("force", [False, True])
def test_file_that_lies_where_it_goes_stays(
    entry: PretrainedWeights, content: bytes, tmp_path: Path, force: bool
) -> None:
    path = tmp_path / entry.file_names[0]
    path.write_bytes(content)

    imported = import_weights(path, tmp_path, entry=entry, force=force)

    assert imported.path == path
    assert imported.status == ("imported" if force else "present")
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [(path.name, content)]


def test_what_a_link_points_to_is_copied(entry: PretrainedWeights, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    (tmp_path / "link").symlink_to("x.pth")

    imported = import_weights(tmp_path / "link", tmp_path / "store", entry=entry)

    assert not imported.path.is_symlink()
    assert imported.path.read_bytes() == content


def test_import_leaves_nothing_else_in_the_folder(entry: PretrainedWeights, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(content)

    import_weights(tmp_path / "x.pth", tmp_path / "store", entry=entry)

    assert [path.name for path in (tmp_path / "store").iterdir()] == [entry.file_names[0]]


def test_file_there_under_the_second_name_is_enough(entry: PretrainedWeights, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / entry.file_names[1]).write_bytes(content)

    assert import_weights(tmp_path / "x.pth", tmp_path / "store", entry=entry).status == "present"
