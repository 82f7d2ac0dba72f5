"""Each cure is shown to be needed: with all others but without it, upstream fails in a process of its own."""

from __future__ import annotations

import colorsys
import pickle
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from thermalctl import compat

ROOT = Path(__file__).parents[1]

# Hidden, so that the outcome does not depend on what else is installed.
HIDE_WHAT_MAY_BE_INSTALLED = "import sys; sys.modules.update(pkg_resources=None, importlib_metadata=None)"

NEEDS = {
    "silence_known_warnings": (
        "import warnings; warnings.simplefilter('error', UserWarning); apply()\nimport mmcv.cnn.bricks.transformer",
        "MultiScaleDeformableAttention",
    ),
    "supply_missing_drn": ("apply()\nimport mmaction.models", "No module named 'mmaction.models.localizers.drn'"),
    "supply_importlib_metadata": ("apply()\nimport mmaction.models", "importlib_metadata"),
    "find_packages_without_pkg_resources": (
        "apply()\n"
        "from mmengine import Config\n"
        "base = 'mmaction::recognition/slowfast/slowfast_r50_8xb8-4x16x1-256e_kinetics400-rgb.py'\n"
        "open('user.py', 'w').write(f'_base_ = {base!r}')\n"
        "assert Config.fromfile('user.py').model.backbone.type == 'ResNet3dSlowFast'",
        "pkg_resources",
    ),
    "allow_mmengine_checkpoints": (
        "apply()\n"
        "import torch\n"
        "from mmengine.logging import MessageHub\n"
        "hub = MessageHub.get_instance('run'); hub.update_scalar('train/loss', 0.5)\n"
        "torch.save({'message_hub': hub.state_dict()}, 'epoch_1.pth')\n"
        "torch.load('epoch_1.pth')",
        "HistoryBuffer was not an allowed global",
    ),
    "widen_color_jitter_hue": (
        "apply()\n"
        "import numpy as np\n"
        "from mmaction.datasets.transforms import ColorJitter\n"
        "ColorJitter(hue=(-0.1, -0.1))({'imgs': [np.full((4, 4, 3), 90, np.uint8)]})",
        "out of bounds for uint8",
    ),
    "lay_out_each_config_once": (
        "import yapf.yapflib.yapf_api as yapf\n"
        "original, laid_out = yapf.FormatCode, []\n"
        "yapf.FormatCode = lambda text, **options: laid_out.append(text) or original(text, **options)\n"
        "apply()\n"
        "from mmengine import Config\n"
        "first, again, other = (Config({'key': value}).pretty_text for value in (1, 1, 2))\n"
        "assert (first, again, other) == ('key = 1\\n', 'key = 1\\n', 'key = 2\\n'), (first, again, other)\n"
        "assert len(laid_out) == 2, 'the same was laid out twice'",
        "the same was laid out twice",
    ),
}


def run_python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def run_with_cures(code: str, folder: Path, *, without: str = "") -> subprocess.CompletedProcess[str]:
    define = (
        "from thermalctl import compat\n"
        "def apply():\n"
        f"    for cure in compat.CURES:\n        cure() if cure.__name__ != {without!r} else None"
    )
    return run_python(f"{HIDE_WHAT_MAY_BE_INSTALLED}\n{define}\n{code}", folder)


def test_every_cure_is_shown_to_be_needed() -> None:
    assert [cure.__name__ for cure in compat.CURES] == list(NEEDS)


@pytest.mark.slow
@pytest.mark.parametrize("cure", NEEDS)
def test_upstream_fails_without_the_cure(cure: str, tmp_path: Path) -> None:
    if cure == "widen_color_jitter_hue" and np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("numpy 1 widens by itself")
    code, failure = NEEDS[cure]
    outcome = run_with_cures(code, tmp_path, without=cure)
    assert outcome.returncode == 1
    assert failure in outcome.stderr


