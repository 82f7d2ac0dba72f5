"""What each choice of training is worth on a dataset: same seeds, same epochs, the last epoch judged, nothing selected.

    python benchmarks/training_choices.py --data DIR --output results            # all rows, both contests
    python benchmarks/training_choices.py --data DIR --output results --only base --only mixup --contest given
    python benchmarks/training_choices.py --data DIR --output results --table    # of what is there; nothing is run

Two contests: "given", the dataset's own split, and "sessions", one session held out after the other and all judged
clips taken as one. Every (contest, row, seed) is a file in the output folder, so a stopped benchmark goes on where it
was; a file that was made with other flags or epochs is an error and not a result. Each training is a process of its
own. The table is Markdown.

How to read it: ± is the standard deviation over seeds. A difference is taken clip by clip against the row's base, mean
over seeds; its p is that of a test that swaps the two models' answers at random, clip by clip. Neighbouring clips are
alike and seeds are few, so p is too small rather than too large: a difference within the ± of its seeds is none,
whatever its p. Seconds are those of one result, which over sessions is a training for each fold.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from paired_scores import Answers, compare, gather

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.resplit import resplit_into_folds
from thermalctl.dataset.samples import load_dataset
from thermalctl.evaluation.predictions import read_predictions
from thermalctl.files import write_json

CONFIG = "slowfast-tiny"
CONTESTS = ("given", "sessions")
NUM_FOLDS = 2
WINDOW_FRAMES = 64
FOLDS_SEED = 42


@dataclass(frozen=True)
class Row:
    """A choice: its name, the flags of `thermalctl train` that make it, and the row it differs from by just them."""

    name: str
    flags: str = ""
    base: str | None = "base"


ROWS = (
    Row("base", base=None),
    Row("person", "--target person", base=None),  # other clips are judged, so nothing to compare with clip by clip
    Row("uniform time", "--time uniform --seconds 10"),
    Row("inverse weights", "--class-weights inverse"),
    Row("effective weights", "--class-weights effective"),
    Row("focal", "--loss focal"),
    Row("balanced softmax", "--loss balanced-softmax"),
    Row("logit-adjusted", "--loss logit-adjusted"),
    Row("label smoothing", "--label-smoothing 0.1"),
    Row("balanced sampler", "--sampler balanced"),
    Row("sqrt sampler", "--sampler sqrt"),
    Row("oversample", "--oversample 2.0"),  # twice the steps, and so twice the time, of the same epochs
    Row("augment none", "--augment none"),
    Row("augment light", "--augment light"),
    Row("augment guide", "--augment guide"),
    Row("augment overhead", "--augment overhead"),
    Row("mixup", "--mix mixup"),
    Row("cutmix", "--mix cutmix"),
    Row("cuboid", "--mix cuboid"),
    Row("temporal crop", "--temporal-crop 0.9"),
    Row("ema", "--ema 0.99"),
    Row("motion", "--channels motion"),
    Row("slowfast-small", "--config slowfast-small"),
    Row("person overhead", "--target person --augment overhead", base="person"),
    Row("person balanced softmax", "--target person --loss balanced-softmax", base="person"),
)


@dataclass(frozen=True)
class Task:
    """One training (or one for each fold) whose result is one file."""

    contest: str
    row: Row
    seed: int

    def file(self, output: Path) -> Path:
        """Return where the result goes."""
        return output / self.contest / self.row.name.replace(" ", "-") / f"seed-{self.seed}.json"


def main() -> int:
    arguments = parse_arguments()
    rows = [row for row in ROWS if not arguments.only or row.name in arguments.only]
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    contests = arguments.contest or list(CONTESTS)
    # Seed after seed, so that a benchmark stopped half way has all rows with fewer seeds.
    tasks = [Task(contest, row, seed) for seed, contest, row in product(seeds, contests, rows)]
    num_failed = 0
    if not arguments.table:
        num_failed = carry_out(tasks, arguments)
    for contest in contests:
        print("\n".join(make_table(contest, rows, seeds, arguments)), end="\n\n")
    return int(num_failed > 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the dataset; it is only read")
    parser.add_argument("--output", type=Path, required=True, help="where results go, and are found again")
    parser.add_argument("--epochs", type=int, default=30, help="of every training, fixed beforehand")
    parser.add_argument("--seeds", default="42,123,456")
    parser.add_argument("--contest", action="append", choices=CONTESTS, help="default: both")
    parser.add_argument("--only", action="append", choices=[row.name for row in ROWS], help="a row; can be repeated")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once")
    parser.add_argument("--threads", type=int, default=1, help="of each training")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--table", action="store_true", help="print the tables of what is there")
    parser.add_argument("--cfg-options", nargs="*", default=[], metavar="KEY=VALUE", help="for every training")
    return parser.parse_args()


def carry_out(tasks: Sequence[Task], arguments: argparse.Namespace) -> int:
    """Train what has no result yet; return how many failed."""
    missing = [task for task in tasks if read_result(task, arguments) is None]
    folders = {contest: list_datasets(contest, arguments) for contest in {task.contest for task in missing}}
    num_failed = 0
    pool = ThreadPoolExecutor(arguments.jobs)
    try:
        done = pool.map(lambda task: train_and_judge(task, folders[task.contest], arguments), missing)
        for number, (task, problem) in enumerate(zip(missing, done, strict=True), start=1):
            num_failed += problem is not None
            what = f"{number}/{len(missing)}  {task.contest}  {task.row.name}  seed {task.seed}"
            print(f"{what}  {problem or 'done'}", file=sys.stderr, flush=True)
    finally:
        pool.shutdown(cancel_futures=True)  # stopped with Ctrl-C, what waits is not begun
    return num_failed


def list_datasets(contest: str, arguments: argparse.Namespace) -> list[Path]:
    """Return the dataset folders of a contest; folds are written once, their recordings linked."""
    if contest == "given":
        return [arguments.data]
    output = arguments.output / "folds"
    folds = [output / f"fold_{number}" for number in range(1, NUM_FOLDS + 1)]
    if not all(DatasetLayout(fold).is_dataset() for fold in folds):
        dataset = load_dataset(DatasetLayout(arguments.data))
        resplit_into_folds(
            dataset, output, "session", num_folds=NUM_FOLDS, seed=FOLDS_SEED, window_frames=WINDOW_FRAMES, force=True
        )
    return folds


def train_and_judge(task: Task, datasets: Sequence[Path], arguments: argparse.Namespace) -> str | None:
    """Write a task's result; return why there is none."""
    result: dict[str, Any] = {"task": describe(task, arguments), "seconds": 0.0}
    result |= {"sample_ids": [], "labels": [], "predicted": []}
    for data in datasets:
        with tempfile.TemporaryDirectory(prefix="choice-") as folder:
            run, answers = Path(folder) / "run", Path(folder) / "answers.npz"
            try:
                trained = call("train", *list_flags(task, data, run, arguments))
                judged = {"--data": data, "--output": answers, "--device": arguments.device}
                call("test", str(run), "--last", *spell(judged))
            except subprocess.CalledProcessError as error:
                return f"failed: {error.stderr.strip()[-500:]}"
            predictions = read_predictions(answers)
        result["seconds"] += json.loads(trained)["seconds"]
        result["sample_ids"] += predictions.sample_ids
        result["labels"] += predictions.labels.tolist()
        result["predicted"] += predictions.scores.argmax(axis=1).tolist()
    write_json(task.file(arguments.output), result)
    return None


