"""The sha256 and size of a model, as the card, the ownership record and the image's tag use it."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

IGNORED = frozenset({"__pycache__", ".git"})
_LARGE = 64 << 20


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file, or of a folder's relative names and their digests."""
    if path.is_dir():
        folder = hashlib.sha256()
        for each in files_of(path):
            name = each.relative_to(path).as_posix()  # of any bytes
            folder.update(os.fsencode(f"{name}\0{sha256_of(each)}\n"))
        return folder.hexdigest()
    state = path.stat()
    if state.st_size < _LARGE:
        return _of_file(path)
    return _of_large_file(path, state.st_size, state.st_mtime_ns)


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=64)
def _of_large_file(path: Path, size: int, changed: int) -> str:
    """Read a large file once per command: 2 GB take more than a second."""
    return _of_file(path)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in files_of(path))


def files_of(path: Path) -> list[Path]:
    """Return the file itself, or every file below a folder, in the order of their names.

    What Python and git keep for themselves is left out, there and when a folder is copied.
    """
    if not path.is_dir():
        return [path]
    found = (
        file
        for file in path.rglob("*")
        if file.is_file() and not IGNORED.intersection(file.relative_to(path).parts)
    )
    return sorted(found, key=lambda file: file.relative_to(path).as_posix())
