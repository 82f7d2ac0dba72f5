"""The table of contents and the only error boundary."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from thermalctl.cli import console
from thermalctl.cli.benchmark import benchmark
from thermalctl.cli.build_dataset import build_dataset
from thermalctl.cli.demo import demo
from thermalctl.cli.doctor import doctor
from thermalctl.cli.download_weights import download_weights
from thermalctl.cli.export_onnx import export_onnx
from thermalctl.cli.inspect_dataset import inspect_dataset
from thermalctl.cli.many_values import taking_many
from thermalctl.cli.predict import predict
from thermalctl.cli.preview import preview
from thermalctl.cli.report import report
from thermalctl.cli.split_dataset import split_dataset
from thermalctl.cli.test import test
from thermalctl.cli.train import train
from thermalctl.errors import RequestError, ThermalctlError
from thermalctl.version import __version__

app = typer.Typer(
    name="thermalctl",
    help="Action recognition on low-resolution thermal recordings: dataset to deployed model.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print_line(f"thermalctl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an expected error.")] = False,
) -> None:
    pass


# The table of contents, in the order of a first day's work.
app.command()(doctor)
app.command()(demo)
app.command()(download_weights)
app.command(cls=taking_many("--recordings", "--annotations", "--merge-classes"))(build_dataset)
app.command()(inspect_dataset)
app.command()(split_dataset)
app.command()(preview)
app.command(context_settings={"allow_extra_args": True})(train)  # for --cfg-options A=1 B=2
app.command(cls=taking_many("--ensemble"))(test)
app.command()(report)
app.command()(export_onnx)
app.command()(predict)
app.add_typer(benchmark)


def main() -> None:
    """Run the command line; an expected error becomes two lines and its exit code."""
    console.replace_closed_streams()
    try:
        app()
    except ThermalctlError as error:
        if "--debug" in sys.argv:
            raise
        console.print_error(error)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("thermalctl") or "--debug" in sys.argv:
            raise
        missing = RequestError(f"{error.name} is not installed", hint="thermalctl doctor says how to mend it")
        console.print_error(missing)
        sys.exit(missing.exit_code)
    except OSError as error:
        if error.filename is None or "--debug" in sys.argv:
            raise
        problem = f"{error.filename}: {error.strerror}"
        console.print_error(RequestError(problem, hint="check the path, and that you may write there"))
        sys.exit(RequestError.exit_code)
    except KeyboardInterrupt:
        console.print_note("interrupted")
        sys.exit(console.EXIT_INTERRUPTED)
