from __future__ import annotations

import os
import pickle
import random
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.compat import prepare_mmaction
from thermalctl.engine.trust import check_trusted_types, load_checkpoint_safely
from thermalctl.errors import CheckpointError

prepare_mmaction()

import torch  # noqa: E402


class Calls:
    """Pickles as a call of `function(*arguments)`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.reduced


@pytest.fixture
def mmengine_checkpoint(tmp_path: Path) -> Path:
    """What MMEngine's `Runner.save_checkpoint` puts into a file."""
    from mmengine.logging import MessageHub

    hub = MessageHub("trust")
    hub.update_scalar("train/loss", 0.5)
    hub.update_scalar("train/loss", 0.25)
    hub.update_scalar("train/num", 3)
    hub.update_info("best", np.float64(0.7))
    path = tmp_path / "epoch_1.pth"
    weights = {"backbone.weight": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(3, dtype=torch.int64)}
    torch.save(
        {
            "meta": {"cfg": "a = 1\n", "epoch": 1, "seed": 3, "dataset_meta": {"classes": ("sitting", "walking")}},
            "state_dict": weights,
            "optimizer": torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1, momentum=0.9).state_dict(),
            "message_hub": hub.state_dict(),
        },
        path,
    )
    return path


def test_checkpoint_of_mmengine_is_read(mmengine_checkpoint: Path) -> None:
    checkpoint = load_checkpoint_safely(mmengine_checkpoint)
    assert checkpoint["meta"]["dataset_meta"] == {"classes": ("sitting", "walking")}
    assert torch.equal(checkpoint["state_dict"]["backbone.weight"], torch.tensor([[0.0, 1, 2], [3, 4, 5]]))
    history = checkpoint["message_hub"]["log_scalars"]["train/loss"]
    assert (history.mean(), history.min(), history.statistics("current")) == (0.375, 0.25, 0.25)
    assert checkpoint["message_hub"]["runtime_info"]["best"] == 0.7


@pytest.mark.parametrize("numpy_module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_checkpoint_written_under_either_numpy_is_read(mmengine_checkpoint: Path, numpy_module: bytes) -> None:
    other = mmengine_checkpoint.with_name("other.pth")
    with zipfile.ZipFile(mmengine_checkpoint) as source, zipfile.ZipFile(other, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("/data.pkl"):
                names = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
                content = names.replace(b"numpy.core.multiarray", numpy_module)
                assert numpy_module in content
            target.writestr(name, content)
    history = load_checkpoint_safely(other)["message_hub"]["log_scalars"]["train/num"]
    assert history.data[0].tolist() == [3]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (Calls(os.system, "touch executed"), r"(posix|nt)\.system"),
        (Calls(eval, "open('executed', 'w')"), "eval"),
        (Calls(pickle.loads, b"N."), r"_?pickle\.loads"),
        (Calls(getattr, OrderedDict, "fromkeys"), r"getattr \(of \"fromkeys\"\)"),
        (Calls(np.load, "executed"), "numpy.load"),
    ],
)
def test_checkpoint_that_calls_code_is_refused_by_name(
    call: Calls, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "untrusted.pth"
    torch.save({"state_dict": {}, "meta": call}, path)
    with pytest.raises(CheckpointError, match=rf"untrusted\.pth: refused; it asks for .*{named}") as caught:
        load_checkpoint_safely(path)
    assert caught.value.hint is not None
    assert not (tmp_path / "executed").exists()


def test_checkpoint_with_an_unknown_class_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "pathlib.pth"
    torch.save({"meta": Path("x")}, path)
    with pytest.raises(CheckpointError, match=r"refused; it asks for pathlib\.\w*Path"):
        load_checkpoint_safely(path)


def test_statistics_of_log_history_reach_no_other_method(tmp_path: Path) -> None:
    from mmengine.logging import HistoryBuffer

    path = tmp_path / "method.pth"
    torch.save({"meta": Calls(getattr, HistoryBuffer, "register_statistics")}, path)
    with pytest.raises(CheckpointError, match=r"builtins\.getattr \(of \"register_statistics\"\)"):
        load_checkpoint_safely(path)


def test_missing_checkpoint_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.pth: no such file"):
        load_checkpoint_safely(tmp_path / "absent.pth")


def test_folder_in_place_of_a_checkpoint_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint_safely(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"<html>404</html>", b"PK\x03\x04" + bytes(100), bytes(5000), b"\x80\x02."]
)
def test_file_of_another_kind_is_reported(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"is no checkpoint, or is damaged \({len(content):,} bytes\)"):
        load_checkpoint_safely(path)


def test_caffe2_file_of_a_model_zoo_is_named(tmp_path: Path) -> None:
    path = tmp_path / "SLOWFAST_8x8_R50.pkl"
    path.write_bytes(pickle.dumps({"blobs": {"conv1_w": np.zeros(3)}}, protocol=2))
    with pytest.raises(CheckpointError, match="is a Caffe2 file of PySlowFast's model zoo"):
        load_checkpoint_safely(path)


