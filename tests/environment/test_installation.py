from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from thermalctl.environment import installation
from thermalctl.environment.installation import address_pip, find_distribution, spell_requirement, spell_torch

INSTALL = "python -m pip uninstall -y a && python -m pip install b"


def answer(monkeypatch: pytest.MonkeyPatch, **programs: str) -> None:
    monkeypatch.setattr(installation.shutil, "which", programs.get)


def test_command_is_left_as_it_is_where_python_is_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, python=sys.executable)

    assert address_pip(INSTALL) == INSTALL
    assert address_pip("run from another folder") == "run from another folder"


@pytest.mark.parametrize("programs", [{}, {"python": "/usr/bin/python"}])
def test_command_names_this_python_where_the_shell_has_another_or_none(
    monkeypatch: pytest.MonkeyPatch, programs: dict[str, str]
) -> None:
    answer(monkeypatch, **programs)
    monkeypatch.setattr(sys, "executable", "/home/a user/.venv/bin/python")

    python = "'/home/a user/.venv/bin/python'"
    assert address_pip(INSTALL) == f"{python} -m pip uninstall -y a && {python} -m pip install b"


def test_link_of_another_environment_to_the_same_python_is_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).symlink_to(sys.executable)
    answer(monkeypatch, python=str(tmp_path / "one"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "other"))

    assert address_pip("python -m pip install b") == f"{tmp_path / 'other'} -m pip install b"


def test_environment_without_pip_gets_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, python=sys.executable)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    assert address_pip("python -m pip install b") == "python -m ensurepip && python -m pip install b"


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("mmaction", "mmaction2"),
        ("mmcv", "mmcv-lite"),
        ("yaml", "pyyaml"),
        ("torch", "torch"),
        ("einops", "einops"),
        ("importlib_metadata", "importlib-metadata"),
        ("no_such_module", None),
    ],
)
def test_distribution_of_a_module_is_one_that_something_requires(module: str, distribution: str | None) -> None:
    assert find_distribution(module) == distribution


def test_requirement_is_what_is_known_to_work_or_what_was_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_version", {"h5py": "3.16.0", "numpy": "1.20.0"}.get)

    assert spell_requirement("mmengine") == "mmengine==0.10.7"
    assert spell_requirement("numpy") == '"numpy>=1.26,<3"'
    assert spell_requirement("h5py") == "h5py==3.16.0"
    assert spell_requirement("einops") == "einops"


@pytest.mark.parametrize(
    ("version", "programs", "platform", "build"),
    [
        ("2.5.0+cpu", {"nvidia-smi": "x"}, "linux", "cpu"),
        ("2.5.0+cu126", {}, "linux", "cu126"),
        ("2.5.0", {"nvidia-smi": "x"}, "linux", None),
        (None, {"nvidia-smi": "x"}, "linux", None),
        (None, {}, "linux", "cpu"),
        (None, {}, "darwin", None),
    ],
)
def test_torch_keeps_its_build_and_comes_without_cuda_where_there_is_no_gpu(
    monkeypatch: pytest.MonkeyPatch, version: str | None, programs: dict[str, str], platform: str, build: str | None
) -> None:
    answer(monkeypatch, **programs)
    monkeypatch.setattr(installation, "find_version", lambda name: version)
    monkeypatch.setattr(sys, "platform", platform)

    index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
    assert spell_torch() == f'"torch>=2.6,<2.14"{index}'
