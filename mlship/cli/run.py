"""``mlship run``: the image on this machine, hardened as on the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlship.cli.options import DryRun, EngineOption, ImageOption, PortOption, ProjectDir, Verbose

if TYPE_CHECKING:
    from mlship.engine import Engine
    from mlship.runner import Runner

# Time for the model to load.
_READY_SECONDS = 120


def run(
    port: PortOption = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Leave it running.")] = False,
    image: ImageOption = None,
    engine: EngineOption = None,
    project: ProjectDir = Path(),
    dry_run: DryRun = False,
    verbose: Verbose = False,
) -> None:
    """Run the image here: read-only, not root; waits until it is ready."""
    from mlship import client
    from mlship.cli import console
    from mlship.commands import docker
    from mlship.engine import find_runtime
    from mlship.errors import ServiceError, ToolFailed
    from mlship.project import find

    found = find(project)
    config = found.config
    runner = console.runner(dry_run=dry_run, verbose=verbose)
    runtime = find_runtime(engine, runner)
    image = image or found.image()
    port = port or config.port
    memory = docker.memory(config.resources.limits.memory)
    start = docker.run(runtime, image, config.name, port, config.port, memory)
    if dry_run:
        runner.foreground(start)
        return
    if runner.ask(docker.image_exists(runtime, image)).code != 0:
        raise ToolFailed(
            f"The image {image} is not here",
            why="It was not built, or the project has changed since.",
            next="mlship build",
        )
    _replace(runner, runtime, config.name)
    lines: list[str] = []
    if runner.stream(start, lines.append) != 0:
        runner.ask(docker.remove(runtime, config.name))
        raise ToolFailed("The container could not be started", why="\n".join(lines[-5:]),
                         next="mlship run --port PORT, if the port is taken")  # fmt: skip
    url = f"http://127.0.0.1:{port}"

    def alive() -> bool:
        return runner.ask(docker.state(runtime, config.name)).stdout.startswith("running")

    try:
        with console.err.status(f"Waiting until {image} is ready"):
            client.wait_until_ready(url, _READY_SECONDS, alive)
        console.out.print(f"[bold]{image}[/bold] answers at {url}  (docs: {url}/docs)")
        if detach:
            console.out.print(f"[dim]Stop it with:[/dim] {docker.remove(runtime, config.name)}")
            return
        runner.foreground(docker.logs(runtime, config.name, follow=True))
    except ServiceError as error:
        said = runner.ask(docker.logs(runtime, config.name))
        error.why = "\n".join((said.stdout + said.stderr).splitlines()[-10:])
        error.next = error.next or "mlship serve shows the same without a container"
        runner.ask(docker.remove(runtime, config.name))
        raise
    except KeyboardInterrupt:
        console.note("Stopping")
    if not detach:
        runner.ask(docker.stop(runtime, config.name))
        runner.ask(docker.remove(runtime, config.name))


def _replace(runner: Runner, runtime: Engine, name: str) -> None:
    """Remove an earlier container of this project; refuse to touch another's."""
    from mlship.commands import docker
    from mlship.errors import ToolFailed

    state = runner.ask(docker.state(runtime, name))
    if state.code != 0:
        return
    if state.stdout.split()[-1:] != [name]:
        raise ToolFailed(f"A container named {name} exists and is not mlship's",
                         next=str(docker.remove(runtime, name)))  # fmt: skip
    runner.ask(docker.remove(runtime, name))