def test_truncated_checkpoint_is_reported(mmengine_checkpoint: Path) -> None:
    whole = mmengine_checkpoint.read_bytes()
    for kept in (1, len(whole) // 4, len(whole) // 2, len(whole) - 200, len(whole) - 1):
        mmengine_checkpoint.write_bytes(whole[:kept])
        with pytest.raises(CheckpointError, match="is damaged"):
            load_checkpoint_safely(mmengine_checkpoint)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("as_zip", [True, False])
def test_damaged_bytes_never_escape_as_another_error(mmengine_checkpoint: Path, as_zip: bool) -> None:
    content = load_checkpoint_safely(mmengine_checkpoint)
    torch.save(content, mmengine_checkpoint, _use_new_zipfile_serialization=as_zip)
    whole = mmengine_checkpoint.read_bytes()
    chance = random.Random(5)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        mmengine_checkpoint.write_bytes(damaged)
        try:
            load_checkpoint_safely(mmengine_checkpoint)
        except CheckpointError:
            refused += 1
    assert refused > 0


def test_file_that_holds_no_dict_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "tensor.pth"
    torch.save(torch.ones(2), path)
    with pytest.raises(CheckpointError, match="holds a Tensor, expected a dict"):
        load_checkpoint_safely(path)


MODEL = {
    "type": "Recognizer3D",
    "backbone": {
        "type": "mmaction.ResNet3dSlowFast",
        "slow_pathway": {"type": "resnet3d", "norm_cfg": {"type": "BN3d"}},
    },
    "cls_head": {"type": "SlowFastHead", "num_classes": 14, "loss_cls": {"type": "CrossEntropyLoss"}},
}


def test_trusted_config_comes_back_equal_and_apart() -> None:
    config = {
        "default_scope": "mmaction",
        "model": MODEL,
        "pipeline": [{"type": "Resize", "scale": (384, 256)}],
        "dataset": {"type": "thermalctl.pipeline.thermal_hdf5.ThermalHDF5Dataset"},
        "optim_wrapper": {"type": "mmengine.OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.1}},
        "train_cfg": {"type": "EpochBasedTrainLoop"},
    }
    cleaned = check_trusted_types(config)
    assert cleaned == config
    cleaned["model"]["backbone"]["slow_pathway"]["norm_cfg"]["type"] = "changed"
    assert MODEL["backbone"]["slow_pathway"]["norm_cfg"]["type"] == "BN3d"  # type: ignore[index]


def test_upstream_would_call_whatever_a_type_names() -> None:
    from mmengine.registry import MODELS

    assert MODELS.build({"type": "os.getcwd"}) == os.getcwd()  # noqa: PTH109


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "os",
        "subprocess.Popen",
        "builtins.eval",
        "torch.load",
        "mmaction.apis.init_recognizer",
        "mmengine.fileio.load",
        "mmengine.os.system",
        "thermalctl.engine.trust.os.system",
        "thermalctl.files.write_json",
        "thermalctl.engine.trust.load_checkpoint_safely",
        "thermalctl.pipeline.thermal_hdf5.BaseActionDataset",
        "thermalctl.pipeline.absent.Absent",
        "thermalctl.pipeline..ThermalHDF5Dataset",
        "timm.resnet50",
        "mmpretrain.ResNet",
        "NotRegistered",
        "RFSearchHook",
        "mmcv.RFSearchHook",
        "mmengine.RFSearchHook",
        "",
        None,
        print,
    ],
)
def test_type_outside_the_registries_is_refused_with_its_place(name: Any) -> None:
    with pytest.raises(CheckpointError, match=r"in model\.blocks\[1\]\.inner\.type"):
        check_trusted_types({"model": {"blocks": [{"type": "BN3d"}, {"inner": {"type": name}}]}})


@pytest.mark.parametrize("key", ["_scope_", "default_scope"])
def test_scope_of_another_package_is_refused(key: str) -> None:
    with pytest.raises(CheckpointError, match=rf"scope 'antigravity' in model\.{key}"):
        check_trusted_types({"model": {"type": "Recognizer3D", key: "antigravity"}})


def test_runner_type_is_checked_as_well() -> None:
    with pytest.raises(CheckpointError, match="in runner_type"):
        check_trusted_types({"runner_type": "os.system"})


def test_keys_that_import_or_fetch_are_dropped() -> None:
    config = {
        "custom_imports": {"imports": ["evil"]},
        "_base_": "mmaction::evil.py",
        "load_from": "http://example.org/x.pth",
        "model": {
            "type": "Recognizer3D",
            "init_cfg": {"type": "Pretrained", "checkpoint": "http://example.org/y.pth"},
            "backbone": {"type": "ResNet3d", "pretrained": "http://example.org/z.pth", "depth": 50},
        },
    }
    assert check_trusted_types(config) == {
        "model": {"type": "Recognizer3D", "backbone": {"type": "ResNet3d", "depth": 50}}
    }


@pytest.mark.slow
@pytest.mark.parametrize("family", ["slowfast", "slowonly", "x3d", "swin", "mvit", "uniformerv2", "timesformer"])
def test_every_config_of_a_family_is_trusted_and_still_builds(family: str) -> None:
    import mmaction
    from mmaction.registry import MODELS
    from mmengine import Config
    from mmengine.registry import DefaultScope

    paths = sorted(Path(mmaction.__path__[0], ".mim", "configs", "recognition", family).glob("*.py"))
    cleaned = [check_trusted_types(Config.fromfile(path).to_dict()) for path in paths]
    with DefaultScope.overwrite_default_scope("mmaction"):
        assert MODELS.build(cleaned[0]["model"]).with_cls_head
