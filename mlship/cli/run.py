"""``mlship run``: the image on this machine, hardened as on the cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlship.cli.options import DryRun, EngineOption, ImageOption, PortOption, ProjectDir, Verbose

if TYPE_CHECKING:
    from mlship.engine import Engine
    from mlship.runner import Runner


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
    from mlship import images, podspec
    from mlship.cli import console
    from mlship.cli.verify import patched
    from mlship.commands import docker
    from mlship.engine import find_runtime
    from mlship.errors import ToolFailed
    from mlship.project import find

    found = find(project)
    config = found.config
    runner = console.runner(dry_run=dry_run, verbose=verbose)
    runtime = find_runtime(engine, runner)
    image = image or found.image()
    port = port or config.port
    pod = podspec.read(found.root, config, patched(found, runner))
    model = found.root / "model" if config.model.source else None
    start = docker.run(runtime, image, config.name, found.label, port, config.port, pod, model)
    if dry_run:
        runner.foreground(start)
        return
    images.require(runtime, image, runner)
    _replace(runner, runtime, config.name, found.label)
    with _removed(runner, runtime, config.name) as container:
        lines: list[str] = []
        code = runner.stream(start, lines.append)
        container.is_made = True
        if code != 0:
            raise ToolFailed("The container could not be started", why="\n".join(lines[-5:]),
                             next="mlship run --port PORT, if the port is taken")  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        _wait(runner, runtime, config.name, url, pod.ready_seconds)
        container.is_ready, container.stays = True, detach
        console.say((image, "bold"), f" answers at {url}  (docs: {url}/docs)")
        if detach:
            console.say(("Stop it with:", "dim"), f" {docker.remove(runtime, config.name)}")
            return
        try:
            runner.foreground(docker.logs(runtime, config.name, follow=True))
        except KeyboardInterrupt:
            console.note("Stopping")


@dataclass
class _Started:
    """How far a container has come; one that ``stays`` is left running."""

    is_made: bool = False
    is_ready: bool = False
    stays: bool = False


@contextlib.contextmanager
def _removed(runner: Runner, runtime: Engine, name: str) -> Iterator[_Started]:
    """Stop and remove the container at the end, come what may, unless it shall stay."""
    from mlship import container
    from mlship.commands import docker
    from mlship.errors import ToolFailed
    from mlship.runner import uninterrupted

    started = _Started()
    try:
        yield started
    finally:
        if not started.stays:
            with contextlib.suppress(ToolFailed), uninterrupted():
                if started.is_ready:
                    runner.ask(docker.stop(runtime, name))
                container.remove(runtime, name, runner, is_made=started.is_made)


def _wait(runner: Runner, runtime: Engine, name: str, url: str, seconds: float) -> None:
    """Wait until the server is ready; if it never is, tell by its log why."""
    from mlship import client
    from mlship.cli import console
    from mlship.commands import docker
    from mlship.errors import ServiceError

    def alive() -> bool:
        return runner.ask(docker.state(runtime, name)).stdout.startswith("running")

    try:
        with console.err.status(f"Waiting until {name} is ready"):
            client.wait_until_ready(url, seconds, alive)
    except ServiceError as error:
        said = runner.ask(docker.logs(runtime, name))
        error.why = "\n".join((said.stdout + said.stderr).splitlines()[-10:])
        error.next = error.next or "mlship serve shows the same without a container"
        raise


def _replace(runner: Runner, runtime: Engine, name: str, label: str) -> None:
    """Remove an earlier container of this project; refuse to touch another's."""
    from mlship.commands import docker
    from mlship.errors import ToolFailed

    state = runner.ask(docker.state(runtime, name))
    if state.code != 0:
        return
    if state.stdout.split()[-1:] != [label]:
        raise ToolFailed(f"A container named {name} exists and is not this project's",
                         why="Another project of that name may use it, or it is not mlship's.",
                         next=f"if nobody needs it: {docker.remove(runtime, name)}")  # fmt: skip
    runner.ask(docker.remove(runtime, name))
