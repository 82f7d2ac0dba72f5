"""How right trained models are: the same seeds and epochs for all, the last epoch judged, nothing selected.

    python benchmarks/accuracy/run.py --data DIR                             # all rows of recipes.yaml, three seeds
    python benchmarks/accuracy/run.py --data DIR --only "slowfast-tiny"      # one of them
    python benchmarks/accuracy/run.py --rows choices.yaml --data DIR         # the single choices of docs/training.md
    python benchmarks/accuracy/run.py --table                                # tables of what is there; nothing is run
    python benchmarks/accuracy/run.py --table --write docs/accuracy.md

A row is a training: flags of `thermalctl train`, and what it is compared with. Four contests: the dataset's own split
("given") or one session held out after the other, all judged clips taken as one ("sessions"); and keyframes as a whole
("frame") or each person in them ("person"). A model of people takes part in both of the latter: a keyframe's label
follows from what everyone in it does, `thermalctl test --target frame`. There it is told where people are, which a
model of frames is not; so a row with `finds_people` is judged a third time ("found"), on the people that `thermalctl
predict` finds in the recording by itself.

Each (split, row, seed) is a file in the folder of results, so a stopped run goes on where it was; a file that was made
with other flags or epochs is an error and not a result. Each training is a process of its own.

How to read a table: ± is the standard deviation over seeds; the interval is the mean of the seeds over keyframes drawn
anew, 95 %. A difference is taken clip by clip against the row's base, mean over seeds; its p is that of a test that
swaps the two models' answers at random, clip by clip. Neighbouring clips are alike and seeds are few, so intervals are
too narrow and p too small rather than the other way: a difference within the ± of its seeds is none, whatever its p.
Seconds are those of one result, which over sessions is a training for each fold.
"""

from __future__ import annotations

import argparse
import dataclasses
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
import yaml
from numpy.typing import NDArray
from paired_scores import Answers, compare, find_bounds, gather

from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.resplit import resplit_into_folds
from thermalctl.dataset.samples import load_dataset
from thermalctl.deploy.clip_models import ModelChoice, find_model
from thermalctl.evaluation.frames_of_people import find_label_probabilities
from thermalctl.evaluation.predictions import Predictions, read_predictions
from thermalctl.files import replace_file
from thermalctl.prediction.single import predict_frame

