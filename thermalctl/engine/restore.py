"""A trained model from its checkpoint alone: what it is, what it expects of a clip, which classes it knows.

Both kinds are accepted: our own checkpoints, which say it all, and those of the finetuning guide's scripts (plain
MMEngine), whose preprocessing is read from the configuration they carry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope, init_default_scope
from numpy.typing import NDArray
from torch import Tensor

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.checkpoints import find_best, find_last
from thermalctl.engine.choices.custom_hooks import find_hooks
from thermalctl.engine.choices.stopping import EARLY_STOPPING
from thermalctl.engine.config import fill_from_dataset, load_config
from thermalctl.engine.config_text import parse_config_text
from thermalctl.engine.guide import read_guide_clip_spec
from thermalctl.engine.hooks import META_KEY
from thermalctl.engine.runner import load_exactly, prepare_head, register_guide_dataset
from thermalctl.engine.trust import check_trusted_types, load_checkpoint_safely
from thermalctl.errors import CheckpointError, RequestError
from thermalctl.evaluation.runs import FoundRun
from thermalctl.files import hash_file
from thermalctl.models.pretrained import strip_to_state_dict

if TYPE_CHECKING:
    from mmaction.models import BaseRecognizer


@dataclass(frozen=True, kw_only=True)
class RestoredModel:
    """A trained model, on the CPU, ready to predict.

    Attributes:
        path: its checkpoint.
        sha256: of that file.
        model: the recognizer, in evaluation mode.
        cfg: the configuration it was trained with.
        clip_spec: what it expects of a clip; for a model of the guide's scripts as nearly as degrees can say it, and
            None where they cannot.
        is_own: whether thermalctl trained it, and not the guide's scripts.
        classes: class names in id order; empty where nothing says.
        epoch: epochs trained; None where the checkpoint does not say.
        selection: on what the checkpoint was chosen, in words.
        selection_split: the split whose scores chose it; None where none did.
        trained_ids: ids of the samples it was trained on; empty where the checkpoint does not say.
        trained_clips: hashes of their clips, see `dataset.frame_hashes`; empty where it does not say.
        trained_keyframes: hashes of the annotated frames in them; empty where it does not say.
        trained_frames: hashes of all that it was shown of these clips; empty where it does not say.
        trained_dataset: fingerprint of the dataset that they are of; None where it does not say.
    """

    path: Path
    sha256: str
    model: BaseRecognizer
    cfg: Config
    clip_spec: ClipSpec | None
    is_own: bool
    classes: tuple[str, ...]
    epoch: int | None
    selection: str
    selection_split: str | None
    trained_ids: tuple[str, ...]
    trained_clips: NDArray[np.int64]
    trained_keyframes: NDArray[np.int64]
    trained_frames: NDArray[np.int64]
    trained_dataset: str | None


def find_checkpoint(run: FoundRun, *, best: bool = False, last: bool = False, epoch: int | None = None) -> Path:
    """Return the checkpoint of a run: the one named, else the best, else the last.

    Args:
        run: the run.
        best: it must be one that validation chose.
        last: the last, although there is one chosen as the best.
        epoch: the one that was saved after so many epochs.

    Raises:
        RequestError: if the run holds none, or more than one of these is asked for.
    """
    named = run.file if run.file is not None and run.file.suffix != ".npz" else None
    asked = [flag for flag, given in (("--best", best), ("--last", last), ("--epoch", epoch is not None)) if given]
    if len(asked) > 1 or (asked and named):
        raise RequestError(
            f"{' and '.join(asked)}{f' and {named}' if named else ''} name different checkpoints",
            hint="give one of them",
        )
    if named is not None:
        return named
    if epoch is not None:
        saved = run.folder / f"epoch_{epoch}.pth"
        if not saved.is_file():
            kept = sorted(run.folder.glob("epoch_*.pth"), key=lambda path: (len(path.name), path.name))
            held = ", ".join(path.stem.removeprefix("epoch_") for path in kept) or "none"
            raise RequestError(f"{saved}: no such checkpoint", hint=f"epochs that were kept: {held}")
        return saved
    if best and find_best(run.folder) is None:
        raise RequestError(f"{run.folder}: holds no checkpoint that validation chose", hint="--last takes the last")
    found = (None if last else find_best(run.folder)) or find_last(run.folder)
    if found is None:
        raise RequestError(f"{run.folder}: holds no checkpoint", hint="thermalctl train  makes one")
    return found


def restore_model(path: Path, *, config: str | None = None, dataset: ThermalDataset | None = None) -> RestoredModel:
    """Return the model in a checkpoint.

    Args:
        path: the checkpoint.
        config: a configuration to use instead of the one in the checkpoint; a name or a file.
        dataset: fills in classes where `config` is one of ours.

    Raises:
        CheckpointError: if the checkpoint is untrusted or damaged, says too little, or does not fit the configuration.
        ConfigError: if `config` cannot be read.
    """
    checkpoint = load_checkpoint_safely(path)
    meta = _expect_mapping(checkpoint.get("meta"))
    record = _expect_mapping(meta.get(META_KEY))
    cfg = load_config(config) if config else _read_config(meta, path)
    if "clip" in cfg and "clip_spec" not in cfg.model.get("data_preprocessor", {}):
        if dataset is None:
            raise RequestError(f"--config {config}: needs a dataset to name its classes", hint="name it with --data")
        fill_from_dataset(cfg, dataset)
    model = build_model(cfg)
    load_exactly(model, strip_to_state_dict(checkpoint, str(path)), str(path))
    own = cfg.model.get("data_preprocessor", {}).get("clip_spec")
    classes = tuple(_expect_mapping(meta.get("dataset_meta")).get("classes") or (dataset.classes if dataset else ()))
    selection, split = describe_selection(path, cfg)
    return RestoredModel(
        path=path,
        sha256=hash_file(path),
        model=model,
        cfg=cfg,
        clip_spec=ClipSpec.from_dict(own) if own else read_guide_clip_spec(cfg, classes),
        is_own=own is not None,
        classes=ClipSpec.from_dict(own).classes if own else classes,
        epoch=meta.get("epoch"),
        selection=selection,
        selection_split=split,
        trained_ids=tuple(record.get("train_sample_ids", ())),
        trained_clips=_expect_hashes(record.get("train_clip_hashes")),
        trained_keyframes=_expect_hashes(record.get("train_keyframe_hashes")),
        trained_frames=_expect_hashes(record.get("train_frame_hashes")),
        trained_dataset=str(record["dataset_fingerprint"]) if record.get("dataset_fingerprint") else None,
    )


def build_model(cfg: Config) -> BaseRecognizer:
    """Return the configuration's model with random weights, in evaluation mode."""
    if DefaultScope.get_current_instance() is None:
        init_default_scope("mmaction")
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope") or "mmaction"):
        model = MODELS.build(cfg.model)
    prepare_head(model)
    return model.eval()


