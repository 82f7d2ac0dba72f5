"""What a model is shown of a clip in training: draws of the configured augmentation, turned back into degrees."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.registry import MODELS
from numpy.typing import NDArray

from thermalctl.clip_spec import ClipSpec, Target
from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.person_tracks import PersonTrack, find_person_tracks
from thermalctl.dataset.samples import Sample, ThermalDataset, find_clip
from thermalctl.engine.config import PREPROCESSOR, choose_config, complete_config, load_config, names_class
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.train import choose_device
from thermalctl.errors import ConfigError
from thermalctl.pipeline.augment import Augmentation
from thermalctl.pipeline.channels import find_room
from thermalctl.pipeline.preprocessor import ThermalDataPreprocessor
from thermalctl.pipeline.time_augment import count_context_frames
from thermalctl.recordings.pool import RecordingPool

prepare_mmaction()

from mmaction.structures import ActionDataSample  # noqa: E402


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingInput:
    """How a configuration prepares clips for training.

    Attributes:
        config: its name or file.
        preprocessor: the very module that training would run.
        dataset: what would be trained on.
    """

    config: str
    preprocessor: ThermalDataPreprocessor
    dataset: ThermalDataset

    @property
    def spec(self) -> ClipSpec:
        """What a clip is."""
        return self.preprocessor.spec

    @property
    def text(self) -> str:
        """What is varied and how the input looks, in one line of the configuration's own names."""
        augmentation, nothing = self.preprocessor.augmentation, Augmentation()
        varied = [
            f"{field.name}={getattr(augmentation, field.name)}"
            for field in dataclasses.fields(Augmentation)
            if getattr(augmentation, field.name) != getattr(nothing, field.name)
        ]
        height, width = self.spec.input_size
        low_c, high_c = self.spec.temperature_range_c
        above = " above the room" if self.spec.temperatures == "relative" else ""
        mixing = self.preprocessor.mixing
        mixed = f"; mixing with other clips ({mixing.mode}) is not shown" if mixing else ""
        return (
            f"{self.config}: {', '.join(varied) or 'nothing is varied'}{mixed}; input {height}x{width}, "
            f"{low_c:g} to {high_c:g} °C{above}, shown before normalisation"
        )

    @torch.no_grad()
    def draw(self, sample: Sample, *, num_draws: int, seed: int, steps: Sequence[int]) -> NDArray[np.float32]:
        """Return draws of what the model would be shown, (K, S, h, w) float32, deg C.

        Of a model's channels it is the one of temperature. Its normalised values are turned back into degrees, exactly
        but for what lies outside the specification's temperature range, which the model never sees; those above the
        room are told in the room of the recorded clip. Clips are not mixed, which takes a batch. The global random
        state is left as it was.

        Args:
            sample: of the dataset.
            num_draws: K.
            seed: of the first draw; the next ones have the seeds after it.
            steps: which of the T frames to return, S places.

        Raises:
            RecordingError: if its recording is damaged.
        """
        batch = self._read(sample)
        transform = self.preprocessor.transform
        low_c, high_c = self.spec.temperature_range_c
        if self.spec.temperatures == "relative":
            room_c = float(find_room(transform.repair(batch["inputs"][0][None])))
            low_c, high_c = room_c + low_c, room_c + high_c
        draws = []
        with torch.random.fork_rng(devices=[]):
            for number in range(num_draws):
                torch.manual_seed(seed + number)
                inputs = self.preprocessor(batch, training=True)["inputs"][0]
                # The temperature is the first channel: of (1, C, T, h, w), or of (T, C, h, w) for models of images.
                normalized = inputs[0, 0] if self.preprocessor.layout == "clip" else inputs[:, 0]
                images = normalized[list(steps)] * transform.spec.std[0] + transform.spec.mean[0]
                draws.append(low_c + images.cpu().numpy() * ((high_c - low_c) / 255))
        return np.stack(draws).astype(np.float32)

    def _read(self, sample: Sample) -> dict[str, Any]:
        """Return the sample as a batch of one, with the frames around its clip that the augmentation may take."""
        spec = self.spec
        context_frames = count_context_frames(self.preprocessor.augmentation, spec.num_frames)
        indices = find_clip(sample, self.dataset, spec, context_frames=context_frames)
        with closing(RecordingPool(self.dataset.layout.frames_dir)) as recordings:
            clip_c = recordings.read(sample.recording, indices)
        data_sample = ActionDataSample(metainfo={"boxes": [tuple(box) for box in sample.boxes]})
        if spec.target == "person" and spec.person_crop == "follow":
            data_sample.set_metainfo({"track": self._tracks[sample.sample_id].locate(indices)})
        return {"inputs": [torch.from_numpy(np.ascontiguousarray(clip_c))], "data_samples": [data_sample]}

    @cached_property
    def _tracks(self) -> dict[str, PersonTrack]:
        return find_person_tracks(self.dataset)


def prepare_training_input(config: str | None, dataset: ThermalDataset, target: Target | None) -> TrainingInput:
    """Return how a configuration prepares the clips of a dataset for training.

    Args:
        config: a shipped configuration's name or a file; None for what `train` takes on this machine.
        dataset: what would be trained on.
        target: what is judged; None for what the configuration says.

    Raises:
        ConfigError: if there is no such configuration, or it brings its own pipeline.
    """
    name = config or choose_config(choose_device(None), target)
    cfg = load_config(name)
    if "clip" not in cfg:
        raise ConfigError(
            f"{name}: has no `clip`: a pipeline of its own prepares its clips",
            hint="name a shipped configuration or one made from it",
        )
    overrides: dict[str, Any] = {} if target is None else {"clip.target": target}
    cfg = complete_config(cfg, TrainOptions(overrides=overrides), dataset, work_dir=Path("work_dirs"), device="cpu")
    if not names_class(cfg.model.data_preprocessor, PREPROCESSOR.rpartition(".")[2]):
        raise ConfigError(
            f"{name}: model.data_preprocessor is {cfg.model.data_preprocessor.get('type')}, expected {PREPROCESSOR}",
            hint="name a configuration with that one",
        )
    return TrainingInput(config=name, preprocessor=MODELS.build(cfg.model.data_preprocessor), dataset=dataset)
