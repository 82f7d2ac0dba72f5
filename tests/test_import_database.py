from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_recordings_come_out_of_the_database(tmp_path: Path) -> None:
    script = ROOT / "examples" / "import_database.py"
    ran = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    lines = ran.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        found = re.fullmatch(r"\w+\.h5: 50 frames of 40x60, median (\d+\.\d) deg C", line)
        assert found is not None
        assert 15 < float(found[1]) < 30
    assert not list(tmp_path.iterdir())


def test_short_example_of_the_page_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ran.stdout == "(3, 24, 32) [1736154000000, 1736154000165, 1736154000330]\n"
    assert (tmp_path / "frames" / "hall.h5").is_file()
