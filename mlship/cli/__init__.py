"""The command line: each command parses, calls and shows, in a module of its own."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from mlship import __version__
from mlship.cli.bench import bench
from mlship.cli.build import build
from mlship.cli.deploy import deploy
from mlship.cli.history import history
from mlship.cli.init import init
from mlship.cli.inspect import inspect
from mlship.cli.lock import lock
from mlship.cli.logs import logs
from mlship.cli.open import open_page
from mlship.cli.predict import predict
from mlship.cli.render import render
from mlship.cli.rollback import rollback
from mlship.cli.run import run
from mlship.cli.scale import scale
from mlship.cli.serve import serve
from mlship.cli.status import status
from mlship.cli.undeploy import undeploy
from mlship.cli.verify import verify_image
from mlship.cli.wheels import wheels

app = typer.Typer(
    name="mlship",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Where a function can't have the command's name.
_NAMES = {open_page: "open", verify_image: "verify"}
_COMMANDS = (
    init, inspect, serve, predict, bench, lock, wheels, build, verify_image, run, render,
    deploy, status, logs, history, rollback, scale, undeploy, open_page,
)  # fmt: skip


def _asked() -> set[str]:
    """Return the command on the command line, by itself: to prepare all takes a tenth of `init`."""
    first = sys.argv[1] if len(sys.argv) > 1 and "_MLSHIP_COMPLETE" not in os.environ else ""
    names = {_NAMES.get(command, command.__name__) for command in _COMMANDS}
    return {first} & names or names


_ASKED = _asked()
for command in _COMMANDS:
    if _NAMES.get(command, command.__name__) in _ASKED:
        app.command(_NAMES.get(command))(command)


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
