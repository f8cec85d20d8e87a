"""``mlship deploy``: the manifests, on a cluster, waited for, undone where they fail."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlship.cli.options import (
    AsJson,
    ContextOption,
    DryRun,
    EmitOption,
    EnvName,
    ImageOption,
    NamespaceOption,
    ProjectDir,
    Verbose,
    Yes,
)

if TYPE_CHECKING:
    from mlship.cluster.preparing import Prepared
    from mlship.project import Project


def deploy(
    replicas: Annotated[
        int | None, typer.Option(min=1, help="A fixed count, without the autoscaler.")
    ] = None,
    autoscale: Annotated[
        str | None,
        typer.Option(metavar="MIN-MAX", help="Bounds of pods.", show_default="mlship.yaml's"),
    ] = None,
    cpu: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Percent of the requested CPU to scale at."),
    ] = None,
    env: Annotated[EnvName, typer.Option(help="The overlay in k8s/overlays.")] = "prod",
    namespace: NamespaceOption = None,
    create_namespace: Annotated[
        bool, typer.Option("--create-namespace", help="Make it where it is not there.")
    ] = False,
    context: ContextOption = None,
    image: ImageOption = None,
    image_check: Annotated[
        bool, typer.Option(help="Look first whether the cluster can get the image.")
    ] = True,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what would change there; change nothing.")
    ] = False,
    force_conflicts: Annotated[
        bool, typer.Option("--force-conflicts", help="Take over fields that others set.")
    ] = False,
    timeout: Annotated[
        int | None,
        typer.Option(min=1, help="Seconds.", show_default="the Deployment's progressDeadline"),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the new pods serve.")] = True,
    rollback: Annotated[
        bool, typer.Option(help="Go back to what served before where the new pods fail.")
    ] = True,
    emit: EmitOption = None,
    yes: Yes = False,
    as_json: AsJson = False,
    project: ProjectDir = Path(),
    dry_run: DryRun = False,
    verbose: Verbose = False,
) -> None:
    """Apply the manifests, wait until the new pods serve, and go back where they fail."""
    from mlship import pushed
    from mlship.cli import changes, console
    from mlship.cli.delivery import Delivery
    from mlship.cluster import access, preparing
    from mlship.cluster.applyset import identity
    from mlship.cluster.manifests import Release, Scaling
    from mlship.person import me
    from mlship.project import find

    console.prose_to_stderr(as_json)
    found = find(project)
    scaling = Scaling.of(replicas, autoscale, cpu)
    runner = console.runner(verbose=verbose)
    if emit:
        from mlship.cli.emit import emit as emitted

        render(found)
        emitted(found, emit, env, None)
        return
    image = image or pushed.reference(found)
    place = namespace or found.config.namespace
    owner = identity(found.config.name, place)
    release = Release(env, image, place, scaling, me(), owner, timeout)
    with rendered(found, keep=not (dry_run or diff)) as current:
        prepared = preparing.prepare(current, release, runner)
    prepared = replace(prepared, project=found)
    if dry_run:
        _print(prepared, context, timeout or prepared.deadline, as_json=as_json)
        return
    way = access.to_deploy(found, env, context, namespace, runner)
    job = Delivery(prepared, way, runner, force=force_conflicts, rollback=rollback, as_json=as_json)
    job.show_target()
    if diff:
        changes.show(prepared, way.target, runner, job.outcome, as_json=as_json)
        return
    console.confirm(f"Deploy {found.config.name} there?", way.doubts(), yes=yes)
    with job.told():
        job.check(create_namespace=create_namespace, check_image=image_check)
        access.remember(found.root, env, way)
        job.apply()
        if wait:
            job.wait(timeout)
        job.finish(waited=wait)


@contextlib.contextmanager
def rendered(project: Project, *, keep: bool) -> Iterator[Project]:
    """Give the project with k8s/ as mlship.yaml has it; a copy where nothing is to be written."""
    if keep:
        render(project)
        yield project
        return
    import shutil
    import tempfile

    from mlship import rendering

    with tempfile.TemporaryDirectory(prefix="mlship-") as folder:
        copy = replace(project, root=Path(folder))
        for path in project.root.iterdir():
            if path.name in ("k8s", ".mlship"):
                shutil.copytree(path, copy.root / path.name)
            else:
                (copy.root / path.name).symlink_to(path)
        rendering.render(copy)
        yield copy


def render(project: Project) -> None:
    """Bring k8s/ up to mlship.yaml, and say what that changed, or could not."""
    from mlship import rendering
    from mlship.cli import console
    from mlship.cli.render import warn

    changes = rendering.render(project)
    done = changes.written + changes.removed
    if done:
        console.note(f"k8s/ was rendered again from mlship.yaml: {', '.join(done)}")
    warn(project, changes)


def _print(prepared: Prepared, context: str | None, timeout: int, *, as_json: bool) -> None:
    """Print the manifests, with the commands as comments: all of stdout is YAML for kubectl."""
    from mlship.cli import console
    from mlship.cluster import access, applyset, manifests, releasing
    from mlship.commands import kubectl

    release, name = prepared.release, prepared.project.config.name
    target = kubectl.Target(access.PROGRAM, context, release.namespace)
    kinds = {applyset.group_kind(item) for item in prepared.objects}
    parent = applyset.parent(name, release.namespace, kinds)
    steps = [
        *releasing.steps(prepared, releasing.NOTHING, target, force=False),
        kubectl.wait(target, name, timeout),
    ]
    if as_json:
        objects = [parent, *prepared.objects]
        console.print_json({"ok": True, "commands": list(map(str, steps)), "manifests": objects})
        return
    print("# mlship runs, with what follows as their input:", *(f"# {s}" for s in steps), sep="\n")
    print(manifests.dump(parent), prepared.text, sep="---\n", end="")
