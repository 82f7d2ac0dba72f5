"""Writes the measured tables of docs/performance.md: `thermalctl benchmark data`, `train` and `infer`, in one run.

    python benchmarks/performance.py --data DIR                    # prints them
    python benchmarks/performance.py --data DIR --only infer       # one of them
    python benchmarks/performance.py --data DIR --write docs/performance.md
    python benchmarks/performance.py --data DIR --from FILE.json   # of a run that --json kept, as on another machine

On a CPU it takes about a quarter of an hour, most of it for steps of the full-size model.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from thermalctl.environment.quantities import format_bytes

#: What stands around a table that is written anew.
BEGIN, END = "<!-- measured: {} -->", "<!-- end -->"
TABLES = ("data", "train", "infer")
#: Models whose answers to a stream of hours are waited for.
STREAMED = ("slowfast-tiny", "slowfast-small")
Result = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the dataset; it is only read")
    parser.add_argument("--device", default=None)
    parser.add_argument("--only", choices=TABLES, help="one of the tables")
    parser.add_argument("--hours", type=float, default=1.0, help="of the stream that each small model answers")
    parser.add_argument("--from", dest="kept", type=Path, help="results that --json kept; nothing is measured")
    parser.add_argument("--json", type=Path, help="where to keep the results")
    parser.add_argument("--write", type=Path, help="the page whose tables are replaced")
    arguments = parser.parse_args()
    if arguments.kept:
        results: dict[str, Result] = json.loads(arguments.kept.read_text(encoding="utf-8"))
    elif arguments.data:
        wanted = [arguments.only] if arguments.only else list(TABLES)
        results = {name: measure(name, arguments.data, arguments.device, arguments.hours) for name in wanted}
    else:
        parser.error("--data or --from")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2), encoding="utf-8")
    formats = {"data": format_data, "train": format_train, "infer": format_infer}
    tables = {name: formats[name](result) for name, result in results.items()}
    if arguments.write:
        page = arguments.write.read_text(encoding="utf-8")
        for name, table in tables.items():
            page = replace_table(page, name, table)
        arguments.write.write_text(page, encoding="utf-8")
    else:
        print("\n\n".join(tables.values()))
    return 0


def measure(name: str, data: Path, device: str | None, hours: float) -> Result:
    """Return what `thermalctl benchmark` measures."""
    where = ["--data", str(data), *(["--device", device] if device else [])]
    print(f"benchmark {name} ...", file=sys.stderr)
    result = run(name, *where)
    if name == "infer" and hours:  # an hour of the full-size model's answers would take two hours
        print(f"a stream of {hours:g} h ...", file=sys.stderr)
        small = [part for config in STREAMED for part in ("--config", config)]
        result["streams"] = run(name, *where, *small, "--precision", "fp32", "--hours", str(hours))["streams"]
    return result


def run(name: str, *arguments: str) -> Result:
    """Return the result of a benchmark."""
    command = [sys.executable, "-m", "thermalctl", "benchmark", name, *arguments, "--json"]
    result: Result = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return result


def replace_table(page: str, name: str, table: str) -> str:
    """Return the page with what stands between a table's marks replaced."""
    begin = BEGIN.format(name)
    before, found, rest = page.partition(begin)
    if not found or END not in rest:
        raise SystemExit(f"the page has no {begin} ... {END}")
    return f"{before}{begin}\n{table}\n{END}{rest.partition(END)[2]}"


