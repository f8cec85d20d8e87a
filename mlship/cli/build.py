"""``mlship build``: the image, by a real builder, wherever one is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlship.cli.options import DryRun, EngineOption, ProjectDir, Verbose

if TYPE_CHECKING:
    from mlship.building import Build
    from mlship.project import Project
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
    base: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE", help="A mirror's Python image.", show_default="mlship.yaml's"
        ),
    ] = None,
    pip_conf: Annotated[
        Path | None,
        typer.Option(help="A pip.conf with the package index.", show_default="the environment's"),
    ] = None,
    ca_bundle: Annotated[
        Path | None,
        typer.Option(help="Certificates to trust, in PEM.", show_default="the environment's"),
    ] = None,
    wheels: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Install from these wheels alone.")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="host: this machine's network; none: no network.")
    ] = None,
    build_arg: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Passed on to the Dockerfile. Repeatable."),
    ] = None,
    verify: Annotated[
        bool | None,
        typer.Option(
            "--verify/--no-verify",
            help="Start the image and try it.",
            show_default="where CI is set",
        ),
    ] = None,
    sbom: Annotated[
        Path | None,
        typer.Option(help="Where to write what is in it (CycloneDX).", show_default="sbom.json"),
    ] = None,
    project: ProjectDir = Path(),
    dry_run: DryRun = False,
    verbose: Verbose = False,
) -> None:
    """Build the image."""
    import os
    from dataclasses import replace

    from mlship import building, lock, recording
    from mlship.cli import console
    from mlship.engine import find_builder
    from mlship.project import find
    from mlship.surroundings import look_around

    found = find(project)
    found.require_links()
    found.require_model()
    wishes = building.Wishes(tag, push, platform, base, network, wheels, _pairs(build_arg or []))
    around = look_around(os.environ, project=found.root, pip_conf=pip_conf, ca_bundle=ca_bundle)
    runner = console.runner(dry_run=dry_run, verbose=verbose)
    runner.hidden = around.passwords
    installer = replace(runner, env=around.for_uv)
    lock.require_fresh(found, installer)
    builder = find_builder(engine, runner)
    if builder.note:
        console.note(builder.note)
    with building.prepared(found, wishes, around, builder, runner) as made:
        for line in made.notes:
            console.note(line)
        if not dry_run:
            _write_sbom(found, made, sbom or found.root / "sbom.json")
        tried = _in_ci() if verify is None else verify
        if tried and not dry_run:
            with console.err.status("Making the environment that the image is held against"):
                recording.prepare(found, installer)
        _build(found, made, runner, push=push, verify=tried)


def _build(project: Project, made: Build, runner: Runner, *, push: bool, verify: bool) -> None:
    """Build, try, push: what does not work is not pushed."""
    from mlship.cli import console
    from mlship.commands import docker
    from mlship.engine import find_runtime

    # buildah runs nothing itself; whether podman is there is known before the build.
    runtime = find_runtime("buildah", runner) if verify and made.engine.kind == "buildah" else None
    if docker.is_list(made.engine, made.platforms) and not runner.dry_run:
        for command in docker.free_name(made.engine, made.image):
            runner.ask(command)
    if verify or not (push and made.pushes_by_itself):
        platforms = made.here if made.pushes_by_itself else made.platforms
        _run(runner, made, made.command(platforms=platforms))
    if verify and not runner.dry_run:
        from mlship.cli.verify import verify as check

        check(project, made.image, runtime or made.engine, runner)
    said: list[str] = []
    found = made.is_usual
    if push:
        command = made.command(push=True) if made.pushes_by_itself else made.push()
        said = _run(runner, made, command)
    if runner.dry_run:
        return
    console.say(f"Built {'and pushed ' if push else ''}", (made.image, "bold"))
    if push:
        digest = made.digest(said)
        if digest:
            found |= _remember(project, made, digest)
        else:
            console.warn("the registry's digest is not known; mlship deploy will use the tag")
    then = "mlship deploy" if push else "mlship run"
    console.say(("Next:", "dim"), f" {then}{'' if found else f' --image {made.image}'}")


def _remember(project: Project, made: Build, digest: str) -> bool:
    """Keep the digest of what was pushed; show it also where it can't be kept, and return False."""
    from mlship import pushed
    from mlship.cli import console

    try:
        pushed.remember(project, made.image, digest, made.content)
    except OSError as error:
        console.say(("Digest:", "dim"), f" {digest}")
        image = pushed.by_digest(made.image, digest)
        console.warn(f"it can't be kept ({error.strerror}): mlship deploy --image {image}")
        return False
    console.say(("Digest:", "dim"), f" {digest}, which mlship deploy uses")
    return True


def _write_sbom(project: Project, made: Build, path: Path) -> None:
    from mlship import building, sbom
    from mlship.errors import ToolFailed
    from mlship.ownership import replace_text

    targets = building.targets(project, made.platforms)
    try:
        replace_text(path, sbom.write(project, building.read_lock(project), targets, made.epoch))
    except OSError as error:
        raise ToolFailed(
            f"{path} can't be written",
            why=error.strerror or "",
            next="--sbom FILE, in a folder that can be written",
        ) from None


def _in_ci() -> bool:
    """Tell whether this is a CI job; all services set CI, and some tools set it to false."""
    import os

    return os.environ.get("CI", "").lower() not in ("", "0", "false")


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


def _run(runner: Runner, made: Build, command: Command) -> list[str]:
    """Run a step, show it, and return the last lines that it printed."""
    from mlship import pipfailure
    from mlship.buildlog import BuildLog
    from mlship.cli.progress import follow
    from mlship.errors import ToolFailed

    log = BuildLog()
    code = follow(runner, command, log)
    if code != 0:
        verb = "pushed" if "push" in command.argv else "built"
        said = log.failure()
        cause, then = pipfailure.advice(said, log.lines, asks=made.asks_index)
        then = then or "correct that"
        raise ToolFailed(
            f"The image could not be {verb} ({Path(command.argv[0]).name} exited with {code})",
            why="\n".join(filter(None, [cause, said])),
            next=f"{then} and run `mlship build` again; --verbose shows the command",
        )
    return list(log.lines)
