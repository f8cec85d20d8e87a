"""The argv of docker, podman and buildah."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlship.engine import Engine
from mlship.runner import Command

if TYPE_CHECKING:
    from mlship.podspec import Pod

# The uid of the image's user; numeric, as Kubernetes' runAsNonRoot asks.
USER = "10001:10001"
LABEL = "mlship.project"


def build(
    engine: Engine,
    image: str,
    root: Path,
    *,
    platforms: tuple[str, ...] = (),
    push: bool = False,
    build_args: Mapping[str, str] | None = None,
    passed: Iterable[str] = (),
    secrets: Mapping[str, Path] | None = None,
    network: str | None = None,
    epoch: int | None = None,
    rewrite: bool = False,
    metadata: Path | None = None,
) -> Command:
    """Build the image of the project at ``root``; with buildx, push in the same step.

    ``passed`` are build arguments whose values the engine takes from the environment, so that
    they stand in no command line; ``secrets`` are files by their id, in no layer and no history.
    ``epoch`` (seconds) is the time that podman and buildah set on all files and in the history;
    ``rewrite`` has buildx set SOURCE_DATE_EPOCH on files that are newer. ``metadata`` is where
    buildx writes the digest.
    """
    tag = "--manifest" if is_list(engine, platforms) else "--tag"
    argv = [engine.program, *engine.build_argv, tag, image]
    for key, value in (build_args or {}).items():
        argv += ["--build-arg", f"{key}={value}"]
    for name in passed:
        argv += ["--build-arg", name]
    for key, path in (secrets or {}).items():
        argv += ["--secret", f"id={key},src={path}"]
    if network:
        argv += ["--network", network]
    if platforms:
        argv += ["--platform", ",".join(platforms)]
    if epoch is not None and engine.kind in ("podman", "buildah"):
        argv += ["--timestamp", str(epoch)]
    if engine.kind == "buildx":
        if metadata:
            argv += ["--metadata-file", str(metadata)]
        if rewrite:
            form = "image,push=true" if push else "docker"
            argv += ["--output", f"type={form},rewrite-timestamp=true"]
        else:
            argv.append("--push" if push else "--load")
    return Command((*argv, "."), cwd=root, env=engine.build_env)


def is_list(engine: Engine, platforms: tuple[str, ...]) -> bool:
    """Tell whether podman or buildah make a list of images, one a platform."""
    return engine.kind in ("podman", "buildah") and len(platforms) > 1


def free_name(engine: Engine, image: str) -> tuple[Command, Command]:
    """Take the name of a list from what has it: a list, to which a build would add, or an image.

    podman keeps the image, and with it the layers and its other names; buildah can only remove it.
    """
    words = ("untag", image) if engine.kind == "podman" else ("rmi",)
    return (
        Command((engine.program, "manifest", "rm", image)),
        Command((engine.program, *words, image)),
    )


def push(
    engine: Engine, image: str, *, digest_file: Path | None = None, as_list: bool = False
) -> Command:
    """Push a built image to its registry; podman and buildah write its digest into a file.

    docker prints the digest.
    """
    if engine.kind not in ("podman", "buildah"):
        return Command((engine.program, "push", image))
    words = ("manifest", "push", "--all") if as_list else ("push",)
    file = ("--digestfile", str(digest_file)) if digest_file else ()
    return Command((engine.program, *words, *file, image, f"docker://{image}"))


def inspect_builder(engine: Engine, *, start: bool) -> Command:
    """Ask buildx what its builder is; only one that runs tells which platforms it can run."""
    return Command((engine.program, "buildx", "inspect", *(["--bootstrap"] if start else [])))


def image_exists(engine: Engine, image: str) -> Command:
    """Ask whether the image is here."""
    return Command((engine.program, "image", "inspect", "--format", "{{.Id}}", image))


def run(
    engine: Engine,
    image: str,
    name: str,
    label: str,
    port: int,
    inner: int,
    pod: Pod,
    model: Path | None = None,
) -> Command:
    """Start the image as a pod of it runs, to be used here; ``label`` says whose it is.

    But for the limit of the CPU, which an engine without root often may not set.
    """
    return Command((
        engine.program, "run", "--detach", "--name", name, "--label", f"{LABEL}={label}",
        *as_pod(engine, pod, inner, model), "--publish", f"127.0.0.1:{port}:{inner}", image,
    ))  # fmt: skip


def as_pod(engine: Engine, pod: Pod, port: int, model: Path | None = None) -> tuple[str, ...]:
    """Return the options by which a container has a pod's rights, memory, settings and folders.

    Args:
        port: where it listens.
        model: the folder of a model that is not in the image.
    """
    limit = memory(pod.memory)
    return (
        *(_read_only(engine) if pod.read_only else ()),
        *(word for place in pod.scratch.items() for word in ("--tmpfs", _folder(*place))),
        "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", pod.user,
        # As containerd has it unless told otherwise; docker lets anyone listen below 1024.
        "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024",
        "--memory", limit, "--memory-swap", limit,
        *(word for key, value in pod.env.items() for word in ("--env", f"{key}={value}")),
        "--env", f"PORT={port}",
        *(("--mount", f"type=bind,{_field('source', model)},target=/srv/model,readonly")
          if model else ()),
    )  # fmt: skip


def _field(name: str, path: Path) -> str:
    """Return a field of an option that engines read as comma-separated values (RFC 4180)."""
    field = f"{name}={path}"
    return '"' + field.replace('"', '""') + '"' if set(field) & set(',"') else field


def _read_only(engine: Engine) -> tuple[str, ...]:
    # podman would make /run and /var/tmp writable by itself; a pod's are not.
    more = ("--read-only-tmpfs=false",) if engine.kind == "podman" else ()
    return ("--read-only", *more)


def _folder(path: str, size: str) -> str:
    limit = f",size={memory(size)}" if size else ""
    # exec: docker's own default forbids what an emptyDir allows.
    return f"{path}:rw,exec{limit},mode=1777"


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


def manifest(program: str, image: str) -> Command:
    """Ask an image's registry whether it is there; needs no daemon."""
    return Command((program, "manifest", "inspect", image))
