from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.person_tracks import find_person_tracks
from thermalctl.dataset.samples import load_dataset
from thermalctl.errors import CheckpointError, DatasetError

prepare_mmaction()

from mmaction.structures import ActionDataSample  # noqa: E402
from mmengine.dataset import ClassBalancedDataset, RepeatDataset, pseudo_collate  # noqa: E402

from thermalctl.clip_spec import ClipSpec  # noqa: E402
from thermalctl.pipeline.clip_dataset import ClipDataset  # noqa: E402


def read_classes(root: Path) -> tuple[str, ...]:
    return load_dataset(DatasetLayout(root)).classes


def open_clips(root: Path, split: str = "train", *, context_frames: int = 0, **options: Any) -> ClipDataset:
    spec = ClipSpec(classes=read_classes(root), **({"num_frames": 8} | options))
    return ClipDataset(data_root=str(root), split=split, clip_spec=spec.to_dict(), context_frames=context_frames)


@pytest.fixture
def copied(simulated_dataset: Path, tmp_path: Path) -> Path:
    """A copy of the simulated dataset to be damaged."""
    return Path(shutil.copytree(simulated_dataset, tmp_path / "copy"))


def read_images(root: Path, split: str) -> list[dict[str, Any]]:
    images: list[dict[str, Any]] = json.loads((root / "annotations" / f"{split}.json").read_text())["images"]
    return images


@pytest.mark.parametrize("split", ["train", "val"])
def test_item_is_the_clip_around_its_keyframe_in_degrees(simulated_dataset: Path, split: str) -> None:
    clips = open_clips(simulated_dataset, split)
    images = read_images(simulated_dataset, split)
    assert len(clips) == len(images) == 12
    for item, image in zip([clips[index] for index in range(12)], images, strict=True):
        with h5py.File(simulated_dataset / "frames" / f"{image['sensor_id']}.h5", "r", locking=False) as file:
            expected = file["frames"][image["frame_idx"] - 4 : image["frame_idx"] + 4]
        assert (item["inputs"].shape, item["inputs"].dtype) == ((8, 16, 24), torch.float32)
        assert np.array_equal(item["inputs"].numpy(), expected)


def test_item_says_what_it_is(simulated_dataset: Path) -> None:
    clips = open_clips(simulated_dataset)
    for index, sample in enumerate(clips.samples):
        found = clips[index]["data_samples"]
        assert isinstance(found, ActionDataSample)
        assert found.gt_label.tolist() == [sample.label]
        assert (found.sample_id, found.session) == (sample.sample_id, sample.session)
        assert found.boxes == [tuple(box) for box in sample.boxes]


def test_items_are_named_as_in_the_annotation_file(simulated_dataset: Path) -> None:
    expected = [image["id"] for image in read_images(simulated_dataset, "val")]
    assert open_clips(simulated_dataset, "val").sample_ids == expected


def test_person_target_has_an_item_for_each_person(simulated_dataset: Path) -> None:
    document = json.loads((simulated_dataset / "annotations" / "train.json").read_text())
    clips = open_clips(simulated_dataset, target="person")
    assert len(clips) == len(document["annotations"]) > 12
    boxes = {f"{person['image_id']}#{person['id']}": tuple(person["bbox"]) for person in document["annotations"]}
    for index in range(len(clips)):
        sample = clips[index]["data_samples"]
        assert sample.boxes == [boxes[sample.sample_id]]


def test_item_with_context_holds_the_plain_one_in_its_middle(simulated_dataset: Path) -> None:
    plain, longer = open_clips(simulated_dataset), open_clips(simulated_dataset, context_frames=3)
    for index in range(len(plain)):
        assert longer[index]["inputs"].shape == (14, 16, 24)
        assert torch.equal(longer[index]["inputs"][3:11], plain[index]["inputs"])
    assert longer.num_frames_seen > plain.num_frames_seen


def test_followed_person_has_a_box_in_each_frame_and_their_own_in_the_keyframe(simulated_dataset: Path) -> None:
    tracks = find_person_tracks(load_dataset(DatasetLayout(simulated_dataset)))
    for context_frames in (0, 3):
        clips = open_clips(simulated_dataset, target="person", context_frames=context_frames)
        for index, sample in enumerate(clips.samples):
            found = clips[index]["data_samples"].track
            assert (found.shape, found.dtype) == ((8 + 2 * context_frames, 4), np.float64)
            assert tuple(found[context_frames + 4]) == sample.boxes[0]
            first = sample.keyframe - 4 - context_frames
            frames = np.clip(np.arange(first, first + len(found)), 0, 99)
            np.testing.assert_array_equal(found, tracks[sample.sample_id].locate(frames))


@pytest.mark.parametrize("options", [{"target": "frame"}, {"target": "person", "person_crop": "fixed"}])
def test_nobody_is_followed_where_the_crop_stays(simulated_dataset: Path, options: dict[str, Any]) -> None:
    assert "track" not in open_clips(simulated_dataset, **options)[0]["data_samples"]


