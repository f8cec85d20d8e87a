"""The project's lock files: exact versions with hashes, made by uv."""

from __future__ import annotations

from pathlib import Path

from mlship.commands import uv
from mlship.runner import Runner


def is_locked(project: Path) -> bool:
    """Tell whether both lock files are there."""
    return (project / uv.LOCK).is_file() and (project / uv.DEV_LOCK).is_file()


def lock(project: Path, python: str, runner: Runner) -> None:
    """Write both lock files from pyproject.toml.

    Raises:
        ToolFailed: uv found no versions that fit together, or no package index.
    """
    program = uv.program()
    for command in (uv.lock(program, project, python), uv.lock_dev(program, project, python)):
        runner.must(
            command,
            "The project's libraries could not be locked",
            next="check pyproject.toml and the network, then run the command again",
        )
