"""The tree of files that ``init`` shows at its end."""

from __future__ import annotations

from rich.text import Text
from rich.tree import Tree

from mlship.ownership import Changes


def file_tree(name: str, changes: Changes) -> Tree:
    """Return all files of the project as a tree; what was left alone is marked."""
    marks = dict.fromkeys(changes.kept, " (kept: yours)")
    tree = Tree(Text(f"{name}/", style="bold"))
    branches: dict[str, Tree] = {"": tree}
    paths = sorted({*changes.written, *changes.unchanged, *changes.kept}, key=_folders_first)
    for path in paths:
        folder, _, file = path.rpartition("/")
        _branch(branches, folder).add(Text.assemble(file, (marks.get(path, ""), "yellow")))
    return tree


def _folders_first(path: str) -> tuple[list[tuple[bool, str]], str]:
    *folders, file = path.split("/")
    return [(False, folder) for folder in folders] + [(True, file)], file


def _branch(branches: dict[str, Tree], folder: str) -> Tree:
    if folder not in branches:
        parent, _, name = folder.rpartition("/")
        branches[folder] = _branch(branches, parent).add(Text(f"{name}/", style="blue"))
    return branches[folder]
