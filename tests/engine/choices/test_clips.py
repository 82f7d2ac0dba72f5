from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from mmengine.config import Config

from thermalctl.clip_spec import ClipSpec
from thermalctl.dataset.matching import WHOLE_FRAME
from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.choices.clips import describe_missing_boxes, describe_repeats
from thermalctl.engine.config import load_config, read_clip_spec
from thermalctl.errors import ConfigError, RequestError

Complete = Callable[..., Config]
Compare = Callable[[Config, Config], dict[str, Any]]

#: Where a complete configuration holds what a clip is, beside `clip` itself.
COPIES = (
    "model.data_preprocessor.clip_spec",
    "train_dataloader.dataset.clip_spec",
    "val_dataloader.dataset.clip_spec",
    "test_dataloader.dataset.clip_spec",
)


@pytest.mark.parametrize(
    ("options", "values"),
    [
        ({"target": "person"}, {"target": "person", "input_size": (40, 40)}),
        (
            {"target": "person", "person_crop": "fixed"},
            {"target": "person", "person_crop": "fixed", "input_size": (40, 40)},
        ),
        (
            {"target": "person", "person_margin": 2.0},
            {"target": "person", "person_margin": 2.0, "input_size": (40, 40)},
        ),
        (
            {"target": "person", "person_margin": 1.0, "person_min_px": 24.0},
            {"target": "person", "person_margin": 1.0, "person_min_px": 24.0, "input_size": (40, 40)},
        ),
        ({"frames": 32}, {"num_frames": 32}),
        ({"time": "uniform", "seconds": 8.0}, {"time_sampling": "uniform", "window_s": 8.0}),
        (
            {"frames": 32, "time": "uniform", "seconds": 8.0, "target": "person", "person_margin": 1.0},
            {
                "num_frames": 32,
                "time_sampling": "uniform",
                "window_s": 8.0,
                "target": "person",
                "person_margin": 1.0,
                "input_size": (40, 40),
            },
        ),
        ({"target": "person", "input_size": "48x64"}, {"target": "person", "input_size": (48, 64)}),
        ({"target": "frame"}, {}),
        ({"temperatures": "relative"}, {"temperatures": "relative", "temperature_range_c": (-15.0, 25.0)}),
    ],
    ids=lambda value: "-".join(map(str, value)),
)
def test_flags_change_what_a_clip_is_everywhere_and_nothing_else(
    tiny: Config,
    dataset: ThermalDataset,
    complete: Complete,
    compare: Compare,
    options: dict[str, Any],
    values: dict[str, Any],
) -> None:
    plain, flagged = complete(tiny, dataset), complete(tiny, dataset, **options)
    changed = compare(plain, flagged)
    # Who is counted for the loss depends on whether people or frames are judged; that is not this choice's own.
    counts = [key for key in changed if key.startswith("model.cls_head.loss_cls.")]
    assert not counts or "target" in values
    copied = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}  # plain JSON
    expected = {f"{place}.{key}": value for place in COPIES for key, value in copied.items()}
    expected |= {f"clip.{key}": value for key, value in values.items()}
    assert {key: value for key, value in changed.items() if key not in counts} == expected


def test_size_that_was_chosen_by_a_key_stays(tiny: Config, dataset: ThermalDataset, complete: Complete) -> None:
    cfg = complete(tiny, dataset, target="person", overrides={"clip.input_size": (32, 48)})
    assert read_clip_spec(cfg, dataset.classes).input_size == (32, 48)


def test_configuration_that_judges_people_keeps_its_size(
    tiny: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    of_people = copy.deepcopy(tiny)
    of_people.clip.update(target="person", input_size=(32, 48))
    assert read_clip_spec(complete(of_people, dataset, target="person"), dataset.classes).input_size == (32, 48)


def test_people_are_followed_unless_told_otherwise(tiny: Config, dataset: ThermalDataset, complete: Complete) -> None:
    spec = read_clip_spec(complete(tiny, dataset, target="person"), dataset.classes)
    assert (spec.person_crop, spec.person_margin) == ("follow", 1.5)


def test_flags_of_people_do_for_a_configuration_that_judges_people(
    tiny: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    people = {"clip.target": "person"}
    cfg = complete(tiny, dataset, person_crop="fixed", person_margin=1.2, overrides=people)
    assert (cfg.clip.person_crop, cfg.clip.person_margin) == ("fixed", 1.2)


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"person_crop": "follow"}, "--person-crop"),
        ({"person_margin": 2.0}, "--person-margin"),
        ({"person_min_px": 24.0}, "--person-min-px"),
    ],
)
def test_flags_of_people_are_refused_where_whole_frames_are_judged(
    tiny: Config, dataset: ThermalDataset, complete: Complete, options: dict[str, Any], flag: str
) -> None:
    with pytest.raises(RequestError, match=f"{flag} and --target frame contradict each other"):
        complete(tiny, dataset, target="frame", **options)
    with pytest.raises(ConfigError, match=f"{flag}: this configuration judges whole frames") as caught:
        complete(tiny, dataset, **options)
    assert caught.value.hint == "add --target person"


