from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from thermalctl.dataset.build import BuildOptions, build_dataset, count_reasons
from thermalctl.dataset.extend import extend_dataset
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import ThermalDataset, load_dataset
from thermalctl.errors import DatasetError, RecordingError, RequestError
from thermalctl.recordings.hdf5 import Recording, RecordingFile
from thermalctl.recordings.importing import ImportOptions
from thermalctl.recordings.units import Unit

OPTIONS = BuildOptions(window_frames=16)


def load(root: Path) -> ThermalDataset:
    return load_dataset(DatasetLayout(root))


def write_lines(path: Path, dataset: ThermalDataset, *, recordings: set[str] | None = None, away_ms: int = 0) -> Path:
    """Write a dataset's keyframes as the annotators would have delivered them."""
    lines = []
    for annotated in dataset.splits.values():
        people = annotated.group_by_image()
        for image in annotated.images:
            if recordings is not None and image.sensor_id not in recordings:
                continue
            entries = [
                {
                    "bbox": list(person.box),
                    "category": "person",
                    "subcategory": person.category_name,
                    "attribute_obscured": person.attribute_obscured,
                    "attribute_heat_residual": None,
                    "object_id": person.object_id,
                }
                for person in people[image.id]
            ]
            entries.append({"bbox": [0.5, 0.5, 0.1, 0.1], "category": "furniture", "subcategory": "chair"})
            lines.append(
                {
                    "data_id": image.sensor_id,
                    "mac_address": image.mac_address,
                    "annotator_id": "annotator1",
                    "annotation_time": 1,
                    "data_time": image.timestamp_ms + away_ms,
                    "annotations": entries,
                }
            )
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def describe(dataset: ThermalDataset) -> dict[str, Any]:
    """What a rebuilt dataset must have in common with the one it was rebuilt from."""
    return {
        image.id: (
            image,
            [(person.box, person.category_id, person.object_id, person.attribute_obscured) for person in people],
        )
        for annotated in dataset.splits.values()
        for image in annotated.images
        for people in [annotated.group_by_image()[image.id]]
    }


@pytest.fixture
def source(simulated_dataset: Path) -> ThermalDataset:
    return load(simulated_dataset)


@pytest.fixture
def lines(source: ThermalDataset, tmp_path: Path) -> Path:
    return write_lines(tmp_path / "lines.jsonl", source)


def test_dataset_is_rebuilt_from_its_recordings_and_raw_annotations(
    source: ThermalDataset, lines: Path, tmp_path: Path
) -> None:
    built = build_dataset([source.layout.frames_dir], [lines], tmp_path / "new", OPTIONS)

    new = load(tmp_path / "new")
    assert describe(new) == describe(source)
    assert built.skipped == ()
    assert (built.num_recordings, built.num_frames) == (4, 400)
    assert built.split.protocol is not None
    assert (built.split.protocol.num_overlapping, built.split.protocol.shared_sessions) == (0, ())
    for name, recording in source.recordings.items():  # bytes are taken over
        assert (tmp_path / "new" / "frames" / f"{name}.h5").read_bytes() == recording.path.read_bytes()


def test_equal_inputs_give_equal_bytes(source: ThermalDataset, lines: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, compression="lzf")  # so that recordings are written anew
    for name in ("a", "b"):
        build_dataset([source.layout.frames_dir], [lines], tmp_path / name / "new", options)

    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 4 + 1 + 3 + 1 + 1 + 1  # recordings, their info, annotations, statistics, info, manifest
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_manifest_names_inputs_options_and_what_was_left_out(
    source: ThermalDataset, tmp_path: Path, lines: Path
) -> None:
    with lines.open("a") as file:
        file.write(json.dumps({"data_id": "NO", "mac_address": "", "data_time": 5, "annotations": []}) + "\n")

    build_dataset([source.layout.frames_dir], [lines], tmp_path / "new", OPTIONS)

    manifest = json.loads((tmp_path / "new" / "manifest.json").read_text())
    assert [entry["name"] for entry in manifest["recordings"]] == sorted(source.recordings)
    assert all(len(entry["sha256"]) == 64 for entry in manifest["recordings"] + manifest["annotations"])
    assert manifest["annotations"][0]["file"] == "lines.jsonl"
    assert manifest["options"]["val_share"] == 0.2
    assert manifest["skipped"]["counts"] == {'no recording is named "NO"': 1}
    assert manifest["skipped"]["records"] == [{"where": "lines.jsonl: line 25", "reason": 'no recording is named "NO"'}]
    assert str(tmp_path) not in json.dumps(manifest)


