from __future__ import annotations

from typing import Any

import pytest
from mmengine.optim import build_optim_wrapper
from torch import nn

from thermalctl.engine.layer_decay import LayerDecayConstructor, find_shares
from thermalctl.errors import ConfigError

CONSTRUCTOR = "thermalctl.engine.layer_decay.LayerDecayConstructor"


class TwoPathways(nn.Module):
    """A model of three stages and a head, named as MMAction2 names a SlowFast's."""

    def __init__(self) -> None:
        super().__init__()
        pathways = {}
        for name in ("slow_path", "fast_path"):
            pathways[name] = nn.ModuleDict({part: nn.Linear(2, 2) for part in ("conv1", "layer1", "layer2")})
        self.backbone = nn.ModuleDict(pathways)
        self.cls_head = nn.Linear(2, 2)


def read_groups(model: nn.Module, **paramwise: Any) -> dict[str, dict[str, Any]]:
    """Return the optimizer's group of each parameter, as MMEngine builds it for 0.08."""
    optimizer = {"type": "SGD", "lr": 0.08, "weight_decay": 0.5}
    wrapper = {"optimizer": optimizer, "constructor": CONSTRUCTOR, "paramwise_cfg": paramwise}
    groups = build_optim_wrapper(model, wrapper).optimizer.param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {names[id(group["params"][0])]: group for group in groups}
    assert found.keys() == set(names.values())
    return found


def test_rates_fall_from_the_head_to_the_stem_alike_in_both_pathways() -> None:
    rates = {name: group["lr"] for name, group in read_groups(TwoPathways(), layer_decay=0.5).items()}
    expected = {"cls_head": 0.08}
    for pathway in ("slow_path", "fast_path"):
        expected |= {f"backbone.{pathway}.{part}": rate for part, rate in
                     (("layer2", 0.04), ("layer1", 0.02), ("conv1", 0.01))}  # fmt: skip
    assert rates == pytest.approx({f"{name}.{kind}": rate for name, rate in expected.items() for kind in
                                   ("weight", "bias")})  # fmt: skip


def test_decay_multiplies_what_other_keys_set_and_leaves_the_weight_decay() -> None:
    groups = read_groups(
        TwoPathways(),
        layer_decay=0.5,
        bias_decay_mult=0.0,
        custom_keys={"backbone": {"lr_mult": 0.1}, "fast_path": {"lr_mult": 0.3, "decay_mult": 2.0}},
    )
    assert groups["backbone.slow_path.layer1.weight"]["lr"] == pytest.approx(0.08 * 0.1 * 0.5**2)
    assert groups["backbone.fast_path.layer1.weight"]["lr"] == pytest.approx(0.08 * 0.3 * 0.5**2)
    assert groups["backbone.fast_path.layer1.weight"]["weight_decay"] == 1.0
    assert groups["cls_head.weight"]["lr"] == 0.08
    assert groups["cls_head.bias"]["weight_decay"] == 0.0


def test_decay_of_one_changes_no_rate() -> None:
    assert {group["lr"] for group in read_groups(TwoPathways(), layer_decay=1.0).values()} == {0.08}


def test_share_of_every_parameter_is_known() -> None:
    shares = find_shares(TwoPathways(), 0.5)
    assert shares["cls_head.weight"] == 1
    assert shares["backbone.fast_path.conv1.bias"] == 0.125


@pytest.mark.parametrize("decay", [None, 0, 1.5, "0.5"])
def test_impossible_decay_is_refused(decay: object) -> None:
    with pytest.raises(ConfigError, match=r"paramwise_cfg\.layer_decay is .*expected more than 0, at most 1"):
        LayerDecayConstructor({"optimizer": {"type": "SGD", "lr": 0.1}}, {"layer_decay": decay})


def test_optimizer_without_a_rate_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"optim_wrapper\.optimizer has no lr"):
        LayerDecayConstructor({"optimizer": {"type": "Adadelta"}}, {"layer_decay": 0.5})
