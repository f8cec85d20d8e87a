"""``mlship open``: the documentation page of what is deployed, on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mlship.cli.options import (
    AsJson,
    DeployedContext,
    DeployedEnv,
    DeployedNamespace,
    ProjectDir,
    Verbose,
)

if TYPE_CHECKING:
    from mlship.cluster.deployed import Deployed

_AGAIN_SECONDS = 2.0


def open_page(
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port here.", show_default="a free one")
    ] = 0,
    env: DeployedEnv = None,
    context: DeployedContext = None,
    namespace: DeployedNamespace = None,
    as_json: AsJson = False,
    project: ProjectDir = Path(),
    verbose: Verbose = False,
) -> None:
    """Open the deployed service's documentation page, through a tunnel that lasts until Ctrl-C."""
    from mlship.cli import console, reach
    from mlship.cluster import answering, browsing

    found = reach.deployed(project, env, context, namespace, as_json=as_json, verbose=verbose)
    found.look_for_pods()
    with answering.tunnel(found.runner, found.target, found.name, port) as (url, lines):
        page = f"{url}/docs"
        if as_json:
            console.print_json({"url": url, "docs": page})
        console.say((page, "bold"), f" leads to {found.name} in {found.place}")
        console.note("Until Ctrl-C")
        if browser and console.interactive() and not browsing.show(page):
            console.note("No browser opens here; open that page yourself")
        for _ in lines:
            pass
    _keep(found, int(url.rpartition(":")[2]))


def _keep(found: Deployed, port: int) -> NoReturn:
    """Lead to another pod, on the same port, each time the tunnel ends.

    Raises:
        ClusterError: what it led to is not deployed any more.
    """
    from mlship.cli import console
    from mlship.cluster import answering
    from mlship.errors import ClusterError

    said = ""
    while True:
        try:
            found.look_for_pods()
            with answering.tunnel(found.runner, found.target, found.name, port) as (_, lines):
                console.note("The pod went; another one answers now")
                said = ""
                for _ in lines:
                    pass
        except ClusterError as error:
            if "is not deployed" in error.what:
                raise
            if error.what != said:
                console.note(f"{error.what}; trying again")
                said = error.what
        time.sleep(_AGAIN_SECONDS)
