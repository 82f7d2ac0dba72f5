from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from thermalctl.environment.origins import find_editable, find_lurking, find_shadow


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module mmaction, searched first; the current folder is another."""
    folder = tmp_path / "a checkout"
    (folder / "mmaction").mkdir(parents=True)
    (folder / "mmaction" / "__init__.py").touch()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "mmaction", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize("module", ["mmaction", "mmengine", "mmcv", "torch", "numpy", "cv2"])
def test_installed_package_has_no_shadow(module: str) -> None:
    assert find_shadow(module) is None


def test_shadow_on_python_path_is_taken_out_of_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/opt/a b", str(checkout), "/opt/c"]))

    shadow = find_shadow("mmaction")

    assert shadow is not None
    assert shadow.path == checkout / "mmaction"
    assert shadow.fix == "export PYTHONPATH='/opt/a b:/opt/c'"


def test_empty_entry_of_python_path_is_the_current_folder(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("PYTHONPATH", f"/opt/c{os.pathsep}")

    shadow = find_shadow("mmaction")

    assert shadow is not None
    assert shadow.fix == "export PYTHONPATH=/opt/c"


def test_shadow_in_the_current_folder_is_left_behind_there(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)

    shadow = find_shadow("mmaction")

    assert shadow is not None
    assert shadow.fix == "run from another folder"


def test_shadow_that_a_pth_file_brings_is_told_by_its_folder(checkout: Path) -> None:
    shadow = find_shadow("mmaction")

    assert shadow is not None
    assert shadow.fix == f"take {checkout} out of sys.path: a .pth file names it"


def test_package_that_is_not_installed_at_all_has_no_shadow_on_python_path(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(checkout)])
    monkeypatch.setenv("PYTHONPATH", str(checkout))

    assert find_shadow("mmaction") is None
    assert find_shadow("mmcv") is None


def test_what_lurks_in_the_current_folder_is_a_package_or_a_module_of_the_name(tmp_path: Path) -> None:
    (tmp_path / "mmcv").mkdir()
    (tmp_path / "numpy.py").touch()

    assert find_lurking("mmcv", tmp_path) is None
    (tmp_path / "mmcv" / "__init__.py").touch()
    found = [find_lurking(module, tmp_path) for module in ("mmcv", "numpy")]
    assert [shadow and shadow.path for shadow in found] == [tmp_path / "mmcv", tmp_path / "numpy.py"]


def test_editable_installation_is_told_by_its_checkout(checkout: Path) -> None:
    info = checkout / "mmaction2-1.2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mmaction2\nVersion: 1.2.0\n")
    (info / "direct_url.json").write_text(f'{{"url": "{checkout.as_uri()}", "dir_info": {{"editable": true}}}}')

    assert find_editable("mmaction2") == checkout
    assert find_shadow("mmaction") is None
    assert find_lurking("mmaction", checkout) is None
    assert find_editable("mmengine") is None
