"""A container of an image, run as a pod would run it: starting, asking and removing it."""

from __future__ import annotations

import os
import re
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

from mlship import images
from mlship.commands import docker, verifying
from mlship.engine import Engine, remote_host
from mlship.errors import ToolFailed
from mlship.podspec import Pod
from mlship.runner import Command, Runner

# How long an engine may take to make a container that nobody waits for any more.
_MADE_SECONDS = 3
# What docker prints before the reason why nothing was started.
_NO_REASON = re.compile(r"WARNING: |[0-9a-f]{64}$")


@dataclass(frozen=True)
class State:
    """What the engine says of a container; ``status`` is empty when there is none."""

    status: str = ""
    code: int = 0
    out_of_memory: bool = False

    @property
    def is_running(self) -> bool:
        """Tell whether it runs, or is about to."""
        return self.status in ("running", "created")


@dataclass(frozen=True)
class Memory:
    """What the kernel says of a container's memory: ``peak`` in bytes, where it tells."""

    peak: int | None
    killed: int


@dataclass
class Container:
    """A container that is started once, on the terms of a pod.

    Attributes:
        port: that the server listens on in the container.
        model: the folder of a model that is not in the image.
        started: the monotonic clock's time, in seconds.
    """

    engine: Engine
    image: str
    port: int
    pod: Pod
    runner: Runner
    model: Path | None = None
    # Beside a container of `mlship run`, and other verifications: the jobs of a CI machine share
    # an engine, and have the same process ids.
    name: str = field(default_factory=lambda: f"mlship-verify-{secrets.token_hex(6)}")
    started: float = field(default=0.0, init=False)
    _is_made: bool = field(default=False, init=False)

    def user(self) -> str:
        """Return the user that its image names, such as ``10001:10001``; empty for root.

        Raises:
            ToolFailed: the image is not here.
        """
        answer = self.runner.ask(verifying.user(self.engine, self.image))
        if answer.code != 0:
            raise images.missing(self.image)
        return answer.stdout.strip()

    def start(self) -> str:
        """Start it; return the URL of its server, which may not be ready yet.

        Raises:
            ToolFailed: the engine could not start it.
        """
        host = remote_host(self.engine, os.environ)
        command = verifying.start(
            self.engine, self.image, self.name, self.port, self.pod,
            address="0.0.0.0" if host else "127.0.0.1", model=self.model,
        )  # fmt: skip
        lines: list[str] = []
        self.started = time.monotonic()
        code = self.runner.stream(command, lines.append)
        self._is_made = True  # or never
        if code != 0:
            raise ToolFailed(
                f"{Path(self.engine.program).name} could not start the image",
                why="\n".join(line for line in lines[-5:] if not _NO_REASON.match(line)),
                next="mlship verify --verbose shows the command",
            )
        found = self._ask(verifying.port(self.engine, self.name, self.port)).split()
        # One that ended at once has no port any more; waiting for it tells why.
        port = found[0].rpartition(":")[2] if found else "9"
        return f"http://{host or '127.0.0.1'}:{port}"

    def remove(self) -> None:
        """Remove it."""
        remove(self.engine, self.name, self.runner, is_made=self._is_made)

    def stop(self, seconds: int) -> None:
        """Send SIGTERM, and SIGKILL where it has not ended ``seconds`` later."""
        self._ask(verifying.stop(self.engine, self.name, seconds), seconds + 60)

    def state(self) -> State:
        """Return what the engine says of it."""
        words = self._ask(verifying.state(self.engine, self.name)).split()
        if len(words) != 3:
            return State()
        return State(words[0], int(words[1]), words[2] == "true")

    def is_running(self) -> bool:
        """Tell whether it runs."""
        return self.state().is_running

    def log(self) -> str:
        """Return all that its server has printed."""
        said = self.runner.ask(docker.logs(self.engine, self.name))
        return said.stdout + said.stderr

    def memory(self) -> Memory:
        """Return what the kernel says of its memory."""
        said = self.runner.ask(verifying.memory(self.engine, self.name)).stdout
        peaks = [int(line) for line in said.split("\n") if line.isdecimal()]
        killed = sum(int(count) for count in re.findall(r"^oom_kill (\d+)", said, re.M))
        return Memory(peaks[0] if peaks else None, killed)

    def sockets(self) -> str:
        """Return its table of TCP sockets, as in /proc/net/tcp."""
        return self._ask(verifying.sockets(self.engine, self.name))

    def changes(self) -> str:
        """Return what was changed on its disk, a line each."""
        return self._ask(verifying.changes(self.engine, self.name))

    def mounts(self) -> list[str]:
        """Return the places of its volumes."""
        return self._ask(verifying.mounts(self.engine, self.name)).split()

    def _ask(self, command: Command, timeout: float = 60) -> str:
        answer = self.runner.ask(command, timeout)
        return answer.stdout if answer.code == 0 else ""


def remove(engine: Engine, name: str, runner: Runner, *, is_made: bool) -> None:
    """Remove a container; an engine whose start was interrupted may yet be making it."""
    deadline = time.monotonic() + (0 if is_made else _MADE_SECONDS)
    # With --force, one that is not there may be no error; the name of one that was is printed.
    while not runner.ask(verifying.remove(engine, name)).stdout:
        if time.monotonic() >= deadline:
            return
        time.sleep(0.3)
