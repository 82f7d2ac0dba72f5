from __future__ import annotations

from pathlib import Path

import pytest

from thermalctl.errors import WeightsError
from thermalctl.weights.verify import find_hash_in_name, verify_file

#: SHA-256 of b"abc", from FIPS 180-2, appendix B.1.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_hash_is_the_standards_example(tmp_path: Path) -> None:
    file = tmp_path / "abc"
    file.write_bytes(b"abc")

    assert verify_file(file, "ba7816bf", hint="") == ABC


def test_other_content_is_refused_with_both_hashes(tmp_path: Path) -> None:
    file = tmp_path / "x.pth"
    file.write_bytes(b"abc")

    with pytest.raises(WeightsError, match=r"begins with ba7816bf, expected 12345678 \(3 bytes\)") as raised:
        verify_file(file, "12345678", hint="fetch it again")

    assert raised.value.hint == "fetch it again"


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        verify_file(tmp_path / "x.pth", "12345678", hint="")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("slowfast_r50_20220901-701b0f6f.pth", "701b0f6f"),
        ("resnet50-0676ba61.pth", "0676ba61"),
        ("epoch_10.pth", None),
        ("best-acc_top1.pth", None),
        ("model-701b0f6f.zip", None),
    ],
)
def test_hash_that_a_name_promises(name: str, expected: str | None) -> None:
    assert find_hash_in_name(name) == expected