def test_squares_for_people_are_not_filled_with_whole_frames(dataset: ThermalDataset, complete: Complete) -> None:
    people = load_config("thermal-small")
    with pytest.raises(ConfigError, match="--target frame: this configuration shows people, in pictures of 32x32"):
        complete(people, dataset, target="frame")
    spec = read_clip_spec(complete(people, dataset, target="frame", input_size="40x60"), dataset.classes)
    assert (spec.target, spec.input_size) == ("frame", (40, 60))


def test_temperatures_that_are_no_longer_relative_have_their_range_back(
    dataset: ThermalDataset, complete: Complete
) -> None:
    cfg = complete(load_config("thermal-small"), dataset, temperatures="absolute")
    assert (cfg.clip.temperatures, cfg.clip.temperature_range_c) == ("absolute", (5.0, 45.0))


@pytest.mark.parametrize("pixels", [-1.0, float("nan"), float("inf")])
def test_impossible_least_side_is_refused(
    tiny: Config, dataset: ThermalDataset, complete: Complete, pixels: float
) -> None:
    with pytest.raises(RequestError, match=r"--person-min-px is .*, expected 0 or more"):
        complete(tiny, dataset, target="person", person_min_px=pixels)


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_margin_is_refused(tiny: Config, dataset: ThermalDataset, complete: Complete, margin: float) -> None:
    with pytest.raises(RequestError, match=r"--person-margin is .*, expected more than 0"):
        complete(tiny, dataset, target="person", person_margin=margin)


def test_uniform_needs_seconds_and_seconds_need_uniform(
    tiny: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    with pytest.raises(ConfigError, match="--time uniform: over how many seconds"):
        complete(tiny, dataset, time="uniform")
    with pytest.raises(ConfigError, match="--seconds 8: the frames of a clip are consecutive"):
        complete(tiny, dataset, seconds=8.0)
    with pytest.raises(RequestError, match="--seconds 8 and --time consecutive contradict each other"):
        complete(tiny, dataset, seconds=8.0, time="consecutive")


@pytest.mark.parametrize("option", [{"person_crop": "fixed"}, {"person_margin": 2.0}, {"frames": 8}])
def test_users_own_configuration_is_left_alone(complete: Complete, option: dict[str, Any]) -> None:
    cfg = Config({"model": {"type": "Recognizer3D"}, "train_cfg": {"max_epochs": 1}})
    flag = next(iter(option)).replace("_", "-")
    with pytest.raises(ConfigError, match=f"--{flag}: this configuration is your own"):
        complete(cfg, None, **option)


def make_spec(dataset: ThermalDataset, **options: Any) -> ClipSpec:
    return ClipSpec(classes=dataset.classes, **options)


def test_clips_that_their_recordings_fill_are_not_remarked_on(dataset: ThermalDataset) -> None:
    assert describe_repeats(make_spec(dataset, num_frames=64), dataset) == []


def test_clips_longer_than_their_recordings_are_told(dataset: ThermalDataset) -> None:
    # 100 frames in each recording: less than half of 201.
    assert describe_repeats(make_spec(dataset, num_frames=201), dataset) == [
        "clips: 12 of 12 are mostly repeats: there are not 201 different frames around their keyframes"
    ]
    spec = make_spec(dataset, num_frames=8, time_sampling="uniform", window_s=3600.0)
    assert describe_repeats(spec, dataset) == [
        "clips: 12 of 12 are mostly repeats: there are not 8 different frames over 3600 s around their keyframes"
    ]


def test_people_without_boxes_are_told(dataset: ThermalDataset) -> None:
    train = dataset.splits["train"]
    everywhere = tuple(dataclasses.replace(person, box=WHOLE_FRAME) for person in train.annotations)
    splits = dict(dataset.splits) | {"train": dataclasses.replace(train, annotations=everywhere)}
    hidden = dataclasses.replace(dataset, splits=splits)
    assert describe_missing_boxes(make_spec(dataset, target="person"), dataset) == []
    [told] = describe_missing_boxes(make_spec(hidden, target="person"), hidden)
    assert told.startswith("boxes: none are known")
    assert describe_missing_boxes(make_spec(hidden, target="frame"), hidden) == []


def test_only_training_is_delivered_the_frames_around_a_clip(
    tiny: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    cfg = complete(tiny, dataset, overrides={"model.data_preprocessor.augment.temporal_jitter": 3.0})
    assert cfg.train_dataloader.dataset.context_frames == 3
    assert "context_frames" not in cfg.val_dataloader.dataset
    assert complete(tiny, dataset).train_dataloader.dataset.context_frames == 0
