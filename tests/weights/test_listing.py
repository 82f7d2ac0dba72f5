from __future__ import annotations

from pathlib import Path

import pytest

from thermalctl.weights import catalog
from thermalctl.weights.catalog import PretrainedWeights
from thermalctl.weights.listing import list_weights


def test_each_entry_is_absent_verified_or_damaged(
    entry: PretrainedWeights, content: bytes, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent, damaged = catalog.CATALOG[:2]
    monkeypatch.setattr(catalog, "CATALOG", (absent, damaged, entry))
    cache.mkdir(parents=True)
    (cache / entry.file_names[0]).write_bytes(content)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / damaged.file_names[0]).write_bytes(content)

    listed = list_weights(current_folder=tmp_path)

    assert [(item.entry, item.status, item.path, item.place) for item in listed] == [
        (absent, "absent", None, None),
        (damaged, "damaged", tmp_path / "checkpoints" / damaged.file_names[0], "checkpoints"),
        (entry, "verified", cache / entry.file_names[0], "cache"),
    ]
    assert [item.num_bytes for item in listed] == [None, len(content), len(content)]
    assert [item.approximate_num_bytes for item in listed] == [4 * item.entry.num_parameters for item in listed]