def list_flags(task: Task, data: Path, work_dir: Path, arguments: argparse.Namespace) -> list[str]:
    config = [] if "--config" in task.row.flags else ["--config", CONFIG]
    fixed = {"--data": data, "--work-dir": work_dir, "--epochs": arguments.epochs, "--seed": task.seed}
    flags = [*config, *spell(fixed | {"--device": arguments.device}), *task.row.flags.split()]
    return [*flags, "--cfg-options", *list_pairs(arguments)]  # which take all that follows


def spell(flags: Mapping[str, object]) -> list[str]:
    return [str(part) for pair in flags.items() for part in pair]


def list_pairs(arguments: argparse.Namespace) -> list[str]:
    """Return what every training has besides: it is validated and saved at its end only."""
    intervals = ("train_cfg.val_interval", "default_hooks.checkpoint.interval")
    at_the_end = [f"{key}={arguments.epochs}" for key in intervals]
    return [*at_the_end, f"cpu_threads={arguments.threads}", *arguments.cfg_options]


def call(*arguments: str) -> str:
    command = [sys.executable, "-m", "thermalctl", arguments[0], "--json", *arguments[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def describe(task: Task, arguments: argparse.Namespace) -> dict[str, object]:
    """Return what decides a result; threads and jobs do not."""
    asked = {"contest": task.contest, "row": task.row.name, "flags": task.row.flags, "seed": task.seed}
    return asked | {"epochs": arguments.epochs, "cfg_options": arguments.cfg_options}


def read_result(task: Task, arguments: argparse.Namespace) -> dict[str, Any] | None:
    path = task.file(arguments.output)
    if not path.is_file():
        return None
    result = json.loads(path.read_text())
    for name, asked in describe(task, arguments).items():
        if result["task"].get(name) != asked:
            sys.exit(f"{path}: has {name} {result['task'].get(name)}, asked for is {asked}; use another --output")
    return result


def collect(contest: str, row: Row, seeds: Sequence[int], arguments: argparse.Namespace) -> Answers | None:
    """Return what a row's models answered, over the seeds that are there; None without any."""
    found = {seed: read_result(Task(contest, row, seed), arguments) for seed in seeds}
    results = {seed: result for seed, result in found.items() if result is not None}
    return gather(results) if results else None


def make_table(contest: str, rows: Sequence[Row], seeds: Sequence[int], arguments: argparse.Namespace) -> list[str]:
    """Return the lines of a contest's table."""
    answers = {row.name: collect(contest, row, seeds, arguments) for row in ROWS}
    lines = [
        f"**{contest}**: {arguments.epochs} epochs, seeds {', '.join(map(str, seeds))}; scores in %, of the last epoch",
        "",
        "| choice | flags | seeds | clips | top-1 | mean class | Δ top-1 | p | Δ mean class | p | seconds |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    num_compared = 0
    for row in rows:
        found, base = answers[row.name], answers[row.base] if row.base else None
        if found is None:
            continue
        cells = [row.name, f"`{row.flags}`" if row.flags else "", str(len(found.top1)), str(len(found.labels))]
        cells += [describe_scores(list(scores.values())) for scores in (found.top1, found.mean_class)]
        if base is None:
            cells += [""] * 4
        else:
            num_compared += 2
            for score in ("top1", "mean_class"):
                difference = compare(found, base, score)
                cells += [describe_number(difference.mean, difference.std, sign="+"), f"{difference.p:.3f}"]
        lines.append(f"| {' | '.join([*cells, f'{found.seconds:.0f}'])} |")
    by_chance = f"{0.05 * num_compared:.1f} of {num_compared} p would be below 0.05 by chance alone."
    return [*lines, "", by_chance] if num_compared else lines


def describe_scores(scores: Sequence[float]) -> str:
    return describe_number(float(np.mean(scores)), float(np.std(scores, ddof=1)) if len(scores) > 1 else None)


def describe_number(mean: float, std: float | None, *, sign: str = "") -> str:
    return f"{100 * mean:{sign}.1f}" + ("" if std is None else f" ± {100 * std:.1f}")


if __name__ == "__main__":
    sys.exit(main())
