"""Finding a container engine, and a builder in it that has BuildKit.

docker's own client knows BuildKit from 18.09 to 22 (``DOCKER_BUILDKIT=1``); since 23 it leaves
building to the buildx plugin, and without the plugin falls back to the old builder, which
can't build the generated Dockerfile. See https://docs.docker.com/build/buildkit/.
buildah builds what podman runs: both keep images in the same place.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mlship.errors import ToolFailed, ToolMissing
from mlship.runner import Command, Runner

_INSTALL = (
    "install docker (https://docs.docker.com/engine/install/) or podman "
    "(https://podman.io/docs/installation)"
)


@dataclass(frozen=True)
class Engine:
    """A program that builds and runs images; ``note`` says what was wrong with earlier ones."""

    kind: Literal["buildx", "buildkit", "podman", "buildah", "docker"]
    program: str
    note: str = ""
    build_env: Mapping[str, str] = field(default_factory=dict)

    @property
    def build_argv(self) -> tuple[str, ...]:
        """The words that begin a build."""
        return {
            "buildx": ("buildx", "build", "--progress", "plain"),
            "buildkit": ("build", "--progress", "plain"),
            "podman": ("build", "--format", "docker"),  # OCI images have no HEALTHCHECK
            # podman keeps layers by itself.
            "buildah": ("build", "--format", "docker", "--layers"),
            "docker": ("build",),
        }[self.kind]


def on_path(name: str) -> list[str]:
    """Return every program of this name on PATH, first first, each file once."""
    found: dict[Path, str] = {}
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(folder) / name
        if folder and path.is_file() and os.access(path, os.X_OK):
            found.setdefault(path.resolve(), str(path))
    return list(found.values())


def find_builder(wanted: str | None, runner: Runner) -> Engine:
    """Return an engine that has BuildKit, or is podman or buildah.

    ``MLSHIP_DOCKER`` names the docker program to use instead of those on PATH.

    Raises:
        ToolMissing: there is no engine, or none with BuildKit.
        ToolFailed: the engine's daemon does not answer.
    """
    podmans = on_path("podman")
    if wanted == "podman" or (wanted is None and podmans and not _dockers()):
        return _podman(podmans)
    if wanted == "buildah" or (wanted is None and on_path("buildah") and not _dockers()):
        return _buildah()
    rejected: list[str] = []
    for program in _dockers():
        engine = _classify(program, runner)
        if engine.kind == "docker":
            rejected.append(f"{program} ({_version(program, runner)}) has no buildx plugin")
            continue
        note = ""
        if rejected:
            note = (
                f"{'; '.join(rejected)}, so no BuildKit. Building with {program} instead. To "
                f"choose: install docker-buildx-plugin, or set MLSHIP_DOCKER={program}."
            )
        require_daemon(engine, runner)
        return Engine(engine.kind, program, note, engine.build_env)
    if rejected:
        other = " or use --engine podman" if podmans else ""
        raise ToolMissing(
            "No docker here can build with BuildKit",
            why="; ".join(rejected) + ".",
            next="install the package docker-buildx-plugin (docker-buildx in some "
            f"distributions), or set MLSHIP_DOCKER to a docker that has it{other}",
        )
    raise ToolMissing("There is no docker on PATH", next=_INSTALL)


def find_runtime(wanted: str | None, runner: Runner) -> Engine:
    """Return the first engine that can run images.

    Raises:
        ToolMissing: there is no engine.
        ToolFailed: its daemon does not answer.
    """
    dockers, podmans = _dockers(), on_path("podman")
    if wanted == "buildah":
        if not podmans:
            raise ToolMissing(
                "buildah builds images, it does not run them",
                why="podman does, from the same storage, and is not on PATH.",
                next="install podman; mlship build --no-verify leaves the check out",
            )
        return _podman(podmans)
    if wanted == "podman" or (wanted is None and podmans and not dockers):
        return _podman(podmans)
    if not dockers:
        raise ToolMissing("There is no docker on PATH", next=_INSTALL)
    # The package podman-docker: its defaults are podman's.
    said = runner.ask(Command((dockers[0], "--version"))).stdout
    engine = Engine("podman" if "podman" in said.lower() else "docker", dockers[0])
    require_daemon(engine, runner)
    return engine


def remote_host(engine: Engine, environ: Mapping[str, str]) -> str:
    """Return the machine of DOCKER_HOST, where the engine opens ports; empty for this one.

    CI services set it that run docker in a container of its own.
    """
    if engine.kind in ("podman", "buildah"):
        return ""
    place = urllib.parse.urlsplit(environ.get("DOCKER_HOST", ""))
    name = place.hostname or ""
    own = name in ("localhost", "::1") or name.startswith("127.")
    return "" if place.scheme != "tcp" or own else f"[{name}]" if ":" in name else name


def require_daemon(engine: Engine, runner: Runner) -> None:
    """Raise ToolFailed unless the engine's daemon answers."""
    if engine.kind in ("podman", "buildah"):
        return
    command = Command((engine.program, "version", "--format", "{{.Server.Version}}"))
    answer = runner.ask(command)
    if answer.code != 0:
        raise ToolFailed(
            "The Docker engine does not answer",
            why=answer.stderr.strip().splitlines()[-1] if answer.stderr.strip() else "",
            next="start Docker (or `sudo systemctl start docker`), then check with `docker info`",
        )


def _dockers() -> list[str]:
    chosen = os.environ.get("MLSHIP_DOCKER")
    return [chosen] if chosen else on_path("docker")


def _podman(programs: list[str]) -> Engine:
    if not programs:
        raise ToolMissing(
            "There is no podman on PATH", next="install podman, or use --engine docker"
        )
    return Engine("podman", programs[0])


def _buildah() -> Engine:
    programs = on_path("buildah")
    if not programs:
        raise ToolMissing(
            "There is no buildah on PATH",
            next="install buildah (https://buildah.io), or use --engine docker or podman",
        )
    return Engine("buildah", programs[0])


def _version(program: str, runner: Runner) -> str:
    match = re.search(r"\d+\.\d+(\.\d+)?", runner.ask(Command((program, "--version"))).stdout)
    return match[0] if match else "unknown"


def _classify(program: str, runner: Runner) -> Engine:
    said = runner.ask(Command((program, "--version"))).stdout
    if "podman" in said.lower():  # the podman-docker package
        return Engine("podman", program)
    if runner.ask(Command((program, "buildx", "version"))).code == 0:
        return Engine("buildx", program)
    match = re.search(r"(\d+)\.\d+", said)
    if match and 18 <= int(match[1]) < 23:
        return Engine("buildkit", program, build_env={"DOCKER_BUILDKIT": "1"})
    return Engine("docker", program)
