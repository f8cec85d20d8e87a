"""Whether images for another processor can be built here: their RUN steps run its programs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlship.commands import docker
from mlship.engine import Engine
from mlship.errors import ToolMissing
from mlship.runner import Runner
from mlship.target import native

# The kernel's list of what it starts foreign programs with; the names are qemu's packages'.
BINFMT = Path("/proc/sys/fs/binfmt_misc")
_HANDLERS = {"arm64": "qemu-aarch64", "amd64": "qemu-x86_64"}
# A builder in a container is pulled when it first starts.
_START_SECONDS = 300


@dataclass(frozen=True)
class Builder:
    """What ``docker buildx inspect`` tells of the current builder.

    Attributes:
        driver: ``docker`` for the engine's own, ``docker-container``, ``kubernetes``, ...
        version: of BuildKit, where it says so.
        platforms: those it can run, emulated ones included.
    """

    driver: str = ""
    version: tuple[int, int] = (0, 0)
    platforms: tuple[str, ...] = ()

    @property
    def rewrites_timestamps(self) -> bool:
        """Whether its exporters know ``rewrite-timestamp`` (BuildKit 0.13); the engine's own
        exporter ignores it.
        """
        return self.driver not in ("", "docker") and self.version >= (0, 13)


def parse(text: str) -> Builder:
    """Read what ``docker buildx inspect`` prints."""
    driver = re.search(r"^Driver:\s*(\S+)", text, re.M)
    version = re.search(r"^\s*Build[Kk]it(?: version)?:\s*v?(\d+)\.(\d+)", text, re.M)
    platforms = re.findall(r"^Platforms:\s*(.*)$", text, re.M)
    # A star marks the platforms that the person who made the builder asked for.
    names = [name.strip().rstrip("*") for line in platforms for name in line.split(",")]
    number = (int(version[1]), int(version[2])) if version else (0, 0)
    return Builder(driver[1] if driver else "", number, tuple(filter(None, names)))


def inspect(engine: Engine, runner: Runner) -> Builder:
    """Ask buildx for its builder; nothing is known of other engines."""
    if engine.kind != "buildx":
        return Builder()
    command = docker.inspect_builder(engine, start=not runner.dry_run)
    answer = runner.ask(command, timeout=_START_SECONDS)
    return parse(answer.stdout) if answer.code == 0 else Builder()


def require(platforms: Iterable[str], builder: Builder, engine: Engine) -> None:
    """Raise unless programs of all the platforms can run where the image is built.

    Raises:
        ToolMissing: an emulator is missing; says how to install it.
    """
    lacking = [each for each in platforms if not _runs(each, builder)]
    if not lacking:
        return
    names = ",".join(each.split("/")[1] for each in lacking)
    raise ToolMissing(
        f"Programs for {' and '.join(lacking)} can't run here, and the build runs some",
        why=f"This machine is {native()}, and its kernel has no emulator for others ({BINFMT}).",
        next=f"{install(names, engine)}; or, on Debian and Ubuntu: "
        "sudo apt-get install qemu-user-static binfmt-support",
    )


def install(names: str, engine: Engine) -> str:
    """Return the command that registers emulators with the kernel, until the next start."""
    if engine.kind in ("podman", "buildah"):
        return f"sudo podman run --privileged --rm docker.io/tonistiigi/binfmt --install {names}"
    return f"docker run --privileged --rm tonistiigi/binfmt --install {names}"


def _runs(platform: str, builder: Builder) -> bool:
    if builder.platforms:
        return any(each == platform or each.startswith(f"{platform}/") or
                   platform.startswith(f"{each}/") for each in builder.platforms)  # fmt: skip
    if platform.startswith(native()):
        return True
    # A builder in a virtual machine, as on macOS, is not seen from here.
    if sys.platform != "linux":
        return True
    handler = BINFMT / _HANDLERS[platform.split("/")[1]]
    try:
        return handler.read_text(encoding="utf-8").startswith("enabled")
    except OSError:
        return False
