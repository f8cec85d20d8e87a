"""One build of the image: what it takes from the command line, the project and this machine."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlship import emulation, freshness, indexes, lockfile, pushed, revision, target, wheelhouse
from mlship.commands import docker, uv
from mlship.engine import Engine
from mlship.errors import UsageError
from mlship.project import Project
from mlship.runner import Command, Runner
from mlship.surroundings import Surroundings
from mlship.target import Target


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for; see its help."""

    tag: str | None = None
    push: bool = False
    platform: str | None = None
    base: str | None = None
    network: str | None = None
    wheels: Path | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Build:
    """A build, ready to run; ``notes`` are for the person who waits for it.

    ``content`` is the hash of what a push is made of: files may change while it is built.
    ``is_usual`` tells that run and deploy look for the image by that name, unless told another.
    ``dated`` tells that SOURCE_DATE_EPOCH is set, so that all shall bear that time;
    ``asks_index`` that the libraries come from an index that was configured.
    """

    engine: Engine
    image: str
    content: str
    is_usual: bool
    root: Path
    platforms: tuple[str, ...]
    build_args: Mapping[str, str]
    passed: tuple[str, ...]
    secrets: Mapping[str, Path]
    network: str | None
    epoch: int
    dated: bool
    rewrite: bool
    scratch: Path
    asks_index: bool
    notes: tuple[str, ...] = ()

    def command(self, *, push: bool = False, platforms: tuple[str, ...] | None = None) -> Command:
        """Return the build itself; only buildx pushes by it."""
        return docker.build(
            self.engine,
            self.image,
            self.root,
            platforms=self.platforms if platforms is None else platforms,
            push=push,
            build_args=self.build_args,
            passed=self.passed,
            secrets=self.secrets,
            network=self.network,
            # podman and buildah set it on every file, also on those that have a constant time: by
            # the time of a commit, each commit's libraries would be another layer to push.
            epoch=self.epoch if self.dated else None,
            rewrite=self.rewrite,
            metadata=self._digest if push else None,
        )

    @property
    def here(self) -> tuple[str, ...]:
        """Return the platforms of an image that this engine can keep and run, for a check."""
        if len(self.platforms) < 2:
            return self.platforms
        native = target.native()
        return (native if native in self.platforms else self.platforms[0],)

    @property
    def pushes_by_itself(self) -> bool:
        """Whether the build pushes what it makes."""
        return self.engine.kind == "buildx"

    def push(self) -> Command:
        """Return the push of what was built."""
        as_list = docker.is_list(self.engine, self.platforms)
        return docker.push(self.engine, self.image, digest_file=self._digest, as_list=as_list)

    def digest(self, output: list[str]) -> str:
        """Return the pushed image's digest, from a file or from what the push printed."""
        return pushed.in_file(self._digest) or pushed.in_output(output)

    @property
    def _digest(self) -> Path:
        return self.scratch / "digest"


@contextlib.contextmanager
def prepared(
    project: Project, wishes: Wishes, around: Surroundings, engine: Engine, runner: Runner
) -> Iterator[Build]:
    """Have all that a build needs in place while the context lasts.

    Raises:
        UsageError: the engine can't do what is asked for.
        ToolMissing: there is no emulator for a platform.
        ToolFailed: the wheelhouse lacks something.
        ProjectError: the base has another Python than the lock is for.
    """
    content = project.content_hash() if wishes.push or not wishes.tag else ""
    base = wishes.build_args.get("PYTHON_IMAGE") or wishes.base or project.config.base or ""
    image = wishes.tag or project.image(content, base)
    if wishes.push and "/" not in image:
        raise UsageError(
            f"{image} names no registry that it could be pushed to",
            next="image: registry.example.com/team/NAME in mlship.yaml, or --tag with a registry",
        )
    platforms = target.platforms(wishes.platform)
    _check_platforms(platforms, engine, push=wishes.push)
    builder = emulation.inspect(engine, runner)
    emulation.require(platforms, builder, engine)
    commit = revision.of(project.root, runner)
    epoch = revision.epoch(project.root, project.files(), commit, around.environ, runner)
    arguments = {
        **({"PYTHON_IMAGE": base} if base else {}),
        "VERSION": project.config.version,
        "REVISION": commit,
        # podman and buildah have an option for it.
        **({"SOURCE_DATE_EPOCH": str(epoch)} if engine.kind in ("buildx", "buildkit") else {}),
        **wishes.build_args,
    }
    project.require_python(arguments.get("PYTHON_IMAGE", ""))
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mlship-build-")))
        offline = _wheels(project, wishes, platforms, stack, dry_run=runner.dry_run)
        yield Build(
            engine=engine,
            image=image,
            content=content,
            is_usual=not wishes.tag and image == project.image(content),
            root=project.root,
            platforms=platforms,
            build_args=arguments,
            passed=tuple(around.proxies),
            secrets=_secrets(around, scratch, offline=offline),
            network=wishes.network,
            epoch=epoch,
            dated=bool(around.environ.get("SOURCE_DATE_EPOCH")),
            rewrite=builder.rewrites_timestamps,
            scratch=scratch,
            asks_index=bool(around.index.addresses) and not offline,
            notes=(
                *_notes(around, wishes, offline=offline),
                *([] if offline or around.index.addresses else _unlisted(project, platforms)),
            ),
        )


