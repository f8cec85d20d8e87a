"""The way back: the objects that make a cluster as it was, or an older revision current.

They are applied on the server's side by the same manager, so the next deployment finds no field
that is somebody else's, as it would after `kubectl rollout undo`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from mlship.commands.kubectl import FAILED
from mlship.rollout.snapshot import Object, Snapshot, revision

# What the cluster writes, not whoever applies.
_SERVER_SIDE = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
_CONTROLLERS = ("deployment.kubernetes.io/", "kubectl.kubernetes.io/last-applied", "autoscaling.")
# What tells of one revision; on the Deployment, the controller would copy it to the next ones.
_NOT_APPLIED = (*_CONTROLLERS, FAILED)
# https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label
_HASH = "pod-template-hash"
# What `kubectl rollout restart` writes into the pods: others, but the same.
_RESTARTED = "kubectl.kubernetes.io/restartedAt"


def appliable(item: Object) -> Object:
    """Return a live object as one would apply it."""
    found = copy.deepcopy(item)
    found.pop("status", None)
    metadata = found["metadata"]
    for name in _SERVER_SIDE:
        metadata.pop(name, None)
    annotations = metadata.get("annotations", {})
    for name in [n for n in annotations if n.startswith(_NOT_APPLIED)]:
        del annotations[name]
    return found


def owns_replicas(deployment: Object, manager: str) -> bool:
    """Tell whether ``manager`` alone sets the count of pods."""
    owners = [
        entry.get("manager")
        for entry in deployment.get("metadata", {}).get("managedFields", [])
        if "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
    ]
    return owners == [manager]


def restored(before: list[Object], manager: str) -> list[Object]:
    """Return objects as they were before a deployment, to be applied again."""
    found = []
    for item in before:
        again = appliable(item)
        if item["kind"] == "Deployment" and not owns_replicas(item, manager):
            again["spec"].pop("replicas", None)
        found.append(again)
    return found


def with_template_of(deployment: Object, replica_set: Object, manager: str) -> Object:
    """Return the Deployment with the pods of an older revision, to be applied."""
    (found,) = restored([deployment], manager)
    found["spec"]["template"] = _template(replica_set)
    annotations = found["metadata"].setdefault("annotations", {})
    for name, value in replica_set["metadata"].get("annotations", {}).items():
        if not name.startswith(_NOT_APPLIED):
            annotations[name] = value
    return found


def differences(deployment: Object, wanted: Object) -> list[str]:
    """Return where the pods of a Deployment are not those ``wanted``.

    That is a replica set, or the Deployment as it was.
    """
    return list(_differing(deployment["spec"]["template"], _template(wanted), ".spec.template"))


def _differing(one: Any, other: Any, path: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            yield from _differing(one.get(name), other.get(name), f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _differing(left, right, f"{path}[{index}]")
    elif one != other:
        yield path


def serving(now: Snapshot, before: Snapshot) -> Object:
    """Return the replica set to go back to while a rollout fails; empty where none serves.

    That which was current ``before``, if pods of it serve; else the newest that has some, but
    for the one that fails.
    """
    failing = now.newest.get("metadata", {}).get("uid")
    sets = [
        s
        for s in now.replica_sets
        if s["metadata"]["uid"] != failing and s.get("status", {}).get("availableReplicas")
    ]
    former = before.newest.get("metadata", {}).get("uid")
    return next((s for s in sets if s["metadata"]["uid"] == former), sets[-1] if sets else {})


def failed(item: Object) -> str:
    """Return why the rollout of a replica set failed; empty where it did not."""
    return str(item.get("metadata", {}).get("annotations", {}).get(FAILED, ""))


def find_revision(snapshot: Snapshot, wanted: int | None) -> Object:
    """Return the replica set of a revision; where None is wanted, of the one before the current.

    That is the newest of those before it whose rollout did not fail, and whose pods are others,
    not only restarted. Empty where there is none.
    """
    current = revision(snapshot.deployment)
    for replica_set in reversed(snapshot.replica_sets):
        number = revision(replica_set)
        if number == wanted:
            return replica_set
        if wanted is not None or number >= current or failed(replica_set):
            continue
        if _not_restarted(replica_set) != _not_restarted(snapshot.deployment):
            return replica_set
    return {}


def _template(item: Object) -> Object:
    """Return the pods of a replica set as the Deployment has them."""
    template: Object = copy.deepcopy(item["spec"]["template"])
    template["metadata"].get("labels", {}).pop(_HASH, None)
    return template


def _not_restarted(item: Object) -> Object:
    """Return the pods without the time at which somebody restarted them."""
    template = _template(item)
    annotations = template["metadata"].pop("annotations", None) or {}
    kept = {name: value for name, value in annotations.items() if name != _RESTARTED}
    return {**template, "metadata": {**template["metadata"], "annotations": kept}}