@pytest.mark.slow
@pytest.mark.parametrize("cure", NEEDS)
def test_upstream_works_with_all_cures(cure: str, tmp_path: Path) -> None:
    outcome = run_with_cures(NEEDS[cure][0], tmp_path)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.slow
def test_stack_imports_without_a_word_after_prepare(tmp_path: Path) -> None:
    outcome = run_python(
        "from thermalctl.compat import prepare_mmaction; prepare_mmaction(); prepare_mmaction()\n"
        "import mmengine.runner, mmaction.datasets, mmaction.models, mmaction.evaluation, mmaction.engine",
        tmp_path,
    )
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


@pytest.mark.slow
def test_color_jitter_is_cured_even_if_the_datasets_were_imported_first(tmp_path: Path) -> None:
    outcome = run_python(
        "import mmaction.datasets\n"
        "from thermalctl.compat import prepare_mmaction; prepare_mmaction()\n"
        "import numpy as np\n"
        "from mmaction.datasets.transforms import ColorJitter\n"
        "ColorJitter(hue=(-0.1, -0.1))({'imgs': [np.full((4, 4, 3), 90, np.uint8)]})",
        tmp_path,
    )
    assert outcome.returncode == 0, outcome.stderr


def test_importing_the_package_or_compat_loads_and_changes_nothing(tmp_path: Path) -> None:
    outcome = run_python(
        "import warnings; filters, finders = list(warnings.filters), list(sys.meta_path)\n"
        "import thermalctl, thermalctl.compat\n"
        "assert warnings.filters == filters and sys.meta_path == finders\n"
        "heavy = {'torch', 'numpy', 'mmengine', 'mmcv', 'mmaction', 'importlib_metadata'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)",
        tmp_path,
    )
    assert outcome.returncode == 0, outcome.stderr


def test_cures_are_applied_once_however_many_threads_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    applied = []

    def slow_cure() -> None:
        time.sleep(0.05)
        applied.append(threading.get_ident())

    monkeypatch.setattr(compat, "CURES", (slow_cure,))
    monkeypatch.setattr(compat, "_applied", False)
    done_when_returned = []

    def ask() -> None:
        compat.prepare_mmaction()
        done_when_returned.append(len(applied))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done_when_returned == [1, 1, 1, 1]


def test_placeholder_for_drn_says_what_is_missing() -> None:
    compat.prepare_mmaction()
    import mmaction.models.localizers as localizers

    if localizers.DRN.__module__ != "thermalctl.compat":
        pytest.skip("this mmaction2 has DRN")
    with pytest.raises(ImportError, match="mmaction2#2714"):
        localizers.DRN()


@pytest.mark.parametrize("package", ["mmaction2", "mmaction"])
def test_package_is_found_by_its_distribution_or_module_name(package: str) -> None:
    assert compat._is_installed(package)
    assert Path(compat._get_installed_path(package)).name == "mmaction"


def test_package_that_is_not_installed_is_not_found() -> None:
    assert not compat._is_installed("mmnothing")
    with pytest.raises(ModuleNotFoundError, match="mmnothing"):
        compat._get_installed_path("mmnothing")


def turn_hue(rgb: tuple[float, float, float], factor: float) -> list[float]:
    compat.prepare_mmaction()
    from mmaction.datasets.transforms import ColorJitter

    image = np.array([[rgb]], dtype=np.float32)
    turned: list[float] = ColorJitter.adjust_hue(image, factor)[0, 0].tolist()
    return turned


def test_negative_hue_turns_red_towards_magenta() -> None:
    # OpenCV halves degrees: red is hue 0; int(-0.1 * 255) = -25 steps of 2 degrees give 310 degrees,
    # which is red at full, and blue at 255 * (360 - 310) / 60 = 212.5.
    assert turn_hue((255, 0, 0), -0.1) == pytest.approx([255, 0, 212.5], abs=0.5)


