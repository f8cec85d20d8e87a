"""Who manages the fields of an object, by its ``managedFields``.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers
"""

from __future__ import annotations

import copy
from functools import reduce

from mlship.rollout.snapshot import Object


def taking_over(deployment: Object, manager: str) -> list[Object]:
    """Return the JSON patch that makes the pods' template ``manager``'s alone; empty where it is.

    What others added there (`kubectl set env`, `rollout restart`) would outlast an apply, which
    removes only what its own manager alone owns. The patch changes owners and nothing else, so no
    rollout begins; it fails where the Deployment is no longer as it was seen. Client-go moves
    owners the same way: https://pkg.go.dev/k8s.io/client-go/util/csaupgrade.
    """
    metadata = deployment["metadata"]
    entries = copy.deepcopy(metadata.get("managedFields", []))
    mine = next((e for e in entries if _of(e) == (manager, "Apply")), None) or _entry(manager)
    others = [entry for entry in entries if entry is not mine]
    taken = [template for entry in others if (template := _take(entry))]
    if not taken:
        return []
    spec = mine["fieldsV1"].setdefault("f:spec", {})
    spec["f:template"] = reduce(_union, taken, spec.get("f:template", {}))
    left = [mine, *(entry for entry in others if entry.get("fieldsV1"))]
    return [
        {"op": "test", "path": "/metadata/generation", "value": metadata.get("generation")},
        {"op": "replace", "path": "/metadata/managedFields", "value": left},
    ]


def _of(entry: Object) -> tuple[str | None, str | None]:
    return entry.get("manager"), entry.get("operation")


def _entry(manager: str) -> Object:
    return {"manager": manager, "operation": "Apply", "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1", "fieldsV1": {}}  # fmt: skip


def _take(entry: Object) -> Object:
    """Take the pods' template out of what an entry owns, and return that part."""
    owned = entry.get("fieldsV1", {})
    spec = owned.get("f:spec", {})
    found: Object = spec.pop("f:template", {})
    if found and not spec:
        del owned["f:spec"]
    return found


def _union(one: Object, other: Object) -> Object:
    """Return the fields of two managers as one tree."""
    return {name: _union(one.get(name, {}), other.get(name, {})) for name in {**one, **other}}
