from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.engine.choices.class_weights import fill_imbalance
from thermalctl.engine.choices.imbalance import ImbalanceChoices, apply_imbalance, check_imbalance
from thermalctl.engine.config import load_config
from thermalctl.errors import ConfigError, DatasetError, RequestError

Compare = Callable[[Config, Config], dict[str, Any]]
Complete = Callable[..., Config]

LOSSES = "thermalctl.models.losses"
SAMPLER = {"type": "thermalctl.pipeline.samplers.ClassSampler", "strategy": "natural", "oversample": 1.0}
LOSS = "model.cls_head.loss_cls"
#: Training clips of the simulated dataset's classes; the other ten never occur.
COUNTS = {2: 5, 4: 4, 12: 2, 6: 1}


@pytest.fixture
def plain(tiny: Config) -> Config:
    """A configuration that weighs every clip the same and draws each once, as it comes."""
    cfg = copy.deepcopy(tiny)
    cfg.class_weights = "none"
    cfg.effective_weights = {"beta": 0.999, "cap": 10.0}
    cfg.model.cls_head.loss_cls = {"type": f"{LOSSES}.CrossEntropy", "class_weight": None}
    cfg.train_dataloader.sampler = dict(SAMPLER)
    return cfg


def apply(cfg: Config, **choices: Any) -> Config:
    cfg, options = copy.deepcopy(cfg), ImbalanceChoices(**choices)
    check_imbalance(options)
    apply_imbalance(cfg, options)
    return cfg


@pytest.mark.parametrize(
    ("choices", "changed"),
    [
        ({}, {}),
        ({"class_weights": "none"}, {}),
        ({"class_weights": "inverse"}, {"class_weights": "inverse"}),
        ({"class_weights": "effective"}, {"class_weights": "effective"}),
        ({"loss": "cross-entropy"}, {}),
        (
            {"loss": "focal"},
            {f"{LOSS}.type": f"{LOSSES}.FocalLoss", f"{LOSS}.gamma": 2.0, f"{LOSS}.alpha": 0.25},
        ),
        (
            {"loss": "focal", "focal_gamma": 1.0, "focal_alpha": 0.5},
            {f"{LOSS}.type": f"{LOSSES}.FocalLoss", f"{LOSS}.gamma": 1.0, f"{LOSS}.alpha": 0.5},
        ),
        ({"loss": "balanced-softmax"}, {f"{LOSS}.type": f"{LOSSES}.BalancedSoftmax"}),
        ({"loss": "logit-adjusted"}, {f"{LOSS}.type": f"{LOSSES}.LogitAdjusted", f"{LOSS}.tau": 1.0}),
        ({"loss": "logit-adjusted", "tau": 0.5}, {f"{LOSS}.type": f"{LOSSES}.LogitAdjusted", f"{LOSS}.tau": 0.5}),
        ({"label_smoothing": 0.1}, {f"{LOSS}.label_smoothing": 0.1}),
        ({"sampler": "natural"}, {}),
        ({"sampler": "balanced"}, {"train_dataloader.sampler.strategy": "balanced"}),
        ({"sampler": "sqrt"}, {"train_dataloader.sampler.strategy": "sqrt"}),
        ({"oversample": 2.0}, {"train_dataloader.sampler.oversample": 2.0}),
        (
            {"sampler": "balanced", "oversample": 0.5, "label_smoothing": 0.2, "loss": "focal"},
            {
                "train_dataloader.sampler.strategy": "balanced",
                "train_dataloader.sampler.oversample": 0.5,
                f"{LOSS}.type": f"{LOSSES}.FocalLoss",
                f"{LOSS}.gamma": 2.0,
                f"{LOSS}.alpha": 0.25,
                f"{LOSS}.label_smoothing": 0.2,
            },
        ),
    ],
    ids=str,
)
def test_flag_changes_what_it_should_and_nothing_else(
    plain: Config, compare: Compare, choices: dict[str, Any], changed: dict[str, Any]
) -> None:
    assert compare(plain, apply(plain, **choices)) == changed