def test_positive_hue_is_left_to_upstream() -> None:
    # 25 steps of 2 degrees: 50 degrees, green at 255 * 50 / 60 = 212.5.
    assert turn_hue((255, 0, 0), 0.1) == pytest.approx([255, 212.5, 0], abs=0.5)


@pytest.mark.parametrize("factor", [-0.5, -0.3, -0.05, -0.004, -0.001])
@pytest.mark.parametrize("hue_degrees", [0, 20, 118, 240, 358])
def test_negative_hue_is_a_rotation(hue_degrees: int, factor: float) -> None:
    rgb = [255 * part for part in colorsys.hsv_to_rgb(hue_degrees / 360, 1, 1)]
    expected_degrees = (hue_degrees + 2 * int(factor * 255)) % 360
    expected = [255 * part for part in colorsys.hsv_to_rgb(expected_degrees / 360, 1, 1)]
    # One step of hue is 2 degrees, 8.5 levels; half a step is lost when the colour enters OpenCV's 8 bits.
    assert turn_hue((rgb[0], rgb[1], rgb[2]), factor) == pytest.approx(expected, abs=5)


def test_replacement_of_getattr_serves_only_the_statistics() -> None:
    compat.prepare_mmaction()
    import torch
    from mmengine.logging import HistoryBuffer

    (serve,) = [
        found[0]
        for found in torch.serialization.get_safe_globals()
        if isinstance(found, tuple) and found[1] == "builtins.getattr"
    ]
    assert [serve(HistoryBuffer, name) for name in ("min", "max", "mean", "current")] == [
        HistoryBuffer.min,
        HistoryBuffer.max,
        HistoryBuffer.mean,
        HistoryBuffer.current,
    ]
    for owner, name in [
        (HistoryBuffer, "__init__"),
        (HistoryBuffer, "register_statistics"),
        (np, "load"),
        (dict, "min"),
    ]:
        with pytest.raises(pickle.UnpicklingError, match=r"builtins\.getattr"):
            serve(owner, name)


def test_checkpoint_does_not_change_how_histories_are_summed_up(tmp_path: Path) -> None:
    compat.prepare_mmaction()
    import torch
    from mmengine.logging import HistoryBuffer

    history = HistoryBuffer([1.0, 3.0], [1, 1])
    history._statistics_methods = {"mean": HistoryBuffer.max, "min": 5}
    torch.save({"log_scalars": history}, tmp_path / "epoch_1.pth")
    loaded = torch.load(tmp_path / "epoch_1.pth")["log_scalars"]
    assert [history.statistics("mean") for history in (loaded, HistoryBuffer([1.0, 3.0], [1, 1]))] == [2.0, 2.0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        "slowfast/slowfast_r50_8xb8-4x16x1-256e_kinetics400-rgb.py",
        "slowonly/slowonly_r50_8xb16-8x8x1-256e_kinetics400-rgb.py",
        "x3d/x3d_s_13x6x1_facebook-kinetics400-rgb.py",
        "tsm/tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_kinetics400-rgb.py",
        "mvit/mvit-small-p244_32xb16-16x4x1-200e_kinetics400-rgb.py",
        "swin/swin-tiny-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_kinetics400-rgb.py",
        "uniformerv2/uniformerv2-base-p16-res224_clip_8xb32-u8_kinetics400-rgb.py",
        "timesformer/timesformer_divST_8xb8-8x32x1-15e_kinetics400-rgb.py",
    ],
)
def test_recogniser_of_each_family_is_built(config: str) -> None:
    compat.prepare_mmaction()
    import mmaction
    from mmaction.registry import MODELS
    from mmengine import Config
    from mmengine.registry import DefaultScope

    path = Path(mmaction.__path__[0], ".mim", "configs", "recognition", config)
    with warnings.catch_warnings():
        compat.silence_known_warnings()
        with DefaultScope.overwrite_default_scope("mmaction"):
            model = MODELS.build(Config.fromfile(path).model)
    assert sum(parameter.numel() for parameter in model.parameters()) > 3_000_000
