"""Who owns which field: server-side apply, with what of its schema the manifests here need.

A path is a tuple of FieldsV1 elements: ``("f:spec", 'k:{"name":"server"}', "f:image")``. The real
server knows from the OpenAPI schema which lists are maps by a key and which maps are one value;
here two tables by field name say it, so that a field of the same name in a custom resource is
taken the same way.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.support.fake_cluster.answers import conflicts
from tests.support.fake_cluster.resources import Object

Path = tuple[str, ...]
# x-kubernetes-list-map-keys by the list's name; every other list is one value.
KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "ephemeralContainers": (("name",),),
    "env": (("name",),),
    "volumes": (("name",),),
    "volumeMounts": (("mountPath",),),
    "imagePullSecrets": (("name",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "conditions": (("type",),),
    "ownerReferences": (("uid",),),
    "podIPs": (("ip",),),
}
SETS = {"finalizers"}
# x-kubernetes-map-type: atomic.
ATOMIC = {
    *("selector", "labelSelector", "podSelector", "namespaceSelector", "nodeSelector"),
    *("secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef", "involvedObject"),
}
# Parts that every object has, so that nobody owns them as such.
_ALWAYS = {"f:metadata", "f:spec", "f:status", "f:template", "f:source"}
_NOBODYS = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
            "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds")  # fmt: skip


def key(field: str, item: Any) -> str | None:
    """Return the path element of a list's item; None where the list is one value."""
    for names in KEYS.get(field, ()):
        if isinstance(item, dict) and names[0] in item:
            chosen = {name: item.get(name, "TCP") for name in names}
            return f"k:{json.dumps(chosen, sort_keys=True, separators=(',', ':'))}"
    return f"v:{json.dumps(item)}" if field in SETS else None


def by_key(field: str, items: list[Any]) -> dict[str, Any] | None:
    """Return a list's items by their keys, or None where the list is one value."""
    keyed = {found: item for item in items if (found := key(field, item))}
    return keyed if items and len(keyed) == len(items) else None


def flatten(obj: Object) -> dict[Path, Any]:
    """Return all that can be owned, with its value; None for a map or an item that has parts."""
    mine = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind")}
    metadata = {k: v for k, v in obj.get("metadata", {}).items() if k not in _NOBODYS}
    return dict(_flatten({**mine, "metadata": metadata}, (), ""))


def _flatten(value: Any, path: Path, field: str) -> Iterator[tuple[Path, Any]]:
    parts: dict[str, tuple[Any, str]] | None = None
    if isinstance(value, dict) and value and field not in ATOMIC:
        parts = {f"f:{k}": (v, k) for k, v in value.items() if v is not None}
    elif isinstance(value, list) and (keyed := by_key(field, value)):
        parts = {k: (v, "") for k, v in keyed.items()}
    if path and path[-1] not in _ALWAYS:
        yield path, None if parts else value
    for element, (part, name) in (parts or {}).items():
        yield from _flatten(part, (*path, element), name)


def applied(config: Object) -> dict[Path, Any]:
    """Return what an apply owns: the leaves, and the items of lists."""
    every = flatten(config)
    return {p: v for p, v in every.items() if v is not None or p[-1].startswith("k:")}


def merge(live: Any, config: Any, field: str = "") -> Any:
    """Return the live value with the applied one laid over it."""
    if isinstance(live, dict) and isinstance(config, dict) and field not in ATOMIC:
        merged = {k: v for k, v in live.items() if k not in config}
        given = {k: v for k, v in config.items() if v is not None}
        return merged | {k: merge(live[k], v, k) if k in live else v for k, v in given.items()}
    if isinstance(live, list) and isinstance(config, list):
        before, after = by_key(field, live), by_key(field, config)
        if before and after:
            return _interleave(before, after)
    return copy.deepcopy(config)


def _interleave(live: dict[str, Any], config: dict[str, Any]) -> list[Any]:
    """Merge two lists by key: the applied order, others' items where they stood."""
    merged, rest = [], list(live)
    for name, item in config.items():
        if name in rest:
            at = rest.index(name)
            merged += [live[other] for other in rest[:at] if other not in config]
            rest = [other for other in rest[:at] if other in config] + rest[at + 1 :]
        merged.append(merge(live[name], item) if name in live else item)
    return merged + [live[other] for other in rest if other not in config]


def remove(value: Any, path: Path, field: str = "") -> None:
    """Take a field out, and what holds nothing else after that."""
    head, rest = path[0], path[1:]
    if isinstance(value, list):
        at = next((i for i, item in enumerate(value) if key(field, item) == head), None)
        if at is not None and rest:
            remove(value[at], rest)
        elif at is not None:
            del value[at]
    elif isinstance(value, dict) and (name := head[2:]) in value:
        if rest:
            remove(value[name], rest, name)
        if not rest or value[name] in ({}, []):
            del value[name]