def test_mmengines_sampler_gives_way_and_hands_on_its_rounding(plain: Config) -> None:
    plain.train_dataloader.sampler = {"type": "DefaultSampler", "shuffle": True, "round_up": False}
    assert apply(plain, oversample=2.0).train_dataloader.sampler == SAMPLER | {"oversample": 2.0, "round_up": False}
    plain.train_dataloader.sampler = {"type": "InfiniteSampler"}
    assert apply(plain, sampler="sqrt").train_dataloader.sampler == SAMPLER | {"strategy": "sqrt"}


def test_loss_of_mmaction_stays_unless_another_is_named(plain: Config) -> None:
    theirs = {"type": "CrossEntropyLoss", "loss_weight": 2.0, "class_weight": [1.0] * 14}
    plain.model.cls_head.loss_cls = theirs
    assert apply(plain, oversample=2.0).model.cls_head.loss_cls == theirs
    ours = theirs | {"type": f"{LOSSES}.CrossEntropy", "label_smoothing": 0.1}
    assert apply(plain, loss="cross-entropy", label_smoothing=0.1).model.cls_head.loss_cls == ours


def test_head_without_a_loss_gets_the_one_that_is_named(plain: Config) -> None:
    plain.model.cls_head.pop("loss_cls")
    assert apply(plain, loss="cross-entropy").model.cls_head.loss_cls == {"type": f"{LOSSES}.CrossEntropy"}


def test_flags_of_a_loss_change_that_of_the_configuration(plain: Config, compare: Compare) -> None:
    focal = apply(plain, loss="focal", focal_gamma=3.0)
    assert compare(focal, apply(focal, focal_alpha=0.5)) == {f"{LOSS}.alpha": 0.5}
    assert compare(focal, apply(focal, loss="focal")) == {}
    assert apply(focal, loss="cross-entropy").model.cls_head.loss_cls == plain.model.cls_head.loss_cls


def test_no_class_weights_takes_those_of_a_finished_run_away(plain: Config, compare: Compare) -> None:
    weighted = copy.deepcopy(plain)
    weighted.class_weights = "inverse"
    weighted.model.cls_head.loss_cls.class_weight = [1.0] * 14
    assert compare(plain, apply(weighted, class_weights="none")) == {}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"focal_gamma": -1.0}, "--focal-gamma is -1.0, expected 0 or more"),
        ({"focal_alpha": 0.0}, "--focal-alpha is 0.0, expected more than 0, at most 1"),
        ({"tau": 0.0}, "--tau is 0.0, expected more than 0"),
        ({"label_smoothing": 1.0}, "--label-smoothing is 1.0, expected 0 or more and less than 1"),
        ({"label_smoothing": -0.1}, "--label-smoothing is -0.1"),
        ({"oversample": 0.0}, "--oversample is 0.0, expected more than 0"),
        ({"oversample": float("inf")}, "--oversample is inf"),
        ({"tau": float("nan")}, "--tau is nan"),
        (
            {"focal_gamma": 3.0, "loss": "cross-entropy"},
            "--focal-gamma 3 and --loss cross-entropy contradict each other: only focal has it",
        ),
        ({"tau": 0.5, "loss": "balanced-softmax"}, "--tau 0.5 and --loss balanced-softmax contradict each other"),
        (
            {"sampler": "balanced", "loss": "balanced-softmax"},
            "--sampler balanced and --loss balanced-softmax contradict each other: each makes up for unequal classes",
        ),
        ({"sampler": "sqrt", "loss": "logit-adjusted"}, "--sampler sqrt and --loss logit-adjusted contradict"),
        ({"sampler": "balanced", "class_weights": "inverse"}, "--sampler balanced and --class-weights inverse"),
        ({"sampler": "sqrt", "class_weights": "effective"}, "--sampler sqrt and --class-weights effective"),
        ({"class_weights": "inverse", "loss": "logit-adjusted"}, "--class-weights inverse and --loss logit-adjusted"),
        (
            {"class_weights": "weights.csv", "loss": "balanced-softmax"},
            "--class-weights weights.csv and --loss balanced-softmax contradict each other: balanced softmax takes",
        ),
    ],
    ids=str,
)
def test_impossible_or_contradictory_flags_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        check_imbalance(ImbalanceChoices(**choices))


