"""What an architecture asks of its clips, and the other way round.

MMAction2 finds out in the first batch that a clip does not fit, with a message about tensor sizes. Here every rule is
checked beforehand, and the message has the number that fits.
"""

from __future__ import annotations

from typing import Any

from thermalctl.clip_spec import ClipSpec
from thermalctl.errors import ConfigError

#: What a backbone calls the channels of its input where that is not "in_channels".
CHANNEL_KEYS = {"UniFormer": "in_chans"}
#: Backbones whose stem is made for three channels.
RGB_ONLY = frozenset({"C3D", "MobileNetV2", "MobileNetV2TSM", "OmniResNet", "UniFormerV2"})
#: Models that compute image by image and pass something on from one to the next, so that they count a clip's frames.
COUNTING = frozenset({"ResNetTSM", "MobileNetV2TSM", "ResNetTIN", "TANet", "TSMHead"})
#: Backbones whose patches leave out what does not fill them: how many pixels each way make one of the last patches.
#: UniFormer's patches have sides of 4, 2, 2 and 2 (Li et al. 2022, https://arxiv.org/abs/2201.04676).
PATCH_SIDES = {"UniFormer": 4 * 2 * 2 * 2}
#: MMAction2's `ResNet3dSlowFast` and `ResNet3d` where a configuration is silent.
_SLOWFAST_DEFAULTS = {"resample_rate": 8, "speed_ratio": 8, "channel_ratio": 8}
_PATHWAY_DEFAULTS = {"depth": 50, "base_channels": 64, "num_stages": 4}
#: From this depth on, a stage's features are four times as many as its convolutions'.
_FIRST_BOTTLENECK_DEPTH = 50


def fit_architecture(model: Any, spec: ClipSpec) -> None:
    """Write into a recognizer's configuration what its clips decide, and check that it can take them.

    Args:
        model: the `model` of a configuration.
        spec: what a clip is.

    Raises:
        ConfigError: if it cannot take such clips, with the value that would fit.
    """
    set_input_channels(model.backbone, spec.num_channels)
    set_length(model, spec.num_frames)
    check_length(model.backbone, spec.num_frames)
    check_size(model.backbone, spec.input_size)
    check_widths(model)
    check_layout(model)


def set_input_channels(backbone: Any, num_channels: int) -> None:
    """Give a backbone's stem, or those of its pathways, as many input channels as its clips have.

    Raises:
        ConfigError: if it takes three channels only.
    """
    for part in [backbone[name] for name in ("slow_pathway", "fast_pathway") if name in backbone] or [backbone]:
        key = CHANNEL_KEYS.get(_name_class(part), "in_channels")
        if num_channels != 3 and _name_class(part) in RGB_ONLY:
            raise ConfigError(
                f"model.backbone: a {_name_class(part)} takes clips of 3 channels, and these have {num_channels}",
                hint="--channels copy gives it three",
            )
        if num_channels != 3 or key in part:  # 3 is every backbone's default, and not each has the parameter
            part[key] = num_channels


def set_length(model: Any, num_frames: int) -> None:
    """Tell a backbone and a head that count the frames of a clip how many there are."""
    for part in (model.get("backbone"), model.get("cls_head")):
        if part is not None and _name_class(part) in COUNTING:
            part.num_segments = num_frames


def check_length(backbone: Any, num_frames: int) -> None:
    """Check that the features of a SlowFast's pathways meet frame by frame.

    Raises:
        ConfigError: if they do not.
    """
    if not _is_slowfast(backbone):
        return
    rate, ratio = (_read(backbone, _SLOWFAST_DEFAULTS, name) for name in ("resample_rate", "speed_ratio"))
    if min(rate, ratio) < 1 or rate % ratio:
        raise ConfigError(
            f"model.backbone has resample_rate {rate} and speed_ratio {ratio}, expected the second to divide the "
            "first: the fast pathway sees so many times the slow one's frames",
            hint=f"model.backbone.speed_ratio={max((part for part in range(1, ratio) if rate % part == 0), default=1)}",
        )
    if num_frames % rate:
        raise ConfigError(
            f"clip.num_frames is {num_frames}, expected a multiple of the backbone's resample_rate, {rate}",
            hint=f"--frames {_find_nearest_multiple(num_frames, rate)}",
        )