FOLDER = Path(__file__).parent
CONFIG = "slowfast-tiny"
SPLITS = ("given", "sessions")
TARGETS = ("frame", "found", "person")
NUM_FOLDS = 2
WINDOW_FRAMES = 64
FOLDS_SEED = 42
#: What stands around a table that is written anew.
BEGIN, END = "<!-- measured: {} -->", "<!-- end -->"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A training.

    Attributes:
        name: of the row.
        flags: of `thermalctl train`, beside the dataset, the seed and the epochs.
        test_flags: of `thermalctl test`.
        finds_people: whether keyframes are judged by the people that are found in them, too.
        base: the row that it is compared with; None for none.
        epochs: how long it trains.
    """

    name: str
    flags: str = ""
    test_flags: str = ""
    finds_people: bool = False
    base: str | None = None
    epochs: int


@dataclass(frozen=True)
class Task:
    """One training (or one for each fold) whose result is one file."""

    split: str
    row: Row
    seed: int

    def file(self, results: Path) -> Path:
        """Return where the result goes."""
        return results / self.split / self.row.name.replace(" ", "-") / f"seed-{self.seed}.json"


def main() -> int:
    arguments = parse_arguments()
    all_rows = read_rows(arguments.rows, arguments.epochs)
    rows = [row for row in all_rows if not arguments.only or row.name in arguments.only]
    unknown = set(arguments.only or []) - {row.name for row in rows}
    if unknown:
        sys.exit(f"{arguments.rows.name} has no {sorted(unknown)[0]}; it has {', '.join(row.name for row in all_rows)}")
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    splits = arguments.split or list(SPLITS)
    # Seed after seed, so that a benchmark stopped half way has all rows with fewer seeds.
    tasks = [Task(split, row, seed) for seed, split, row in product(seeds, splits, rows)]
    num_failed = 0 if arguments.table else carry_out(tasks, arguments)
    tables = {
        f"{split} {target}": make_table(split, target, all_rows, rows, seeds, arguments)
        for split, target in product(splits, TARGETS)
    }
    if arguments.write:
        page = arguments.write.read_text(encoding="utf-8")
        for name, lines in tables.items():
            page = replace_table(page, name, "\n".join(lines))
        arguments.write.write_text(page, encoding="utf-8")
    else:
        print("\n\n".join("\n".join([f"**{name}**", "", *lines]) for name, lines in tables.items() if lines))
    return int(num_failed > 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the dataset; it is only read")
    parser.add_argument(
        "--rows", type=Path, default=FOLDER / "recipes.yaml", help="the trainings. Default: recipes.yaml"
    )
    parser.add_argument("--results", type=Path, help="where results go, and are found again. Default: results/ROWS")
    parser.add_argument("--epochs", type=int, help="of every training, in place of the rows' own")
    parser.add_argument("--seeds", default="42,123,456")
    parser.add_argument("--split", action="append", choices=SPLITS, help="default: both")
    parser.add_argument("--only", action="append", metavar="ROW", help="can be repeated")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once")
    parser.add_argument("--threads", type=int, default=1, help="of each training")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--table", action="store_true", help="print the tables of what is there")
    parser.add_argument("--write", type=Path, help="the page whose tables are replaced")
    parser.add_argument("--cfg-options", nargs="*", default=[], metavar="KEY=VALUE", help="for every training")
    arguments = parser.parse_args()
    if not arguments.rows.is_file():
        arguments.rows = FOLDER / arguments.rows
    if arguments.results is None:
        arguments.results = FOLDER / "results" / arguments.rows.stem
    if arguments.data is None and not arguments.table:
        parser.error("--data or --table")
    return arguments


def read_rows(path: Path, epochs: int | None) -> list[Row]:
    """Return the rows of a file, all trained for `epochs` if that is given."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    rows = [
        Row(**{"epochs": content["epochs"]} | row | ({"epochs": epochs} if epochs else {})) for row in content["rows"]
    ]
    names = [row.name for row in rows]
    wrong = [row.base for row in rows if row.base not in (None, *names)]
    if wrong or len(set(names)) != len(names):
        sys.exit(f"{path}: {f'there is no row {wrong[0]}' if wrong else 'two rows have the same name'}")
    return rows


def carry_out(tasks: Sequence[Task], arguments: argparse.Namespace) -> int:
    """Train what has no result yet; return how many failed."""
    missing = [task for task in tasks if read_result(task, arguments) is None]
    num_failed = 0
    with tempfile.TemporaryDirectory(prefix="accuracy-") as folder:
        folders = {
            split: list_datasets(split, arguments.data, Path(folder)) for split in {task.split for task in missing}
        }
        pool = ThreadPoolExecutor(arguments.jobs)
        try:
            done = pool.map(lambda task: train_and_judge(task, folders[task.split], arguments), missing)
            for number, (task, problem) in enumerate(zip(missing, done, strict=True), start=1):
                num_failed += problem is not None
                what = f"{number}/{len(missing)}  {task.split}  {task.row.name}  seed {task.seed}"
                print(f"{what}  {problem or 'done'}", file=sys.stderr, flush=True)
        finally:
            pool.shutdown(cancel_futures=True)  # stopped with Ctrl-C, what waits is not begun
    return num_failed


def list_datasets(split: str, data: Path, folder: Path) -> list[Path]:
    """Return the dataset folders of a split; folds are written into `folder`, their recordings linked."""
    if split == "given":
        return [data]
    dataset = load_dataset(DatasetLayout(data))
    resplit_into_folds(
        dataset, folder, "session", num_folds=NUM_FOLDS, seed=FOLDS_SEED, window_frames=WINDOW_FRAMES, force=True
    )
    return [folder / f"fold_{number}" for number in range(1, NUM_FOLDS + 1)]


