from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.resplit import link_recordings, resplit, resplit_into_folds
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.errors import DatasetError, RequestError
from thermalctl.recordings.hdf5 import RecordingFile


def load(root: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(root))


@pytest.fixture
def dataset(simulated_dataset: Path) -> ThermalDataset:
    return load(simulated_dataset)


def describe(dataset: ThermalDataset) -> dict[str, tuple[object, ...]]:
    """Everything that a split must not change of each keyframe."""
    return {
        image.id: (image, people)
        for annotated in dataset.splits.values()
        for image in annotated.images
        for people in [annotated.group_by_image()[image.id]]
    }


def test_every_keyframe_is_there_once_with_its_people(dataset: ThermalDataset, tmp_path: Path) -> None:
    split = resplit(dataset, tmp_path / "new", "random", share=0.25, seed=3, window_frames=16)

    new = load(tmp_path / "new")
    assert describe(new) == describe(dataset)
    assert sum(part.num_keyframes for part in split.parts) == 24
    assert [part.num_keyframes for part in split.parts] == [18, 6]
    assert new.splits["val"].split_rule == "random"
    assert split.protocol is not None
    assert split.protocol.num_overlapping > 0


def test_session_split_shares_nothing(dataset: ThermalDataset, tmp_path: Path) -> None:
    split = resplit(dataset, tmp_path / "new", "session", share=0.2, seed=3, window_frames=16)

    train, val = split.parts
    assert not set(train.sessions) & set(val.sessions)
    assert split.protocol is not None
    assert (split.protocol.num_overlapping, split.protocol.shared_sessions) == (0, ())


def test_recordings_are_linked_and_not_copied(dataset: ThermalDataset, tmp_path: Path) -> None:
    resplit(dataset, tmp_path / "new", "random", share=0.2, seed=3, window_frames=16)

    for name, recording in dataset.recordings.items():
        assert (tmp_path / "new" / "frames" / f"{name}.h5").samefile(recording.path)
    own = {path.name for path in (tmp_path / "new").rglob("*") if path.is_file() and path.suffix == ".json"}
    assert own == {
        "train.json", "val.json", "class_mapping.json", "dataset_stats.json", "dataset_info.json", "sensor_info.json"
    }  # fmt: skip


def test_recordings_on_another_disk_are_linked_symbolically(
    dataset: ThermalDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    sources = {name: recording.path for name, recording in dataset.recordings.items()}
    link_recordings(sources, DatasetLayout(tmp_path))

    for name, source in sources.items():
        link = tmp_path / "frames" / f"{name}.h5"
        assert link.is_symlink()
        assert link.samefile(source)
        with RecordingFile(link) as linked:
            assert linked.num_frames == dataset.recordings[name].num_frames


def test_same_seed_writes_the_same_bytes(dataset: ThermalDataset, tmp_path: Path) -> None:
    for name in ("a", "b"):
        resplit(dataset, tmp_path / name / "new", "random", share=0.2, seed=3, window_frames=16)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.json")]
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_each_fold_is_held_out_once(dataset: ThermalDataset, tmp_path: Path) -> None:
    splits = resplit_into_folds(dataset, tmp_path / "folds", "recording", num_folds=4, seed=0, window_frames=16)

    assert [split.root.name for split in splits] == ["fold_1", "fold_2", "fold_3", "fold_4"]
    held = [sample.sample_id for split in splits for sample in load(split.root).samples("val")]
    assert sorted(held) == sorted(describe(dataset))


def test_classes_on_one_side_only_are_told_with_their_number(dataset: ThermalDataset, tmp_path: Path) -> None:
    split = resplit(dataset, tmp_path / "new", "session", share=0.2, seed=3, window_frames=16)
    train, val = (part.class_counts for part in split.parts)
    one_sided = [name for name, a, b in zip(split.classes, train, val, strict=True) if bool(a) != bool(b)]
    assert one_sided
    said = "; ".join(split.remarks)
    assert all(
        f"{name} ({max(a, b)})" in said
        for name, a, b in zip(split.classes, train, val, strict=True)
        if bool(a) != bool(b)
    )
    assert said.count("(") == len(one_sided)


def test_ids_that_two_splits_share_become_new_ones(dataset: ThermalDataset, tmp_path: Path) -> None:
    resplit(dataset, tmp_path / "first", "session", share=0.5, seed=3, window_frames=16)
    path = tmp_path / "first" / "annotations" / "val.json"
    document = json.loads(path.read_text())
    for number, annotation in enumerate(document["annotations"]):
        annotation["id"] = number
    path.write_text(json.dumps(document))

    resplit(load(tmp_path / "first"), tmp_path / "second", "random", share=0.5, seed=3, window_frames=16)

    ids = [person.id for split in load(tmp_path / "second").splits.values() for person in split.annotations]
    assert sorted(ids) == list(range(len(ids)))


def test_dataset_is_replaced_only_with_force_and_nothing_else_ever(dataset: ThermalDataset, tmp_path: Path) -> None:
    target = tmp_path / "new"
    resplit(dataset, target, "random", share=0.2, seed=3, window_frames=16)
    before = (target / "annotations" / "val.json").read_bytes()

    with pytest.raises(DatasetError, match="new: holds a dataset already") as raised:
        resplit(dataset, target, "random", share=0.2, seed=4, window_frames=16)
    assert "--force" in str(raised.value.hint)
    assert (target / "annotations" / "val.json").read_bytes() == before

    resplit(dataset, target, "random", share=0.2, seed=4, window_frames=16, force=True)
    assert (target / "annotations" / "val.json").read_bytes() != before

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("do not lose")
    with pytest.raises(DatasetError, match="holds something that is no dataset"):
        resplit(dataset, tmp_path / "home", "random", share=0.2, seed=3, window_frames=16, force=True)
    assert (tmp_path / "home" / "thesis.txt").read_text() == "do not lose"
    with pytest.raises(DatasetError, match="is a file"):
        resplit(dataset, tmp_path / "home" / "thesis.txt", "random", share=0.2, seed=3, window_frames=16)


def test_dataset_is_not_split_onto_itself(dataset: ThermalDataset) -> None:
    for output in (dataset.layout.root, dataset.layout.root / "inner"):
        with pytest.raises(RequestError, match="lies in the dataset itself"):
            resplit(dataset, output, "random", share=0.2, seed=3, window_frames=16, force=True)
    assert load(dataset.layout.root).fingerprint() == dataset.fingerprint()


@pytest.mark.real
def test_real_dataset_by_session_leaks_nothing(real_dataset: Path, tmp_path: Path) -> None:
    split = resplit(load(real_dataset), tmp_path / "new", "session", share=0.2, seed=42, window_frames=64)

    assert split.protocol is not None
    assert (split.protocol.num_overlapping, split.protocol.shared_sessions) == (0, ())
    assert sorted(part.sessions for part in split.parts) == [("SL14",), ("SL18",)]
    assert sorted(part.num_keyframes for part in split.parts) == [171, 216]
    assert sum(part.num_people for part in split.parts) == 500