def printed(path: Path) -> str:
    """Return a path as messages show it: ``.spec.containers[name="server"].image``."""
    text = ""
    for element in path:
        kind, value = element[:2], element[2:]
        if kind == "f:":
            text += f".{value}"
        elif kind == "v:":
            text += f"[={value}]"
        else:
            text += f"[{','.join(f'{k}={json.dumps(v)}' for k, v in json.loads(value).items())}]"
    return text


def to_v1(paths: set[Path]) -> Object:
    """Return paths as FieldsV1."""
    tree: Object = {}
    for path in sorted(paths):
        node = tree
        for depth, element in enumerate(path, 1):
            node = node.setdefault(element, {})
            if path[:depth] in paths and depth < len(path):
                node.setdefault(".", {})
    return tree


def from_v1(tree: Object, path: Path = ()) -> Iterator[Path]:
    """Return the paths of FieldsV1."""
    if path and (not tree or "." in tree):
        yield path
    for element, below in tree.items():
        if element != ".":
            yield from from_v1(below, (*path, element))


class Owners:
    """The managers of one object; reads and writes its ``managedFields``."""

    def __init__(self, obj: Object):
        self.entries: dict[tuple[str, str, str], tuple[Object, set[Path]]] = {}
        for entry in obj.get("metadata", {}).get("managedFields", []):
            who = (entry["manager"], entry["operation"], entry.get("subresource", ""))
            self.entries[who] = (entry, set(from_v1(entry["fieldsV1"])))

    def paths(self, who: tuple[str, str, str]) -> set[Path]:
        """Return what a manager owns."""
        return self.entries[who][1] if who in self.entries else set()

    def set(self, who: tuple[str, str, str], api_version: str, paths: set[Path]) -> None:
        """Have a manager own just these."""
        if paths == self.paths(who):
            return
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        manager, operation, sub = who
        entry = {"manager": manager, "operation": operation, "apiVersion": api_version, "time": now}
        entry |= {"fieldsType": "FieldsV1", **({"subresource": sub} if sub else {})}
        self.entries[who] = (entry, paths)

    def drop(self, paths: set[Path], but: tuple[str, str, str]) -> None:
        """Take fields from all other managers."""
        for who, (entry, owned) in self.entries.items():
            if who != but and owned & paths:
                self.entries[who] = (entry, owned - paths)

    def write(self, obj: Object) -> None:
        """Write them into the object."""
        kept = [(entry, paths) for entry, paths in self.entries.values() if paths]
        obj["metadata"]["managedFields"] = [e | {"fieldsV1": to_v1(paths)} for e, paths in kept]


def update(live: Object, new: Object, manager: str, sub: str = "") -> None:
    """Note in ``new`` that a manager changed what differs from ``live``.

    Owners that the client sent count, as csaupgrade's patches do; without, those of ``live``.
    """
    before, after = flatten(live), flatten(new)
    changed = {p for p, value in after.items() if p not in before or before[p] != value}
    owners = Owners(new if new["metadata"].get("managedFields") else live)
    who = (manager, "Update", sub)
    owners.drop(changed | (before.keys() - after.keys()), but=who)
    kept = {path for path in owners.paths(who) if path in after}
    owners.set(who, new["apiVersion"], kept | changed)
    owners.write(new)


def apply(live: Object, config: Object, manager: str, *, force: bool) -> Object:
    """Return the object after a server-side apply, before defaults are filled in.

    Raises:
        Refused: 409, where another manager owns a field that would change.
    """
    wanted, before = applied(config), flatten(live)
    owners, who = Owners(live), (manager, "Apply", "")
    changed = {p for p, value in wanted.items() if p not in before or before[p] != value}
    found = []
    for (other, operation, sub), (entry, paths) in owners.entries.items():
        if (other, operation, sub) != who:
            shown = f'"{other}"' + (f' with subresource "{sub}"' if sub else "")
            shown += f" using {entry['apiVersion']}" if operation == "Update" else ""
            found += [(shown, printed(path)) for path in sorted(paths & changed)]
    if found and not force:
        raise conflicts(found)
    owners.drop(changed, but=who)
    merged: Object = merge(live, config)
    left = owners.paths(who) - wanted.keys()
    owners.set(who, config["apiVersion"], set(wanted))
    others = {p for _, paths in owners.entries.values() for p in paths}
    # An item before what it is found by: its name is a field of it.
    for path in sorted(left, key=len):
        if path not in others and not any(o[: len(path)] == path for o in others):
            remove(merged, path)
    owners.write(merged)
    return merged
