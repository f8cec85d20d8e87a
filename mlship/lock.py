"""The project's lock files: exact versions with hashes, made by uv.

They hold for every platform (``uv pip compile --universal``): one file for images of amd64 and
arm64 and for the machines of those who work on the project. For the image the pins are those of a
lock of its own platform; pip leaves out the lines whose markers are not for it.
"""

from __future__ import annotations

import difflib
import itertools
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from mlship import freshness, lockfile, ownership, pyproject
from mlship.commands import uv
from mlship.errors import ProjectError, ToolFailed, UsageError
from mlship.lockfile import Move
from mlship.project import Project
from mlship.runner import Runner
from mlship.surroundings import for_uv

LOCKS = (uv.LOCK, uv.DEV_LOCK)
_IGNORED = re.compile("Failed to parse .* during settings discovery")


@dataclass(frozen=True)
class Locked:
    """What a lock changed: in the image, and in what tests and checks need only.

    ``first`` tells that there was no lock before.
    """

    image: list[Move]
    dev: list[Move]
    first: bool = False


def wishes(project: Path) -> pyproject.Asked:
    """Return what the locks are made from.

    Raises:
        ProjectError: pyproject.toml is missing, or can't be read.
    """
    if asked := pyproject.read(project):
        return asked
    raise ProjectError(
        f"{project / pyproject.FILE_NAME} is missing", why="The lock is made from it.",
        next=f"mlship init {project.name} --force, from {project.parent}",
    )  # fmt: skip


def stale(project: Path, python: str) -> list[str]:
    """Return why the locks are not what pyproject.toml asks for; empty when they are.

    Raises:
        ProjectError: pyproject.toml can't be read.
    """
    found = [reason for name in LOCKS for reason in freshness.stale(project, python, name)]
    return list(dict.fromkeys(found))


def require_fresh(project: Project, runner: Runner) -> None:
    """Lock where there is no lock; refuse one of another pyproject.toml.

    What tests and checks need is no matter of the image.

    Raises:
        ToolFailed: the lock is stale, or uv could not make one.
        ProjectError: pyproject.toml can't be read.
    """
    if not (project.root / uv.LOCK).is_file():
        if not runner.dry_run:
            lock(project.root, project.config.python, runner)
        return
    reasons = freshness.stale(project.root, project.config.python, uv.LOCK)
    if reasons:
        raise out_of_date(reasons)


def out_of_date(reasons: list[str]) -> ToolFailed:
    """Return the error for locks that are stale."""
    more = [f"and {len(reasons) - 8} more"] if len(reasons) > 8 else []
    return ToolFailed(
        "The lock is not what pyproject.toml asks for",
        why="\n".join([*reasons[:8], *more]),
        next="mlship lock",
    )


def lock(
    project: Path,
    python: str,
    runner: Runner,
    *,
    upgrade: bool = False,
    packages: tuple[str, ...] = (),
    names: tuple[str, ...] = LOCKS,
) -> Locked:
    """Write the lock files from pyproject.toml, all or none; return what moved.

    Pins that are there stay where they fit, unless ``upgrade``, or for ``packages``. ``names``
    may be the development lock alone, which follows the image's.

    Raises:
        ToolFailed: uv found no versions that fit together, or no package index, or something that
            an image can't install.
        ProjectError: pyproject.toml is missing, can't be read, by mlship or uv, or is for another
            Python.
        UsageError: one of ``packages`` is not locked.
    """
    asked = wishes(project)
    if not asked.is_for(python):
        raise ProjectError(
            f"{pyproject.FILE_NAME} is for Python {asked.python}, mlship.yaml for {python}",
            why="The image, the lock and the environment have one Python.",
            next=f"mlship init {project.name} --force --set python={python}, from "
            f"{project.parent}, or correct requires-python",
        )
    _check_known(project, packages)
    before = {name: freshness.read(project, name) for name in LOCKS}
    former = {name: _bytes(project / name) for name in LOCKS}
    owned = ownership.ours(project, LOCKS)
    runner = for_uv(runner, project)
    program, moving = uv.program(), uv.upgrades(upgrade=upgrade, packages=packages)
    commands = (uv.lock(program, project, python, moving),
                uv.lock_dev(program, project, python, moving, group=asked.has_dev))  # fmt: skip
    try:
        if not runner.dry_run:
            _make_readable(project)
        for name, command in zip(LOCKS, commands, strict=True):
            if name not in names:
                continue
            said = runner.must(
                command,
                "The project's libraries could not be locked",
                next="check pyproject.toml and the network, then run the command again",
            )
            _require_settings(said)
            if not runner.dry_run:
                text = (project / name).read_text(encoding="utf-8")
                _require_hashes(text)
                digest = freshness.digest(asked, python, name)
                ownership.replace_text(project / name, lockfile.stamped(text, digest, python))
    except BaseException:
        _put_back(project, former)
        raise
    ownership.rewritten(project, owned)
    after = {name: freshness.read(project, name) for name in LOCKS}
    image, dev = (lockfile.moved(before[name], after[name]) for name in LOCKS)
    first = not before[uv.LOCK].pins
    return Locked(image, [move for move in dev if move not in image], first)


