from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "performance.py"
MACHINE = {"device": "a processor", "threads": 1, "torch": "2.13.0", "clock": "seconds that the processor worked"}
RATIO = {"median": 21.04, "least": 20.1, "most": 23.31}
RESULTS = {
    "data": {
        "machine": MACHINE,
        "num_clips": 80,
        "num_rounds": 5,
        "rows": [
            {
                "name": "ours",
                "in_memory": True,
                "read_s": 0.00029,
                "prepare_s": 0.0122,
                "clips_per_second": 80.06,
                "bytes_per_clip": 614400,
                "speedup": RATIO,
            }
        ],
    },
    "train": {
        "machine": MACHINE,
        "batch_size": 1,
        "num_workers": 0,
        "num_steps": 2,
        "num_rounds": 3,
        "num_train": 314,
        "guide_hours": {"RTX 3090": 100 * 314 / 15 / 3600},
        "rows": [
            {
                "name": "ours",
                "clips_per_second": 3.15,
                "wait_share": 0.01,
                "prepare_share": 0.02,
                "forward_share": 0.3,
                "backward_share": 0.67,
                "peak_bytes": 170 * 2**20,
                "hours": 2.769,
                "speedup": RATIO,
                "step_speedup": RATIO,
                "bound_by": "the network (97%), of which convolutions 84%",
            }
        ],
    },
}
RESULTS["infer"] = {
    "machine": MACHINE,
    "onnxruntime": "1.32.0",
    "num_rounds": 5,
    "rows": [
        {
            "model": "tiny",
            "runtime": "onnxruntime fp32",
            "window_s": 0.0203,
            "windows_per_second": 49.26,
            "real_time": 39.4,
            "speedup": {"median": 1.6, "least": 1.25, "most": 2.0},
            "num_bytes": 9 * 2**20,
            "problem": "",
        },
        {"model": "tiny", "runtime": "onnxruntime int8", "problem": "cannot be made"},
    ],
    "streams": [
        {
            "model": "tiny",
            "hours": 1.0,
            "num_answers": 4493,
            "delay_s": 0.0204,
            "worst_delay_s": 0.0585,
            "settled_bytes": 300 * 2**20,
            "most_bytes": 302 * 2**20,
            "last_bytes": 301 * 2**20,
        }
    ],
}
INFER_ROWS = (
    "| tiny | onnxruntime fp32 | 20.3 ms | 49.3 | 39.4 | 0.625 (0.5 to 0.8) | 9 MiB |",
    "| tiny | onnxruntime int8 | | | | | cannot be made |",
    "| tiny | 1 | 4,493 | 20.4 ms | 58.5 ms | 300 MiB | 302 MiB | 301 MiB |",
)
DATA_ROW = "| ours | from memory | 0.29 ms | 12.2 ms | 80.1 | 614,400 | 21 (20.1 to 23.3) |"
TRAIN_ROW = "| ours | 3.15 | 2.77 h | 170 MiB | 1.0% | 2.0% | 30.0% | 67.0% | 21 (20.1 to 23.3) | 21 (20.1 to 23.3) |"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(RESULTS), encoding="utf-8")
    return path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PROGRAM, *map(str, arguments)], capture_output=True, text=True)


def test_kept_results_are_printed_as_tables(kept: Path) -> None:
    done = run("--from", kept)
    assert done.returncode == 0, done.stderr
    for line in (DATA_ROW, TRAIN_ROW, *INFER_ROWS, "| the guide's, RTX 3090 | 15 | 35 min | | | | | | | |"):
        assert line in done.stdout.splitlines()
    assert "- ours is bound by the network (97%), of which convolutions 84%." in done.stdout


def test_tables_of_a_page_are_replaced_and_nothing_else(kept: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n<!-- measured: data -->\nold\n<!-- end -->\nB\n<!-- measured: train -->\n<!-- end -->\nC\n"
        "<!-- measured: infer -->\n<!-- end -->\n"
    )
    for _ in range(2):
        assert run("--from", kept, "--write", page).returncode == 0
    text = page.read_text()
    assert "old" not in text
    assert (text.count(DATA_ROW), text.count(TRAIN_ROW)) == (1, 1)
    assert [line for line in text.splitlines() if line in ("# A", "B", "C")] == ["# A", "B", "C"]


def test_page_without_a_place_for_a_table_is_refused(kept: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n")
    done = run("--from", kept, "--write", page)
    assert done.returncode != 0
    assert "the page has no <!-- measured: data --> ... <!-- end -->" in done.stderr
    assert page.read_text() == "# A\n"