def format_data(result: Result) -> str:
    """Return the data paths as Markdown."""
    lines = [
        "| path | clips | read | prepare | clips/s | bytes a clip | faster than stock |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in result["rows"]:
        lines.append(
            f"| {row['name']} | {'from memory' if row['in_memory'] else 'decoded anew'} "
            f"| {1000 * row['read_s']:.2f} ms | {1000 * row['prepare_s']:.1f} ms | {row['clips_per_second']:.3g} "
            f"| {row['bytes_per_clip']:,} | {format_ratio(row['speedup'])} |"
        )
    how = f"{result['num_clips']} clips of each in {result['num_rounds']} rounds"
    return "\n".join([*lines, "", f"{describe(result['machine'])}; {how}."])


def format_train(result: Result) -> str:
    """Return the trainings as Markdown."""
    lines = [
        "| training | clips/s | 100 epochs | memory | waits | prepares | forward | backward | faster | step alone |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in result["rows"]:
        shares = " | ".join(f"{row[f'{part}_share']:.1%}" for part in ("wait", "prepare", "forward", "backward"))
        lines.append(
            f"| {row['name']} | {row['clips_per_second']:.3g} | {format_hours(row['hours'])} "
            f"| {format_bytes(row['peak_bytes'])} | {shares} | {format_ratio(row['speedup'])} "
            f"| {format_ratio(row['step_speedup'])} |"
        )
    for name, hours in result["guide_hours"].items():
        lines.append(f"| the guide's, {name} | {rate(result, hours):.3g} | {format_hours(hours)} | | | | | | | |")
    how = f"{result['batch_size']} clip(s) a step, {result['num_steps']} timed steps in each of {result['num_rounds']} "
    how += f"rounds, {result['num_workers']} loader workers, {result['num_train']} clips an epoch, no validation"
    bounds = [f"- {row['name']} is bound by {row['bound_by']}." for row in result["rows"]]
    return "\n".join([*lines, "", f"{describe(result['machine'])}; {how}.", "", *bounds])


def format_infer(result: Result) -> str:
    """Return the runtimes as Markdown."""
    lines = [
        "| model | runtime | a window | windows/s | real time | of PyTorch's time | file |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in result["rows"]:
        if row["problem"]:
            lines.append(f"| {row['model']} | {row['runtime']} | | | | | {row['problem']} |")
            continue
        speedup = row["speedup"]
        share = {"median": 1 / speedup["median"], "least": 1 / speedup["most"], "most": 1 / speedup["least"]}
        lines.append(
            f"| {row['model']} | {row['runtime']} | {1000 * row['window_s']:,.3g} ms "
            f"| {row['windows_per_second']:.3g} | {row['real_time']:.3g} | {format_ratio(share)} "
            f"| {format_bytes(row['num_bytes']) if row['num_bytes'] else ''} |"
        )
    how = f"{result['num_rounds']} rounds; onnxruntime {result['onnxruntime']}"
    lines += ["", f"{describe(result['machine'])}; {how}."]
    if result["streams"]:
        lines += [
            "",
            "| stream | hours | answers | delay | longest | memory after 50 answers | the most | at the end |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
    for row in result["streams"]:
        memory = " | ".join(f"{row[f'{when}_bytes'] / 2**20:.0f} MiB" for when in ("settled", "most", "last"))
        lines.append(
            f"| {row['model']} | {row['hours']:g} | {row['num_answers']:,} | {1000 * row['delay_s']:.3g} ms "
            f"| {1000 * row['worst_delay_s']:.3g} ms | {memory} |"
        )
    return "\n".join(lines)


def rate(result: Result, hours: float) -> float:
    """Return the clips a second at which 100 epochs take so long."""
    return 100 * float(result["num_train"]) / hours / 3600


def format_ratio(ratio: dict[str, float]) -> str:
    """Return a ratio with the least and the most of its rounds."""
    return f"{ratio['median']:.3g} ({ratio['least']:.3g} to {ratio['most']:.3g})"


def format_hours(hours: float) -> str:
    """Return a duration in hours, or minutes below one."""
    return f"{hours:,.3g} h" if hours >= 1 else f"{60 * hours:.2g} min"


def describe(machine: Result) -> str:
    """Return where it was measured."""
    threads = "" if "clock" in machine["clock"] else f", {machine['threads']} thread"
    return f"{machine['device']}{threads}, torch {machine['torch']}, {machine['clock']}"


if __name__ == "__main__":
    sys.exit(main())