def train_and_judge(task: Task, datasets: Sequence[Path], arguments: argparse.Namespace) -> str | None:
    """Write a task's result; return why there is none."""
    seconds = 0.0
    targets: dict[str, dict[str, Any]] = {}
    for data in datasets:
        with tempfile.TemporaryDirectory(prefix="choice-") as folder:
            run, answers = Path(folder) / "run", Path(folder) / "answers.npz"
            test = [
                "test",
                str(run),
                "--last",
                *spell({"--data": data, "--output": answers, "--device": arguments.device}),
            ]
            test += task.row.test_flags.split()
            try:
                seconds += json.loads(call("train", *list_flags(task, data, run, arguments)))["seconds"]
                call(*test)
                predictions = read_predictions(answers)
                if "#" not in predictions.sample_ids[0]:
                    add_answers(targets, "frame", predictions)
                else:
                    add_answers(targets, "person", predictions)
                    call(*test, "--target", "frame")
                    of_frames = read_predictions(answers)
                    add_answers(targets, "frame", of_frames)
                    if task.row.finds_people:
                        scores = judge_found(run, data, arguments.device)
                        add_answers(targets, "found", dataclasses.replace(of_frames, scores=scores, logits=None))
            except subprocess.CalledProcessError as error:
                return f"failed: {error.stderr.strip()[-500:]}"
    result = {"task": describe(task, arguments), "seconds": seconds, "targets": targets}
    with replace_file(task.file(arguments.results)) as path:
        path.write_text(json.dumps(result, separators=(",", ":")) + "\n", encoding="utf-8")
    return None


def judge_found(run: Path, data: Path, device: str) -> NDArray[np.float64]:
    """Return the label probabilities of the val keyframes, (N, K), by the people who are found in the recordings."""
    dataset = load_dataset(DatasetLayout(data))
    model = ModelChoice(path=find_model(run, last=True), device=device).load()
    scores = []
    for frame in dataset.samples("val"):
        people = predict_frame(model, dataset.layout.recording_file(frame.recording), frame.keyframe)
        scores.append(
            find_label_probabilities(np.stack([person.probabilities for person in people]).astype(np.float64))
        )
    return np.stack(scores)


def add_answers(targets: dict[str, dict[str, Any]], target: str, predictions: Predictions) -> None:
    """Add what was answered on a fold's clips, by the model and by what needs none."""
    found = targets.setdefault(target, {"sample_ids": [], "labels": [], "predicted": [], "references": {}})
    found["sample_ids"] += predictions.sample_ids
    found["labels"] += predictions.labels.tolist()
    found["predicted"] += predictions.scores.argmax(axis=1).tolist()
    for name, answers in predictions.references.items():
        found["references"].setdefault(name, []).extend(answers.tolist())


def list_flags(task: Task, data: Path, work_dir: Path, arguments: argparse.Namespace) -> list[str]:
    config = [] if "--config" in task.row.flags else ["--config", CONFIG]
    fixed = {"--data": data, "--work-dir": work_dir, "--epochs": task.row.epochs, "--seed": task.seed}
    flags = [*config, *spell(fixed | {"--device": arguments.device}), *task.row.flags.split()]
    return [*flags, "--cfg-options", *list_pairs(task.row.epochs, arguments)]  # which take all that follows


def spell(flags: Mapping[str, object]) -> list[str]:
    return [str(part) for pair in flags.items() for part in pair]


def list_pairs(epochs: int, arguments: argparse.Namespace) -> list[str]:
    """Return what every training has besides: it is validated and saved at its end only."""
    intervals = ("train_cfg.val_interval", "default_hooks.checkpoint.interval")
    return [*(f"{key}={epochs}" for key in intervals), f"cpu_threads={arguments.threads}", *arguments.cfg_options]


