"""The beginning of each command about a project that runs on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlship.cluster.deployed import Deployed


def deployed(
    project: Path,
    env: str | None,
    context: str | None,
    namespace: str | None,
    *,
    as_json: bool,
    verbose: bool,
) -> Deployed:
    """Return the project and the way to it; with ``as_json``, stdout is kept for the result.

    Raises:
        ProjectError: there is no project here.
        ClusterError: there is no such context.
    """
    from mlship.cli import console
    from mlship.cluster import access
    from mlship.cluster.deployed import Deployed
    from mlship.project import find

    console.prose_to_stderr(as_json)
    found = find(project)
    runner = console.runner(verbose=verbose)
    return Deployed(found, access.to_deployed(found, env, context, namespace, runner), runner)
