"""The argv of docker and podman."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlship.engine import Engine
from mlship.runner import Command

# The uid of the image's user; numeric, as Kubernetes' runAsNonRoot asks.
USER = "10001:10001"
LABEL = "mlship.project"


def build(
    engine: Engine,
    image: str,
    root: Path,
    *,
    platform: str | None = None,
    push: bool = False,
    build_args: Mapping[str, str] | None = None,
) -> Command:
    """Build the image of the project at ``root``; with buildx, push in the same step."""
    argv = [engine.program, *engine.build_argv, "--tag", image]
    for key, value in (build_args or {}).items():
        argv += ["--build-arg", f"{key}={value}"]
    if platform:
        argv += ["--platform", platform]
    if engine.kind == "buildx":
        argv.append("--push" if push else "--load")
    return Command((*argv, "."), cwd=root, env=engine.build_env)


def push(engine: Engine, image: str) -> Command:
    """Push a built image to its registry."""
    return Command((engine.program, "push", image))


def image_exists(engine: Engine, image: str) -> Command:
    """Ask whether the image is here."""
    return Command((engine.program, "image", "inspect", "--format", "{{.Id}}", image))


def run(engine: Engine, image: str, name: str, port: int, inner: int, memory: str) -> Command:
    """Start the image as the cluster would: no root, no capabilities, nothing writable."""
    argv = (
        engine.program, "run", "--detach", "--name", name, "--label", f"{LABEL}={name}",
        "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
        "--user", USER, "--memory", memory, "--env", f"PORT={inner}",
        "--publish", f"127.0.0.1:{port}:{inner}", image,
    )  # fmt: skip
    return Command(argv)


def state(engine: Engine, name: str) -> Command:
    """Ask for a container's state (``running``) and whose it is."""
    form = '{{.State.Status}} {{index .Config.Labels "' + LABEL + '"}}'
    return Command((engine.program, "container", "inspect", "--format", form, name))


def logs(engine: Engine, name: str, *, follow: bool = False) -> Command:
    """Print a container's output."""
    return Command((engine.program, "logs", *(["--follow"] if follow else []), name))


def stop(engine: Engine, name: str) -> Command:
    """Stop a container gently; SIGTERM first."""
    return Command((engine.program, "stop", "--time", "30", name))


def remove(engine: Engine, name: str) -> Command:
    """Remove a container, running or not."""
    return Command((engine.program, "rm", "--force", name))


def memory(quantity: str) -> str:
    """Return a Kubernetes memory quantity as docker writes it: ``512Mi`` is ``512m``.

    docker's units are powers of 1024; decimal units are turned into bytes.
    """
    decimal = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
    if quantity.endswith("i"):
        return quantity[:-1].lower()
    if quantity[-1] in decimal:
        return str(int(float(quantity[:-1]) * decimal[quantity[-1]]))
    return quantity