def check_size(backbone: Any, input_size: tuple[int, int]) -> None:
    """Check that the patches of a backbone cover the whole picture.

    Raises:
        ConfigError: if the last rows or columns would be left out, or there is not one patch.
    """
    side = PATCH_SIDES.get(_name_class(backbone))
    if side is None or not any(length % side for length in input_size):
        return
    fitting = "x".join(str(_find_nearest_multiple(length, side)) for length in input_size)
    raise ConfigError(
        f"clip.input_size is {input_size}, expected multiples of {side}: the patches of a "
        f"{_name_class(backbone)} leave out the rest",
        hint=f"--input-size {fitting}",
    )


def check_widths(model: Any) -> None:
    """Check that a SlowFast's fast pathway is as narrow as its connections expect, and its head as wide as both.

    Raises:
        ConfigError: if a width or a depth does not fit the others.
    """
    backbone = model.backbone
    if not _is_slowfast(backbone):
        return
    slow, fast = backbone.get("slow_pathway", {}), backbone.get("fast_pathway", {"base_channels": 8})
    (slow_width, fast_width), depths = (
        [_read(pathway, _PATHWAY_DEFAULTS, name) for pathway in (slow, fast)] for name in ("base_channels", "depth")
    )
    ratio = _read(backbone, _SLOWFAST_DEFAULTS, "channel_ratio")
    if slow.get("lateral", True) and slow_width != fast_width * ratio:
        raise ConfigError(
            f"model.backbone.fast_pathway.base_channels is {fast_width}, expected {slow_width / ratio:g}: that of the "
            f"slow pathway, {slow_width}, by channel_ratio, {ratio}",
            hint=f"model.backbone.slow_pathway.base_channels={fast_width * ratio} fits it too",
        )
    expansions = [4 if depth >= _FIRST_BOTTLENECK_DEPTH else 1 for depth in depths]
    if expansions[0] != expansions[1]:
        raise ConfigError(
            f"model.backbone: the slow pathway has depth {depths[0]}, the fast one {depths[1]}, expected blocks of one "
            f"kind: both below {_FIRST_BOTTLENECK_DEPTH}, or neither",
            hint=f"model.backbone.fast_pathway.depth={depths[0]}",
        )
    expected = (slow_width + fast_width) * expansions[0] * 2 ** (_read(slow, _PATHWAY_DEFAULTS, "num_stages") - 1)
    found = (model.get("cls_head") or {}).get("in_channels", expected)
    if found != expected:
        raise ConfigError(
            f"model.cls_head.in_channels is {found}, but both pathways together give {expected} features",
            hint=f"model.cls_head.in_channels={expected}",
        )


def check_layout(model: Any) -> None:
    """Check that a recognizer of images gets images, and one of clips clips.

    Raises:
        ConfigError: if our preprocessor gives it the other.
    """
    preprocessor = model.get("data_preprocessor") or {}
    found, expected = preprocessor.get("layout", "clip"), "images" if _name_class(model) == "Recognizer2D" else "clip"
    if "clip_spec" in preprocessor and found != expected:
        raise ConfigError(
            f"model.data_preprocessor.layout is {found!r}, expected {expected!r} for a {_name_class(model)}",
            hint=f"model.data_preprocessor.layout={expected}",
        )


def _is_slowfast(backbone: Any) -> bool:
    return _name_class(backbone).endswith("SlowFast")


def _name_class(node: Any) -> str:
    found = node.get("type")
    return (found if isinstance(found, str) else getattr(found, "__name__", "")).rpartition(".")[2]


def _read(node: Any, defaults: dict[str, int], name: str) -> int:
    return int(node.get(name, defaults[name]))


def _find_nearest_multiple(value: int, unit: int) -> int:
    return max(1, round(value / unit)) * unit
