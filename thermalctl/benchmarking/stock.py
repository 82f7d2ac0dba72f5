"""The finetuning guide's training as plain MMAction2 does it: the other side of the benchmark.

The model is slowfast-r50's own, so that both sides compute the same; the dataset class, the transforms, the
preprocessor, the loss and the optimizer are MMAction2's and MMEngine's, as the guide's configuration has them.
"""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.config import load_config

#: Frames in a clip, and (height, width) of what the model sees.
NUM_FRAMES, INPUT_SIZE = 64, (256, 384)
#: How fast the guide says that its training is, in clips a second.
GUIDE_RATES = {"RTX 3090": 15.0, "V100": 12.0, "two RTX 3090": 30.0}


def make_stock_config(dataset: ThermalDataset, *, frame_cache_mib: int = 0) -> Config:
    """Return the guide's configuration for a dataset, without a work dir, a device or weights to start from.

    Args:
        dataset: its train split is trained on.
        frame_cache_mib: memory for decoded recordings; 0, as in the guide, to decode each clip anew.
    """
    ours = load_config("slowfast-r50")
    model = ours.model.to_dict()
    model["cls_head"] |= {"num_classes": dataset.num_classes, "loss_cls": {"type": "CrossEntropyLoss"}}
    model["data_preprocessor"] = {
        "type": "ActionDataPreprocessor",
        "mean": list(ours.clip.mean),
        "std": list(ours.clip.std),
        "format_shape": "NCTHW",
    }
    loader = {
        "batch_size": 4,
        "num_workers": 4,
        "persistent_workers": True,
        "sampler": {"type": "DefaultSampler", "shuffle": True},
        "dataset": {
            "type": "ThermalHDF5Dataset",
            "ann_file": str(dataset.layout.annotation_file("train")),
            "data_prefix": {"hdf5": str(dataset.layout.frames_dir)},
            "frame_window": NUM_FRAMES,
            "frame_cache_mib": frame_cache_mib,
            "pipeline": list_transforms(),
        },
    }
    return Config(
        {
            "default_scope": "mmaction",
            "model": model,
            "train_dataloader": loader,
            "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": 100},
            "optim_wrapper": ours.optim_wrapper.to_dict(),
            "param_scheduler": [dict(one) for one in ours.param_scheduler],
            "default_hooks": {
                "runtime_info": {"type": "RuntimeInfoHook"},
                "timer": {"type": "IterTimerHook"},
                "logger": {"type": "LoggerHook", "interval": 10},
                "param_scheduler": {"type": "ParamSchedulerHook"},
                "checkpoint": {"type": "CheckpointHook", "interval": 5},
                "sampler_seed": {"type": "DistSamplerSeedHook"},
                "sync_buffers": {"type": "SyncBuffersHook"},
            },
            "env_cfg": {"cudnn_benchmark": True, "mp_cfg": {"mp_start_method": "fork", "opencv_num_threads": 0}},
            "randomness": {"seed": 42},
        }
    )


def list_transforms() -> list[dict[str, Any]]:
    """Return the guide's transforms of a training clip."""
    height, width = INPUT_SIZE
    return [
        {"type": "RandomResizedCrop", "area_range": (0.7, 1.0), "aspect_ratio_range": (0.85, 1.15)},
        {"type": "Resize", "scale": (width, height), "keep_ratio": False},
        {"type": "Flip", "flip_ratio": 0.5},
        {"type": "ColorJitter", "brightness": 0.3, "contrast": 0.3},
        {"type": "RandomErasing", "erase_prob": 0.25, "max_area_ratio": 0.2, "mode": "rand", "fill_std": (64, 64, 64)},
        {"type": "FormatShape", "input_format": "NCTHW"},
        {"type": "PackActionInputs"},
    ]
