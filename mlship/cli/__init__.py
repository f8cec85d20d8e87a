"""The command line: each command parses, calls and shows, in a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from mlship import __version__
from mlship.cli.bench import bench
from mlship.cli.build import build
from mlship.cli.deploy import deploy
from mlship.cli.init import init
from mlship.cli.inspect import inspect
from mlship.cli.predict import predict
from mlship.cli.run import run
from mlship.cli.serve import serve

app = typer.Typer(
    name="mlship",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (init, inspect, serve, predict, bench, build, run, deploy):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"mlship {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From a trained model to a deployable project that you own."""
