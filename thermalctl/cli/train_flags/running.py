"""Flags of how a training runs on this machine."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

PANEL = "Running"

AmpOption = Annotated[bool, typer.Option("--amp", help="Mixed precision, on a GPU or a CPU.", rich_help_panel=PANEL)]
CompileOption = Annotated[
    bool,
    typer.Option("--compile", help="torch.compile: minutes at first, faster steps after.", rich_help_panel=PANEL),
]
ChannelsLastOption = Annotated[
    bool,
    typer.Option("--channels-last", help="Another layout in memory; with --amp on a GPU.", rich_help_panel=PANEL),
]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with the newest run, or with --work-dir, from its last checkpoint or from --load-from.",
        rich_help_panel=PANEL,
    ),
]
AccumulateOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Update after N steps: a batch N times as large, in the memory of one.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
GpusOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Train on N GPUs of this machine, each with --batch-size clips a step.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
NodesOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Machines, on each of which this same command runs; see --rendezvous.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
RendezvousOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="With --nodes: where they meet, on one of them.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
LauncherOption = Annotated[
    Literal["torchrun", "slurm"] | None,
    typer.Option(
        help="This process is one of those that torchrun or srun has started.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
ExtendEpochsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="With --resume: N epochs more than planned; the schedule is planned anew.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
SaveEveryOption = Annotated[
    int | None,
    typer.Option(
        metavar="STEPS",
        help="Save within epochs too, every so many steps.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Seed of every random draw.", rich_help_panel=PANEL, show_default=False),
]
CudnnBenchmarkOption = Annotated[
    bool | None,
    typer.Option(
        "--cudnn-benchmark/--no-cudnn-benchmark",
        help="Let cuDNN time its kernels and choose.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
DeterministicOption = Annotated[
    bool, typer.Option("--deterministic", help="Repeatable kernels only.", rich_help_panel=PANEL)
]
