"""What was measured, and how it compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from thermalctl.benchmarking.stock import GUIDE_RATES
from thermalctl.benchmarking.turns import Turn

EPOCHS = 100
#: What a step's time goes to. Each is timed apart from the others, so they add up to it but for the noise.
PARTS = ("wait", "prepare", "forward", "backward")


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times as fast as another, round by round in which both took their turns.

    Attributes:
        median: of the rounds.
        least: of them.
        most: of them.
    """

    median: float
    least: float
    most: float


@dataclass(frozen=True, kw_only=True)
class DataRow:
    """A data path.

    Attributes:
        name: whose.
        in_memory: whether decoded frames were held in memory.
        read_s: seconds a clip from the disk to what goes to the device.
        prepare_s: seconds a clip on the device, to the model's input.
        clips_per_second: of both halves together.
        bytes_per_clip: to the device.
        speedup: over stock MMAction2 that reads in the same way.
    """

    name: str
    in_memory: bool
    read_s: float
    prepare_s: float
    clips_per_second: float
    bytes_per_clip: int
    speedup: Ratio


@dataclass(frozen=True, kw_only=True)
class TrainRow:
    """A training.

    Attributes:
        name: whose.
        clips_per_second: of training end to end, without validation.
        wait_share: of that time, the part in which a step waited for its clips.
        prepare_share: the part in which they were made ready on the device.
        forward_share: the part in which the network and the loss were computed.
        backward_share: the part in which gradients and update were.
        convolution_share: of the last two, the part in convolutions.
        ready_share: its speed in terms of that on clips that are on the device, made ready.
        peak_bytes: memory of a step.
        hours: for 100 epochs of the train split, without validation.
        speedup: over the first row, end to end.
        step_speedup: the same of the network's step alone.
        bound_by: what it would have to do faster.
    """

    name: str
    clips_per_second: float
    wait_share: float
    prepare_share: float
    forward_share: float
    backward_share: float
    convolution_share: float
    ready_share: float
    peak_bytes: int
    hours: float
    speedup: Ratio
    step_speedup: Ratio
    bound_by: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it was measured.

    Attributes:
        device: the GPU's name, or the processor's.
        threads: of torch, on a CPU.
        torch: its version.
        clock: what seconds are.
    """

    device: str
    threads: int
    torch: str
    clock: str


@dataclass(frozen=True, kw_only=True)
class DataBenchmark:
    """All data paths, of one run."""

    machine: Machine
    num_clips: int
    num_rounds: int
    rows: tuple[DataRow, ...]


@dataclass(frozen=True, kw_only=True)
class TrainBenchmark:
    """All trainings, of one run.

    Attributes:
        machine: where.
        batch_size: clips in a step.
        num_workers: processes that read.
        num_steps: timed in each round.
        num_rounds: of each.
        num_train: clips in the train split.
        rows: what was measured.
        guide_hours: for 100 epochs of that split by what the guide says of its machines.
    """

    machine: Machine
    batch_size: int
    num_workers: int
    num_steps: int
    num_rounds: int
    num_train: int
    rows: tuple[TrainRow, ...]
    guide_hours: dict[str, float]


def compare_rounds(seconds: Sequence[float], reference: Sequence[float]) -> Ratio:
    """Return how many times as fast it is as the reference, paired by round."""
    ratios = sorted(theirs / ours for ours, theirs in zip(seconds, reference, strict=True))
    return Ratio(median=median(ratios), least=ratios[0], most=ratios[-1])


def summarise_data(name: str, in_memory: bool, turns: Sequence[Turn], reference: Sequence[Turn]) -> DataRow:
    """Return a data path's row, compared with a reference's turns."""
    ours, theirs = ([turn["read_s"] + turn["prepare_s"] for turn in one] for one in (turns, reference))
    return DataRow(
        name=name,
        in_memory=in_memory,
        read_s=median(turn["read_s"] for turn in turns),
        prepare_s=median(turn["prepare_s"] for turn in turns),
        clips_per_second=1 / median(ours),
        bytes_per_clip=round(turns[0]["num_bytes"]),
        speedup=compare_rounds(ours, theirs),
    )


def summarise_train(
    name: str, turns: Sequence[Turn], reference: Sequence[Turn], *, batch_size: int, num_train: int
) -> TrainRow:
    """Return a training's row, compared with a reference's turns."""
    whole, their_whole = ([turn["wait_s"] + turn["step_s"] for turn in one] for one in (turns, reference))
    network, their_network = ([turn["forward_s"] + turn["backward_s"] for turn in one] for one in (turns, reference))
    parts = [sum(turn[f"{part}_s"] for part in PARTS) for turn in turns]
    shares = {
        part: median(turn[f"{part}_s"] / all_parts for turn, all_parts in zip(turns, parts, strict=True))
        for part in PARTS
    }
    convolution_share = median(turn["convolution_share"] for turn in turns)
    clips_per_second = batch_size / median(whole)
    return TrainRow(
        name=name,
        clips_per_second=clips_per_second,
        wait_share=shares["wait"],
        prepare_share=shares["prepare"],
        forward_share=shares["forward"],
        backward_share=shares["backward"],
        convolution_share=convolution_share,
        ready_share=median(ready / all_of_it for ready, all_of_it in zip(network, whole, strict=True)),
        peak_bytes=round(max(turn["peak_bytes"] for turn in turns)),
        hours=count_hours(num_train, clips_per_second),
        speedup=compare_rounds(whole, their_whole),
        step_speedup=compare_rounds(network, their_network),
        bound_by=find_bound(shares, convolution_share),
    )


def find_bound(shares: dict[str, float], convolution_share: float) -> str:
    """Return what takes most of the time."""
    network = shares["forward"] + shares["backward"]
    parts = {"reading clips": shares["wait"], "preparing clips": shares["prepare"], "the network": network}
    largest = max(parts, key=lambda part: parts[part])
    if largest != "the network":
        return f"{largest} ({parts[largest]:.0%})"
    return f"the network ({network:.0%}), of which convolutions {convolution_share:.0%}"


def count_hours(num_clips: int, clips_per_second: float) -> float:
    """Return the hours of 100 epochs."""
    return EPOCHS * num_clips / clips_per_second / 3600


def list_guide_hours(num_clips: int) -> dict[str, float]:
    """Return the hours of 100 epochs at the speeds that the guide has of its machines."""
    return {machine: count_hours(num_clips, rate) for machine, rate in GUIDE_RATES.items()}
