"""``mlship undeploy``: the project leaves the cluster; nothing else does."""

from __future__ import annotations

from pathlib import Path

from mlship.cli.options import (
    AsJson,
    DeployedContext,
    DeployedEnv,
    DeployedNamespace,
    ProjectDir,
    Verbose,
    Yes,
)


def undeploy(
    yes: Yes = False,
    env: DeployedEnv = None,
    context: DeployedContext = None,
    namespace: DeployedNamespace = None,
    as_json: AsJson = False,
    project: ProjectDir = Path(),
    verbose: Verbose = False,
) -> None:
    """Remove the project's objects from the cluster; ends when its pods are gone."""
    from mlship.cli import console, reach
    from mlship.cluster import releasing, undeploying
    from mlship.cluster.applyset import key

    found = reach.deployed(project, env, context, namespace, as_json=as_json, verbose=verbose)
    name, target = found.name, found.target
    remains = undeploying.find(found.project, found.way, found.runner)
    removed = ["/".join(key(item)) for item in remains.objects]
    unseen = list(remains.unseen)
    if unseen:
        console.warn(f"not looked at, as you may not: {', '.join(unseen)}")
    if not remains.is_empty:
        console.out.print(f"In {found.place} are, of {name}:")
        for item in removed:
            console.out.print(f"  {item}")
        doubts = [*found.way.doubts(), f"{name} answers nobody afterwards"]
        console.confirm(f"Remove {name} from there?", doubts, yes=yes)
        with console.out.status("Removing; the pods finish what they were asked"):
            releasing.run(
                undeploying.steps(remains, found.way), target, found.runner,
                lambda line: console.dim(f"  {line}"),
            )  # fmt: skip
    if as_json:
        console.print_json({"ok": True, "removed": removed, "kept": remains.kept, "unseen": unseen})
        return
    if remains.is_empty:
        console.out.print(f"Nothing of {name} is in {found.place}")
        return
    console.say(("Removed", "green"), f" {name}")
    stays = [f"the namespace {target.namespace}", *remains.kept]
    console.out.print(f"Stays: {', '.join(stays)}", style="dim")
