from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from mmengine.config import Config

from thermalctl.engine.config import list_shipped_configs, load_config
from thermalctl.errors import WeightsError
from thermalctl.weights.catalog import (
    CATALOG,
    DEFAULT_WEIGHTS,
    PretrainedWeights,
    find_entry,
    find_entry_of_content,
    find_entry_of_file,
    get_entry,
)

RECORD = Path(str(importlib.metadata.distribution("mmaction2").locate_file("mmaction/.mim")))


def read_record(entry: PretrainedWeights) -> dict[str, Any]:
    """What the installed MMAction2's metafile of the entry's family says of its weights."""
    family = entry.name.partition("_")[0]
    path = RECORD / "configs" / "recognition" / family / "metafile.yml"
    models = yaml.safe_load(path.read_text(encoding="utf-8"))["Models"]
    [record] = [model for model in models if model["Weights"] in entry.urls]
    return dict(record)


def write_parameters(count: int, like: object) -> object:
    """A number of parameters as the metafile of the family writes it: 34.5M, 32.45M or 3794322."""
    if isinstance(like, int):
        return count
    decimals = len(str(like).removesuffix("M").partition(".")[2])
    return f"{count / 1e6:.{decimals}f}M"


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_entry_agrees_with_mmaction2s_own_record(entry: PretrainedWeights) -> None:
    record = read_record(entry)
    parameters = record["Metadata"].get("Parameters", entry.num_parameters)  # UniFormer's record does not say it
    architecture = re.sub("^(SlowFast|SlowOnly|TSM) R", "ResNet", entry.architecture)

    assert record["Name"] == entry.mmaction2_name
    assert record["Results"][0]["Dataset"] == "Kinetics-400"
    assert record["Results"][0]["Metrics"]["Top 1 Accuracy"] == entry.kinetics400_top1
    assert parameters == write_parameters(entry.num_parameters, parameters)
    assert record["Metadata"]["Architecture"].replace("_", "-") == architecture


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_input_is_that_of_mmaction2s_configuration(entry: PretrainedWeights) -> None:
    record = read_record(entry)
    cfg = Config.fromfile(RECORD / record["Config"])
    pipeline = cfg.get("train_pipeline", cfg.test_pipeline)  # X3D was trained elsewhere
    [sampling] = [step for step in pipeline if step["type"] == "SampleFrames"]
    trained_at = [step["scale"] for step in pipeline if step["type"] == "Resize" and -1 not in step["scale"]]
    trained_at += [(step["crop_size"],) * 2 for step in pipeline if step["type"] == "CenterCrop"]  # UniFormer
    height, width = entry.input_size

    if sampling["clip_len"] == 1:
        assert (sampling["num_clips"], entry.frame_interval) == (entry.num_frames, None)
    else:
        assert (sampling["clip_len"], sampling["frame_interval"]) == (entry.num_frames, entry.frame_interval)
    if trained_at:
        assert trained_at == [(width, height)]
    else:
        assert record["Metadata"]["Resolution"] == f"{height}x{width}"


def test_input_is_written_as_frames_interval_and_size() -> None:
    assert get_entry("x3d_s_13x6_kinetics400").input == "13x6, 160x160"
    assert get_entry("tsm_r50_1x1x8_kinetics400").input == "8 spread, 224x224"


def test_entries_and_the_shipped_configurations_that_start_from_them_name_each_other() -> None:
    starting = {entry.config: entry for entry in CATALOG if entry.config}

    assert set(starting) == {name for name in list_shipped_configs() if load_config(name).load_from}
    assert starting["slowfast-r50"] == get_entry(DEFAULT_WEIGHTS)
    for config, entry in starting.items():
        assert load_config(str(config)).load_from == entry.name


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_entry_is_found_by_what_users_copy(entry: PretrainedWeights) -> None:
    assert find_entry(entry.name) == entry
    assert find_entry(entry.mmaction2_name) == entry
    assert find_entry(f"configs/recognition/{entry.mmaction2_name}.py") == entry
    assert get_entry(f"checkpoints/{entry.file_names[-1]}") == entry


def test_names_are_different() -> None:
    names = [name for entry in CATALOG for name in (entry.name, entry.mmaction2_name, *entry.file_names)]
    assert len(set(names)) == len(names)
    assert len({entry.sha256_prefix for entry in CATALOG}) == len(CATALOG)


def test_misspelt_name_of_mmaction2_is_answered_with_ours() -> None:
    with pytest.raises(WeightsError, match=r"Is x3d_s_13x6_kinetics400 meant\?"):
        get_entry("x3d_s_13x6x1_facebook-kinetics400")


def test_empty_name_gets_no_suggestion() -> None:
    with pytest.raises(WeightsError, match=r'^"" is not in the catalog\.$'):
        get_entry("")


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_every_name_of_an_entry_promises_the_same_hash(entry: PretrainedWeights) -> None:
    assert {name[-12:] for name in entry.file_names} == {f"{entry.sha256_prefix}.pth"}
    assert int(entry.sha256_prefix, 16) >= 0


def test_r101_is_known_under_both_dates() -> None:
    entry = get_entry("slowfast_r101_8x8_kinetics400")

    assert [name.partition("rgb_")[2] for name in entry.file_names] == [
        "20220818-9c0e09bd.pth",
        "20220901-9c0e09bd.pth",
    ]
    assert all(find_entry_of_file(name) == entry for name in entry.file_names)


def test_default_is_the_guides_model() -> None:
    assert get_entry(DEFAULT_WEIGHTS).file_names == (
        "slowfast_r50_8xb8-4x16x1-256e_kinetics400-rgb_20220901-701b0f6f.pth",
    )


def test_misspelt_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(WeightsError, match=r"Is slowfast_r101_8x8_kinetics400 meant\?") as raised:
        get_entry("slowfast_r101_8x8_kinetic")

    assert raised.value.hint is not None
    assert "slowfast_r50_8x8_kinetics400" in raised.value.hint


def test_beginning_of_names_is_answered_with_the_first_of_them() -> None:
    with pytest.raises(WeightsError, match=r"Is slowfast_r50_4x16_kinetics400 meant\?"):
        get_entry("slowfast_r50")


def test_misspelt_beginning_is_answered_too() -> None:
    with pytest.raises(WeightsError, match=r"Is slowfast_r50_4x16_kinetics400 meant\?"):
        get_entry("slowfst_r50")


def test_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(WeightsError, match=r"^\"xyz\" is not in the catalog\.$"):
        get_entry("xyz")


def test_content_is_recognised_by_its_hash() -> None:
    assert find_entry_of_content("1cb6dfc8" + "0" * 56) == get_entry("slowfast_r50_8x8_kinetics400")
    assert find_entry_of_content("00000000" + "1cb6dfc8" * 7) is None
