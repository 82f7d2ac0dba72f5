"""The JSON files of a dataset folder, written from its keyframes and recordings.

Nothing in them comes from the clock: a dataset that is built twice from the same inputs has the same bytes. The times
in `dataset_info.json` are those of the recordings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from thermalctl.annotations.coco_writing import LabelledKeyframe, make_class_mapping, make_document
from thermalctl.dataset.checks import RecordingInfo
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.files import write_json
from thermalctl.recordings.hdf5 import GZIP_LEVEL

_TITLES = {"train": "Training", "val": "Validation", "test": "Test"}


def write_annotations(
    layout: DatasetLayout,
    splits: Mapping[str, Sequence[LabelledKeyframe]],
    recordings: Mapping[str, RecordingInfo],
    classes: Sequence[str],
    *,
    name: str,
    split_rule: str,
    configuration: Mapping[str, Any],
) -> None:
    """Write everything of a dataset folder but its recordings.

    Args:
        layout: the folder.
        splits: the keyframes of each split, in the order in which they are written.
        recordings: every recording in `frames/`, by name.
        classes: class names in id order.
        name: the folder's, as it will be when all of it is written.
        split_rule: how keyframes were dealt to splits.
        configuration: how the dataset was made: what `dataset_info.json` says under that name.
    """
    year = _find_end(recordings).year
    for split, keyframes in splits.items():
        document = make_document(keyframes, classes, title=_TITLES[split], year=year, split_rule=split_rule)
        write_json(layout.annotation_file(split), document)
    write_json(layout.class_mapping_file, make_class_mapping(classes))
    write_json(layout.statistics_dir / "dataset_stats.json", _count(splits, classes))
    write_json(layout.sensor_info_file, _describe_recordings(name, splits, recordings))
    write_json(layout.info_file, _describe_dataset(name, splits, recordings, classes, configuration))


def _count(splits: Mapping[str, Sequence[LabelledKeyframe]], classes: Sequence[str]) -> dict[str, Any]:
    counts: dict[str, Any] = {"total_classes": len(classes)}
    for split, keyframes in splits.items():
        people = [person for keyframe in keyframes for person in keyframe.people]
        counts[split] = {
            "images": len(keyframes),
            "annotations": len(people),
            "class_distribution": dict(Counter(person.category_name for person in people)),
        }
    return counts


def _describe_recordings(
    folder: str,
    splits: Mapping[str, Sequence[LabelledKeyframe]],
    recordings: Mapping[str, RecordingInfo],
) -> dict[str, Any]:
    annotated = Counter(keyframe.image.sensor_id for keyframes in splits.values() for keyframe in keyframes)
    return {
        name: {
            "hdf5_path": f"{folder}/frames/{name}.h5",
            "mac_address": recording.mac_address,
            "total_frames": recording.num_frames,
            "corrupted_frames": 0,  # the sensor's own recorder does not count incomplete frames either
            "annotation_count": annotated[name],
            "min_timestamp": int(recording.timestamps_ms.min()),
            "max_timestamp": int(recording.timestamps_ms.max()),
        }
        for name, recording in recordings.items()
    }


def _describe_dataset(
    folder: str,
    splits: Mapping[str, Sequence[LabelledKeyframe]],
    recordings: Mapping[str, RecordingInfo],
    classes: Sequence[str],
    configuration: Mapping[str, Any],
) -> dict[str, Any]:
    sizes = {split: len(keyframes) for split, keyframes in splits.items()}
    people = {split: sum(len(keyframe.people) for keyframe in keyframes) for split, keyframes in splits.items()}
    begin_ms = min(int(recording.timestamps_ms.min()) for recording in recordings.values())
    end = _find_end(recordings)
    return {
        "generation_time": end.isoformat(),
        "duration_seconds": end.timestamp() - begin_ms / 1000,
        "configuration": {
            "val_split": round(sizes.get("val", 0) / max(1, sum(sizes.values())), 4),
            "compression": "gzip",
            "compression_level": GZIP_LEVEL,
            **configuration,
        },
        "frames": {
            "total_sensors": len(recordings),
            "total_frames": sum(recording.num_frames for recording in recordings.values()),
            "corrupted_frames": 0,
            "storage_directory": f"{folder}/frames",
        },
        "annotations": {
            **{f"{split}_images": size for split, size in sizes.items()},
            **{f"{split}_annotations": number for split, number in people.items()},
            "total_classes": len(classes),
            "storage_directory": f"{folder}/annotations",
        },
    }


def _find_end(recordings: Mapping[str, RecordingInfo]) -> datetime:
    """Return when the last frame arrived."""
    end_ms = max(int(recording.timestamps_ms.max()) for recording in recordings.values())
    return datetime.fromtimestamp(end_ms / 1000, tz=timezone.utc)
