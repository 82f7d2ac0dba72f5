"""A small dataset whose every temperature, time and label is known, and clips made of it or by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.annotations.coco import Box
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import Sample, ThermalDataset, load_dataset
from thermalctl.recordings.hdf5 import Recording, write_recording
from thermalctl.reports.preview.clips import Person, PreviewClip

CLASSES = ("standing", "lying on the floor", "lying on the bed", "other", "other, while standing")
#: Keyframe: labels of the people in it, by split and recording. Class 3 never occurs.
KEYFRAMES: dict[str, dict[str, dict[int, tuple[int, ...]]]] = {
    "train": {"A_1": {5: (0,), 8: (0, 1), 12: (0,), 20: (1,)}, "B_1": {10: (0,), 15: (0,), 20: (0,), 25: (2, 2)}},
    "val": {"A_1": {9: (0,), 21: (1, 1)}, "A_2": {10: (0,)}},
}
#: Recordings by name: first arrival in ms; A_1 and A_2 share frames, and so are one session.
STARTS_MS = {"A_1": 0, "A_2": 2500, "B_1": 86_400_000}


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of 30 frames of 4x6, one each 100 ms; frame k is k deg C; frames 6 and 7 of A_1 are incomplete."""
    root = tmp_path_factory.mktemp("known") / "known dataset"
    for name, start_ms in STARTS_MS.items():
        frames_c = np.full((30, 4, 6), np.arange(30).reshape(-1, 1, 1), dtype=np.float32)
        if name == "A_1":
            frames_c[6:8, 2:] = -273.2
        recording = Recording(
            sensor_id=name,
            mac_address="02:00",
            frames_c=frames_c,
            timestamps_ms=start_ms + 100 * np.arange(30, dtype=np.int64),
            frame_seqs=np.arange(30, dtype=np.int64),
        )
        write_recording(root / "frames" / f"{name}.h5", recording)
    (root / "annotations").mkdir()
    for split, recordings in KEYFRAMES.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for name, keyframes in recordings.items():
            for keyframe, labels in keyframes.items():
                image_id = f"{name}_k{keyframe}"
                time = STARTS_MS[name] + 100 * keyframe
                size = {"width": 6, "height": 4}
                images.append({"id": image_id, "sensor_id": name, "timestamp": time, "frame_idx": keyframe, **size})
                for number, label in enumerate(labels):
                    box = [0.25 + 0.5 * number, 0.5, 0.2, 0.5]
                    entry = {"id": len(annotations), "image_id": image_id, "bbox": box, "category_id": label}
                    annotations.append(entry)
        categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES)]
        document = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"{split}.json").write_text(json.dumps(document))
    return root


@pytest.fixture(scope="session")
def dataset(root: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(root))


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., PreviewClip]:
    """A function from frames (T, H, W) deg C to a clip of which nothing is incomplete, one frame each 100 ms."""

    def make(
        frames_c: Any,
        *,
        labels: Sequence[int] = (0,),
        label_name: str = "standing",
        incomplete: Sequence[int] = (),
        times_s: Any = None,
        draws_c: Any = None,
        sample_id: str = "A_1_k5",
        remark: str = "",
    ) -> PreviewClip:
        frames_c = np.asarray(frames_c, dtype=np.float32)
        keyframe = len(frames_c) // 2
        boxes = tuple(Box(0.25 + 0.5 * number, 0.5, 0.25, 0.5) for number in range(len(labels)))
        mask = np.zeros(len(frames_c), dtype=bool)
        mask[list(incomplete)] = True
        return PreviewClip(
            sample=Sample(
                sample_id=sample_id,
                recording="A_1",
                keyframe=5,
                timestamp_ms=1_736_154_000_000,
                label=labels[0],
                session="A",
                boxes=boxes,
            ),
            split="train",
            label=label_name,
            remark=remark,
            people=tuple(Person(box=box, label=label) for box, label in zip(boxes, labels, strict=True)),
            frames_c=frames_c,
            recorded_c=frames_c,
            times_s=(np.arange(len(frames_c)) - keyframe) * 0.1
            if times_s is None
            else np.asarray(times_s, dtype=float),
            incomplete=mask,
            keyframe=keyframe,
            num_incomplete=len(incomplete),
            num_frames=len(frames_c),
            draws_c=np.zeros((0, 0, 0, 0), dtype=np.float32) if draws_c is None else np.asarray(draws_c, np.float32),
        )

    return make
