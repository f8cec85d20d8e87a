"""``mlship scale``: a fixed count of pods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlship.cli.options import (
    AsJson,
    DeployedContext,
    DeployedEnv,
    DeployedNamespace,
    ProjectDir,
    Verbose,
    Yes,
)


def scale(
    count: Annotated[int, typer.Argument(min=0, max=1000, metavar="N", help="How many pods.")],
    wait: Annotated[bool, typer.Option(help="Wait until they serve.")] = True,
    timeout: Annotated[
        int | None,
        typer.Option(min=1, help="Seconds.", show_default="as long as it progresses"),
    ] = None,
    yes: Yes = False,
    env: DeployedEnv = None,
    context: DeployedContext = None,
    namespace: DeployedNamespace = None,
    as_json: AsJson = False,
    project: ProjectDir = Path(),
    verbose: Verbose = False,
) -> None:
    """Set the count of pods; an autoscaler stands aside until the next deploy."""
    from rich.text import Text

    from mlship.cli import console, reach, rollout_view, waiting
    from mlship.cluster import autoscaling, releasing, scaling

    found = reach.deployed(project, env, context, namespace, as_json=as_json, verbose=verbose)
    before = found.look()
    aside = autoscaling.require_ours(
        autoscaling.standing(found.runner, found.target, before), found.target
    )
    doubts = found.way.doubts()
    if count == 0:
        doubts.append(f"without pods, {found.name} answers nobody")
    console.confirm(f"Scale {found.name} from {before.wanted} to {count} in {found.place}?",
                    doubts, yes=yes)  # fmt: skip
    steps = scaling.steps(found, aside, count)
    releasing.run(steps, found.target, found.runner, lambda line: None)
    for item in aside:
        console.out.print(
            f"Removed the {item['kind']}, which would set another count; "
            "mlship deploy brings it back",
            style="dim",
        )
    removed = [f"{item['kind']}/{item['metadata']['name']}" for item in aside]
    outcome: dict[str, Any] = {
        "ok": False, "from": before.wanted, "replicas": count, "waited": wait, "removed": removed,
    }  # fmt: skip
    with console.told(outcome, as_json=as_json):
        if wait:
            title = f"Scaling {found.name} from {before.wanted} to {count}"
            last = waiting.watch(
                found, title, timeout, before=before, done=lambda s: scaling.is_reached(s, count)
            )
            outcome |= rollout_view.standing(last.snapshot)
            if last.verdict != "done":
                outcome["troubles"] = waiting.troubles(last, deploys=False)
                raise waiting.failure(found.name, last, timeout, deploys=False)
        outcome["ok"] = True
    serving = {0: "no pod serves", 1: "1 pod serves"}.get(count, f"{count} pods serve")
    ending = serving if wait else "not waited for"
    console.out.print(
        Text.assemble(("Scaled", "green"), f" from {before.wanted} to {count}; ", ending)
    )
