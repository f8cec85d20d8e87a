"""Model folders: which links in them are safe to follow."""

from __future__ import annotations

import os
from pathlib import Path

from mlship.errors import ModelError

_MAX_FILES = 10_000


def check_links(folder: Path) -> None:
    """Refuse a folder with links to other places: its copy would hold files of this machine.

    Links into a hub cache's own ``blobs`` (models--org--name/snapshots/REVISION/file ->
    ../../blobs/SHA) are how transformers stores every download, and are fine.

    Raises:
        ModelError: a link leaves the folder or leads nowhere, or there are too many files.
    """
    root = folder.resolve()
    allowed = [root]
    if root.parent.name == "snapshots" and (root.parent.parent / "blobs").is_dir():
        allowed.append(root.parent.parent / "blobs")
    count = 0
    for parent, folders, files in os.walk(folder):  # does not follow links
        for name in (*folders, *files):
            count += 1
            path = Path(parent) / name
            if count > _MAX_FILES:
                raise ModelError(
                    f"{folder} holds more than {_MAX_FILES} files",
                    why="No model has so many; perhaps it is a folder above the model.",
                    next="pass the model's own folder",
                )
            if not (path.is_symlink() or path.is_file() or path.is_dir()):
                raise ModelError(f"{path} is no regular file", next="remove it")
            if path.is_symlink() and not _stays(path, allowed):
                raise ModelError(
                    f"{path} is a link to {path.readlink()}",
                    why="A model's folder is copied into the project and the image; a link out of "
                    "it would bring files of this machine along.",
                    next="replace the link by the file it is meant to be",
                )


def _stays(link: Path, allowed: list[Path]) -> bool:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return False
    return target.is_file() and any(target.is_relative_to(folder) for folder in allowed)
