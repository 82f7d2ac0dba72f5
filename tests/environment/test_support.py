from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from thermalctl.environment import support
from thermalctl.environment.accelerator import Driver
from thermalctl.environment.diagnosis import Check, Diagnosis, diagnose
from thermalctl.environment.support import compose_report, write_report
from thermalctl.errors import RequestError

MADE = datetime(2026, 5, 4, 13, 2, 1, tzinfo=timezone.utc)
TRACEBACK = (
    'Traceback (most recent call last):\n  File "/home/jdoe/project/cv2/__init__.py", line 1\n'
    "ImportError: libGL.so.1: cannot open shared object file\n\x1b[31mdone\x1b[0m"
)


@pytest.fixture
def diagnosis(monkeypatch: pytest.MonkeyPatch) -> Diagnosis:
    """OpenCV is broken, on the machine of the user jdoe, behind a proxy with a password."""
    monkeypatch.setenv("HOME", "/home/jdoe")
    monkeypatch.setenv("USER", "jdoe")
    monkeypatch.setenv("HTTPS_PROXY", "http://jdoe:hunter2@proxy.example:3128")
    monkeypatch.setenv("THERMALCTL_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("PRIVATE_MATTER", "none of anybody's business")
    monkeypatch.setattr(support, "query_driver", lambda: Driver(text="| NVIDIA-SMI 580 |\n| python /home/jdoe/x |"))
    checks = [
        Check(name="Python", status="ok", found="3.11.7"),
        Check(
            name="OpenCV",
            status="failed",
            found="ImportError: libGL.so.1: cannot open shared object file " + "x" * 150,
            why="see http://jdoe:hunter2@proxy.example:3128",
            fix="apt-get install -y " + " ".join(["libgl1"] * 40),
        ),
    ]
    return diagnose(checks, device="cpu", logs={"opencv": TRACEBACK})


def test_report_holds_the_diagnosis_and_what_it_was_found_in(diagnosis: Diagnosis) -> None:
    text = compose_report(diagnosis, made=MADE)

    lines = text.splitlines()
    assert lines[0].endswith("2026-05-04 13:02:01 +0000")
    assert "ok       Python            3.11.7" in lines
    assert "failed: 1, warnings: 0, device: cpu" in lines
    assert "== Traceback: opencv ==" in lines
    assert '  File "~/project/cv2/__init__.py", line 1' in lines
    assert "done" in lines
    assert "| NVIDIA-SMI 580 |" in lines
    assert "CUDA_VISIBLE_DEVICES=0" in lines
    assert f"pytest=={pytest.__version__}" in text
    assert re.search(r"^current folder: .+ \(\w+, r[ow]\)$", text, flags=re.MULTILINE)


def test_report_holds_no_secret_and_no_name(diagnosis: Diagnosis) -> None:
    text = compose_report(diagnosis, made=MADE)

    assert "HTTPS_PROXY=http://***@proxy.example:3128" in text
    assert "THERMALCTL_TOKEN=***" in text
    for secret in ("hunter2", "jdoe", "0123456789abcdef", "PRIVATE_MATTER", "nobody's business"):
        assert secret not in text


def test_report_is_120_columns_wide_at_most(diagnosis: Diagnosis) -> None:
    assert max(len(line) for line in compose_report(diagnosis, made=MADE).splitlines()) <= 120


def test_report_is_named_after_the_moment(diagnosis: Diagnosis, tmp_path: Path) -> None:
    path = write_report(diagnosis, tmp_path)

    assert re.fullmatch(r"thermalctl-doctor-\d{8}-\d{6}\.txt", path.name)
    assert path.read_text(encoding="utf-8").startswith("thermalctl ")
    assert list(tmp_path.iterdir()) == [path]


def test_report_that_cannot_be_written_is_an_error_with_a_way_out(diagnosis: Diagnosis, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RequestError, match="cannot be written") as caught:
        write_report(diagnosis, tmp_path / "file")

    assert "where you may write" in str(caught.value.hint)


def test_file_system_is_that_of_the_nearest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/vda / ext4 rw,relatime 0 0\n"
        "nas:/export /mnt/my\\040data nfs4 ro,addr=10.0.0.1 0 0\n"
        "tmpfs /mnt/my\\040data/fast tmpfs rw 0 0\n"
    )

    assert support._find_file_system(Path("/mnt/my data/a"), mounts) == "nfs4, ro"
    assert support._find_file_system(Path("/mnt/my data/fast"), mounts) == "tmpfs, rw"
    assert support._find_file_system(Path("/mnt"), mounts) == "ext4, rw"
    assert support._find_file_system(Path("/mnt"), tmp_path / "absent") == "unknown"
