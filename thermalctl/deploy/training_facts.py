"""What an exported model was trained and judged on, as far as its run and the dataset say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import ThermalDataset, count_classes, find_clip
from thermalctl.engine.restore import RestoredModel
from thermalctl.evaluation.predictions import Predictions, read_predictions
from thermalctl.evaluation.runs import predictions_path


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """What a model was trained on.

    Attributes:
        fingerprint: of the dataset; None where the checkpoint does not say.
        counts: training clips of each class; None where they are not known.
        num_recordings: recordings that they are from; None where they are not known.
        num_sessions: sessions; None where they are not known.
        num_sensors: devices that recorded them; None where the recordings do not say.
        clip_s: the shortest and the longest of these clips, seconds; None where they are not known.
    """

    fingerprint: str | None
    counts: tuple[int, ...] | None = None
    num_recordings: int | None = None
    num_sessions: int | None = None
    num_sensors: int | None = None
    clip_s: tuple[float, float] | None = None

    @property
    def num_clips(self) -> int | None:
        """How many clips it was trained on."""
        return None if self.counts is None else sum(self.counts)


def find_training_facts(
    restored: RestoredModel, dataset: ThermalDataset | None, judged: Predictions | None
) -> TrainingFacts:
    """Return what a model was trained on.

    Args:
        restored: the model.
        dataset: asked if it is the one that the model was trained on, by its fingerprint.
        judged: the model's own predictions, which know the number of training clips; None where there are none.
    """
    if dataset is None or restored.trained_dataset is None or dataset.fingerprint() != restored.trained_dataset:
        counts = None if judged is None or judged.train_counts is None else tuple(judged.train_counts.tolist())
        return TrainingFacts(fingerprint=restored.trained_dataset, counts=counts)
    spec = restored.clip_spec or ClipSpec(classes=dataset.classes)
    samples = dataset.samples("train", spec.target)
    recordings = {sample.recording: dataset.recordings[sample.recording] for sample in samples}
    spans_ms = []
    for sample in samples:
        times_ms = recordings[sample.recording].timestamps_ms[find_clip(sample, dataset, spec)]
        spans_ms.append(int(np.ptp(times_ms)))
    devices = {recording.mac_address for recording in recordings.values()}
    return TrainingFacts(
        fingerprint=restored.trained_dataset,
        counts=tuple(count_classes(samples, dataset.num_classes).tolist()),
        num_recordings=len(recordings),
        num_sessions=len({sample.session for sample in samples}),
        num_sensors=None if "" in devices else len(devices),
        clip_s=(min(spans_ms) / 1000, max(spans_ms) / 1000),
    )


def find_own_predictions(folder: Path, restored: RestoredModel, split: str) -> Predictions | None:
    """Return what a run's predictions file says of this very checkpoint, one model and one view; None without one.

    Raises:
        PredictionsError: if the file is damaged.
    """
    path = predictions_path(folder, split)
    if not path.is_file():
        return None
    predictions = read_predictions(path)
    origin = predictions.provenance
    is_own = origin.checkpoint_sha256 == restored.sha256 and not origin.others and not origin.views
    return predictions if is_own else None
