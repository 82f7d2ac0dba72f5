from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from thermalctl.errors import WeightsError
from thermalctl.weights.catalog import (
    CATALOG,
    DEFAULT_WEIGHTS,
    PretrainedWeights,
    find_entry_of_content,
    find_entry_of_file,
    get_entry,
)

METAFILE = "mmaction/.mim/configs/recognition/slowfast/metafile.yml"


@pytest.fixture(scope="module")
def published() -> list[dict[str, Any]]:
    """The installed MMAction2's own record of its SlowFast weights."""
    path = Path(str(importlib.metadata.distribution("mmaction2").locate_file(METAFILE)))
    models: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["Models"]
    return models


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_entry_agrees_with_mmaction2s_own_record(entry: PretrainedWeights, published: list[dict[str, Any]]) -> None:
    [record] = [model for model in published if model["Weights"] in entry.urls]

    assert entry.kinetics400_top1 == record["Results"][0]["Metrics"]["Top 1 Accuracy"]
    assert f"{entry.num_parameters / 1e6:.1f}M" == record["Metadata"]["Parameters"]
    assert entry.clip.endswith(record["Metadata"]["Resolution"])
    assert entry.architecture.replace("SlowFast R", "ResNet") == record["Metadata"]["Architecture"]


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


def test_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(WeightsError, match=r"^\"xyz\" is not in the catalog\.$"):
        get_entry("xyz")


def test_content_is_recognised_by_its_hash() -> None:
    assert find_entry_of_content("1cb6dfc8" + "0" * 56) == get_entry("slowfast_r50_8x8_kinetics400")
    assert find_entry_of_content("00000000" + "1cb6dfc8" * 7) is None
