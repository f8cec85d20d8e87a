"""The project's own virtual environment, made from its lock."""

from __future__ import annotations

from pathlib import Path

from mlship import freshness
from mlship.commands import uv
from mlship.digest import sha256_of
from mlship.lock import lock, stale
from mlship.runner import Runner
from mlship.surroundings import for_uv

FOLDER = Path(".venv")
_MARK = FOLDER / ".mlship-lock"


def is_current(project: Path, python: str) -> bool:
    """Tell whether the environment was made from the lock as it is now, and that is fresh.

    Raises:
        ProjectError: pyproject.toml can't be read.
    """
    mark = project / _MARK
    if not mark.is_file() or stale(project, python):
        return False
    return _is_made_from(project, uv.DEV_LOCK)


def _is_made_from(project: Path, name: str) -> bool:
    mark, lock_file = project / _MARK, project / name
    if not (mark.is_file() and lock_file.is_file()):
        return False
    return mark.read_text(encoding="utf-8") == sha256_of(lock_file)


def ensure(project: Path, python: str, runner: Runner, wheels: Path | None = None) -> None:
    """Lock and install where that is missing or out of date; a lock that is fresh stays.

    ``wheels`` is a folder that has what the image has: where its files are for this machine too,
    they are installed, without an index and without what only tests and checks need.

    Raises:
        ToolFailed: uv could not lock or install.
        ProjectError: pyproject.toml can't be read.
    """
    if freshness.stale(project, python, uv.LOCK):
        lock(project, python, runner)
    if wheels and _has_wheels(project, python, runner, wheels):
        return
    if stale(project, python):
        # Not the image's: an image that was built is named by it.
        lock(project, python, runner, names=(uv.DEV_LOCK,))
    if is_current(project, python) and not runner.dry_run:
        return
    runner = for_uv(runner, project)
    program = uv.program()
    for command in (uv.make_environment(program, project, python), uv.install(program, project)):
        runner.must(
            command,
            "The project's environment could not be made",
            next="check the network, then run the command again with --verbose",
        )
    if not runner.dry_run:
        _mark(project, uv.DEV_LOCK)


def _has_wheels(project: Path, python: str, runner: Runner, wheels: Path) -> bool:
    """Install from a folder where that is needed; tell whether the environment can serve."""
    if is_current(project, python) or _is_made_from(project, uv.LOCK):
        return True
    program = uv.program()
    commands = (uv.make_environment(program, project, python),
                uv.install_offline(program, project, wheels))  # fmt: skip
    if any(runner.stream(command, lambda _: None) != 0 for command in commands):
        return False
    if not runner.dry_run:
        _mark(project, uv.LOCK)
    return True


def _mark(project: Path, name: str) -> None:
    (project / _MARK).write_text(sha256_of(project / name), encoding="utf-8")
