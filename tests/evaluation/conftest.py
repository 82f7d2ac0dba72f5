"""Predictions and datasets made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.protocol import ProtocolRecord, Provenance
from thermalctl.recordings.hdf5 import Recording, write_recording

MakePredictions = Callable[..., Predictions]
MakeDataset = Callable[..., ThermalDataset]

#: Arrival of the first frame of the first session, ms since 1970, and from one session to the next.
START_MS = 1_700_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def make_predictions() -> MakePredictions:
    """A function from (labels, scores) to predictions; every other field can be given too."""

    def make(labels: Sequence[int], scores: Any, **fields: Any) -> Predictions:
        scores = np.asarray(scores, dtype=np.float64)
        num_samples, num_classes = scores.shape
        values: dict[str, Any] = {
            "sample_ids": tuple(f"sample {index}" for index in range(num_samples)),
            "labels": np.asarray(labels, dtype=np.int64),
            "scores": scores,
            "sessions": ("SL14",) * num_samples,
            "recordings": ("SL14_R1",) * num_samples,
            "keyframes": np.arange(num_samples) * 10,
            "timestamps_ms": 1_760_482_283_426 + np.arange(num_samples) * 1000,
            "classes": tuple(f"class {index}" for index in range(num_classes)),
            "protocol": ProtocolRecord(split="val", split_rule="session", selection="last epoch"),
            "provenance": Provenance(
                checkpoint="work_dirs/a/epoch_3.pth",
                checkpoint_sha256="0123456789abcdef" * 4,
                epoch=3,
                dataset="thermal_action_dataset",
                dataset_fingerprint="f00d",
                thermalctl_version="0.1.0",
                created="2026-01-02T03:04:05+00:00",
            ),
        }
        return Predictions(**(values | fields))

    return make


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """A function from (frames in deg C by recording, keyframes by split) to a dataset in a folder of its own.

    Each recording is a session of its own, a day after the one before. A keyframe is (recording, frame, people), a
    person (label, cx, cy, object_id), of which the last three can be left out; cx and cy are 0.5 then.
    """

    def make(
        frames_c: Mapping[str, np.ndarray],
        keyframes: Mapping[str, Sequence[tuple[str, int, Sequence[tuple[Any, ...]]]]],
        *,
        classes: Sequence[str] = ("stand", "lie", "fall"),
        gap_ms: int = 100,
    ) -> ThermalDataset:
        layout = DatasetLayout(tmp_path / "dataset")
        times_ms = {}
        for number, (name, frames) in enumerate(frames_c.items()):
            count = np.arange(len(frames), dtype=np.int64)
            times_ms[name] = START_MS + number * DAY_MS + gap_ms * count
            recording = Recording(
                sensor_id=name,
                mac_address="02:00:00:00:00:01",
                frames_c=np.asarray(frames, dtype=np.float32),
                timestamps_ms=times_ms[name],
                frame_seqs=count,
            )
            write_recording(layout.recording_file(name), recording)
        layout.annotations_dir.mkdir(parents=True)
        annotation_id = 0
        for split, entries in keyframes.items():
            images: list[dict[str, Any]] = []
            annotations: list[dict[str, Any]] = []
            for name, frame, people in entries:
                height, width = frames_c[name].shape[1:]
                images.append(
                    {
                        "id": f"{name}_{frame}",
                        "sensor_id": name,
                        "mac_address": "02:00:00:00:00:01",
                        "timestamp": int(times_ms[name][frame]),
                        "width": width,
                        "height": height,
                        "frame_idx": frame,
                    }
                )
                for label, *rest in people:
                    cx, cy, object_id = (*rest, *(0.5, 0.5, None)[len(rest) :])
                    annotations.append(
                        {
                            "id": annotation_id,
                            "image_id": f"{name}_{frame}",
                            "bbox": [cx, cy, 0.1, 0.1],
                            "category_id": label,
                            "category_name": classes[label],
                        }
                        | ({} if object_id is None else {"object_id": object_id})
                    )
                    annotation_id += 1
            document = {
                "images": images,
                "annotations": annotations,
                "categories": [{"id": number, "name": name} for number, name in enumerate(classes)],
            }
            layout.annotation_file(split).write_text(json.dumps(document))
        mapping = {"classes": list(classes), "class_to_id": {name: number for number, name in enumerate(classes)}}
        layout.class_mapping_file.write_text(json.dumps(mapping))
        return load_dataset(layout)

    return make