@pytest.mark.parametrize(("away_ms", "expected"), [(20, 24), (-20, 24), (100_000_000, None)])
def test_annotators_clock_may_be_a_little_off(
    source: ThermalDataset, tmp_path: Path, away_ms: int, expected: int | None
) -> None:
    lines = write_lines(tmp_path / "lines.json", source, away_ms=away_ms)
    if expected is None:
        with pytest.raises(DatasetError, match=r"none of 24 .* became a keyframe \(24 no frame within 50"):
            build_dataset([source.layout.frames_dir], [lines], tmp_path / "new", OPTIONS)
        assert not (tmp_path / "new").exists()
        return
    built = build_dataset([source.layout.frames_dir], [lines], tmp_path / "new", OPTIONS)
    assert sum(part.num_keyframes for part in built.split.parts) + len(built.skipped) == expected


def test_windows_past_the_end_are_left_out_unless_edges_are_kept(
    source: ThermalDataset, lines: Path, tmp_path: Path
) -> None:
    """Recordings have 100 frames and keyframes from frame 14 on, so that a window of 64 seldom fits."""
    options = BuildOptions(window_frames=64, val_share=0.0)
    fitting = sum(32 <= sample.keyframe <= 68 for sample in source.samples("all"))
    built = build_dataset([source.layout.frames_dir], [lines], tmp_path / "new", options)
    assert built.split.parts[0].num_keyframes == fitting
    assert count_reasons(built.skipped) == {"its window reaches past the recording": 24 - fitting}
    assert built.split.protocol is None
    assert built.split.remarks == ("there is no val: nothing to judge a model on",)

    kept = build_dataset([source.layout.frames_dir], [lines], tmp_path / "kept", replace(options, keep_edges=True))
    assert kept.split.parts[0].num_keyframes == 24


def test_foreign_recordings_and_segments_become_a_dataset(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, start_ms in (("room1", 1_760_000_000_000), ("room2", 1_760_000_900_000)):
        frames = (220 + 10 * rng.random((300, 24, 32))).astype(np.int16)  # deci-degrees
        np.save(tmp_path / f"{name}.npy", frames)
        np.save(tmp_path / f"{name}.timestamps.npy", start_ms + 100 * np.arange(300))
    (tmp_path / "segments.csv").write_text(
        "file,start,end,action\nroom1,2,6,walking\nroom1,8,10,falling\nroom2,1,4,walking\nroom2,5,9,falling\n"
    )
    imports = ImportOptions(unit=Unit.DECICELSIUS)

    built = build_dataset(
        [tmp_path / "room1.npy", tmp_path / "room2.npy"],
        [tmp_path / "segments.csv"],
        tmp_path / "new",
        replace(OPTIONS, split_by="recording", imports=imports),
    )

    new = load(tmp_path / "new")
    assert new.classes == ("falling", "walking")
    # A keyframe a second, the first half a second in; a clip of 16 frames fits around each of them.
    assert sum(part.num_keyframes for part in built.split.parts) == 4 + 2 + 3 + 4
    assert Counter(sample.label for sample in new.samples("all")) == {1: 7, 0: 6}
    with RecordingFile(tmp_path / "new" / "frames" / "room1.h5") as recording:
        assert recording.frame_size == (24, 32)
        assert 22 <= float(recording.read([0]).mean()) <= 23


def test_recordings_told_to_begin_at_once_are_refused(lines: Path, tmp_path: Path) -> None:
    """They would share their times, and so be taken for one session."""
    for name in ("room1", "room2"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).uniform(18, 30, (30, 24, 32)))
    imports = ImportOptions(unit=Unit.CELSIUS, frame_rate_hz=10.0, start_ms=1_760_000_000_000)
    with pytest.raises(RequestError, match="room1 and room2: both would begin at --start"):
        build_dataset([tmp_path], [lines], tmp_path / "new", replace(OPTIONS, imports=imports))


