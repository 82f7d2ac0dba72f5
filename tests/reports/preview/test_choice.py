from __future__ import annotations

from typing import Any

import pytest

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.errors import DatasetError, RequestError
from thermalctl.evaluation import label_errors
from thermalctl.evaluation.label_errors import SuspectLabel
from thermalctl.reports.preview.choice import Choice, ClipRequest, choose_clips


def choose(dataset: ThermalDataset, *, spec: dict[str, Any] | None = None, **request: Any) -> Choice:
    values: dict[str, Any] = {"num_frames": 4} | (spec or {})
    return choose_clips(dataset, ClipSpec(classes=dataset.classes, **values), ClipRequest(**request))


def ids(choice: Choice) -> list[str]:
    return [clip.sample.sample_id for clip in choice.clips]


def test_train_is_dealt_by_class_rarest_first_and_then_in_order(dataset: ThermalDataset) -> None:
    choice = choose(dataset)
    # As frame labels: 1 is once there, 2 once, 0 six times.
    assert ids(choice) == ["A_1_k20", "B_1_k25", "A_1_k5", "A_1_k8", "A_1_k12", "B_1_k10", "B_1_k15", "B_1_k20"]
    assert choice.text == "train, 8 of 8 clips, rarest classes first"
    assert {clip.split for clip in choice.clips} == {"train"}


def test_few_clips_go_to_the_rarest_classes_and_are_spread_within_one(dataset: ThermalDataset) -> None:
    assert ids(choose(dataset, count=1)) == ["A_1_k20"]
    # Of the six clips of class 0 the second and the fifth.
    assert ids(choose(dataset, count=4)) == ["A_1_k20", "B_1_k25", "A_1_k8", "B_1_k15"]


def test_class_recording_session_and_split_narrow_the_choice(dataset: ThermalDataset) -> None:
    assert ids(choose(dataset, classes=("bed",))) == ["B_1_k25"]
    assert ids(choose(dataset, classes=("bed", "floor"))) == ["A_1_k20", "B_1_k25"]
    assert ids(choose(dataset, recordings=("B_1",), classes=("standing",))) == ["B_1_k10", "B_1_k15", "B_1_k20"]
    assert ids(choose(dataset, split="all", recordings=("A",), classes=("floor",))) == ["A_1_k20", "A_1_k21"]
    assert ids(choose(dataset, split="val")) == ["A_1_k21", "A_1_k9", "A_2_k10"]


def test_person_target_chooses_people(dataset: ThermalDataset) -> None:
    choice = choose(dataset, spec={"target": "person"}, classes=("floor",))
    assert ids(choice) == ["A_1_k8#2", "A_1_k20#4"]


def test_class_without_a_frame_label_hints_at_people(dataset: ThermalDataset) -> None:
    with pytest.raises(DatasetError, match=r"none of the 8 train clips is of class other$") as raised:
        choose(dataset, classes=("other",))
    assert raised.value.hint is not None and "--target person" in raised.value.hint


def test_samples_are_taken_by_part_of_their_id_from_any_split_each_once(dataset: ThermalDataset) -> None:
    choice = choose(dataset, sample_ids=("A_2", "1_k25", "A_2_k10"))
    assert ids(choice) == ["A_2_k10", "B_1_k25"]
    assert [clip.split for clip in choice.clips] == ["val", "train"]


def test_persons_id_needs_the_person_target(dataset: ThermalDataset) -> None:
    with pytest.raises(RequestError) as raised:
        choose(dataset, sample_ids=("A_1_k8#2",))
    assert raised.value.hint == "add --target person"
    assert ids(choose(dataset, spec={"target": "person"}, sample_ids=("A_1_k8#2",))) == ["A_1_k8#2"]


def test_samples_stand_alone(dataset: ThermalDataset) -> None:
    with pytest.raises(RequestError, match="--sample was given with"):
        choose(dataset, sample_ids=("A_1_k8",), count=3)


def test_conflicting_keyframes_are_those_with_different_labels(dataset: ThermalDataset) -> None:
    choice = choose(dataset, finding="conflicting")
    assert ids(choice) == ["A_1_k8"]  # two people lie in B_1_k25 and A_1_k21, with one label each
    assert choice.text == "1 clip whose keyframe shows people with different labels"


