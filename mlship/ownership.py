"""Which files of a project are mlship's, and how new ones take their place.

``.mlship/files.json`` records the sha256 of each file as mlship wrote it. A file is mlship's
while it still has that content; one that was edited, or was there before, is the user's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mlship.config import FILE_NAME
from mlship.digest import files_of, sha256_of

RECORD = ".mlship/files.json"


@dataclass
class Changes:
    """What an installation did, as paths relative to the project."""

    written: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    # The user's own by an edit, in places that the project no longer has a use for.
    unused: list[str] = field(default_factory=list)


def files_in(folder: Path) -> Iterator[str]:
    """Yield the relative POSIX paths of all files below ``folder``, sorted."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() or path.is_symlink():
            yield path.relative_to(folder).as_posix()


def write_record(project: Path) -> None:
    """Record every file of a freshly rendered project as mlship's."""
    record = {name: sha256_of(project / name) for name in files_in(project) if name != RECORD}
    save_record(project, record)


def save_record(project: Path, record: dict[str, str]) -> None:
    """Write path to sha256 of what mlship wrote, whole or not at all."""
    replace_text(project / RECORD, json.dumps(record, indent=2) + "\n")


def replace_text(path: Path, text: str) -> None:
    """Write a file so that it is the old one or the new one at any moment (rename(2)).

    A link stays one; a device or a pipe is written into.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path = Path(os.path.realpath(path))  # unlike resolve, takes links in a circle
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_record(project: Path) -> dict[str, str]:
    """Return path to sha256 of what mlship wrote here; empty when there is no (valid) record."""
    try:
        record = json.loads((project / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def is_written(project: Path, path: Path) -> bool:
    """Tell whether ``path`` is a file or folder that mlship wrote into ``project``, unchanged."""
    if not path.is_relative_to(project):
        return False
    record = read_record(project)
    return all(
        record.get(file.relative_to(project).as_posix()) == sha256_of(file)
        for file in files_of(path)
    )


def ours(project: Path, names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that mlship wrote and nobody has changed since."""
    record = read_record(project)
    return [
        name for name in names if name in record and is_ours(project / name, record[name], name)
    ]


def rewritten(project: Path, names: Iterable[str]) -> None:
    """Record that files which were mlship's own have been written by it again."""
    now = {name: sha256_of(project / name) for name in names if (project / name).is_file()}
    if now:
        save_record(project, read_record(project) | now)


def install_over(staged: Path, target: Path, *, force: bool = False) -> Changes:
    """Move the files of ``staged`` into ``target``, leaving alone what is not mlship's.

    With ``force``, files of the same names are replaced whosever they are.
    Every replaced file is set aside first: on any failure, Ctrl-C included, all go back.
    """
    changes = Changes()
    before = read_record(target)
    aside = staged.parent / "replaced"
    new = list(files_in(staged))
    undo: list[tuple[Path, Path | None]] = []  # (path in target, its former self or None)
    try:
        for name in [*(n for n in new if n != RECORD), RECORD]:
            path = target / name
            if not force and not is_ours(path, before.get(name), name):
                same = path.is_file() and sha256_of(path) == sha256_of(staged / name)
                (changes.unchanged if same else changes.kept).append(name)
                continue
            _set_aside(path, aside / name, undo)
            path.parent.mkdir(parents=True, exist_ok=True)
            (staged / name).replace(path)
            changes.written.append(name)
        for name in sorted(before.keys() - set(new)):
            path = target / name
            if not path.is_file():
                continue
            if is_ours(path, before[name], name):
                _set_aside(path, aside / name, undo)
                changes.removed.append(name)
            else:
                changes.unused.append(name)
    except BaseException:
        for path, former in reversed(undo):
            former.replace(path) if former else path.unlink(missing_ok=True)
        raise
    return changes


def is_ours(path: Path, recorded: str | None, name: str) -> bool:
    """Tell whether mlship may write to ``path``: nothing is there, or what mlship wrote."""
    if not path.exists() and not path.is_symlink():
        return True
    if name in (RECORD, FILE_NAME):
        return True  # `init` has taken over every value that mlship.yaml had
    return path.is_file() and not path.is_symlink() and sha256_of(path) == recorded


def _set_aside(path: Path, place: Path, undo: list[tuple[Path, Path | None]]) -> None:
    if not path.exists():
        undo.append((path, None))
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    path.replace(place)
    undo.append((path, place))
