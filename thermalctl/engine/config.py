"""From a configuration, a dataset and options to the configuration that runs: a pure function.

Number of classes, class names and class weights come from the dataset; every flag is an edit of a key. A configuration
with a `clip` is one of ours and gets its datasets and preprocessor filled in; any other is the user's own MMAction2
configuration and is left as it is, but for where its files lie.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from thermalctl.clip_spec import ClipSpec, Target
from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.architecture import fit_architecture
from thermalctl.engine.choices.class_weights import fill_imbalance
from thermalctl.engine.choices.watching import settle_backends
from thermalctl.engine.edits import apply_options
from thermalctl.engine.options import CONFIGS_DIR, LOADERS, TrainOptions
from thermalctl.engine.overrides import apply_overrides, check_kept, check_overrides
from thermalctl.errors import ConfigError
from thermalctl.pipeline.augment import Augmentation
from thermalctl.pipeline.time_augment import count_context_frames

#: The dataset class of the guide's own configurations.
GUIDE_DATASET = "ThermalHDF5Dataset"
PREPROCESSOR = "thermalctl.pipeline.preprocessor.ThermalDataPreprocessor"
#: Where a configuration has the weight of each class.
LOSS_WEIGHTS = "model.cls_head.loss_cls.class_weight"
#: MMAction2's validation metric, which ours extends.
ACCURACY = "AccMetric"

#: What goes wrong when a configuration file, which is Python, is run.
_CONFIG_FAULTS = (
    SyntaxError,
    NameError,
    ImportError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    OSError,
)


def choose_config(device: str, target: Target | None) -> str:
    """Return what `train` takes when no configuration is named.

    Args:
        device: what would train: "cpu", "cuda" or "cuda:N".
        target: what is to be judged; None where that is open.
    """
    if device != "cpu":
        return "slowfast-r50"
    return "slowfast-tiny" if target == "frame" else "thermal-small"


def list_shipped_configs() -> list[str]:
    """Return the names of the shipped configurations, as `--config` takes them."""
    return sorted(path.stem.replace("_", "-") for path in CONFIGS_DIR.glob("*.py") if path.stem != "__init__")


def load_config(name_or_file: str) -> Config:
    """Return a shipped configuration by name, or any MMEngine configuration file.

    Raises:
        ConfigError: if there is neither, or the file cannot be read.
    """
    shipped = CONFIGS_DIR / f"{name_or_file.replace('-', '_')}.py"
    path = shipped if name_or_file in list_shipped_configs() else Path(name_or_file)
    if not path.is_file():
        near = difflib.get_close_matches(name_or_file, list_shipped_configs(), n=1, cutoff=0.5)
        known = ", ".join(list_shipped_configs())
        raise ConfigError(
            f"--config {name_or_file}: no such configuration or file",
            hint=f"is {near[0]} meant? There are {known}" if near else f"there are {known}, or name a file",
        )
    prepare_mmaction()  # for what a user's file imports, and for a `_base_` inside MMAction2
    try:
        return Config.fromfile(str(path))
    except _CONFIG_FAULTS as error:
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__}: {error})", hint="mend the file") from error


def complete_config(
    cfg: Config, options: TrainOptions, dataset: ThermalDataset | None, *, work_dir: Path, device: str
) -> Config:
    """Return the configuration that runs.

    Args:
        cfg: from `load_config`; it is not changed.
        options: the edits.
        dataset: what to train on; None to leave a user's own configuration with its own files.
        work_dir: where the run is written.
        device: "cpu" or "cuda[:i]".

    Raises:
        ConfigError: if an option or the dataset does not fit the configuration.
    """
    check_overrides(cfg, options.overrides)
    cfg = copy.deepcopy(cfg)
    cfg.setdefault("default_scope", "mmaction")
    planned_epochs = (cfg.get("train_cfg") or {}).get("max_epochs")
    apply_overrides(cfg, options.overrides)
    if options.overrides.get("class_weights") == "none" and LOSS_WEIGHTS not in options.overrides:
        cfg.merge_from_dict({LOSS_WEIGHTS: None})  # a finished run's configuration holds those of its dataset
    apply_options(cfg, options, planned_epochs=planned_epochs)
    if dataset is not None:
        (fill_from_dataset if "clip" in cfg else point_at_dataset)(cfg, dataset)
    elif "clip" in cfg:
        raise ConfigError(
            "this configuration is filled in from a dataset, and none is given", hint="name it with --data"
        )
    else:
        fill_imbalance(cfg, None)
    cfg.work_dir = str(work_dir)
    cfg.device = device
    settle_backends(cfg, work_dir)
    for key in ("val_evaluator", "test_evaluator"):
        if cfg.get(key):
            cfg[key] = _extend_accuracy(cfg[key])
    check_kept(cfg, options.overrides)
    return cfg


def fill_from_dataset(cfg: Config, dataset: ThermalDataset) -> None:
    """Write into one of our configurations what the dataset decides."""
    spec = read_clip_spec(cfg, dataset.classes)
    values = spec.to_dict()
    cfg.model.setdefault("data_preprocessor", {"type": PREPROCESSOR})
    cfg.model.data_preprocessor.clip_spec = values
    cfg.model.cls_head.num_classes = spec.num_classes
    cfg.model.cls_head.setdefault("loss_cls", {"type": "CrossEntropyLoss"})  # MMAction2's default
    fill_imbalance(cfg, dataset)
    fit_architecture(cfg.model, spec)
    augmentation = Augmentation.from_config(cfg.model.data_preprocessor.get("augment") or {})
    for split, leaf in iterate_datasets(cfg):
        leaf.data_root = str(dataset.layout.root)
        leaf.clip_spec = values
        if split == "train":
            leaf.context_frames = count_context_frames(augmentation, spec.num_frames)


def point_at_dataset(cfg: Config, dataset: ThermalDataset) -> None:
    """Make a user's own configuration read this dataset.

    Raises:
        ConfigError: if its head has another number of classes, or it reads no dataset folder.
    """
    leaves = [(split, leaf) for split, leaf in iterate_datasets(cfg) if names_class(leaf, GUIDE_DATASET)]
    if not leaves:
        read = ", ".join(sorted({str(leaf.get("type")) for _, leaf in iterate_datasets(cfg)})) or "nothing"
        raise ConfigError(
            f"the configuration reads {read}, and so not the dataset folder {dataset.layout.root}",
            hint=f'train on its own files without --data, or let it read type="{GUIDE_DATASET}"',
        )
    found = (cfg.model.get("cls_head") or {}).get("num_classes")
    if found is not None and found != dataset.num_classes:
        raise ConfigError(
            f"model.cls_head.num_classes is {found}, but {dataset.layout.root} has {dataset.num_classes} classes",
            hint=f"--cfg-options model.cls_head.num_classes={dataset.num_classes}",
        )
    for split, leaf in leaves:
        leaf.ann_file = str(dataset.layout.annotation_file(split))
        leaf.data_prefix = {"hdf5": str(dataset.layout.frames_dir)}
        leaf.pop("data_root", None)
    fill_imbalance(cfg, dataset)


def read_clip_spec(cfg: Config, classes: tuple[str, ...]) -> ClipSpec:
    """Return the `clip` of one of our configurations as a record.

    Raises:
        ConfigError: if a field is unknown or a value impossible.
    """
    values = cfg.clip.to_dict()
    known = [field.name for field in dataclasses.fields(ClipSpec) if field.name != "classes"]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"clip has no {unknown[0]!r}", hint=f"it has {', '.join(known)}")
    return ClipSpec.from_dict({"classes": list(classes)} | values)


def names_class(node: Mapping[str, Any], class_name: str) -> bool:
    """Return whether a configuration's `type` is that class, by name, with a scope or a module before it, or itself."""
    found = node.get("type")
    name = found if isinstance(found, str) else getattr(found, "__name__", "")
    return name.rpartition(".")[2] == class_name


def iterate_datasets(cfg: Config) -> Iterator[tuple[str, Any]]:
    """Yield (split, dataset configuration) of each loader, inside whatever wraps it."""
    for loader in LOADERS:
        leaf = (cfg.get(loader) or {}).get("dataset")
        while leaf is not None and "dataset" in leaf:
            leaf = leaf.dataset
        if leaf is not None:
            yield ("train" if loader == "train_dataloader" else "val"), leaf


def _extend_accuracy(evaluator: Any) -> Any:
    """Return the evaluator with MMAction2's accuracy replaced by ours, which adds two metrics and drops none."""
    if isinstance(evaluator, (list, tuple)):
        return [_extend_accuracy(one) for one in evaluator]
    if isinstance(evaluator, dict) and names_class(evaluator, ACCURACY):
        return type(evaluator)(evaluator, type="thermalctl.engine.accuracy.ClassAccuracy")
    return evaluator
