"""``.dockerignore``: what of a project it lets through to the builder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mlship.ownership import files_in

FILE = ".dockerignore"
# No content, even where all is let through: what mlship and git keep there, and wheels that only
# take an index's place.
_KEPT = frozenset({".git", ".mlship", ".venv", "sbom.json", "wheels"})


def admitted(root: Path) -> Iterator[str]:
    """Yield the relative paths of the files that its lines with ``!`` name.

    That may be more than the builder is sent, where later lines take some back.
    """
    file = root / FILE
    lines = file.read_text("utf-8", "replace").splitlines() if file.is_file() else []
    for line in lines:
        if not line.startswith("!"):
            continue
        pattern = str(PurePosixPath(line[1:].strip().lstrip("/")))
        # A pattern that is none to Python, such as a**b.
        with contextlib.suppress(ValueError, NotImplementedError):
            for found in root.glob("*" if pattern == "." else pattern):
                yield from _files(root, found)


def _files(root: Path, found: Path) -> Iterator[str]:
    inside = files_in(found) if found.is_dir() and not found.is_symlink() else [""]
    for name in inside:
        path = (found / name).relative_to(root)
        if path.parts[0] in _KEPT or ".." in path.parts:
            continue
        # Of a link at the top, the builder takes what it leads to.
        if (root / path).is_file() or len(path.parts) > 1:
            yield path.as_posix()
