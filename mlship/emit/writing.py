"""Puts what was emitted into a folder that may hold an earlier one, with edits.

The rule of ``ownership``, with a record in that folder: what mlship wrote there is replaced, what
somebody edited stays.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlship import ownership
from mlship.errors import ProjectError


def write(files: Mapping[str, str], folder: Path, *, force: bool = False) -> ownership.Changes:
    """Write ``files`` into ``folder``; all of them or none.

    ``force`` takes edited files, and folders that mlship wrote nothing into.

    Raises:
        ProjectError: the folder is not one that mlship wrote, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ProjectError(f"{folder} is a file", next="choose another folder with --output")
    is_ours = bool(ownership.read_record(folder))
    if folder.is_dir() and any(folder.iterdir()) and not is_ours and not force:
        raise ProjectError(
            f"The folder {folder} is not empty",
            why="mlship wrote nothing there before, so what is in it is somebody's own.",
            next="choose another with --output, or add --force, which replaces files of the "
            "same names",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    # On the same disk, so that each file is moved into place at once.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as staging:
        staged = Path(staging) / "new"
        for name, text in files.items():
            path = staged / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        same = {name for name in files if _is_same(staged / name, folder / name)}
        ownership.write_record(staged)
        folder.mkdir(exist_ok=True)
        changes = ownership.install_over(staged, folder, force=force)
    # The record is no news, nor is what was there already.
    changes.written = [
        name for name in changes.written if name not in same and name != ownership.RECORD
    ]
    changes.unchanged = sorted(same)
    return changes


def _is_same(staged: Path, path: Path) -> bool:
    return path.is_file() and staged.read_bytes() == path.read_bytes()
