"""``mlship serve``: the server on this machine, from the project's own environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlship.cli.options import PortOption, ProjectDir, Verbose


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: PortOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Server processes.")] = 1,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start again when code changes.")
    ] = False,
    project: ProjectDir = Path(),
    verbose: Verbose = False,
) -> None:
    """Run the server here, in the project's own environment (made when missing)."""
    from mlship import environment, server
    from mlship.cli import console
    from mlship.errors import ToolFailed
    from mlship.project import find
    from mlship.runner import Command

    found = find(project)
    config = found.config
    runner = console.runner(verbose=verbose)
    if not environment.is_current(found.root, config.python):
        with console.err.status("Making the project's environment in .venv"):
            environment.ensure(found.root, config.python, runner)
    port = port or config.port
    argv = (
        server.reload_command(config.server, environment.FOLDER, host, port)
        if reload
        else server.local_command(config.server, environment.FOLDER)
    )
    variables = {"HOST": host, "PORT": str(port), "WORKERS": str(workers)}
    if reload:
        variables["DRAIN_SECONDS"] = "0"  # else each change waits for it
    address = "127.0.0.1" if host == "0.0.0.0" else host
    console.note(f"http://{address}:{port}/docs  (Ctrl-C stops it)")
    code = runner.foreground(Command(tuple(argv), cwd=found.root, env=variables))
    if code != 0:
        raise ToolFailed(
            f"The server ended with exit code {code}",
            why="Its last lines above say why.",
            next="mlship serve --port PORT, if the port was taken",
        )
