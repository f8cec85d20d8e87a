"""The objects of the cluster, in memory: what etcd and the registry of an API server do."""

from __future__ import annotations

import itertools
import random
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.support.fake_cluster import answers, defaults, fields, validation
from tests.support.fake_cluster.resources import Object, Resource, built_in, custom

# As k8s.io/apimachinery/pkg/util/rand: no vowels, nothing that looks alike.
LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def now(*, micro: bool = False) -> str:
    """Return the time as objects carry it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def copied(value: Any) -> Any:
    """Return a copy of what JSON can hold; many times faster than copy.deepcopy."""
    if isinstance(value, dict):
        return {name: copied(each) for name, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value


def suffix() -> str:
    """Return five random letters, for a generated name."""
    return "".join(random.choices(LETTERS, k=5))


def same(one: Object, other: Object) -> bool:
    """Tell whether two objects differ in no more than who wrote them when."""
    return _bare(one) == _bare(other)


def _bare(obj: Object) -> Object:
    ignored = ("managedFields", "resourceVersion", "generation")
    return obj | {"metadata": {k: v for k, v in obj["metadata"].items() if k not in ignored}}


class Store:
    """Objects by kind, namespace and name. Reads return copies; all is safe between threads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.resources = built_in()
        self.history: list[tuple[int, str, str, Object]] = []  # version, ADDED..., resource, object
        self.admission: list[Callable[[Resource, Object], None]] = []
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._versions = itertools.count(1000)
        self.version = 1000

    # Kinds

    def resource(self, group: str, version: str, plural: str) -> Resource | None:
        """Return the kind behind a path."""
        known = (r for r in self.resources if (r.group, r.plural) == (group, plural))
        return next((r for r in known if r.version == version), None)

    def of_kind(self, kind: str, api_version: str = "") -> Resource:
        """Return a kind by its name; one that no cluster has by itself is added."""
        for resource in self.resources:
            if resource.kind == kind and api_version in ("", resource.api_version):
                return resource
        if not api_version:
            raise KeyError(kind)
        self.resources.append(custom(kind, api_version))
        return self.resources[-1]

    # Reading

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return an object, or None."""
        with self.lock:
            found = self._objects.get(self._key(resource, namespace, name))
            return copied(found)

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Return an object; 404 where there is none."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise answers.not_found(resource, name)
        return found

    def all(self, resource: Resource, namespace: str = "") -> list[Object]:
        """Return all objects of a kind, by namespace and name."""
        kind = self._key(resource, "", "")[0]
        with self.lock:
            return [
                copied(obj)
                for (of, where, _), obj in sorted(self._objects.items())
                if of == kind and (not namespace or where == namespace)
            ]

    # Writing

    def create(self, resource: Resource, obj: Object, manager: str, *, dry: bool = False) -> Object:
        """Add an object that a client sent."""
        obj = copied(obj)
        obj["metadata"].pop("managedFields", None)
        with self.lock:
            self._identify(resource, obj)
            defaults.fill(obj)
            empty = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": {}}
            fields.update(empty, obj, manager)
            return self.insert(resource, obj, dry=dry)

    def insert(self, resource: Resource, obj: Object, *, dry: bool = False) -> Object:
        """Add an object whose owners are known."""
        with self.lock:
            self._identify(resource, obj)
            metadata = obj["metadata"]
            namespace, name = metadata.get("namespace", ""), metadata["name"]
            if self.find(resource, namespace, name):
                raise answers.already_exists(resource, name)
            self._check_namespace(resource, namespace, name)
            defaults.fill(obj)
            validation.check(resource, None, obj)
            self._admit(resource, obj)
            if resource.generations:
                metadata["generation"] = 1
            return obj if dry else self._keep(resource, obj, "ADDED")

    def update(
        self, resource: Resource, obj: Object, manager: str, sub: str = "", *, dry: bool = False
    ) -> Object:
        """Replace an object; a resource version in it must be the current one."""
        with self.lock:
            metadata = obj["metadata"]
            live = self.get(resource, metadata.get("namespace", ""), metadata["name"])
            given = metadata.get("resourceVersion", live["metadata"]["resourceVersion"])
            if given != live["metadata"]["resourceVersion"]:
                raise answers.stale(resource, metadata["name"])
            if sub == "status":
                obj = live | {"status": obj.get("status", {}), "metadata": metadata}
            defaults.fill(obj)
            fields.update(live, obj, manager, sub)
            return self.replace(resource, live, obj, dry=dry)

    def replace(
        self, resource: Resource, live: Object, obj: Object, *, dry: bool = False
    ) -> Object:
        """Put an object whose owners are known in the place of a live one."""
        fixed = ("uid", "creationTimestamp", "generation", "deletionTimestamp")
        metadata, before = obj["metadata"], live["metadata"]
        metadata |= {k: before[k] for k in fixed if k in before}
        metadata["resourceVersion"] = before["resourceVersion"]
        owners = metadata.get("managedFields") == before.get("managedFields")
        if same(live, obj) and owners:
            return live
        if not same(live | {"status": 0}, obj | {"status": 0}):
            validation.check(resource, live, obj)
            self._admit(resource, obj)
        apart = {"metadata": {}, "status": {}}
        if resource.generations and live | apart != obj | apart:
            metadata["generation"] = before.get("generation", 0) + 1
        return obj if dry else self._keep(resource, obj, "MODIFIED")

    def delete(self, resource: Resource, obj: Object) -> None:
        """Take an object out."""
        metadata = obj["metadata"]
        with self.lock:
            key = self._key(resource, metadata.get("namespace", ""), metadata["name"])
            if gone := self._objects.pop(key, None):
                gone["metadata"]["resourceVersion"] = str(self._next())
                self._tell("DELETED", resource, gone)

    def mark_deleted(self, resource: Resource, obj: Object, grace: int | None = None) -> Object:
        """Have an object end: with its finalizers, or as the kubelet ends a pod."""
        metadata = obj["metadata"]
        with self.lock:
            if "deletionTimestamp" in metadata:
                return obj
            metadata["deletionTimestamp"] = now()
            if resource.kind == "Pod":
                seconds = obj["spec"].get("terminationGracePeriodSeconds", 30)
                metadata["deletionGracePeriodSeconds"] = seconds if grace is None else grace
            elif resource.kind == "Namespace":
                obj["status"] = {"phase": "Terminating"}
            return self._keep(resource, obj, "MODIFIED")

    def patch(
        self, resource: Resource, obj: Object, manager: str, sub: str = "", **parts: Any
    ) -> None:
        """Have a controller change parts of an object, such as its status."""
        self.update(resource, obj | parts, manager, sub)

    # Inside

    def _key(self, resource: Resource, namespace: str, name: str) -> tuple[str, str, str]:
        core = "events" if resource.plural == "events" else resource.qualified
        return core, namespace if resource.namespaced else "", name

    def _identify(self, resource: Resource, obj: Object) -> None:
        metadata = obj.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + suffix()
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", now())
        if not resource.namespaced:
            metadata.pop("namespace", None)

    def _check_namespace(self, resource: Resource, namespace: str, name: str) -> None:
        if not resource.namespaced:
            return
        spaces = self.of_kind("Namespace", "v1")
        if "deletionTimestamp" in self.get(spaces, "", namespace)["metadata"]:
            why = f"unable to create new content in namespace {namespace} because it is being"
            raise answers.forbidden(resource, name, f"{why} terminated")

    def _admit(self, resource: Resource, obj: Object) -> None:
        for check in self.admission:
            check(resource, obj)

    def _keep(self, resource: Resource, obj: Object, how: str) -> Object:
        metadata = obj["metadata"]
        metadata["resourceVersion"] = str(self._next())
        key = self._key(resource, metadata.get("namespace", ""), metadata["name"])
        self._objects[key] = copied(obj)
        self._tell(how, resource, obj)
        return obj

    def _next(self) -> int:
        self.version = next(self._versions)
        return self.version

    def _tell(self, how: str, resource: Resource, obj: Object) -> None:
        self.history.append((self.version, how, self._key(resource, "", "")[0], copied(obj)))