def describe_selection(path: Path, cfg: Config) -> tuple[str, str | None]:
    """Return on what a checkpoint was chosen, in words, and the split that chose it.

    Args:
        path: the checkpoint; its name says how it was chosen.
        cfg: the configuration it was trained with.
    """
    if path.stem.startswith("best_"):
        written = path.stem.removeprefix("best_").rpartition("_epoch_")[0]
        selected = ((cfg.get("default_hooks") or {}).get("checkpoint") or {}).get("save_best") or ()
        metrics = (selected,) if isinstance(selected, str) else selected
        # MMEngine writes "acc/mean_class" as "acc_mean_class".
        metric = next((m for m in metrics if m.replace("/", "_") == written), written.replace("_", "/", 1))
        return f"best {metric or 'validation'} on val", "val"
    stops = find_hooks(cfg, EARLY_STOPPING)
    length = (cfg.get("train_cfg") or {}).get("max_epochs")
    if stops and path.stem != f"epoch_{length}":  # at its full length, validation did not end it
        return f"last epoch, stopped early on {stops[0].get('monitor')} of val", "val"
    return "last epoch", None


def _expect_mapping(value: object) -> Mapping[str, Any]:
    """Return an entry of a checkpoint from anywhere; nothing where it is missing or something else."""
    return value if isinstance(value, Mapping) else {}


def _expect_hashes(value: object) -> NDArray[np.int64]:
    return value.numpy() if isinstance(value, Tensor) and value.dtype == torch.int64 else np.zeros(0, dtype=np.int64)


def _read_config(meta: Mapping[str, Any], path: Path) -> Config:
    text = meta.get("cfg")
    if not isinstance(text, str) or not text.strip():
        raise CheckpointError(
            f"{path}: does not say which configuration it was trained with",
            hint="name that configuration with --config FILE",
        )
    register_guide_dataset()
    try:
        values = check_trusted_types(parse_config_text(text))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error.message}", hint=error.hint) from error
    if not isinstance(values.get("model"), dict):
        raise CheckpointError(
            f"{path}: its configuration describes no model", hint="name that configuration with --config FILE"
        )
    return Config(values)
