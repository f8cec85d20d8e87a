"""The revision that an image is labelled with: the project's git commit."""

from __future__ import annotations

from pathlib import Path

from mlship.errors import MlshipError
from mlship.runner import Command, Runner


def of(root: Path, runner: Runner) -> str:
    """Return the commit (``-dirty`` with changes); ``unknown`` outside git or without it."""
    try:
        commit = runner.ask(Command(("git", "rev-parse", "HEAD"), cwd=root))
        status = runner.ask(Command(("git", "status", "--porcelain", "--", "."), cwd=root))
    except MlshipError:
        return "unknown"
    if commit.code != 0:
        return "unknown"
    return commit.stdout.strip() + ("-dirty" if status.stdout.strip() else "")