@pytest.mark.parametrize(
    "choices",
    [
        {"sampler": "natural", "loss": "balanced-softmax", "class_weights": "none"},
        {"sampler": "balanced", "loss": "focal"},
        {"class_weights": "inverse", "loss": "focal", "oversample": 2.0},
        {"class_weights": "weights.csv", "sampler": "balanced"},
        {"class_weights": "weights.csv", "loss": "logit-adjusted"},
        {"focal_gamma": 3.0},
    ],
    ids=str,
)
def test_flags_that_go_together_are_accepted(choices: dict[str, Any]) -> None:
    check_imbalance(ImbalanceChoices(**choices))


@pytest.mark.parametrize(
    ("edits", "choices", "message", "hint"),
    [
        (
            {"class_weights": "inverse"},
            {"loss": "balanced-softmax"},
            r"the configuration's class_weights \(inverse\) and --loss balanced-softmax contradict each other",
            "--class-weights none",
        ),
        (
            {"class_weights": "effective"},
            {"sampler": "balanced"},
            r"--sampler balanced and the configuration's class_weights \(effective\)",
            "--class-weights none",
        ),
        (
            {"train_dataloader.sampler.strategy": "sqrt"},
            {"class_weights": "inverse"},
            r"the configuration's train_dataloader.sampler.strategy \(sqrt\) and --class-weights inverse",
            "--sampler natural",
        ),
        (
            {f"{LOSS}.type": f"{LOSSES}.LogitAdjusted"},
            {"sampler": "balanced"},
            r"--sampler balanced and the configuration's model.cls_head.loss_cls \(logit-adjusted\)",
            "--loss cross-entropy",
        ),
        (
            {f"{LOSS}.class_weight": [1.0] * 14},
            {"loss": "balanced-softmax"},
            r"the configuration's class_weights \(your own\) and --loss balanced-softmax",
            "--class-weights none",
        ),
        (
            {"class_weights": "inverse", "train_dataloader.sampler.strategy": "balanced"},
            {},
            "the configuration's train_dataloader.sampler.strategy .* and the configuration's class_weights",
            "--sampler natural or --class-weights none",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_contradiction_with_the_configuration_is_told_with_what_resolves_it(
    plain: Config, edits: dict[str, Any], choices: dict[str, Any], message: str, hint: str
) -> None:
    plain.merge_from_dict(edits)
    with pytest.raises(RequestError, match=message) as caught:
        apply(plain, **choices)
    assert caught.value.hint == hint


def test_hint_of_a_contradiction_resolves_it(r50: Config) -> None:
    cfg = apply(r50, loss="balanced-softmax", class_weights="none")
    assert (cfg.class_weights, cfg.model.cls_head.loss_cls.type) == ("none", f"{LOSSES}.BalancedSoftmax")


@pytest.mark.parametrize(
    ("choices", "message", "hint"),
    [
        ({"focal_gamma": 3.0}, "--focal-gamma: this configuration's loss, CrossEntropy, has no gamma", "--loss focal"),
        ({"tau": 0.5}, "--tau: this configuration's loss, CrossEntropy, has no tau", "--loss logit-adjusted"),
    ],
    ids=str,
)
def test_flag_of_a_loss_that_the_configuration_does_not_have_is_refused(
    plain: Config, choices: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        apply(plain, **choices)
    assert caught.value.hint == f"add {hint}"


def test_smoothing_of_a_loss_that_is_not_ours_is_refused(plain: Config) -> None:
    plain.model.cls_head.loss_cls = {"type": "CrossEntropyLoss"}
    with pytest.raises(ConfigError, match="--label-smoothing: this configuration's loss, CrossEntropyLoss, has none"):
        apply(plain, label_smoothing=0.1)


def test_smoothing_by_the_head_is_refused_beside_a_loss_of_ours(plain: Config) -> None:
    """MMAction2 spreads it over classes that never occur, whose loss is 10,000 where they are masked."""
    plain.model.cls_head.label_smooth_eps = 0.1
    with pytest.raises(ConfigError, match=r"model\.cls_head\.label_smooth_eps is 0\.1") as caught:
        apply(plain)
    assert str(caught.value.hint).startswith("--label-smoothing 0.1 --cfg-options")
    plain.model.cls_head.loss_cls = {"type": "CrossEntropyLoss"}
    apply(plain)


@pytest.mark.parametrize("choices", [{"class_weights": "none"}, {"loss": "focal"}, {"label_smoothing": 0.1}], ids=str)
def test_model_without_a_head_has_no_loss_to_change(plain: Config, choices: dict[str, Any]) -> None:
    plain.model.pop("cls_head")
    with pytest.raises(ConfigError, match=r"this configuration has no model\.cls_head"):
        apply(plain, **choices)


def test_configuration_that_trains_nothing_has_no_sampler_to_change(plain: Config) -> None:
    plain.train_dataloader = None
    with pytest.raises(ConfigError, match="has no train_dataloader"):
        apply(plain, oversample=2.0)


@pytest.mark.parametrize(("wanted", "hint"), [("invers", "is inverse meant?"), ("w.csv", "a JSON file")])
def test_file_of_weights_that_is_not_there_is_told(plain: Config, wanted: str, hint: str) -> None:
    with pytest.raises(RequestError, match=f"--class-weights {wanted}: is neither none, inverse nor effe") as caught:
        apply(plain, class_weights=wanted)
    assert str(caught.value.hint).startswith(hint)


def fill(cfg: Config, dataset: ThermalDataset, **choices: Any) -> Any:
    """Return the loss of the configuration after both steps."""
    filled = apply(cfg, **choices)
    fill_imbalance(filled, dataset)
    return filled.model.cls_head.loss_cls


def test_every_loss_of_ours_gets_the_counts(plain: Config, dataset: ThermalDataset) -> None:
    loss = fill(plain, dataset)
    assert {index: count for index, count in enumerate(loss.class_counts) if count} == COUNTS
    assert (len(loss.class_counts), loss.class_weight) == (14, None)


def test_counts_are_of_people_where_people_are_judged(plain: Config, dataset: ThermalDataset) -> None:
    plain.clip.target = "person"
    assert sum(fill(plain, dataset).class_counts) == len(dataset.samples("train", "person")) > 12


def test_inverse_weights_are_the_guides(plain: Config, dataset: ThermalDataset) -> None:
    weights = fill(plain, dataset, class_weights="inverse").class_weight
    expected = np.full(14, 12 / 14)
    expected[list(COUNTS)] = 12 / 14 / np.array(list(COUNTS.values()))
    np.testing.assert_allclose(weights, expected)


def test_effective_weights_follow_their_keys(plain: Config, dataset: ThermalDataset) -> None:
    plain.effective_weights = {"beta": 0.5}  # effective numbers of 5, 4, 2, 1 clips: 31/16, 15/8, 3/2, 1
    inverses = np.array([16 / 31, 8 / 15, 2 / 3, 1])
    weights = np.array(fill(plain, dataset, class_weights="effective").class_weight)
    np.testing.assert_allclose(weights[list(COUNTS)], inverses / inverses.mean())
    plain.effective_weights = {"beta": 0.5, "cap": 1.0}
    np.testing.assert_allclose(fill(plain, dataset, class_weights="effective").class_weight, 1)


def test_keys_of_effective_weights_are_shown_and_mistyped_ones_refused(plain: Config) -> None:
    plain.effective_weights = None
    assert apply(plain, class_weights="effective").effective_weights == {"beta": 0.999, "cap": 10.0}
    plain.effective_weights = {"betta": 0.9}
    with pytest.raises(ConfigError, match="effective_weights has no 'betta'"):
        apply(plain, class_weights="effective")


def test_weights_of_a_file_are_put_into_the_configuration(
    plain: Config, dataset: ThermalDataset, tmp_path: Path
) -> None:
    """Not the file's name: the checkpoint has to say it all."""
    weights = {dataset.classes[index]: float(index) for index in COUNTS}
    (tmp_path / "weights.json").write_text(json.dumps(weights))
    cfg = apply(plain, class_weights=str(tmp_path / "weights.json"))
    assert cfg.class_weights == weights
    cfg.dump(tmp_path / "copy.py")
    copied = load_config(str(tmp_path / "copy.py"))
    fill_imbalance(copied, dataset)
    loss = copied.model.cls_head.loss_cls
    assert {index: loss.class_weight[index] for index in COUNTS} == {index: float(index) for index in COUNTS}


def test_file_that_does_not_fit_the_dataset_is_told(plain: Config, dataset: ThermalDataset, tmp_path: Path) -> None:
    file = tmp_path / "weights.csv"
    file.write_text(f"{dataset.classes[2]},1\n")
    with pytest.raises(ConfigError, match=f'"{dataset.classes[6]}" has no weight, and 1 training clips'):
        fill(plain, dataset, class_weights=str(file))
    file.write_text("walking,heavy\n")
    with pytest.raises(DatasetError, match='"walking" has weight "heavy"'):
        apply(plain, class_weights=str(file))


def test_own_weights_in_the_loss_are_kept(plain: Config, dataset: ThermalDataset) -> None:
    plain.model.cls_head.loss_cls.class_weight = [2.0] * 14
    assert fill(plain, dataset).class_weight == [2.0] * 14


@pytest.mark.parametrize("value", ["balanced", [1.0, 2.0]])
def test_class_weights_that_are_neither_name_nor_weights_are_refused(
    plain: Config, dataset: ThermalDataset, value: Any
) -> None:
    plain.class_weights = value
    with pytest.raises(ConfigError, match="expected none, inverse, effective or weights by class name"):
        fill_imbalance(plain, dataset)


def test_users_loss_gets_weights_if_it_takes_them(users_config: Path, dataset: ThermalDataset) -> None:
    cfg = load_config(str(users_config))
    cfg.model.cls_head.loss_cls = {"type": "CrossEntropyLoss"}
    before = copy.deepcopy(cfg.model)
    fill_imbalance(cfg, dataset)
    assert cfg.model == before
    assert len(fill(cfg, dataset, class_weights="inverse").class_weight) == 14
    cfg.model.cls_head.loss_cls = {"type": "CBFocalLoss"}
    with pytest.raises(ConfigError, match=r"class_weights \(inverse\): the loss CBFocalLoss takes none"):
        fill(cfg, dataset, class_weights="inverse")


def test_nothing_is_counted_without_a_dataset(users_config: Path) -> None:
    cfg = load_config(str(users_config))
    fill_imbalance(apply(cfg, loss="focal", oversample=2.0), None)
    with pytest.raises(ConfigError, match=r"class_weights \(inverse\): classes are counted in a dataset folder"):
        fill_imbalance(apply(cfg, class_weights="inverse"), None)


@pytest.mark.parametrize(
    "options",
    [
        {"class_weights": "effective"},
        {"loss": "balanced-softmax", "label_smoothing": 0.1},
        {"loss": "logit-adjusted", "tau": 0.5, "oversample": 2.0},
        {"sampler": "balanced", "loss": "focal"},
    ],
    ids=str,
)
def test_flags_survive_the_text_of_the_completed_configuration(
    tiny: Config, dataset: ThermalDataset, complete: Complete, compare: Compare, tmp_path: Path, options: dict[str, Any]
) -> None:
    completed = complete(tiny, dataset, **options)
    completed.dump(tmp_path / "copy.py")
    assert compare(completed, complete(load_config(str(tmp_path / "copy.py")), dataset)) == {}


def test_users_configuration_is_weighted_by_the_dataset_that_is_named(
    users_config: Path, dataset: ThermalDataset, complete: Complete
) -> None:
    cfg = load_config(str(users_config))
    cfg.model.cls_head.loss_cls = {"type": "CrossEntropyLoss"}
    assert len(complete(cfg, dataset, class_weights="inverse").model.cls_head.loss_cls.class_weight) == 14
    with pytest.raises(ConfigError, match="classes are counted in a dataset folder, and none is given"):
        complete(cfg, None, class_weights="inverse")


def test_weights_of_a_finished_run_do_not_contradict_a_loss_once_they_are_gone(
    r50: Config, dataset: ThermalDataset, complete: Complete
) -> None:
    finished = complete(r50, dataset)
    for options in ({"class_weights": "none"}, {"overrides": {"class_weights": "none"}}):
        loss = complete(finished, dataset, loss="balanced-softmax", **options).model.cls_head.loss_cls
        assert (loss.type, loss.class_weight) == (f"{LOSSES}.BalancedSoftmax", None)