def _make_readable(project: Path) -> None:
    """Leave uv only pins that it can read: it takes them up where they fit."""
    for name in LOCKS:
        content = _bytes(project / name)
        if content is None:
            continue
        text = content.decode(errors="replace")
        if (found := lockfile.parse(text)).conflicts or text.encode() != content:
            ownership.replace_text(project / name, lockfile.versions_alone(found))


def _require_settings(said: list[str]) -> None:
    """Refuse what uv locked without its settings: one mistake, and it ignores the whole table."""
    at = next((n for n, line in enumerate(said) if _IGNORED.search(line)), None)
    if at is not None:
        # What it says of the place is indented.
        more = itertools.takewhile(lambda line: line.startswith(" "), said[at + 1 :])
        raise ProjectError(
            f"uv can't read [tool.uv] of {pyproject.FILE_NAME}, and would lock without it",
            why="\n".join([said[at], *more]),
            next=f"correct {pyproject.FILE_NAME}, then mlship lock",
        )


def _require_hashes(text: str) -> None:
    if found := lockfile.elsewhere(lockfile.parse(text)):
        raise ToolFailed(
            f"An image can't install {', '.join(found)}",
            why="It comes from a folder of this machine or from git. An image is built from files "
            "whose hashes are locked, and that can be had wherever it is built.",
            next="ask in pyproject.toml for a version from your package index, or for a wheel by "
            "its https:// address; for modules of your own: mlship init NAME --force --include "
            "MODULE",
        )


def keep_pins(former: Path, project: Path) -> None:
    """Give a project that is rendered again the locks of the former one: pins that fit stay."""
    for name in LOCKS:
        if (former / name).is_file():
            shutil.copyfile(former / name, project / name)


def held(project: Path, moved: Locked, packages: tuple[str, ...], *, upgrade: bool) -> list[str]:
    """Return a sentence for each library that an upgrade can't move: pyproject.toml pins it."""
    asked = pyproject.read(project)
    wanted = {lockfile.canonical(name) for name in packages}
    gone = {move.name for move in (*moved.image, *moved.dev)}
    every = (*asked.runtime, *asked.dev) if asked else ()
    pinned = {lockfile.canonical(each.name): str(each.specifier) for each in every}
    exact = {n: pin for n, pin in pinned.items() if pin.startswith("==") and "*" not in pin}
    return [
        f"{name} stays: pyproject.toml asks for {pin}; a model's own library moves with the model."
        for name, pin in sorted(exact.items())
        if name not in gone and (upgrade or name in wanted)
    ]


def _check_known(project: Path, packages: tuple[str, ...]) -> None:
    known = sorted({pin.name for pin in freshness.read(project, uv.DEV_LOCK).pins})
    for package in packages:
        if lockfile.canonical(package) not in known:
            near = difflib.get_close_matches(lockfile.canonical(package), known, 1)
            raise UsageError(
                f"{package} is not locked, so it can't be upgraded",
                next=f"mlship lock --upgrade-package {near[0] if near else 'NAME'}, or add it to "
                "pyproject.toml",
            )


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _put_back(project: Path, former: dict[str, bytes | None]) -> None:
    for name, content in former.items():
        if content is None:
            (project / name).unlink(missing_ok=True)
        elif _bytes(project / name) != content:
            (project / name).write_bytes(content)
