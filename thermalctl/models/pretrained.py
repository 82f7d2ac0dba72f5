"""Fitting pretrained weights to a model: what loaded, what was adapted, what is new.

MMEngine loads whatever matches and only logs the rest, so weights of another architecture "load" with nothing
matching. Here every parameter is accounted for, and a backbone that stays mostly random is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from thermalctl.errors import CheckpointError
from thermalctl.models.head_classes import HeadClasses
from thermalctl.models.layouts import recognise_foreign, translate_names

#: Share of the backbone's values that must come from the file.
LEAST_BACKBONE_SHARE = 0.9
#: Where the projects that publish video networks put the weights in their files.
_WEIGHTS_KEYS = ("state_dict", "model_state", "model")
#: What fits an RGB stem to one channel, and the other way round.
_SUMMED, _SPREAD = "RGB stem summed to one channel", "one-channel stem spread over three"


@dataclass(frozen=True, kw_only=True)
class LayerGroup:
    """What became of one part of a model: a stage of a pathway, or the head. Counts of parameters and buffers.

    Attributes:
        name: how all names in it begin, as "backbone.slow_path.layer1".
        loaded: taken over unchanged.
        adapted: taken over in another shape.
        new: stay as initialised.
        unused: in the file only.
    """

    name: str
    loaded: int
    adapted: int
    new: int
    unused: int


@dataclass(frozen=True, kw_only=True)
class FittedWeights:
    """Which of a model's parameters and buffers came from a file; names as in the model's state dict.

    Attributes:
        layout: whose names had to be translated: "PySlowFast" or "PyTorchVideo"; None for MMAction2's own.
        loaded: taken over unchanged.
        adapted: how each was adapted: RGB stems summed to one channel, one-channel stems spread over three, or the rows
            of a head brought into the order of the model's classes ("11 of 14 classes kept", the rest as initialised).
        remade: in the file with another shape, or for other classes altogether; they stay as initialised.
        missing: not in the file; they stay as initialised.
        unused: in the file but not in the model.
        backbone_share: share of the backbone's values that came from the file, 0 to 1.
    """

    layout: str | None
    loaded: tuple[str, ...]
    adapted: Mapping[str, str]
    remade: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    backbone_share: float

    @property
    def groups(self) -> tuple[LayerGroup, ...]:
        """What became of each part of the model, in the order of their names."""
        kinds = (self.loaded, tuple(self.adapted), self.remade + self.missing, self.unused)
        counts = [Counter(_find_group(name) for name in names) for names in kinds]
        return tuple(
            LayerGroup(name=group, **dict(zip(("loaded", "adapted", "new", "unused"), numbers, strict=True)))
            for group in sorted(set().union(*counts))
            for numbers in [[count[group] for count in counts]]
        )


def fold_rgb_stem(weight: Tensor) -> Tensor:
    """Return an RGB stem's kernel for one channel, (C, 1, ...): the sum over its three input channels.

    Exact for a grey image whose three channels are equal, normalised with one scalar mean and std.

    Args:
        weight: (C, 3, t, h, w), or (C, 3, h, w) of a 2D network.
    """
    return weight.sum(dim=1, keepdim=True)


def spread_gray_stem(weight: Tensor) -> Tensor:
    """Return a one-channel stem's kernel for three equal channels, (C, 3, ...): a third each.

    Args:
        weight: (C, 1, t, h, w), or (C, 1, h, w) of a 2D network.
    """
    return weight.expand(-1, 3, *weight.shape[2:]) / 3


def fit_pretrained(
    model: nn.Module, weights: Mapping[str, Tensor], *, classes: HeadClasses | None = None
) -> FittedWeights:
    """Load `weights` into `model` as far as they fit and return what became of each.

    Args:
        model: an MMAction2 recogniser.
        weights: a state dict with the names of MMAction2, or a SlowFast's with those of PySlowFast or PyTorchVideo.
        classes: of both, where both are known by name: the head keeps its rows by them, and not by their numbers.

    Raises:
        CheckpointError: if less than nine tenths of the backbone come from the file, or a SlowFast of another project
            has lateral connections that the model does not; the model is then unchanged.
    """
    wanted = model.state_dict()
    layout, given = translate_names({name.removeprefix("module."): value for name, value in weights.items()})
    if layout is not None:
        _expect_same_laterals(given, wanted, layout)
    taken: dict[str, Tensor] = {}
    adapted, remade = {}, []
    for name in sorted(wanted.keys() & given.keys()):
        value, how = _adapt(name, given[name], wanted[name], classes)
        if value is None or value.shape != wanted[name].shape:
            remade.append(name)
            continue
        if how is not None:
            adapted[name] = how
        taken[name] = value
    share = _measure_share(wanted, taken)
    if share < LEAST_BACKBONE_SHARE:
        raise _refuse_stranger(weights, given, wanted, layout, share)
    model.load_state_dict(taken, strict=False)
    return FittedWeights(
        layout=layout,
        loaded=tuple(sorted(taken.keys() - adapted.keys())),
        adapted=adapted,
        remade=tuple(remade),
        missing=tuple(
            sorted(name for name in wanted.keys() - given.keys() if not name.endswith("num_batches_tracked"))
        ),
        unused=tuple(sorted(given.keys() - wanted.keys())),
        backbone_share=share,
    )


def _expect_same_laterals(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], layout: str) -> None:
    """Check that the model has the lateral connections of a translated SlowFast: they alone may differ in kind.

    Raises:
        CheckpointError: with the edits of the configuration that make them equal.
    """
    lateral, norm = "backbone.slow_path.conv1_lateral.conv.weight", "backbone.slow_path.conv1_lateral.bn.weight"
    if lateral not in wanted or lateral not in given:
        return  # no SlowFast at all: the share of the backbone tells
    edits = []
    if norm in given and norm not in wanted:
        edits.append("model.backbone.slow_pathway.lateral_norm=True")
    if given[lateral].shape[2] != wanted[lateral].shape[2]:
        edits.append(f"model.backbone.slow_pathway.fusion_kernel={given[lateral].shape[2]}")
    if edits:
        raise CheckpointError(
            f"{layout}'s SlowFast has other lateral connections than this model: {given[lateral].shape[2]} frames "
            f"long{' and normalised' if norm in given else ''}, expected {wanted[lateral].shape[2]} frames"
            f"{'' if norm in wanted else ', not normalised'}",
            hint=f"give the model the same: --cfg-options {' '.join(edits)}",
        )


def _refuse_stranger(
    weights: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    layout: str | None,
    share: float,
) -> CheckpointError:
    known = f"{layout}'s SlowFast" if layout else recognise_foreign(weights)
    unknown = next((name for name in given if name not in wanted), None)
    differing = next((name for name in wanted if name in given and given[name].shape != wanted[name].shape), None)
    if known:
        example = f"it holds {known}"
    elif unknown or differing is None:
        example = f"it holds {len(given)} entries; the first unknown one is {unknown}"
    else:
        shapes = f"{tuple(given[differing].shape)} there, {tuple(wanted[differing].shape)} in the model"
        example = f"the same names in another size: {differing} is {shapes}"
    return CheckpointError(
        f"only {share:.0%} of the backbone's weights fit, expected {LEAST_BACKBONE_SHARE:.0%} ({example})",
        hint="these are weights of another architecture; choose the matching --config, or --load-from none",
    )


def _adapt(name: str, value: Tensor, wanted: Tensor, classes: HeadClasses | None) -> tuple[Tensor | None, str | None]:
    """Return a parameter as the model needs it, None if it is of no use, and how that was done, None if unchanged."""
    if classes is None or classes.given == classes.wanted or not classes.is_row_for_row(name, value, wanted):
        return _adapt_stem(value, wanted)
    if not classes.num_kept:
        return None, None
    return classes.carry_over(value, wanted), f"{classes.num_kept} of {len(classes.wanted)} classes kept"


def _adapt_stem(value: Tensor, wanted: Tensor) -> tuple[Tensor, str | None]:
    """Return a stem's kernel with the channels that are wanted, and how that was done; None where nothing was."""
    if value.dim() not in (4, 5) or value.shape[2:] != wanted.shape[2:] or len(value) != len(wanted):
        return value, None
    channels = (value.shape[1], wanted.shape[1])
    if channels == (3, 1):
        return fold_rgb_stem(value), _SUMMED
    return (spread_gray_stem(value), _SPREAD) if channels == (1, 3) else (value, None)


