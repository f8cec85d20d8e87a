"""The project's own virtual environment, made from its lock."""

from __future__ import annotations

from pathlib import Path

from mlship.commands import uv
from mlship.digest import sha256_of
from mlship.lock import is_locked, lock
from mlship.runner import Runner

FOLDER = Path(".venv")
_MARK = FOLDER / ".mlship-lock"


def is_current(project: Path) -> bool:
    """Tell whether the environment was made from the lock as it is now."""
    mark, lock_file = project / _MARK, project / uv.DEV_LOCK
    if not (mark.is_file() and lock_file.is_file()):
        return False
    return mark.read_text(encoding="utf-8") == sha256_of(lock_file)


def ensure(project: Path, python: str, runner: Runner) -> None:
    """Lock and install where that is missing or out of date.

    Raises:
        ToolFailed: uv could not lock or install.
    """
    if not is_locked(project):
        lock(project, python, runner)
    if is_current(project) and not runner.dry_run:
        return
    program = uv.program()
    for command in (uv.make_environment(program, project, python), uv.install(program, project)):
        runner.must(
            command,
            "The project's environment could not be made",
            next="check the network, then run the command again with --verbose",
        )
    if not runner.dry_run:
        (project / _MARK).write_text(sha256_of(project / uv.DEV_LOCK), encoding="utf-8")
