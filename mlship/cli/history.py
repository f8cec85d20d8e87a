"""``mlship history``: the revisions that one can go back to."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mlship.cli.options import (
    AsJson,
    DeployedContext,
    DeployedEnv,
    DeployedNamespace,
    ProjectDir,
    Verbose,
)

if TYPE_CHECKING:
    from mlship.rollout.revisions import Revision


def history(
    env: DeployedEnv = None,
    context: DeployedContext = None,
    namespace: DeployedNamespace = None,
    as_json: AsJson = False,
    project: ProjectDir = Path(),
    verbose: Verbose = False,
) -> None:
    """List the revisions on the cluster, the newest last."""
    from rich.table import Table
    from rich.text import Text

    from mlship.cli import console, reach
    from mlship.rollout.progress import age
    from mlship.rollout.revisions import revisions
    from mlship.text import printable

    found = reach.deployed(project, env, context, namespace, as_json=as_json, verbose=verbose)
    snapshot = found.look()
    known = revisions(snapshot)
    if as_json:
        console.print_json([asdict(each) for each in known])
        return
    table = Table("revision", "image", "age", "by", "pods", "what", box=None,
                  pad_edge=False, header_style="dim")  # fmt: skip
    table.columns[1].no_wrap, table.columns[1].overflow = True, "fold"
    for each in known:
        table.add_row(
            f"{each.number}{' *' if each.current else ''}",
            each.image,
            age(each.when, snapshot.taken),
            Text(printable(each.by or "-")),
            str(each.pods),
            Text(printable(_what(each))),
            style="bold" if each.current else None,
        )
    console.out.print(table)
    console.out.print("* current. Go back: mlship rollback --to REVISION", style="dim")


def _what(each: Revision) -> str:
    said = [each.action, f"failed: {each.failed}" if each.failed else ""]
    return ", ".join(filter(None, said)) or "-"
