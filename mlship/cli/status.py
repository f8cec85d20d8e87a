"""``mlship status``: what runs, where it can be asked, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlship.cli.options import (
    AsJson,
    DeployedContext,
    DeployedEnv,
    DeployedNamespace,
    ProjectDir,
    Verbose,
)

# Of one look to the next.
_EVERY_SECONDS = 2.0


def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")
    ] = False,
    env: DeployedEnv = None,
    context: DeployedContext = None,
    namespace: DeployedNamespace = None,
    as_json: AsJson = False,
    project: ProjectDir = Path(),
    verbose: Verbose = False,
) -> None:
    """Show what runs on the cluster; exits with 7 unless it serves as wanted."""
    from mlship.cli import console, reach, status_view
    from mlship.cluster import status as standing
    from mlship.errors import ClusterError

    found = reach.deployed(project, env, context, namespace, as_json=as_json, verbose=verbose)
    if watch:
        status_view.watch(found, _EVERY_SECONDS, as_json=as_json)
    now = standing.look(found)
    if as_json:
        console.print_json(status_view.as_values(found, now))
    else:
        console.out.print(status_view.picture(found, now))
    if not now.serves:
        raise typer.Exit(ClusterError.exit_code)