def test_incomplete_clips_are_sorted_by_how_many_frames_they_miss(dataset: ThermalDataset) -> None:
    # Frames 6 and 7 are lost: [3, 7) holds one of them, [6, 10) both, [7, 11) one.
    assert ids(choose(dataset, finding="incomplete")) == ["A_1_k8", "A_1_k5", "A_1_k9"]
    assert ids(choose(dataset, finding="frames", split="val")) == ["A_1_k9"]


def test_doubtful_labels_come_with_what_speaks_against_them(
    dataset: ThermalDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def suspect(sample_id: str, split: str, **values: Any) -> SuspectLabel:
        fields: dict[str, Any] = {
            "recording": "A_1",
            "keyframe": 8,
            "timestamp_ms": 800,
            "box": None,
            "suspicion": "unlikely",
            "label": "lying on the floor",
            "suggested": "standing",
            "label_score": 0.04,
            "suggested_score": 0.71,
            "num_neighbours": 4,
            "num_agreeing": 0,
        }
        return SuspectLabel(sample_id=sample_id, split=split, **(fields | values))

    suspects = (
        suspect("A_1_k21#1", "val"),
        suspect("A_1_k8#2", "train"),
        suspect("A_1_k8#2", "train", suspicion="flicker"),
    )
    asked: dict[str, Any] = {}
    monkeypatch.setattr(label_errors, "find_label_errors", lambda _, **options: asked.update(options) or suspects)

    choice = choose(dataset, finding="labels")
    assert ids(choice) == ["A_1_k21", "A_1_k8"]
    assert choice.clips[1].remark == (
        '"lying on the floor", rather "standing": trees give 4 % to 71 %; '
        '"lying on the floor", rather "standing": as before and after'
    )
    assert asked == {"target": "person", "num_frames": 4}
    assert ids(choose(dataset, finding="doubtful", split="train", spec={"target": "person"})) == ["A_1_k8#2"]


def test_rare_classes_have_fewer_than_five_training_clips(dataset: ThermalDataset) -> None:
    choice = choose(dataset, finding="rare")
    assert ids(choice) == ["A_1_k20", "B_1_k25"]
    assert choice.clips[0].remark == "one of 1 in train"


def test_leaking_clips_stand_above_the_nearest_training_clip(dataset: ThermalDataset) -> None:
    choice = choose(dataset, finding="leakage")
    # Windows of four frames: val [7, 11) and [19, 23) of A_1; A_2's [8, 12) is 3.3 to 3.7 s, where A_1 has ended.
    assert ids(choice) == ["A_1_k9", "A_1_k8", "A_1_k21", "A_1_k20"]
    assert [clip.split for clip in choice.clips] == ["val", "train"] * 2
    assert choice.clips[1].remark == "pair 1: 1 frame, 0.1 s earlier, the same label"
    assert choice.text.startswith("2 pairs of a judged clip and the nearest training clip")
    assert ids(choose(dataset, finding="leakage", count=1)) == ["A_1_k9", "A_1_k8"]
    assert ids(choose(dataset, finding="leakage", classes=("floor",))) == ["A_1_k21", "A_1_k20"]


def test_leak_into_another_file_of_the_session_is_found(dataset: ThermalDataset) -> None:
    # With 12 frames A_2's window [4, 16) is 2.9 to 4.0 s, and A_1's around frame 20 ends at 2.5 s; with 24 they meet.
    choice = choose(dataset, spec={"num_frames": 24}, finding="leakage", recordings=("A_2",))
    assert ids(choice) == ["A_2_k10", "A_1_k20"]
    assert choice.clips[1].remark == "pair 3: 1.5 s earlier, in a recording of the same session, another label"


def test_leakage_of_train_is_refused(dataset: ThermalDataset) -> None:
    with pytest.raises(RequestError, match="compares a split with train"):
        choose(dataset, finding="leakage", split="train")


def test_finding_without_clips_and_unknown_finding_are_told(dataset: ThermalDataset) -> None:
    with pytest.raises(DatasetError, match="no clip with incomplete frames"):
        choose(dataset, finding="incomplete", recordings=("B_1",))
    with pytest.raises(RequestError, match=r'--finding "leakge": no such name. Is leakage meant\?'):
        choose(dataset, finding="leakge")
    with pytest.raises(DatasetError, match='no split "tset"'):
        choose(dataset, split="tset")
