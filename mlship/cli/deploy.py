"""``mlship deploy``: the manifests, on a cluster, waited for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlship.cli.options import DryRun, ImageOption, ProjectDir, Verbose

if TYPE_CHECKING:
    from mlship.commands.kubectl import Target
    from mlship.runner import Command, Runner


def deploy(
    replicas: Annotated[
        int | None, typer.Option(min=1, help="A fixed count, without the autoscaler.")
    ] = None,
    namespace: Annotated[str | None, typer.Option(show_default="that of mlship.yaml")] = None,
    context: Annotated[
        str | None, typer.Option(help="Of the kubeconfig.", show_default="the current")
    ] = None,
    image: ImageOption = None,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds for the rollout.")] = 300,
    project: ProjectDir = Path(),
    dry_run: DryRun = False,
    verbose: Verbose = False,
) -> None:
    """Apply the manifests to a cluster and wait until the new pods serve."""
    from mlship import cluster, manifests
    from mlship.cli import console
    from mlship.commands import kubectl
    from mlship.errors import ToolFailed
    from mlship.project import find

    found = find(project)
    config = found.config
    image = image or found.image()
    target = kubectl.Target("kubectl", context, namespace or config.namespace)
    autoscaler = manifests.has_autoscaler(found.root)
    folder = manifests.write_overlay(
        found.root,
        manifests.overlay(config, image, target.namespace, replicas, autoscaler=autoscaler),
    )
    runner = console.runner(verbose=verbose)
    rendered = runner.ask(kubectl.kustomize(target.program, found.root, folder))
    if rendered.code != 0:
        raise ToolFailed("The manifests in k8s/ don't render", why=rendered.stderr.strip(),
                         next="correct them; `kubectl kustomize k8s` shows the same")  # fmt: skip
    steps = [kubectl.apply(target, found.root, folder, force=replicas is not None)]
    if replicas is not None:  # first of all, or it would set the count back
        steps.insert(0, kubectl.delete_autoscaler(target, config.name))
    wait = kubectl.rollout_status(target, config.name, timeout)
    if dry_run:
        # Comments, so that all of stdout is YAML that kubectl and validators take.
        print(f"# cd {found.root}", *(f"# {step}" for step in [*steps, wait]), sep="\n")
        print(rendered.stdout, end="")
        return
    _show_target(runner, target, image)
    asked = runner.ask(kubectl.deployment(target, config.name))
    if asked.code != 0:
        raise cluster.refused(target, asked.stderr)
    before = cluster.live(asked.stdout)
    if "/" not in image:
        console.warn("the image names no registry, so the cluster must have it already")
    if autoscaler and replicas is None and before.owns_replicas:
        steps.insert(0, kubectl.hand_over_replicas(target, config.name, before.replicas))
    _show_changes(runner, kubectl.diff(target, found.root, folder))
    for step in steps:
        lines: list[str] = []
        if runner.stream(step, lines.append) != 0:
            raise cluster.refused(target, "\n".join(lines))
        for line in lines:
            console.out.print(line, style="dim")
    if runner.foreground(wait) != 0:
        pods = runner.ask(kubectl.pods(target, config.name))
        reasons = cluster.troubles(json.loads(pods.stdout)) if pods.code == 0 else [pods.stderr]
        raise cluster.unfinished(config.name, reasons, before, image)
    console.out.print(f"[green]Deployed[/green] [bold]{image}[/bold]")
    forward = target.command("port-forward", f"service/{config.name}", f"{config.port}:80")
    console.out.print(f"[dim]Ask it:[/dim] {forward}  [dim]then[/dim]  mlship predict")


def _show_target(runner: Runner, target: Target, image: str) -> None:
    from mlship.cli import console
    from mlship.commands import kubectl
    from mlship.errors import ClusterError

    context = target.context
    if context is None:
        answer = runner.ask(kubectl.current_context(target.program))
        if answer.code != 0:
            raise ClusterError(
                "No cluster is chosen",
                why="The kubeconfig has no current context.",
                next="kubectl config use-context NAME, or mlship deploy --context NAME",
            )
        context = answer.stdout.strip()
    for label, value in (
        ("context", context), ("namespace", target.namespace), ("image", image),
    ):  # fmt: skip
        console.out.print(f"[dim]{label:<10}[/dim] [bold]{value}[/bold]")


def _show_changes(runner: Runner, command: Command) -> None:
    from rich.text import Text

    from mlship.cli import console

    answer = runner.ask(command)
    if answer.code == 0:
        console.out.print("[dim]changes    none[/dim]")
        return
    if answer.code > 1 or not answer.stdout:
        # Say, a first deployment into a namespace that is not there: apply tells it better.
        return
    for line in answer.stdout.splitlines():
        if line.startswith(("+", "-")) and not line.startswith(("+++", "---")):
            console.out.print(Text(line, style="green" if line[0] == "+" else "red"))
