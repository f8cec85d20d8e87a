"""Which objects on the cluster are this project's: an ApplySet, with a record of it there.

The labels and annotations are those of the ApplySet specification, which other tools read too:
https://kubernetes.io/docs/reference/labels-annotations-taints/#applyset-kubernetes-io-id
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from mlship import __version__
from mlship.rollout.revisions import needs

MANAGED_BY = "app.kubernetes.io/managed-by"
PART_OF = "applyset.kubernetes.io/part-of"
_ID = "applyset.kubernetes.io/id"
_KINDS = "applyset.kubernetes.io/contains-group-kinds"
_TOOL = "applyset.kubernetes.io/tooling"
# What holds data, secrets or other people's things, which nothing could bring back: no command
# removes it.
KEPT = frozenset({
    "CustomResourceDefinition", "Namespace", "PersistentVolume", "PersistentVolumeClaim", "Secret",
})  # fmt: skip

Object = dict[str, Any]


def parent_name(project: str) -> str:
    """Return the name of the ConfigMap that stands for the set."""
    return f"{project}-mlship"


def identity(project: str, namespace: str) -> str:
    """Return the set's id, as the specification computes it of its parent."""
    text = f"{parent_name(project)}.{namespace}.ConfigMap."
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return f"applyset-{digest.decode().rstrip('=')}-v1"


def group_kind(item: Object) -> str:
    """Return ``Deployment.apps`` of an object; ``Service`` of one of the core group."""
    group, _, _ = item.get("apiVersion", "").rpartition("/")
    return f"{item['kind']}.{group}" if group else str(item["kind"])


def parent(project: str, namespace: str, kinds: set[str]) -> Object:
    """Return the ConfigMap that tells which kinds of objects the set may hold."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": parent_name(project),
            "namespace": namespace,
            "labels": {
                _ID: identity(project, namespace),
                MANAGED_BY: "mlship",
            },
            "annotations": {
                _TOOL: f"mlship/v{__version__}",
                _KINDS: ",".join(sorted(kinds)),
            },
        },
    }


def kinds_of(parent: Object) -> set[str]:
    """Return the kinds that a parent from the cluster names; empty where there is none."""
    text = parent.get("metadata", {}).get("annotations", {}).get(_KINDS, "")
    return set(filter(None, text.split(",")))


def key(item: Object) -> tuple[str, str]:
    """Return what tells an object from others of the set: its kind and its name."""
    return group_kind(item), item["metadata"]["name"]


def is_labelled(item: Object) -> bool:
    """Tell whether the object's label says that mlship made it, of k8s/ or of the set."""
    return bool(item["metadata"].get("labels", {}).get(MANAGED_BY) == "mlship")


def is_owned(item: Object) -> bool:
    """Tell whether a controller made an object of another one, and so takes it away.

    It may have copied our labels: KEDA gives those of a ScaledObject to its autoscaler.
    """
    return any(owner.get("controller") for owner in item["metadata"].get("ownerReferences", []))


def stale(
    members: list[Object], rendered: list[Object], replica_sets: list[Object]
) -> list[Object]:
    """Return the members to remove: no longer rendered, and not made by others of ours.

    ConfigMaps of a revision that one can still go back to stay: its pods could not start without.
    Where no revision was seen, all do.
    """
    found = _not_rendered(members, rendered, replica_sets)
    spared = KEPT if replica_sets else KEPT | {"ConfigMap"}
    return [member for member in found if member["kind"] not in spared]


def staying(
    members: list[Object], rendered: list[Object], replica_sets: list[Object]
) -> list[Object]:
    """Return the members that are no longer rendered, nor needed, and stay for what they hold."""
    found = _not_rendered(members, rendered, replica_sets)
    return [member for member in found if member["kind"] in KEPT]


def _not_rendered(
    members: list[Object], rendered: list[Object], replica_sets: list[Object]
) -> list[Object]:
    wanted = {key(item) for item in rendered}
    needed = {
        (kind, name)
        for each in replica_sets
        for kind, names in needs(each).items()
        for name in names
    }
    return [
        member
        for member in members
        if key(member) not in wanted
        and not is_owned(member)
        and (member["kind"].lower(), member["metadata"]["name"]) not in needed
    ]
