"""The comments of k8s/, which rendering drops, by the place that they stand before."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import yaml

# A kind, then keys; an item of a list is known by its name, or by its place where it has none.
Place = tuple[str | int, ...]
Comments = dict[Place, tuple[str, ...]]
# They speak of the layout that only k8s/ has.
_OF_THE_LAYOUT = re.compile(r"overlays|kustomiz")


def of(texts: Iterable[str]) -> Comments:
    """Return the comments of manifests, each as its lines without ``#``."""
    found: Comments = {}
    for text in texts:
        lines = text.splitlines()
        for root in yaml.compose_all(text, Loader=yaml.SafeLoader):
            if isinstance(root, yaml.MappingNode) and (kind := _scalar(root, "kind")):
                _collect(root, (kind,), lines, set(), found)
    return found


def of_folders(*folders: Path) -> Comments:
    """Return the comments of all manifests in folders of k8s/."""
    files = (file for folder in folders for file in sorted(folder.glob("*.yaml")))
    return of(file.read_text(encoding="utf-8") for file in files)


def place_of(item: object, index: int) -> str | int:
    """Return what an item of a list is known by."""
    return item["name"] if isinstance(item, dict) and isinstance(item.get("name"), str) else index


def _collect(
    node: yaml.Node, place: Place, lines: list[str], taken: set[int], found: Comments
) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, key.value)
            _take(key, inner, lines, taken, found)
            _collect(value, inner, lines, taken, found)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            name = _scalar(item, "name") if isinstance(item, yaml.MappingNode) else ""
            inner = (*place, name or index)
            _take(item, inner, lines, taken, found)
            _collect(item, inner, lines, taken, found)


def _take(
    node: yaml.Node, place: Place, lines: list[str], taken: set[int], found: Comments
) -> None:
    """Note what stands above a node, unless something outside it that begins there has it."""
    line = node.start_mark.line
    if line in taken:
        return
    taken.add(line)
    first = line
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    comment = tuple(each.lstrip().removeprefix("#").strip() for each in lines[first:line])
    if comment and not _OF_THE_LAYOUT.search(" ".join(comment)):
        found[place] = comment


def _scalar(node: yaml.MappingNode, key: str) -> str:
    for each, value in node.value:
        if each.value == key and isinstance(value, yaml.ScalarNode):
            return str(value.value)
    return ""
