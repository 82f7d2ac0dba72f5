from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from thermalctl.compat import prepare_mmaction
from thermalctl.errors import DatasetError, RecordingError, RequestError
from thermalctl.recordings.hdf5 import Recording, write_recording

prepare_mmaction()

from mmaction.registry import DATASETS  # noqa: E402
from mmengine.dataset import ClassBalancedDataset, pseudo_collate  # noqa: E402
from mmengine.registry import DATASETS as ROOT_DATASETS  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from thermalctl.pipeline import thermal_hdf5  # noqa: E402
from thermalctl.pipeline.thermal_hdf5 import ThermalHDF5Dataset, get_class_weights, quantise  # noqa: E402

NUM_FRAMES = 100
#: Frame i is 5 + 0.4 i deg C, so that its level, 255 * 0.4 i / 40, is 2.55 i; pixel (0, 0) stays at 45 deg C.
LEVELS = [min(255, int(2.55 * i + 1e-9)) for i in range(NUM_FRAMES)]
KEYFRAMES = [50, 0, 99]
PEOPLE = [[2], [1, 0], [2, 1, 2]]
CLASSES = ["sitting", "walking", "lying", "other"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A dataset folder: one recording of 100 frames of 40x60, three keyframes, four classes."""
    frames = np.empty((NUM_FRAMES, 40, 60), dtype=np.float32)
    frames[:] = (5 + 0.4 * np.arange(NUM_FRAMES) + 1e-5)[:, None, None]
    frames[:, 0, 0] = 45
    write_recording(
        tmp_path / "frames" / "room.h5",
        Recording(
            sensor_id="room",
            mac_address="02:00:00:00:00:01",
            frames_c=frames,
            timestamps_ms=1_700_000_000_000 + 100 * np.arange(NUM_FRAMES),
            frame_seqs=np.arange(NUM_FRAMES),
        ),
    )
    write_annotations(tmp_path, KEYFRAMES)
    return tmp_path


def write_annotations(root: Path, keyframes: list[int], sensor_id: str = "room") -> None:
    images = [
        {
            "id": f"room_{frame}",
            "sensor_id": sensor_id,
            "mac_address": "02:00:00:00:00:01",
            "timestamp": 1_700_000_000_000 + 100 * frame,
            "width": 60,
            "height": 40,
            "frame_idx": frame,
        }
        for frame in keyframes
    ]
    people = [
        (image["id"], class_id) for image, class_ids in zip(images, PEOPLE, strict=False) for class_id in class_ids
    ]
    document = {
        "images": images,
        "annotations": [
            {
                "id": number,
                "image_id": image_id,
                "bbox": [0.5, 0.5, 0.2, 0.2],
                "category_id": class_id,
                "category_name": CLASSES[class_id],
                "object_id": number,
            }
            for number, (image_id, class_id) in enumerate(people)
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES)],
    }
    path = root / "annotations" / "train.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))


def open_dataset(root: Path, **options: Any) -> ThermalHDF5Dataset:
    return ThermalHDF5Dataset(root / "annotations" / "train.json", {"hdf5": root / "frames"}, **options)


@pytest.mark.parametrize(
    ("temperature_c", "level"),
    [
        (5.0, 0),
        (5.15, 0),  # 0.956
        (5.16, 1),  # 1.02
        (25.0, 127),  # 127.5
        (44.9, 254),  # 254.36
        (45.0, 255),
        (60.0, 255),
        (-273.2, 0),
        (np.nan, 0),
    ],
)
def test_temperature_becomes_the_level_below(temperature_c: float, level: int) -> None:
    assert quantise(np.array([temperature_c], dtype=np.float32), (5, 45)).tolist() == [level]


def test_range_of_temperatures_is_a_parameter() -> None:
    assert quantise(np.array([-20, 20, 60], dtype=np.float32), (-20, 60)).tolist() == [0, 127, 255]


def test_item_holds_the_frames_around_the_keyframe(root: Path) -> None:
    item = open_dataset(root)[0]
    assert item["imgs"].shape == (64, 40, 60, 3)
    assert item["imgs"].dtype == np.uint8
    assert item["imgs"][:, 20, 30, 0].tolist() == LEVELS[18:82]
    assert item["imgs"][32, 20, 30].tolist() == [LEVELS[50]] * 3
    assert (item["imgs"][:, 0, 0] == 255).all()


def test_item_says_what_it_is(root: Path) -> None:
    item = open_dataset(root)[2]
    del item["imgs"]
    assert item.pop("frame_inds").tolist() == list(range(67, 100)) + [99] * 31
    assert item == {
        "sample_id": "room_99",
        "sensor_id": "room",
        "frame_idx": 99,
        "timestamp": 1_700_000_009_900,
        "label": 2,
        "total_frames": 100,
        "sample_idx": 2,
        "modality": "RGB",
        "start_index": 0,
        "img_shape": (40, 60),
        "original_shape": (40, 60),
        "num_clips": 1,
        "clip_len": 64,
    }


def test_edge_frame_is_repeated_where_the_recording_ends(root: Path) -> None:
    dataset = open_dataset(root)
    assert dataset[1]["imgs"][:, 20, 30, 0].tolist() == [LEVELS[0]] * 32 + LEVELS[:32]
    assert dataset[2]["imgs"][:, 20, 30, 0].tolist() == LEVELS[67:] + [LEVELS[99]] * 31


def test_tie_between_labels_goes_to_the_lowest_class(root: Path) -> None:
    assert [item["label"] for item in open_dataset(root)] == [2, 0, 2]


def test_other_window_keeps_the_keyframe_at_its_middle(root: Path) -> None:
    imgs = open_dataset(root, frame_window=5)[0]["imgs"]
    assert imgs[:, 20, 30, 0].tolist() == LEVELS[48:53]


def test_incomplete_frame_is_not_repaired(root: Path) -> None:
    with h5py.File(root / "frames" / "room.h5", "r+") as file:
        file["frames"][50, 30:] = -273.2
    imgs = open_dataset(root)[0]["imgs"]
    assert (imgs[32, 30:] == 0).all()
    assert imgs[32, 20, 30, 0] == LEVELS[50]


def test_items_are_separate_and_writable(root: Path) -> None:
    dataset = open_dataset(root)
    first = dataset[0]["imgs"]
    first[:, :, :, 1] = 7  # as a transform in place does; the other channels and a second reading stay as they are
    assert (first[32, 20, 30].tolist(), dataset[0]["imgs"][32, 20, 30, 1]) == ([LEVELS[50], 7, LEVELS[50]], LEVELS[50])


def test_metainfo_names_the_classes_unless_they_are_given(root: Path) -> None:
    assert open_dataset(root).metainfo == {"classes": tuple(CLASSES)}
    assert open_dataset(root, metainfo={"classes": ["a"]}).metainfo == {"classes": ["a"]}


def test_relative_paths_are_below_data_root(root: Path) -> None:
    dataset = ThermalHDF5Dataset("annotations/train.json", {"hdf5": "frames"}, data_root=str(root))
    assert dataset[0]["sample_id"] == "room_50"


def test_indices_choose_a_subset(root: Path) -> None:
    assert [item["sample_id"] for item in open_dataset(root, indices=[2, 0])] == ["room_99", "room_50"]
    assert len(open_dataset(root).get_subset([1])) == 1


def test_lazy_dataset_reads_nothing_before_it_is_used(root: Path) -> None:
    dataset = ThermalHDF5Dataset("absent.json", {"hdf5": "absent"}, lazy_init=True)
    with pytest.raises(DatasetError, match=r"absent\.json"):
        dataset.full_init()


def test_class_balanced_wrapper_finds_the_classes(root: Path) -> None:
    # Of 3 items 2 have class 2 and 1 has class 0, which is below half: it is repeated sqrt(0.5 / (1/3)), rounded up.
    assert len(ClassBalancedDataset(open_dataset(root), oversample_thr=0.5)) == 4


def test_keyframe_beyond_the_recording_is_an_error(root: Path) -> None:
    write_annotations(root, [50, 100])
    with pytest.raises(DatasetError, match=r'image "room_100" has frame_idx 100, but .* holds 100 frames'):
        open_dataset(root)


def test_missing_recording_is_an_error(root: Path) -> None:
    write_annotations(root, [50], sensor_id="hall")
    with pytest.raises(RecordingError, match=r"hall\.h5: no such file"):
        open_dataset(root)


def test_prefix_of_another_dataset_class_is_an_error(root: Path) -> None:
    with pytest.raises(RequestError, match=r"data_prefix has \['video'\]"):
        ThermalHDF5Dataset(root / "annotations" / "train.json", {"video": str(root)})


def test_closed_dataset_opens_its_recordings_again(root: Path) -> None:
    with open_dataset(root) as dataset:
        before = dataset[0]["imgs"]
        file = dataset._recordings._files["room"]._file
        assert file
    assert not file
    assert np.array_equal(dataset[0]["imgs"], before)


def test_pickled_dataset_leaves_open_files_behind(root: Path) -> None:
    dataset = open_dataset(root)
    before = dataset[0]["imgs"]
    copy = pickle.loads(pickle.dumps(dataset))
    assert dataset._recordings._files
    assert not copy._recordings._files
    assert np.array_equal(copy[0]["imgs"], before)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_the_same_clips(root: Path, method: str) -> None:
    dataset = open_dataset(root)
    expected = [item["imgs"] for item in dataset]  # the parent's file is open when the workers start
    loader: DataLoader[Any] = DataLoader(
        dataset, batch_size=1, num_workers=2, multiprocessing_context=method, collate_fn=pseudo_collate, timeout=100
    )
    assert [np.array_equal(batch["imgs"][0], imgs) for batch, imgs in zip(loader, expected, strict=True)] == [True] * 3


STOCK_TRANSFORMS: list[dict[str, Any]] = [
    {"type": "RandomResizedCrop", "area_range": (0.7, 1.0), "aspect_ratio_range": (0.85, 1.15)},
    {"type": "Resize", "scale": (48, 32), "keep_ratio": False},
    {"type": "Flip", "flip_ratio": 1.0},
    {"type": "ColorJitter", "hue": (-0.1, -0.05)},
    {"type": "RandomErasing", "erase_prob": 1.0},
    {"type": "CenterCrop", "crop_size": 24},
]
PACK: list[dict[str, Any]] = [
    {"type": "FormatShape", "input_format": "NCTHW"},
    {"type": "PackActionInputs", "meta_keys": ("sample_id",)},
]


def open_with_pipeline(root: Path, pipeline: list[dict[str, Any]]) -> ThermalHDF5Dataset:
    with DefaultScope.overwrite_default_scope("mmaction"):
        return open_dataset(root, pipeline=pipeline)


@pytest.mark.parametrize("transform", STOCK_TRANSFORMS, ids=lambda transform: str(transform["type"]))
def test_stock_transform_runs(root: Path, transform: dict[str, Any]) -> None:
    np.random.seed(0)  # MMAction2's transforms draw from the global generator
    packed = open_with_pipeline(root, [transform, *PACK])[2]
    assert packed["inputs"].ndim == 5
    assert packed["inputs"].shape[:3] == (1, 3, 64)
    assert packed["data_samples"].gt_label.tolist() == [2]


def test_stock_pipeline_packs_a_clip_with_its_label_and_identity(root: Path) -> None:
    np.random.seed(0)
    packed = open_with_pipeline(root, STOCK_TRANSFORMS + PACK)[0]
    assert packed["inputs"].shape == (1, 3, 64, 24, 24)
    assert str(packed["inputs"].dtype) == "torch.uint8"
    assert packed["data_samples"].gt_label.tolist() == [2]
    assert packed["data_samples"].sample_id == "room_50"


def test_stock_flip_mirrors_the_columns(root: Path) -> None:
    flipped = open_with_pipeline(root, [{"type": "Flip", "flip_ratio": 1.0}])[0]["imgs"]
    assert (flipped[32, 0, 59].tolist(), flipped[32, 0, 0].tolist()) == ([255] * 3, [LEVELS[50]] * 3)


def test_class_weights_are_total_over_classes_times_count(root: Path) -> None:
    # labels 2, 0, 2 of 4 classes: 3 / (4 * 1), 3 / (4 * 1 for none), 3 / (4 * 2), 3 / (4 * 1 for none)
    assert get_class_weights(root / "annotations" / "train.json") == [0.75, 0.75, 0.375, 0.75]


def test_users_config_finds_the_class_by_its_name(root: Path) -> None:
    config = {
        "type": "ThermalHDF5Dataset",
        "ann_file": str(root / "annotations" / "train.json"),
        "data_prefix": {"hdf5": str(root / "frames")},
        "pipeline": [],
    }
    with DefaultScope.overwrite_default_scope("mmaction"):
        assert isinstance(ROOT_DATASETS.build(config), ThermalHDF5Dataset)


def test_class_that_already_holds_the_name_keeps_it_and_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Theirs:
        pass

    monkeypatch.setitem(DATASETS.module_dict, "ThermalHDF5Dataset", Theirs)
    with caplog.at_level(logging.WARNING):
        thermal_hdf5._register()
    assert DATASETS.module_dict["ThermalHDF5Dataset"] is Theirs
    assert "Theirs, which was registered first" in caplog.text
    assert "thermalctl.pipeline.thermal_hdf5.ThermalHDF5Dataset" in caplog.text


@pytest.mark.real
def test_real_items_equal_an_independent_computation(real_dataset: Path) -> None:
    document = json.loads((real_dataset / "annotations" / "train.json").read_text())
    image = document["images"][0]
    labels = [found["category_id"] for found in document["annotations"] if found["image_id"] == image["id"]]
    with h5py.File(real_dataset / "frames" / f"{image['sensor_id']}.h5", "r", locking=False) as file:
        clip_c = file["frames"][image["frame_idx"] - 32 : image["frame_idx"] + 32].astype(np.float64)
    levels = np.trunc(255 * (np.clip(clip_c, 5, 45) - 5) / 40)
    item = open_dataset(real_dataset)[0]
    assert item["imgs"].shape == (64, 40, 60, 3)
    assert all(np.array_equal(item["imgs"][..., channel], levels) for channel in range(3))
    assert (item["sample_id"], item["frame_idx"]) == (image["id"], image["frame_idx"])
    assert item["label"] == min(labels, key=lambda label: (-labels.count(label), label))


@pytest.mark.real
def test_real_splits_have_their_known_sizes(real_dataset: Path) -> None:
    sizes = {}
    for split in ("train", "val"):
        dataset = ThermalHDF5Dataset(f"annotations/{split}.json", {"hdf5": "frames"}, data_root=str(real_dataset))
        sizes[split] = (len(dataset), len(dataset.metainfo["classes"]))
    assert sizes == {"train": (314, 14), "val": (73, 14)}


@pytest.mark.real
def test_real_class_weights_follow_the_counts(real_dataset: Path) -> None:
    weights = get_class_weights(real_dataset / "annotations" / "train.json")
    # 162 of 314 train clips are lying with risk; classes that never occur count as 1.
    assert weights[3] == pytest.approx(314 / (14 * 162))
    assert max(weights) == pytest.approx(314 / 14)
