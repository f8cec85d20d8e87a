"""Plays the controller manager: ReplicaSets, autoscalers, garbage, namespaces."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from typing import Any

from tests.support.fake_cluster.answers import Refused
from tests.support.fake_cluster.kubelet import record
from tests.support.fake_cluster.resources import Object
from tests.support.fake_cluster.scenario import Note
from tests.support.fake_cluster.store import Store, now

MANAGER = "kube-controller-manager"


def owned(items: list[Object], owner: Object) -> list[Object]:
    """Return the objects that ``owner`` controls."""
    uid = owner["metadata"]["uid"]
    return [
        i for i in items if any(r["uid"] == uid for r in i["metadata"].get("ownerReferences", []))
    ]


def reference(owner: Object) -> Object:
    """Return the ownerReference to a controller."""
    about = {k: owner[k] for k in ("apiVersion", "kind")}
    names = {k: owner["metadata"][k] for k in ("name", "uid")}
    return about | names | {"controller": True, "blockOwnerDeletion": True}


def condition(status: Object, kind: str, holds: bool, reason: str, message: str) -> Object:
    """Return a condition of a Deployment or ReplicaSet, with the time since when it holds."""
    value = "True" if holds else "False"
    old = next((c for c in status.get("conditions", []) if c["type"] == kind), {})
    if (old.get("status"), old.get("reason"), old.get("message")) == (value, reason, message):
        return old
    since = old["lastTransitionTime"] if old.get("status") == value else now()
    new = {"type": kind, "status": value, "reason": reason, "message": message}
    return new | {"lastTransitionTime": since, "lastUpdateTime": now()}


class ReplicaSets:
    """The ReplicaSet controller."""

    def __init__(self, store: Store, refuse: Callable[[Object, int], str]):
        self.store, self.refuse = store, refuse
        self.kind, self.pods = store.of_kind("ReplicaSet", "apps/v1"), store.of_kind("Pod", "v1")

    def tick(self) -> None:
        """Make and delete pods."""
        for each in self.store.all(self.kind):
            if "deletionTimestamp" not in each["metadata"]:
                self._sync(each)

    def _sync(self, each: Object) -> None:
        namespace, wanted = each["metadata"]["namespace"], each["spec"]["replicas"]
        pods = owned(self.store.all(self.pods, namespace), each)
        pods = [p for p in pods if "deletionTimestamp" not in p["metadata"] and not _failed(p)]
        failure = ""
        for _ in range(wanted - len(pods)):
            if failure := self._make(each, len(pods)):
                break
            pods = owned(self.store.all(self.pods, namespace), each)
            pods = [p for p in pods if "deletionTimestamp" not in p["metadata"] and not _failed(p)]
        for pod in sorted(pods, key=is_ready)[: max(0, len(pods) - wanted)]:
            close(self.store, pod)
            text = f"Deleted pod: {pod['metadata']['name']}"
            record(
                self.store, each, Note("Normal", "SuccessfulDelete", text, "replicaset-controller")
            )
            pods = [p for p in pods if p is not pod]
        ready, before = sum(map(is_ready, pods)), each.get("status", {})
        counts = {
            "fullyLabeledReplicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        status: Object = {k: v for k, v in counts.items() if v}
        status |= {"replicas": len(pods), "observedGeneration": each["metadata"]["generation"]}
        status["terminatingReplicas"] = 0
        if failure:
            failed = condition(before, "ReplicaFailure", True, "FailedCreate", failure)
            status["conditions"] = [{k: v for k, v in failed.items() if k != "lastUpdateTime"}]
        self.store.patch(self.kind, each, MANAGER, "status", status=status)

    def _make(self, each: Object, existing: int) -> str:
        template, metadata = each["spec"]["template"], each["metadata"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": copy.deepcopy(template.get("metadata", {}))
            | {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]}
            | {"ownerReferences": [reference(each)]},
            "spec": copy.deepcopy(template["spec"]),
            "status": {"phase": "Pending"},
        }
        failure = self.refuse(pod, existing)
        if not failure:
            try:
                made = self.store.create(self.pods, pod, MANAGER)
            except Refused as error:
                failure = str(error)
            else:
                text = f"Created pod: {made['metadata']['name']}"
                note = Note("Normal", "SuccessfulCreate", text, "replicaset-controller")
                record(self.store, each, note)
                return ""
        told = [c["message"] for c in each.get("status", {}).get("conditions", [])]
        if failure not in told:  # the real one tries again and again, ever more slowly
            text = f"Error creating: {failure}"
            record(self.store, each, Note("Warning", "FailedCreate", text, "replicaset-controller"))
        return failure


def autoscale(store: Store) -> None:
    """Keep what autoscalers scale between their bounds; the load is always none."""
    deployments = store.of_kind("Deployment", "apps/v1")
    autoscalers = store.of_kind("HorizontalPodAutoscaler", "autoscaling/v2")
    for each in store.all(autoscalers):
        spec, namespace = each["spec"], each["metadata"]["namespace"]
        target = store.find(deployments, namespace, spec["scaleTargetRef"]["name"])
        if target is None or target["spec"]["replicas"] == 0:
            continue
        count = target["spec"]["replicas"]
        wanted = min(max(count, spec["minReplicas"]), spec["maxReplicas"])
        if wanted != count:
            target["spec"]["replicas"] = wanted
            store.update(deployments, target, MANAGER, "scale")
        status = {"currentReplicas": count, "desiredReplicas": wanted, "currentMetrics": None}
        store.patch(autoscalers, each, MANAGER, "status", status=status)


def collect(store: Store) -> None:
    """Delete what namespaces that end hold, and what is owned by nothing that still is."""
    everything = [
        (r, o) for r in list(store.resources) for o in store.all(r) if r.group != "events.k8s.io"
    ]
    uids = {o["metadata"]["uid"] for _, o in everything}
    for resource, obj in everything:
        metadata = obj["metadata"]
        if resource.kind == "Namespace" and "deletionTimestamp" in metadata:
            inside = [
                (r, o) for r, o in everything if o["metadata"].get("namespace") == metadata["name"]
            ]
            for inner, each in inside:
                store.delete(inner, each)
            if not inside:
                store.delete(resource, obj)
        if "foregroundDeletion" in metadata.get("finalizers", []):
            dependents = [(r, o) for r, o in everything if owned([o], obj)]
            for inner, each in dependents:
                _drop(store, inner, each, foreground=any(owned([o], each) for _, o in everything))
            if not dependents:
                store.delete(resource, obj)
        owners = {r["uid"] for r in metadata.get("ownerReferences", [])}
        if owners and not owners & uids:
            _drop(store, resource, obj)


def _drop(store: Store, resource: Any, obj: Object, *, foreground: bool = False) -> None:
    if resource.kind == "Pod":
        close(store, obj)
    elif foreground:  # what it owns goes first
        obj["metadata"]["finalizers"] = ["foregroundDeletion"]
        store.mark_deleted(resource, obj)
    else:
        store.delete(resource, obj)


def close(store: Store, pod: Object) -> None:
    """Begin to delete a pod; the kubelet ends it."""
    if "deletionTimestamp" not in pod["metadata"]:
        with contextlib.suppress(Refused):
            store.mark_deleted(store.of_kind("Pod", "v1"), pod)


def is_ready(pod: Object) -> bool:
    """Tell whether a pod serves."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _failed(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")