def _find_group(name: str) -> str:
    """Return which part of the model a parameter belongs to: "backbone.slow_path.layer1", "cls_head"."""
    parts = name.split(".")
    if parts[0] != "backbone":
        return parts[0]
    return ".".join(parts[:3] if len(parts) > 3 and parts[1].endswith("_path") else parts[:2])


def _measure_share(wanted: Mapping[str, Tensor], taken: Mapping[str, Tensor]) -> float:
    """Return the share of the backbone's values that are taken; of all values for a model that has no backbone."""
    backbone = [name for name in wanted if name.startswith("backbone.")] or list(wanted)
    total = sum(wanted[name].numel() for name in backbone)
    return sum(wanted[name].numel() for name in backbone if name in taken) / total


def strip_to_state_dict(checkpoint: Mapping[str, object], origin: str) -> dict[str, Tensor]:
    """Return the weights in a checkpoint: its "state_dict", or itself where it is one.

    Raises:
        CheckpointError: if it holds no weights.
    """
    candidates = (checkpoint.get(key) for key in _WEIGHTS_KEYS)
    held = next((found for found in candidates if isinstance(found, Mapping)), checkpoint)
    weights = {str(name): value for name, value in held.items() if isinstance(value, Tensor)}
    if not weights:
        raise CheckpointError(
            f"{origin}: holds no weights (its entries: {', '.join(map(str, checkpoint)) or 'none'})",
            hint='a checkpoint holds its weights under "state_dict", or "model_state"',
        )
    return weights
