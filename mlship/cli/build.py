"""``mlship build``: the image, by a real builder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlship.cli.options import DryRun, EngineOption, ProjectDir, Verbose

if TYPE_CHECKING:
    from mlship.runner import Command, Runner


def build(
    tag: Annotated[
        str | None,
        typer.Option(help="The image's full reference.", show_default="version and content hash"),
    ] = None,
    push: Annotated[bool, typer.Option("--push", help="Push it to its registry.")] = False,
    platform: Annotated[
        str | None, typer.Option(help="linux/amd64, linux/arm64, or both with a comma.")
    ] = None,
    engine: EngineOption = None,
    build_arg: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Passed on: PYTHON_IMAGE=… Repeatable."),
    ] = None,
    project: ProjectDir = Path(),
    dry_run: DryRun = False,
    verbose: Verbose = False,
) -> None:
    """Build the image."""
    from mlship import lock, revision
    from mlship.cli import console
    from mlship.commands import docker
    from mlship.engine import find_builder
    from mlship.errors import UsageError
    from mlship.project import find

    found = find(project)
    runner = console.runner(dry_run=dry_run, verbose=verbose)
    if not lock.is_locked(found.root) and not dry_run:
        with console.err.status("Locking the libraries with their hashes"):
            lock.lock(found.root, found.config.python, console.runner(verbose=verbose))
    builder = find_builder(engine, runner)
    if builder.note:
        console.note(builder.note)
    if "," in (platform or "") and not (push and builder.kind == "buildx"):
        raise UsageError(
            "An image for several platforms can only be pushed, and only by buildx",
            next="add --push with docker-buildx-plugin, or name one platform",
        )
    image = tag or found.image()
    arguments = {
        "VERSION": found.config.version,
        "REVISION": revision.of(found.root, runner),
        **_pairs(build_arg or []),
    }
    command = docker.build(
        builder, image, found.root, platform=platform, push=push, build_args=arguments
    )
    _run(runner, command)
    if push and builder.kind != "buildx":
        _run(runner, docker.push(builder, image))
    if not dry_run:
        console.out.print(f"Built {'and pushed ' if push else ''}[bold]{image}[/bold]")
        console.out.print(f"[dim]Next:[/dim] {'mlship deploy' if push else 'mlship run'}")


def _pairs(arguments: list[str]) -> dict[str, str]:
    from mlship.errors import UsageError

    pairs = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise UsageError(
                f"--build-arg {argument} has no value", next=f"--build-arg {key}=VALUE"
            )
        pairs[key] = value
    return pairs


def _run(runner: Runner, command: Command) -> None:
    from mlship.buildlog import BuildLog
    from mlship.cli.progress import follow
    from mlship.errors import ToolFailed

    log = BuildLog()
    code = follow(runner, command, log)
    if code != 0:
        verb = "pushed" if "push" in command.argv else "built"
        raise ToolFailed(
            f"The image could not be {verb} ({Path(command.argv[0]).name} exited with {code})",
            why=log.failure(),
            next="correct that and run `mlship build` again; --verbose shows the command",
        )
