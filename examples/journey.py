"""Follow one clip through every room of thermalctl and print what it is in each.

python examples/journey.py [DATASET]     (without one: the dataset below the current folder, else a simulated one)
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from mmengine.dataset import pseudo_collate

from thermalctl.dataset.layout import DatasetLayout, find_dataset
from thermalctl.dataset.samples import load_dataset
from thermalctl.dataset.simulate import simulate_dataset
from thermalctl.engine.config import complete_config, load_config
from thermalctl.engine.options import TrainOptions
from thermalctl.engine.restore import build_model
from thermalctl.errors import DatasetError
from thermalctl.evaluation.metrics import compute_metrics
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.protocol import ProtocolRecord, Provenance
from thermalctl.pipeline.clip_dataset import ClipDataset
from thermalctl.recordings.hdf5 import RecordingFile
from thermalctl.recordings.health import find_incomplete_frames
from thermalctl.recordings.simulate import SimulationOptions
from thermalctl.version import __version__

NUM_CLIPS = 2


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a clip is in one room."""

    number: int
    room: str
    what: str
    shape: tuple[int, ...]
    dtype: str
    device: str


def follow_clip(root: Path) -> list[Row]:
    """Return the journey of the first validation clips of a dataset through an untrained slowfast-tiny."""
    rows: list[Row] = []

    def note(room: str, what: str, value: Any) -> None:
        device = str(value.device) if isinstance(value, torch.Tensor) else "cpu"
        dtype = str(value.dtype).removeprefix("torch.")
        rows.append(
            Row(number=len(rows) + 1, room=room, what=what, shape=tuple(value.shape), dtype=dtype, device=device)
        )

    dataset = load_dataset(DatasetLayout(root))
    sample = dataset.samples("val")[0]
    with RecordingFile(dataset.layout.recording_file(sample.recording)) as file:
        recording = file.read_all()
    note("recordings/hdf5", "the recording, deg C", recording.frames_c)
    note("recordings/health", "which frames are incomplete", find_incomplete_frames(recording.frames_c))

    device = "cuda" if torch.cuda.is_available() else "cpu"
    cfg = complete_config(load_config("slowfast-tiny"), TrainOptions(), dataset, work_dir=Path("unused"), device=device)
    clips = ClipDataset(str(root), "val", cfg.model.data_preprocessor.clip_spec)
    note("dataset/samples", f'labels; the first is "{dataset.classes[sample.label]}"', _label(clips))
    items = [clips[index] for index in range(NUM_CLIPS)]
    note("pipeline/clip_dataset", "a clip as recorded, deg C", items[0]["inputs"])
    batch = pseudo_collate(items)
    note("mmengine collate", f"the first of a list of {len(batch['inputs'])} clips", batch["inputs"][0])

    model = build_model(cfg).to(device)
    ready = model.data_preprocessor(batch, training=False)
    note("pipeline/preprocessor", "the model's input", ready["inputs"])
    with torch.no_grad():
        answers = model(**ready, mode="predict")
    scores = torch.stack([answer.pred_score for answer in answers])
    note("mmaction recognizer", "class probabilities", scores)

    predictions = Predictions(
        sample_ids=tuple(clips.sample_ids[:NUM_CLIPS]),
        labels=_label(clips)[:NUM_CLIPS].numpy(),
        scores=scores.double().cpu().numpy(),
        sessions=tuple(sample.session for sample in clips.samples[:NUM_CLIPS]),
        recordings=tuple(sample.recording for sample in clips.samples[:NUM_CLIPS]),
        keyframes=torch.tensor([sample.keyframe for sample in clips.samples[:NUM_CLIPS]]).numpy(),
        timestamps_ms=torch.tensor([sample.timestamp_ms for sample in clips.samples[:NUM_CLIPS]]).numpy(),
        classes=dataset.classes,
        protocol=ProtocolRecord(split="val", split_rule="given", selection="untrained"),
        provenance=Provenance(
            checkpoint="none",
            checkpoint_sha256="0" * 64,
            epoch=None,
            dataset=str(root),
            dataset_fingerprint=dataset.fingerprint(),
            thermalctl_version=__version__,
            created="now",
        ),
    )
    note("evaluation/predictions", "class probabilities, kept", predictions.scores)
    note("evaluation/metrics", "the confusion matrix", compute_metrics(predictions).confusion)
    return rows


def _label(clips: ClipDataset) -> torch.Tensor:
    return torch.tensor([sample.label for sample in clips.samples])


def main() -> None:
    with TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            root = Path(sys.argv[1])
        else:
            try:
                root = find_dataset(None).layout.root
            except DatasetError:
                root = Path(folder) / "simulated"
                simulate_dataset(root, SimulationOptions(num_sessions=2, recordings_per_session=1))
        print(f"{root}\n")
        for row in follow_clip(root):
            shape = " x ".join(map(str, row.shape))
            print(f"{row.number}  {row.room:<23} {shape:<24} {row.dtype:<8} {row.device:<5} {row.what}")


if __name__ == "__main__":
    main()
