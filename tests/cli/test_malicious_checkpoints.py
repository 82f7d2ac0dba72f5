"""Checkpoints whose author wants code run: none of it is, through any command that takes a checkpoint."""

from __future__ import annotations

import importlib
import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

Run = Callable[..., Any]

WRITE = "__import__('pathlib').Path('executed').touch()"
#: What the current folder offers to whoever imports it.
EVIL_MODULE = f"{WRITE}\n\n\nclass Model:\n    pass\n"


class Calls:
    """Pickles as a call of `function(*arguments)`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.reduced


def nest(gadget: object) -> bytes:
    """Return a whole checkpoint file that holds a gadget."""
    inner = io.BytesIO()
    torch.save(gadget, inner)
    return inner.getvalue()


def with_history(gadget: object) -> dict[str, Any]:
    """Return MMEngine's log history with a gadget where its statistics methods are."""
    from mmengine.logging import HistoryBuffer

    history = HistoryBuffer([1.0], [1])
    history._statistics_methods = {"mean": gadget}
    return {"log_scalars": {"train/loss": history}}


#: What a checkpoint holds beside its weights, by what it tries.
GADGETS: dict[str, Callable[[], Any]] = {
    "shell": lambda: Calls(os.system, "touch executed"),
    "process": lambda: Calls(subprocess.Popen, ["touch", "executed"]),
    "eval": lambda: Calls(eval, WRITE),
    "exec": lambda: Calls(exec, WRITE),
    "import": lambda: Calls(importlib.import_module, "evil"),
    "lazy call": lambda: Calls(list, Calls(map, os.system, ["touch executed"])),
    "nested pickle": lambda: Calls(pickle.loads, pickle.dumps(Calls(os.system, "touch executed"))),
    "nested checkpoint": lambda: Calls(torch.storage._load_from_bytes, nest(Calls(os.system, "touch executed"))),
    "numpy file": lambda: Calls(np.load, "evil.npy", None, True),
    "log history": lambda: with_history(Calls(os.system, "touch executed")),
}


def write_zip(path: Path, gadget: object) -> None:
    torch.save({"state_dict": {"a": torch.ones(1)}, "meta": {"epoch": 1}, "message_hub": gadget}, path)


def write_legacy(path: Path, gadget: object) -> None:
    torch.save({"state_dict": {"a": torch.ones(1)}, "meta": gadget}, path, _use_new_zipfile_serialization=False)


def write_pickle(path: Path, gadget: object) -> None:
    path.write_bytes(pickle.dumps({"state_dict": {}, "meta": gadget}))


def write_script(path: Path, gadget: object) -> None:
    """A TorchScript archive, whose code torch would compile; the gadget is beside it."""
    torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1, 1)), path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/extra.pkl", pickle.dumps(gadget))


WRITERS = {"zip": write_zip, "legacy": write_legacy, "bare pickle": write_pickle, "TorchScript": write_script}


@pytest.fixture(autouse=True)
def evil_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, with a module and an array file that write "executed" when they are loaded."""
    (folder / "evil.py").write_text(EVIL_MODULE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "evil", raising=False)
    np.save(folder / "evil.npy", np.array([Calls(os.system, "touch executed")], dtype=object), allow_pickle=True)
    return folder


def assert_refused(outcome: Any, folder: Path) -> None:
    assert outcome.code == 2, outcome.err
    first, second = outcome.err.splitlines()[-2:]
    assert first.startswith("error: "), outcome.err
    assert second.startswith("hint: "), outcome.err
    assert "Traceback" not in outcome.err
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("gadget", GADGETS)
def test_gadget_works_where_nothing_holds_it(gadget: str, evil_folder: Path) -> None:
    """Otherwise the tests below would show nothing."""
    started = pickle.loads(pickle.dumps(GADGETS[gadget]()))
    if isinstance(started, subprocess.Popen):
        started.wait()
    assert (evil_folder / "executed").exists()


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("gadget", GADGETS)
def test_gadget_in_any_kind_of_file_runs_nothing(gadget: str, writer: str, evil_folder: Path, thermalctl: Run) -> None:
    WRITERS[writer](evil_folder / "evil.pth", GADGETS[gadget]())
    assert_refused(thermalctl("test", "evil.pth"), evil_folder)


ROUTES: dict[str, tuple[str, ...]] = {
    "test": ("test", "evil.pth"),
    "test of a work dir": ("test", "work_dirs/run"),
    "export": ("export-onnx", "evil.pth"),
    "export of a work dir": ("export-onnx", "work_dirs/run", "--last"),
    "start": ("train", "--load-from", "evil.pth"),
    "dry run": ("train", "--dry-run", "--load-from", "evil.pth"),
    "resume": ("train", "--resume", "--config", "slowfast-tiny", "--work-dir", "work_dirs/run"),
    "resume from a file": (
        "train",
        "--resume",
        "--config",
        "slowfast-tiny",
        "--load-from",
        "evil.pth",
        "--work-dir",
        "work_dirs/run",
    ),
    "key of the configuration": ("train", "--cfg-options", "load_from=evil.pth"),
    "import of weights": ("download-weights", "--from-file", "evil.pth"),
}


@pytest.mark.parametrize("gadget", ["shell", "nested checkpoint", "log history"])
@pytest.mark.parametrize("route", ROUTES)
def test_gadget_runs_nothing_by_any_route(route: str, gadget: str, evil_folder: Path, thermalctl: Run) -> None:
    work_dir = evil_folder / "work_dirs" / "run"
    work_dir.mkdir(parents=True)
    for path in (evil_folder / "evil.pth", work_dir / "epoch_1.pth"):
        write_zip(path, GADGETS[gadget]())
    (work_dir / "last_checkpoint").write_text(str(work_dir / "epoch_1.pth"))

    outcome = thermalctl(*ROUTES[route])

    assert_refused(outcome, evil_folder)
    assert "refused; it asks for" in outcome.err or route == "import of weights"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("import evil\n", id="import statement"),
        pytest.param("a = __import__('evil')\n", id="import call"),
        pytest.param("custom_imports = dict(imports=['evil'])\nmodel = dict(type='evil.Model')\n", id="custom imports"),
        pytest.param("model = dict(type='evil.Model')\n", id="model of another module"),
        pytest.param("model = dict(type='os.system', command='touch executed')\n", id="function as a model"),
        pytest.param("default_scope = 'evil'\n", id="scope"),
        pytest.param("_base_ = ['evil.py']\n", id="base file"),
    ],
)
def test_configuration_in_a_checkpoint_runs_nothing(
    text: str, trained: Path, evil_folder: Path, thermalctl: Run
) -> None:
    checkpoint = torch.load(trained / "epoch_1.pth", weights_only=False)
    checkpoint["meta"]["cfg"] += text  # the last assignment counts
    torch.save(checkpoint, evil_folder / "evil.pth")

    outcome = thermalctl("test", "evil.pth")

    if "_base_" in text:  # a key that is never looked at
        assert outcome.code == 0, outcome.err
        assert not (evil_folder / "executed").exists()
    else:
        assert_refused(outcome, evil_folder)
    assert "evil" not in sys.modules


def test_predictions_that_hold_a_pickle_run_nothing(evil_folder: Path, thermalctl: Run) -> None:
    scores = np.array([Calls(os.system, "touch executed")], dtype=object)
    np.savez(evil_folder / "predictions_val.npz", scores=scores)
    assert_refused(thermalctl("report", "predictions_val.npz"), evil_folder)