def test_frames_are_not_repaired_here(simulated_dataset: Path) -> None:
    clips = open_clips(simulated_dataset, num_frames=64)
    lowest = min(float(clips[index]["inputs"].min()) for index in range(len(clips)))
    assert lowest == pytest.approx(-273.2, abs=1e-3)


def test_incomplete_frames_are_counted_once_each(simulated_dataset: Path) -> None:
    clips = open_clips(simulated_dataset, num_frames=20)
    seen, incomplete = 0, 0
    for name in {sample.recording for sample in clips.samples}:
        frames = set()
        for sample in clips.samples:
            if sample.recording == name:
                frames |= set(range(max(0, sample.keyframe - 10), min(100, sample.keyframe + 10)))
        with h5py.File(simulated_dataset / "frames" / f"{name}.h5", "r", locking=False) as file:
            incomplete += sum(bool((file["frames"][frame] < -50).any()) for frame in frames)
        seen += len(frames)
    assert (clips.num_frames_seen, clips.num_frames_incomplete) == (seen, incomplete)
    assert incomplete > 0


def test_clip_without_a_complete_frame_is_refused_by_name(copied: Path) -> None:
    image = read_images(copied, "train")[3]
    with h5py.File(copied / "frames" / f"{image['sensor_id']}.h5", "r+") as file:
        file["frames"][image["frame_idx"] - 4 : image["frame_idx"] + 4, -1] = -273.2
    with pytest.raises(
        DatasetError, match=f'sample "{image["id"]}": none of the 8 frames of its clip is complete'
    ) as caught:
        open_clips(copied)
    assert "--cfg-options clip.num_frames" in str(caught.value.hint)
    assert len(open_clips(copied, repair="none")) == 12
    assert len(open_clips(copied, num_frames=10)) == 12


def test_uniform_time_takes_frames_by_their_arrival(simulated_dataset: Path) -> None:
    clips = open_clips(simulated_dataset, time_sampling="uniform", window_s=4.0)
    for index, sample in enumerate(clips.samples):
        with h5py.File(simulated_dataset / "frames" / f"{sample.recording}.h5", "r", locking=False) as file:
            frames, times_ms = file["frames"][:], file["timestamps"][:]
        wanted_ms = times_ms[sample.keyframe] + 500 * np.arange(-4, 4)
        nearest = np.abs(times_ms[:, None] - wanted_ms).argmin(axis=0)
        assert np.array_equal(clips[index]["inputs"].numpy(), frames[nearest])


def test_split_that_is_not_there_is_an_error(simulated_dataset: Path) -> None:
    with pytest.raises(DatasetError, match='has no split "test"'):
        open_clips(simulated_dataset, "test")


def test_specification_of_another_version_is_an_error(simulated_dataset: Path) -> None:
    with pytest.raises(CheckpointError, match="unknown fields"):
        ClipDataset(data_root=str(simulated_dataset), split="train", clip_spec={"classes": ["a"], "colour": 1})


@pytest.mark.parametrize(
    "method", [pytest.param("fork", marks=pytest.mark.slow), pytest.param("spawn", marks=pytest.mark.slow)]
)
def test_workers_read_the_same_clips(simulated_dataset: Path, method: str) -> None:
    clips = open_clips(simulated_dataset)
    expected = [clips[index]["inputs"] for index in range(len(clips))]  # files are open when the workers start
    loader: DataLoader[Any] = DataLoader(
        clips, batch_size=5, num_workers=2, multiprocessing_context=method, collate_fn=pseudo_collate, timeout=100
    )
    read = [clip for batch in loader for clip in batch["inputs"]]
    assert all(torch.equal(one, other) for one, other in zip(read, expected, strict=True))
    assert torch.equal(clips[0]["inputs"], expected[0])


def test_mmengines_wrappers_take_it(simulated_dataset: Path) -> None:
    clips = open_clips(simulated_dataset)
    inner = {
        "type": "thermalctl.pipeline.clip_dataset.ClipDataset",
        "data_root": str(simulated_dataset),
        "split": "train",
        "clip_spec": clips.spec.to_dict(),
    }
    assert len(RepeatDataset(inner, times=3)) == 36
    # A class with a share f of the clips below one half is repeated ceil(sqrt(0.5 / f)) times.
    counts = np.bincount([sample.label for sample in clips.samples])
    expected = sum(int(n) * max(1, int(np.ceil(np.sqrt(0.5 / (n / 12))))) for n in counts if n)
    assert len(ClassBalancedDataset(inner, oversample_thr=0.5)) == expected > 12


@pytest.mark.real
def test_real_dataset_has_its_known_clips(real_dataset: Path) -> None:
    clips = open_clips(real_dataset, "val", num_frames=64)
    assert len(clips) == 73
    assert clips[0]["inputs"].shape == (64, 40, 60)
    assert clips.num_frames_incomplete > 0