def call(*arguments: str) -> str:
    command = [sys.executable, "-m", "thermalctl", arguments[0], "--json", *arguments[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def describe(task: Task, arguments: argparse.Namespace) -> dict[str, object]:
    """Return what decides a result; threads and jobs do not."""
    row = task.row
    asked = {"split": task.split, "row": row.name, "flags": row.flags, "test_flags": row.test_flags}
    asked |= {"finds_people": row.finds_people, "seed": task.seed}
    return asked | {"epochs": row.epochs, "cfg_options": arguments.cfg_options}


def read_result(task: Task, arguments: argparse.Namespace) -> dict[str, Any] | None:
    path = task.file(arguments.results)
    if not path.is_file():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for name, asked in describe(task, arguments).items():
        if result["task"].get(name) != asked:
            sys.exit(f"{path}: has {name} {result['task'].get(name)}, asked for is {asked}; use another --results")
    return result


def collect(split: str, target: str, row: Row, seeds: Sequence[int], arguments: argparse.Namespace) -> Answers | None:
    """Return what a row's models answered, over the seeds that are there; None without any."""
    found = {seed: read_result(Task(split, row, seed), arguments) for seed in seeds}
    results = {
        seed: result["targets"][target] | {"seconds": result["seconds"]}
        for seed, result in found.items()
        if result is not None and target in result["targets"]
    }
    return gather(results) if results else None


def make_table(
    split: str,
    target: str,
    all_rows: Sequence[Row],
    rows: Sequence[Row],
    seeds: Sequence[int],
    arguments: argparse.Namespace,
) -> list[str]:
    """Return the lines of a contest's table; none where nothing is there."""
    answers = {row.name: collect(split, target, row, seeds, arguments) for row in all_rows}
    shown = [(row, found) for row in rows if (found := answers[row.name]) is not None]
    if not shown:
        return []
    bases = {row.name: answers[row.base] for row, _ in shown if row.base and answers[row.base] is not None}
    compared = ["Δ top-1", "p", "Δ mean class", "p"] if bases else []
    heads = ["training", "flags", "epochs", "seeds", "top-1", "95 %", "mean class", "95 %", *compared, "s"]
    table = [heads, ["---", "---", *["---:"] * (len(heads) - 2)]]
    for name, reference in shown[0][1].references.items():
        cells = [f"*{name}*", "", "", "", *describe_answers(reference)]
        table.append([*cells, *[""] * (len(heads) - len(cells))])
    for row, found in shown:
        flags = f"`{row.flags}`" + (f", test `{row.test_flags}`" if row.test_flags else "") if row.flags else ""
        cells = [row.name, flags, str(row.epochs), str(len(found.top1)), *describe_answers(found)]
        base = bases.get(row.name)
        cells += [""] * len(compared) if base is None else describe_difference(found, base)
        table.append([*cells, f"{found.seconds:.0f}"])
    remark = f"{len(shown[0][1].labels)} clips."
    if bases:
        num_compared = 2 * len(bases)
        remark += f" {0.05 * num_compared:.1f} of {num_compared} p would be below 0.05 by chance alone."
    return [*(f"| {' | '.join(cells)} |" for cells in table), "", remark]


def describe_difference(found: Answers, base: Answers) -> list[str]:
    """Return the cells of how far both scores are from a base's, in points of %, and whether that may be chance."""
    cells = []
    for score in ("top1", "mean_class"):
        difference = compare(found, base, score)
        cells += [describe_number(difference.mean, difference.std, sign="+"), f"{difference.p:.3f}"]
    return cells


def describe_answers(answers: Answers) -> list[str]:
    """Return the cells of both scores and their intervals, in %."""
    cells = []
    for score in ("top1", "mean_class"):
        values = list(getattr(answers, score).values())
        low, high = find_bounds(answers, score)
        std = float(np.std(values, ddof=1)) if len(values) > 1 else None
        cells += [describe_number(float(np.mean(values)), std), f"{100 * low:.0f} to {100 * high:.0f}"]
    return cells


def describe_number(mean: float, std: float | None, *, sign: str = "") -> str:
    return f"{100 * mean:{sign}.1f}" + ("" if std is None else f" ± {100 * std:.1f}")


def replace_table(page: str, name: str, table: str) -> str:
    """Return the page with what stands between a table's marks replaced."""
    begin = BEGIN.format(name)
    before, found, after = page.partition(begin)
    if not found or END not in after:
        sys.exit(f"the page has no {begin} with {END} after it")
    return f"{before}{begin}\n{table}\n{after[after.index(END) :]}"


if __name__ == "__main__":
    sys.exit(main())
