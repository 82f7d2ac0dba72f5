"""Flags of what training varies in its clips, how it mixes them, and which pictures the model sees of them."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

PANEL = "Augmentation"
#: Of the two that change the clip itself, not how it varies.
INPUT_PANEL = "Clips"

AugmentOption = Annotated[
    Literal["none", "light", "guide", "overhead"] | None,
    typer.Option(
        metavar="PRESET", help="none, light, guide, overhead (from above).", rich_help_panel=PANEL, show_default=False
    ),
]
CropAreaOption = Annotated[
    float | None,
    typer.Option(
        metavar="MIN", help="A random crop of MIN to 1 of the area.", rich_help_panel=PANEL, show_default=False
    ),
]
FlipOption = Annotated[
    float | None,
    typer.Option(metavar="P", help="How often to mirror left-right.", rich_help_panel=PANEL, show_default=False),
]
FlipVerticalOption = Annotated[
    float | None,
    typer.Option(
        metavar="P", help="How often up-down: for a ceiling camera.", rich_help_panel=PANEL, show_default=False
    ),
]
QuarterTurnsOption = Annotated[
    float | None,
    typer.Option(metavar="P", help="How often to turn by 90, 180 or 270 °.", rich_help_panel=PANEL, show_default=False),
]
OffsetCOption = Annotated[
    float | None,
    typer.Option(
        metavar="D", help="Up to D °C warmer or colder: other rooms.", rich_help_panel=PANEL, show_default=False
    ),
]
GainOption = Annotated[
    float | None,
    typer.Option(
        metavar="G", help="Contrast times 1-G to 1+G: other sensors.", rich_help_panel=PANEL, show_default=False
    ),
]
NoiseCOption = Annotated[
    float | None,
    typer.Option(metavar="D", help="Noise of D °C; a still pixel has 0.25.", rich_help_panel=PANEL, show_default=False),
]
RowDropoutOption = Annotated[
    float | None,
    typer.Option(metavar="P", help="A frame loses rows: for lost packets.", rich_help_panel=PANEL, show_default=False),
]
EraseOption = Annotated[
    float | None,
    typer.Option(
        metavar="P", help="Hide a part: if one spot gives all away.", rich_help_panel=PANEL, show_default=False
    ),
]
EraseModeOption = Annotated[
    Literal["rectangle", "cuboid"] | None,
    typer.Option(
        metavar="MODE", help="rectangle, or cuboid: for some frames only.", rich_help_panel=PANEL, show_default=False
    ),
]
TemporalJitterOption = Annotated[
    float | None,
    typer.Option(
        metavar="FRAMES", help="Earlier or later: keyframes are not exact.", rich_help_panel=PANEL, show_default=False
    ),
]
TemporalCropOption = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", help="A part of the clip; the guide's is 0.9.", rich_help_panel=PANEL, show_default=False
    ),
]
SpeedOption = Annotated[
    float | None,
    typer.Option(
        metavar="S", help="Up to 1+S faster or slower: other rates.", rich_help_panel=PANEL, show_default=False
    ),
]
FrameDropoutOption = Annotated[
    float | None,
    typer.Option(
        metavar="P", help="A frame repeats: for a sensor that stalls.", rich_help_panel=PANEL, show_default=False
    ),
]
MixOption = Annotated[
    Literal["none", "mixup", "cutmix", "cuboid", "mixup+cutmix", "mixup+cuboid"] | None,
    typer.Option(
        metavar="MODE",
        help="none, mixup, cutmix, cuboid (cutmix in time too), mixup+cutmix, mixup+cuboid.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
MixupAlphaOption = Annotated[
    float | None,
    typer.Option(metavar="A", help="More for evener mixes. Default: 0.2.", rich_help_panel=PANEL, show_default=False),
]
CutmixAlphaOption = Annotated[
    float | None,
    typer.Option(metavar="A", help="Of cutmix and cuboid. Default: 1.0.", rich_help_panel=PANEL, show_default=False),
]
MixProbabilityOption = Annotated[
    float | None,
    typer.Option(
        metavar="P", help="How often to mix a batch. Default: 0.5.", rich_help_panel=PANEL, show_default=False
    ),
]
InputSizeOption = Annotated[
    str | None,
    typer.Option(
        metavar="HxW", help="Pixels of the model's input, as in 64x96.", rich_help_panel=INPUT_PANEL, show_default=False
    ),
]
ChannelsOption = Annotated[
    Literal["copy", "fold", "motion"] | None,
    typer.Option(
        metavar="NAME",
        help="copy, fold (one), motion (what moves, too).",
        rich_help_panel=INPUT_PANEL,
        show_default=False,
    ),
]
