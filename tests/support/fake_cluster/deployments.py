"""Plays the Deployment controller.

The steps are those of kubernetes/pkg/controller/deployment, without its proportional scaling,
minReadySeconds and pausing.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from collections.abc import Callable
from typing import Any

from tests.support.fake_cluster.controllers import MANAGER, condition, owned, reference
from tests.support.fake_cluster.kubelet import record
from tests.support.fake_cluster.resources import Object
from tests.support.fake_cluster.scenario import Note
from tests.support.fake_cluster.store import LETTERS, Store

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"


class Deployments:
    """The Deployment controller."""

    def __init__(self, store: Store, speed: float):
        self.store, self.speed = store, speed
        self.kind = store.of_kind("Deployment", "apps/v1")
        self.sets = store.of_kind("ReplicaSet", "apps/v1")
        self._progress: dict[str, tuple[Any, float]] = {}  # uid: the counters, when they changed

    def tick(self) -> None:
        """Take one step with every Deployment."""
        for deployment in self.store.all(self.kind):
            if "deletionTimestamp" not in deployment["metadata"]:
                self._sync(deployment)

    def _sync(self, deployment: Object) -> None:
        namespace = deployment["metadata"]["namespace"]
        sets = owned(self.store.all(self.sets, namespace), deployment)
        newest = self._newest(deployment, sets)
        old = [s for s in sets if s["metadata"]["uid"] != newest["metadata"]["uid"]]
        deployment = self.store.get(self.kind, namespace, deployment["metadata"]["name"])
        strategy, wanted = deployment["spec"]["strategy"], deployment["spec"]["replicas"]
        if strategy["type"] == "Recreate":
            for each in old:
                self._scale(deployment, each, 0)
            if not any(s.get("status", {}).get("replicas", 0) for s in old):
                self._scale(deployment, newest, wanted)
        else:
            self._roll(deployment, newest, old)
        self._clean_up(deployment, old)
        sets = owned(self.store.all(self.sets, namespace), deployment)
        self._report(deployment, newest, sets)

    def _newest(self, deployment: Object, sets: list[Object]) -> Object:
        """Return the ReplicaSet of the present template, with the highest revision."""
        template = deployment["spec"]["template"]
        same = [s for s in sets if _without_hash(s["spec"]["template"]) == template]
        highest = max((revision(s) for s in sets if s not in same[:1]), default=0)
        metadata = deployment["metadata"]
        if same:
            found = same[0]
            if revision(found) <= highest:
                found["metadata"]["annotations"][REVISION] = str(highest + 1)
                self.store.update(self.sets, found, MANAGER)
        else:
            labels = template.get("metadata", {}).get("labels", {})
            digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
            code = "".join(LETTERS[b % len(LETTERS)] for b in digest[:10])
            marked = copy.deepcopy(template)
            marked.setdefault("metadata", {})["labels"] = labels | {HASH: code}
            chosen = deployment["spec"]["selector"].get("matchLabels", {}) | {HASH: code}
            found = {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {
                    "name": f"{metadata['name']}-{code}",
                    "namespace": metadata["namespace"],
                    "labels": labels | {HASH: code},
                    "annotations": _annotations(metadata) | {REVISION: str(highest + 1)},
                    "ownerReferences": [reference(deployment)],
                },
                "spec": {"replicas": 0, "selector": {"matchLabels": chosen}, "template": marked},
            }
            found = self.store.create(self.sets, found, MANAGER)
        number = found["metadata"]["annotations"][REVISION]
        if metadata.get("annotations", {}).get(REVISION) != number:
            metadata.setdefault("annotations", {})[REVISION] = number
            self.store.update(self.kind, deployment, MANAGER)
        return found

    def _roll(self, deployment: Object, newest: Object, old: list[Object]) -> None:
        wanted = deployment["spec"]["replicas"]
        surge, unavailable = _bounds(deployment)
        total = sum(s["spec"]["replicas"] for s in [newest, *old])
        count = newest["spec"]["replicas"]
        if count > wanted:
            self._scale(deployment, newest, wanted)
        elif count < wanted and total < wanted + surge:
            self._scale(deployment, newest, count + min(wanted + surge - total, wanted - count))
        fresh = self.store.get(
            self.sets, newest["metadata"]["namespace"], newest["metadata"]["name"]
        )
        total = sum(s["spec"]["replicas"] for s in [fresh, *old])
        not_yet = fresh["spec"]["replicas"] - fresh.get("status", {}).get("availableReplicas", 0)
        spare = total - (wanted - unavailable) - not_yet
        for each in sorted(old, key=revision):
            # First of all those that don't serve anyway.
            if (idle := min(spare, _idle(each))) > 0:
                self._scale(deployment, each, each["spec"]["replicas"] - idle)
                spare -= idle
        serving = sum(s.get("status", {}).get("availableReplicas", 0) for s in [fresh, *old])
        spare = serving - (wanted - unavailable)
        for each in sorted(old, key=revision):
            if (fewer := min(spare, each["spec"]["replicas"])) > 0:
                self._scale(deployment, each, each["spec"]["replicas"] - fewer)
                spare -= fewer

    def _scale(self, deployment: Object, each: Object, count: int) -> None:
        before = each["spec"]["replicas"]
        if before == count:
            return
        wanted = deployment["spec"]["replicas"]
        each["spec"]["replicas"] = count
        each["metadata"]["annotations"] |= {
            "deployment.kubernetes.io/desired-replicas": str(wanted),
            "deployment.kubernetes.io/max-replicas": str(wanted + _bounds(deployment)[0]),
        }
        each["metadata"].pop("resourceVersion")
        self.store.update(self.sets, each, MANAGER)
        way = "up" if count > before else "down"
        text = f"Scaled {way} replica set {each['metadata']['name']} from {before} to {count}"
        note = Note("Normal", "ScalingReplicaSet", text, "deployment-controller")
        record(self.store, deployment, note)

    def _clean_up(self, deployment: Object, old: list[Object]) -> None:
        empty = [
            s for s in old if not s["spec"]["replicas"] and not s.get("status", {}).get("replicas")
        ]
        limit = deployment["spec"]["revisionHistoryLimit"]
        for each in sorted(empty, key=revision)[: max(0, len(empty) - limit)]:
            self.store.delete(self.sets, each)

    def _report(self, deployment: Object, newest: Object, sets: list[Object]) -> None:
        before, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
        fresh = next(s for s in sets if s["metadata"]["uid"] == newest["metadata"]["uid"])
        total, ready, available = (
            sum(s.get("status", {}).get(k, 0) for s in sets)
            for k in ("replicas", "readyReplicas", "availableReplicas")
        )
        updated = fresh.get("status", {}).get("replicas", 0)
        counts = {
            "replicas": total,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": available,
            "unavailableReplicas": max(0, sum(s["spec"]["replicas"] for s in sets) - available),
        }
        serves = available >= wanted - _bounds(deployment)[1]
        conditions = [
            condition(before, "Available", True, "MinimumReplicasAvailable",
                      "Deployment has minimum availability.")
            if serves
            else condition(before, "Available", False, "MinimumReplicasUnavailable",
                           "Deployment does not have minimum availability."),
            self._progressing(deployment, fresh, counts),
        ]  # fmt: skip
        failed = [c for c in fresh.get("status", {}).get("conditions", []) if c["status"] == "True"]
        if failed:
            told = (failed[0]["reason"], failed[0]["message"])
            conditions.append(condition(before, "ReplicaFailure", True, *told))
        status = {k: v for k, v in counts.items() if v} | {"conditions": conditions}
        status |= {"observedGeneration": deployment["metadata"]["generation"]}
        status |= {"terminatingReplicas": 0}
        self.store.patch(self.kind, deployment, MANAGER, "status", status=status)

    def _progressing(self, deployment: Object, fresh: Object, counts: dict[str, int]) -> Object:
        name, spec = fresh["metadata"]["name"], deployment["spec"]
        before, wanted = deployment.get("status", {}), spec["replicas"]
        seen = (name, *counts.values(), wanted)
        uid = deployment["metadata"]["uid"]
        if self._progress.get(uid, (None, 0.0))[0] != seen:
            self._progress[uid] = (seen, time.monotonic())
        quiet = (time.monotonic() - self._progress[uid][1]) * self.speed
        told = f'ReplicaSet "{name}" '
        done = (
            counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == wanted
        )
        old = next((c for c in before.get("conditions", []) if c["type"] == "Progressing"), {})
        finished = old.get("reason") == "NewReplicaSetAvailable" and f'"{name}"' in old["message"]
        if done or finished:
            return condition(before, "Progressing", True, "NewReplicaSetAvailable",
                             f"{told}has successfully progressed.")  # fmt: skip
        if quiet > spec["progressDeadlineSeconds"]:
            return condition(before, "Progressing", False, "ProgressDeadlineExceeded",
                             f"{told}has timed out progressing.")  # fmt: skip
        if not counts["updatedReplicas"]:
            return condition(before, "Progressing", True, "NewReplicaSetCreated",
                             f'Created new replica set "{name}"')  # fmt: skip
        return condition(before, "Progressing", True, "ReplicaSetUpdated", f"{told}is progressing.")


def _without_hash(template: Object) -> Object:
    labels = {k: v for k, v in template["metadata"].get("labels", {}).items() if k != HASH}
    return template | {"metadata": template["metadata"] | {"labels": labels}}


def _annotations(metadata: Object) -> dict[str, str]:
    skipped = (REVISION, "kubectl.kubernetes.io/last-applied-configuration")
    return {k: v for k, v in metadata.get("annotations", {}).items() if k not in skipped}


def revision(each: Object) -> int:
    """Return the revision of a Deployment or ReplicaSet."""
    return int(each["metadata"].get("annotations", {}).get(REVISION, 0))


def _bounds(deployment: Object) -> tuple[int, int]:
    """Return maxSurge and maxUnavailable as numbers of pods."""
    wanted, strategy = deployment["spec"]["replicas"], deployment["spec"]["strategy"]
    rolling = strategy.get("rollingUpdate", {"maxSurge": 0, "maxUnavailable": 0})

    def number(value: Any, round_: Callable[[float], int]) -> int:
        percent = isinstance(value, str)
        return round_(wanted * int(value.rstrip("%")) / 100) if percent else int(value)

    surge = number(rolling["maxSurge"], math.ceil)
    unavailable = number(rolling["maxUnavailable"], math.floor)
    return surge, unavailable if surge or unavailable else 1


def _idle(each: Object) -> int:
    return int(each["spec"]["replicas"]) - int(each.get("status", {}).get("availableReplicas", 0))
