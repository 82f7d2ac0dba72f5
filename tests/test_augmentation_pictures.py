from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from PIL import Image

EXAMPLE = Path(__file__).parents[1] / "examples" / "augmentation_pictures.py"


def test_every_kind_of_augmentation_gets_its_picture(
    simulated_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("augmentation_pictures", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "NUM_DRAWS", 1)
    output = tmp_path / "pictures"
    monkeypatch.setattr(sys, "argv", ["pictures", "--data", str(simulated_dataset), "--output", str(output)])
    example.main()
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.stem for path in written] == ["space", "space_person", "temperature", "time", "mixing", "channels"]
    for path in written:
        with Image.open(path) as picture:
            assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 200  # drawn, not blank