def targets(project: Project, platforms: tuple[str, ...]) -> list[Target]:
    """Return what the image is for; without a wish, this machine's platform."""
    return [Target(each, project.config.python) for each in platforms or (target.native(),)]


def read_lock(project: Project) -> lockfile.Lock:
    """Return the lock that the image is made from; an empty one where there is none yet."""
    return freshness.read(project.root, uv.LOCK)


def _check_platforms(platforms: tuple[str, ...], engine: Engine, *, push: bool) -> None:
    if len(platforms) < 2:
        return
    if engine.kind == "buildkit":
        raise UsageError(
            "This docker builds for one platform at a time",
            why="Images for several are made by the buildx plugin, by podman and by buildah.",
            next="install docker-buildx-plugin, add --engine podman, or name one platform",
        )
    if engine.kind == "buildx" and not push:
        raise UsageError(
            "docker can't keep an image for several platforms, only push it",
            next="add --push, or name one platform",
        )


def _wheels(
    project: Project,
    wishes: Wishes,
    platforms: tuple[str, ...],
    stack: contextlib.ExitStack,
    *,
    dry_run: bool,
) -> bool:
    """Bring the wheelhouse to where the Dockerfile looks; tell whether there is one."""
    own = project.root / wheelhouse.FOLDER
    folder = wishes.wheels or (own if own.is_dir() else None)
    if folder is None:
        return False
    command = f"mlship wheels {shlex.quote(str(folder))}" + (
        f" --platform {','.join(platforms)}" if platforms else ""
    )
    files = wheelhouse.require(folder, read_lock(project), targets(project, platforms), command)
    if folder.resolve() != own.resolve() and not dry_run:
        stack.enter_context(wheelhouse.placed(files, project.root))
    return True


def _secrets(around: Surroundings, scratch: Path, *, offline: bool) -> dict[str, Path]:
    """Return the files that the Dockerfile mounts while it installs, by their id."""
    secrets = {}
    if around.index and not offline:
        path = scratch / "pip.conf"
        path.touch(mode=0o600)
        path.write_text(around.index.pip_conf(), encoding="utf-8")
        secrets["pip_conf"] = path
    if around.bundle:
        # A builder reads its options as comma-separated values.
        if "," in str(around.bundle):
            secrets["ca_bundle"] = Path(shutil.copy(around.bundle, scratch / "ca.pem"))
        else:
            secrets["ca_bundle"] = around.bundle
    return secrets


def _unlisted(project: Project, platforms: tuple[str, ...]) -> Iterator[str]:
    """Name what no public index has: local versions, as of CPU builds of torch (PEP 440)."""
    lock = read_lock(project)
    pins = {pin.name: pin for each in targets(project, platforms) for pin in each.pins(lock)}
    for pin in pins.values():
        if "+" in pin.version and "://" not in pin.version:
            yield (
                f"{pin.name} {pin.version} is on no public index: name the one that it came from "
                "by PIP_EXTRA_INDEX_URL or --pip-conf, or build from a folder of all wheels "
                "(--wheels)."
            )


def _notes(around: Surroundings, wishes: Wishes, *, offline: bool) -> Iterator[str]:
    index = around.index
    if offline:
        yield "Installing from the wheelhouse, without an index."
    elif index.addresses:
        shown = ", ".join(map(indexes.shown, index.addresses))
        yield f"Installing from {shown} ({index.origin}), told to the build as a secret."
    if around.too_large:
        yield (
            f"{around.too_large} is larger than the 500 KB that a builder takes, so the build "
            "does without: add --ca-bundle FILE with the certificates that it needs."
        )
    if wishes.network == "host":
        return
    used = {} if offline else {indexes.shown(each): each for each in index.addresses}
    used |= {f"{name}, the proxy": url for name, url in around.proxies.items()
             if name.lower() != "no_proxy"}  # fmt: skip
    if index.proxy and not offline:
        used["pip's proxy"] = index.proxy
    for name, address in used.items():
        if indexes.is_loopback(address):
            yield (
                f"{name} is on this machine's loopback, and a build container has one of its own: "
                "add --network host if the build can't reach it."
            )