def test_recordings_in_memory_are_taken(source: ThermalDataset, lines: Path, tmp_path: Path) -> None:
    """What `collect_frames` returns for a source of one's own."""
    recordings: list[Path | Recording] = []
    for entry in source.recordings.values():
        with RecordingFile(entry.path) as file:
            recordings.append(file.read_all())
    build_dataset(recordings, [lines], tmp_path / "new", OPTIONS)
    assert describe(load(tmp_path / "new")) == describe(source)


def test_given_splits_are_kept(source: ThermalDataset, tmp_path: Path) -> None:
    annotations = [source.layout.annotation_file(split) for split in ("train", "val")]
    build_dataset([source.layout.frames_dir], annotations, tmp_path / "new", replace(OPTIONS, split_by="given"))
    new = load(tmp_path / "new")
    for split in ("train", "val"):
        assert {sample.sample_id for sample in new.samples(split)} == {
            sample.sample_id for sample in source.samples(split)
        }


def test_given_split_that_was_not_given_is_refused(source: ThermalDataset, lines: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="24 of 24 keyframes were given to no split"):
        build_dataset([source.layout.frames_dir], [lines], tmp_path / "new", replace(OPTIONS, split_by="given"))
    assert not (tmp_path / "new").exists()


def test_nothing_is_left_of_a_dataset_that_could_not_be_built(
    source: ThermalDataset, lines: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "frames"
    shutil.copytree(source.layout.frames_dir, broken)
    first = next(iter(source.recordings))
    (broken / f"{first}.h5").write_bytes(b"no HDF5")
    with pytest.raises(RecordingError, match=f"{first}.h5: cannot be read as HDF5"):
        build_dataset([broken], [lines], tmp_path / "new", OPTIONS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames", "lines.jsonl"]


def test_two_recordings_of_one_name_are_refused(source: ThermalDataset, lines: Path, tmp_path: Path) -> None:
    with RecordingFile(next(iter(source.recordings.values())).path) as file:
        recording = file.read_all()
    with pytest.raises(RequestError, match="two recordings are named"):
        build_dataset([source.layout.frames_dir, recording], [lines], tmp_path / "new", OPTIONS)


def test_one_session_cannot_be_split_by_session(source: ThermalDataset, tmp_path: Path) -> None:
    names = [name for name, session in source.sessions.items() if session == min(source.sessions.values())]
    lines = write_lines(tmp_path / "lines.json", source, recordings=set(names))
    paths = [source.recordings[name].path for name in names]
    with pytest.raises(RequestError, match="1 session cannot be dealt to 2 parts"):
        build_dataset(paths, [lines], tmp_path / "new", OPTIONS)
    build_dataset(paths, [lines], tmp_path / "new", replace(OPTIONS, split_by="random"))


class TestExtend:
    """A dataset of the first session, the second recording of it and the second session added later."""

    @pytest.fixture
    def parts(self, source: ThermalDataset) -> tuple[str, str, set[str]]:
        """A recording, another of its session, and those of the other session."""
        first = min(source.sessions)
        same = [name for name, session in source.sessions.items() if session == source.sessions[first]]
        return first, next(name for name in same if name != first), set(source.sessions) - set(same)

    @pytest.fixture
    def small(self, source: ThermalDataset, parts: tuple[str, str, set[str]], tmp_path: Path) -> ThermalDataset:
        lines = write_lines(tmp_path / "first.json", source, recordings={parts[0]})
        options = replace(OPTIONS, split_by="random", val_share=0.34)
        build_dataset([source.recordings[parts[0]].path], [lines], tmp_path / "small", options)
        return load(tmp_path / "small")

    def test_nothing_moves_and_new_keyframes_join_their_session(
        self, source: ThermalDataset, small: ThermalDataset, parts: tuple[str, str, set[str]], lines: Path
    ) -> None:
        before = {split: [s.sample_id for s in small.samples(split)] for split in small.splits}
        people = {person.id for annotated in small.splits.values() for person in annotated.annotations}

        extended = extend_dataset(small, [source.layout.frames_dir], [lines], OPTIONS, force=True)

        new = load(small.layout.root)
        assert describe(new) == describe(source)
        for split, ids in before.items():
            assert [s.sample_id for s in new.samples(split)][: len(ids)] == ids
        ids_now = [person.id for annotated in new.splits.values() for person in annotated.annotations]
        assert people < set(ids_now)
        assert len(set(ids_now)) == len(ids_now)
        others = {split: {s.session for s in new.samples(split)} for split in new.splits}
        new_session = source.sessions[min(parts[2])]
        assert sum(new_session in sessions for sessions in others.values()) == 1
        assert count_reasons(extended.skipped) == {"its frame is annotated already": 6}
        assert new.splits["train"].split_rule == "extended"

    def test_larger_dataset_may_go_elsewhere(
        self, source: ThermalDataset, small: ThermalDataset, lines: Path, tmp_path: Path
    ) -> None:
        fingerprint = small.fingerprint()
        extend_dataset(small, [source.layout.frames_dir], [lines], OPTIONS, output=tmp_path / "large")
        assert load(small.layout.root).fingerprint() == fingerprint
        assert describe(load(tmp_path / "large")) == describe(source)
        assert json.loads((tmp_path / "large" / "manifest.json").read_text())["extends"] == fingerprint

    def test_other_recording_of_a_known_name_is_refused(
        self, small: ThermalDataset, lines: Path, tmp_path: Path
    ) -> None:
        [name] = small.recordings
        shutil.copy(small.recordings[name].path, tmp_path / f"{name}.h5")
        with h5py.File(tmp_path / f"{name}.h5", "a") as file:
            file["timestamps"][0] -= 1
        fingerprint = small.fingerprint()
        with pytest.raises(RequestError, match="the dataset has another recording of that name"):
            extend_dataset(small, [tmp_path / f"{name}.h5"], [lines], OPTIONS, force=True)
        assert load(small.layout.root).fingerprint() == fingerprint
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]

    def test_dataset_is_changed_where_it_is_only_with_force(
        self, source: ThermalDataset, small: ThermalDataset, lines: Path
    ) -> None:
        fingerprint = small.fingerprint()
        with pytest.raises(RequestError, match="its annotation files would be written anew") as raised:
            extend_dataset(small, [source.layout.frames_dir], [lines], OPTIONS)
        assert "--output" in str(raised.value.hint)
        assert load(small.layout.root).fingerprint() == fingerprint

    def test_nothing_new_is_told_and_nothing_written(self, small: ThermalDataset, source: ThermalDataset) -> None:
        [name] = small.recordings
        lines = write_lines(small.layout.root.parent / "again.json", source, recordings={name})
        before = small.layout.annotation_file("train").read_bytes()
        with pytest.raises(RequestError, match="has all of these recordings and keyframes already"):
            extend_dataset(small, [small.recordings[name].path], [lines], OPTIONS, force=True)
        assert small.layout.annotation_file("train").read_bytes() == before

    def test_class_ids_stay(self, source: ThermalDataset, small: ThermalDataset, lines: Path) -> None:
        with pytest.raises(RequestError, match="the classes named are not the 14 of the dataset"):
            extend_dataset(small, [source.layout.frames_dir], [lines], replace(OPTIONS, classes=("a", "b")), force=True)
        more = (*small.classes, "jumping")
        extend_dataset(small, [source.layout.frames_dir], [lines], replace(OPTIONS, classes=more), force=True)
        assert load(small.layout.root).classes == more


@pytest.mark.real
def test_real_dataset_is_rebuilt_from_what_the_annotators_delivered(real_dataset: Path, tmp_path: Path) -> None:
    built = build_dataset(
        [real_dataset / "frames"], [real_dataset / "raw_annotations"], tmp_path / "new", BuildOptions()
    )
    shipped, new = load(real_dataset), load(tmp_path / "new")
    assert describe(new) == describe(shipped)
    assert new.classes == shipped.classes
    assert built.skipped == ()
    assert len(describe(new)) == 387
