"""One step of `train`, on random frames; runs in a probe's process only, see `probe_worker`."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path
from typing import Any

#: What is trained: the shipped configuration that every device can train.
CONFIG = "slowfast-tiny"
_NUM_CLIPS = 2
_CLASSES = tuple(f"class {number}" for number in range(14))
_RECORDING = "unread"
_FRAME_SIZE = (40, 60)
#: The first step allocates and chooses kernels; the second is the one that is timed.
_NUM_STEPS = 2


def run_training_step(device: str, precision: str) -> dict[str, Any]:
    """Return the first loss and the time of a step: forward, backward and the optimizer's update.

    Everything is built as `train` builds it, but for the clips: random frames of a room, two of them.

    Args:
        device: "cpu" or "cuda:0".
        precision: "float32", or "bfloat16" as with `train --amp`.

    Returns:
        "loss": with random weights, about ln 14 = 2.6; "step_ms": milliseconds of a step once all is warm.

    Raises:
        ArithmeticError: if the loss, a gradient or an updated weight is not finite.
    """
    torch = import_module("torch")
    import_module("torch.utils.tensorboard")  # `train` stops without the writer of its curves
    cfg = _complete_config(device, uses_autocast=precision == "bfloat16")
    torch.manual_seed(0)
    if device == "cpu":
        torch.set_num_threads(cfg.cpu_threads)
    model = import_module("thermalctl.engine.restore").build_model(cfg).to(device).train()
    optimizer = import_module("mmengine.optim").build_optim_wrapper(model, cfg.optim_wrapper)
    batch = _make_batch(torch, cfg.clip.num_frames)
    losses, seconds = [], 0.0
    for _ in range(_NUM_STEPS):
        started = time.perf_counter()
        with optimizer.optim_context(model):
            loss, _ = model.parse_losses(model(**model.data_preprocessor(batch, True), mode="loss"))
        optimizer.backward(loss)
        _expect_finite(torch, "the loss", loss)
        for name, weight in model.named_parameters():
            if weight.grad is not None:
                _expect_finite(torch, f"the gradient of {name}", weight.grad)
        optimizer.step()
        optimizer.zero_grad()
        if device != "cpu":
            torch.cuda.synchronize(device)
        losses.append(float(loss.detach()))
        seconds = time.perf_counter() - started
    for name, weight in model.named_parameters():
        _expect_finite(torch, name, weight)
    return {"loss": losses[0], "step_ms": 1000 * seconds}


def _complete_config(device: str, *, uses_autocast: bool) -> Any:
    """Return the shipped configuration as `train` completes it, for a dataset that is not read."""
    config = import_module("thermalctl.engine.config")
    dataset = import_module("thermalctl.dataset.samples").ThermalDataset(
        layout=import_module("thermalctl.dataset.layout").DatasetLayout(Path("unread")),
        classes=_CLASSES,
        splits={"train": _annotate_each_class()},
        recordings={},
        sessions={_RECORDING: _RECORDING},
    )
    options = import_module("thermalctl.engine.options").TrainOptions(amp=uses_autocast)
    return config.complete_config(
        config.load_config(CONFIG), options, dataset, work_dir=Path("unwritten"), device=device
    )


def _annotate_each_class() -> Any:
    """Return a split in which each class occurs once, so that the loss counts none as absent."""
    coco = import_module("thermalctl.annotations.coco")
    height, width = _FRAME_SIZE
    images = tuple(
        coco.ImageEntry(
            id=name, sensor_id=_RECORDING, mac_address="", timestamp_ms=0, width=width, height=height, frame_idx=0
        )
        for name in _CLASSES
    )
    people = tuple(
        coco.PersonAnnotation(
            id=number,
            image_id=name,
            box=coco.Box(0.5, 0.5, 0.5, 0.5),
            category_id=number,
            category_name=name,
            object_id=None,
            attribute_obscured=None,
        )
        for number, name in enumerate(_CLASSES)
    )
    return coco.AnnotationFile(path=Path("unread"), images=images, annotations=people, classes=_CLASSES)


def _make_batch(torch: Any, num_frames: int) -> dict[str, Any]:
    """Return clips of 15 to 35 deg C with their classes, as the loaders hand them over."""
    samples = []
    for number in range(_NUM_CLIPS):
        sample = import_module("mmaction.structures").ActionDataSample()
        sample.set_gt_label(number % len(_CLASSES))
        samples.append(sample)
    clips_c = 15 + 20 * torch.rand(_NUM_CLIPS, num_frames, *_FRAME_SIZE)
    return {"inputs": list(clips_c), "data_samples": samples}


def _expect_finite(torch: Any, name: str, values: Any) -> None:
    if not bool(torch.isfinite(values).all()):
        raise ArithmeticError(f"{name} is not finite")
