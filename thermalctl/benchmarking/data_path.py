"""The way of a clip from the disk to the model's input, timed in its two halves."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from thermalctl.benchmarking.contenders import Contender, complete_contender
from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.runner import register_guide_dataset
from thermalctl.recordings.hdf5 import RecordingFile

prepare_mmaction()

from mmaction.registry import DATASETS, MODELS  # noqa: E402


class DataPath:
    """The loader's half, which a worker process does, and the preprocessor's, which is done on the device.

    Args:
        contender: whose.
        dataset: what is read.
        device: "cpu" or "cuda[:i]".
        threads: of OpenCV; torch's are set already.
        batch_size: clips that are made ready together.
        num_batches: of each turn; the clips are spread over the train split, and other ones in each turn.
    """

    def __init__(
        self, contender: Contender, dataset: ThermalDataset, *, device: str, threads: int, batch_size: int,
        num_batches: int,
    ) -> None:  # fmt: skip
        import cv2

        cv2.setNumThreads(0 if threads == 1 else threads)
        if not contender.in_memory:
            RecordingFile.chunk_cache_bytes = 0  # which would hold a dataset as small as the guide's
        register_guide_dataset()
        init_default_scope("mmaction")
        with tempfile.TemporaryDirectory() as folder:
            cfg = complete_contender(
                contender, dataset, work_dir=Path(folder), device=device, batch_size=batch_size, num_workers=0
            )
        self._clips = DATASETS.build(cfg.train_dataloader.dataset)
        self._preprocessor: Any = MODELS.build(cfg.model.data_preprocessor).to(device)
        self._device, self._threads = torch.device(device), threads
        self._batch_size, self._num_batches = batch_size, num_batches
        self._next = 0
        torch.manual_seed(42)
        self.measure()  # what is done once only: files opened, frames decoded, kernels chosen
        self._next = 0

    def measure(self) -> dict[str, float]:
        """Return seconds a clip of either half, on one thread those that it worked, and bytes a clip between."""
        clock = time.process_time if self._device.type == "cpu" and self._threads == 1 else time.perf_counter
        read_s = prepare_s = num_bytes = 0.0
        for _ in range(self._num_batches):
            began = clock()
            batch = pseudo_collate([self._clips[self._choose()] for _ in range(self._batch_size)])
            num_bytes += sum(clip.nbytes for clip in batch["inputs"])
            between = clock()
            self._preprocessor(batch, training=True)
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
            ended = clock()
            read_s += between - began
            prepare_s += ended - between
        num_clips = self._num_batches * self._batch_size
        return {"read_s": read_s / num_clips, "prepare_s": prepare_s / num_clips, "num_bytes": num_bytes / num_clips}

    def _choose(self) -> int:
        """Return the next clip: all contenders' are the same, and none lies beside the one before."""
        stride = max(1, round(len(self._clips) * 0.382))  # the golden section's: spreads any number evenly
        self._next += 1
        return (self._next * stride) % len(self._clips)
