"""``mlship logs``: what all pods wrote, in one stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from mlship.cluster.logs import Asked, Line

# Of each pod, where nothing else is asked for.
_TAIL = 100


def logs(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on, with pods that appear later.")
    ] = False,
    previous: Annotated[
        bool, typer.Option("--previous", "-p", help="Of the containers before they restarted.")
    ] = False,
    tail: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="The last lines of each pod.",
                     show_default=f"{_TAIL}, or all with --since"),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="10m", help="Only of the last while.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="The lines as the pods wrote them.")
    ] = False,
    env: DeployedEnv = None,
    context: DeployedContext = None,
    namespace: DeployedNamespace = None,
    as_json: AsJson = False,
    project: ProjectDir = Path(),
    verbose: Verbose = False,
) -> None:  # fmt: skip
    """Show the logs of all pods, merged and readable."""
    import contextlib

    from mlship.cli import console, logs_view, reach
    from mlship.cluster.following import follow as following
    from mlship.cluster.logs import Asked, duration
    from mlship.errors import UsageError

    if follow and previous:
        raise UsageError("--previous is of containers that have ended; nothing follows",
                         next="leave out one of --previous and --follow")  # fmt: skip
    if tail is None and since is None:
        tail = _TAIL
    asked = Asked(tail, duration(since) if since else None, previous)
    out = console.out  # --json sends the rest to stderr, but these lines are the result
    found = reach.deployed(project, env, context, namespace, as_json=as_json, verbose=verbose)
    show = logs_view.printer(out, raw=raw, as_json=as_json)
    if not follow:
        for line in _read(found, asked):
            show(line)
        return
    stream = following(found.runner, found.target, found.name, asked, console.note)
    with contextlib.closing(stream):  # type: ignore[type-var]
        for line in stream:
            show(line)


def _read(found: Deployed, asked: Asked) -> list[Line]:
    """Return the lines of all pods; what can't be read is noted.

    Raises:
        ClusterError: there are no pods, or none has a log.
    """
    from mlship.cli import console
    from mlship.cluster.logs import read, sources
    from mlship.commands import kubectl
    from mlship.errors import ClusterError
    from mlship.rollout.looking import objects

    pods = objects(found.runner, found.target, kubectl.pods(found.target, found.name))
    wanted = sources(pods)
    if asked.previous:
        wanted = [source for source in wanted if source.restarts]
    if not pods:
        snapshot = found.look()  # no Deployment either? it says so
        raise ClusterError(
            f"{found.name} has no pod",
            why="It is scaled to 0." if not snapshot.wanted else "The cluster has made none.",
            next="mlship status",
        )
    if not wanted:
        what = "has restarted" if asked.previous else "has started"
        raise ClusterError(
            f"No container of {found.name} {what}",
            why=f"There {'is' if len(pods) == 1 else 'are'} {len(pods)} pod"
            f"{'s' if len(pods) > 1 else ''}, and no log of that kind.",
            next="mlship logs" if asked.previous else "mlship status",
        )
    lines, failures = read(found.runner, found.target, wanted, asked)
    for failure in failures:
        console.warn(failure)
    return lines
