"""The argv of docker and podman that hold an image against what the cluster asks of it."""

from __future__ import annotations

from pathlib import Path

from mlship.commands import docker
from mlship.engine import Engine
from mlship.podspec import Pod
from mlship.runner import Command

LABEL = "mlship.verify"
# cgroup v2 (kernel 5.19 and newer), then v1: the most that the container ever used, in bytes, its
# page cache included; and how many of its processes were killed for want of memory.
_MEMORY = (
    "cd /sys/fs/cgroup; cat memory.peak memory/memory.max_usage_in_bytes; "
    "grep -h '^oom_kill ' memory.events memory/memory.oom_control"
)


def start(
    engine: Engine,
    image: str,
    name: str,
    port: int,
    pod: Pod,
    *,
    address: str = "127.0.0.1",
    model: Path | None = None,
) -> Command:
    """Start the image as a pod of it runs: the same limits, rights, settings and writable folders.

    The names of other machines can't be looked up in it, so that nothing is fetched.

    Args:
        port: in the container; a free one here leads to it.
        address: of the engine's machine, where the port is opened.
        model: the folder of a model that is not in the image.
    """
    return Command((
        engine.program, "run", "--detach", "--name", name, "--label", LABEL,
        *docker.as_pod(engine, pod, port, model),
        # Not --cpus, which refuses more than this machine has.
        "--cpu-period", "100000", "--cpu-quota", str(cpu_quota(pod.cpu)),
        "--dns", "127.0.0.1", "--publish", f"{address}::{port}", image,
    ))  # fmt: skip


def cpu_quota(quantity: str) -> int:
    """Return a Kubernetes CPU quantity as microseconds of each 100 ms: ``500m`` is 50000."""
    cores = float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)
    return max(int(cores * 100_000), 1000)


def user(engine: Engine, image: str) -> Command:
    """Ask for the user that an image names; empty is root."""
    return Command((engine.program, "image", "inspect", "--format", "{{.Config.User}}", image))


def port(engine: Engine, name: str, inner: int) -> Command:
    """Ask for the address here that leads to a container's port."""
    return Command((engine.program, "port", name, f"{inner}/tcp"))


def state(engine: Engine, name: str) -> Command:
    """Ask for a container's status, exit code, and whether it was killed for its memory."""
    form = "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}"
    return Command((engine.program, "container", "inspect", "--format", form, name))


def memory(engine: Engine, name: str) -> Command:
    """Ask the kernel, from within, how much memory a container has used at most."""
    return Command((engine.program, "exec", name, "sh", "-c", _MEMORY))


def sockets(engine: Engine, name: str) -> Command:
    """Ask the kernel, from within, what is listened on."""
    return Command((engine.program, "exec", name, "cat", "/proc/net/tcp", "/proc/net/tcp6"))


def mounts(engine: Engine, name: str) -> Command:
    """List where a container's volumes are, a line each."""
    form = "{{range .Mounts}}{{println .Destination}}{{end}}"
    return Command((engine.program, "container", "inspect", "--format", form, name))


def remove(engine: Engine, name: str) -> Command:
    """Remove a container, running or not, and the volumes that its image asks for."""
    return Command((engine.program, "rm", "--force", "--volumes", name))


def changes(engine: Engine, name: str) -> Command:
    """List what a container wrote to its disk."""
    return Command((engine.program, "diff", name))


def stop(engine: Engine, name: str, seconds: int) -> Command:
    """Send SIGTERM, and SIGKILL when that many seconds have passed."""
    return Command((engine.program, "stop", "--time", str(seconds), name))
