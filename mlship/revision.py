"""The revision that an image is labelled with, and its time: those of the project's git commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mlship.errors import MlshipError, UsageError
from mlship.runner import Command, Runner

# The last second of the year 9999; later ones can't be written (RFC 3339).
_LATEST = 253402300799


def of(root: Path, runner: Runner) -> str:
    """Return the commit (``-dirty`` with changes); ``unknown`` outside git or without it.

    A folder that git ignores is outside of it, whatever lies around.
    """
    try:
        commit = runner.ask(Command(("git", "rev-parse", "HEAD"), cwd=root))
        tracked = runner.ask(Command(("git", "ls-files", "--", "."), cwd=root))
        status = runner.ask(Command(("git", "status", "--porcelain", "--", "."), cwd=root))
    except MlshipError:
        return "unknown"
    if commit.code != 0 or not tracked.stdout:
        return "unknown"
    return commit.stdout.strip() + ("-dirty" if status.stdout.strip() else "")


def epoch(
    root: Path, files: Iterable[str], revision: str, environ: Mapping[str, str], runner: Runner
) -> int:
    """Return the time that the image shall bear, in seconds, so that one commit has one image.

    SOURCE_DATE_EPOCH where it is set (https://reproducible-builds.org/specs/source-date-epoch/);
    the commit's time where ``revision`` is a commit without changes; else that of the newest of
    the ``files``, which lie below ``root``.

    Raises:
        UsageError: SOURCE_DATE_EPOCH is no number.
    """
    if given := environ.get("SOURCE_DATE_EPOCH"):
        # Its length first: int() takes no more than 4300 digits.
        fits = given.isdecimal() and len(given) <= len(str(_LATEST)) and int(given) <= _LATEST
        if not fits:
            raise UsageError(
                f"SOURCE_DATE_EPOCH can't be {given!r}", next="seconds since 1970, or unset it"
            )
        return int(given)
    if revision != "unknown" and not revision.endswith("-dirty"):
        said = runner.ask(Command(("git", "show", "--no-patch", "--format=%ct", "HEAD"), cwd=root))
        if said.code == 0 and said.stdout.strip().isdecimal():
            return int(said.stdout)
    paths = (root / name for name in files)
    return max((int(path.stat().st_mtime) for path in paths if path.is_file()), default=0)
