"""Plays scheduler and kubelet: pods go through the steps of their scenario."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.fake_cluster.answers import Refused
from tests.support.fake_cluster.resources import Object
from tests.support.fake_cluster.scenario import NODE, STARTING, Note, Scenario
from tests.support.fake_cluster.store import Store, now

KUBELET, SCHEDULER = "kubelet", "default-scheduler"
_GRACE = 1.0  # seconds that a pod takes to end; divided by the speed


@dataclass
class Life:
    """What the kubelet remembers of one pod."""

    scenario: Scenario
    born: float
    step: int = -1
    ended: float = 0.0
    ip: str = field(default_factory=lambda: f"10.244.0.{random.randint(2, 250)}")


class Kubelet:
    """All nodes' kubelets."""

    def __init__(self, store: Store, choose: Callable[[Object], Scenario], speed: float):
        self.store = store
        self.choose = choose
        self.speed = speed
        self.lives: dict[str, Life] = {}

    def age(self, life: Life) -> float:
        """Return a pod's seconds of life, in its scenario's time."""
        return (time.monotonic() - life.born) * self.speed

    def life(self, pod: Object) -> Life:
        """Return what is known of a pod."""
        uid = pod["metadata"]["uid"]
        if uid not in self.lives:
            self.lives[uid] = Life(self.choose(pod), time.monotonic())
        return self.lives[uid]

    def tick(self) -> None:
        """Bring all pods to where they are by now."""
        pods = self.store.of_kind("Pod", "v1")
        for pod in self.store.all(pods):
            life = self.life(pod)
            if "deletionTimestamp" in pod["metadata"]:
                self._end(pod, life)
                continue
            due = life.scenario.step(self.age(life))
            while life.step < due:
                life.step += 1
                self._show(pod, life)
                pod = self.store.get(pods, pod["metadata"]["namespace"], pod["metadata"]["name"])

    def _end(self, pod: Object, life: Life) -> None:
        if not life.ended:
            life.ended = time.monotonic()
            name = pod["spec"]["containers"][0]["name"]
            record(self.store, pod, Note("Normal", "Killing", f"Stopping container {name}"))
        elif (time.monotonic() - life.ended) * self.speed >= _GRACE:
            self.store.delete(self.store.of_kind("Pod", "v1"), pod)

    def _show(self, pod: Object, life: Life) -> None:
        metadata, container = pod["metadata"], pod["spec"]["containers"][0]
        step = life.scenario.steps[life.step].told(
            pod=metadata["name"], uid=metadata["uid"], namespace=metadata["namespace"],
            image=container.get("image", ""), container=container["name"], ip=life.ip, node=NODE,
            now=now(),
        )  # fmt: skip
        pods = self.store.of_kind("Pod", "v1")
        if not step.unscheduled and "nodeName" not in pod["spec"]:
            pod["spec"]["nodeName"] = NODE
            self.store.patch(pods, pod, SCHEDULER)
            placed = f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {NODE}"
            record(self.store, pod, Note("Normal", "Scheduled", placed, SCHEDULER))
            pod = self.store.get(pods, metadata["namespace"], metadata["name"])
        before = pod.get("status", {})
        status: Object = {"phase": "Pending", "qosClass": "Burstable", "conditions": []}
        if step.unscheduled:
            status["conditions"] = [
                _condition("PodScheduled", False, before, "Unschedulable", step.unscheduled)
            ]
        else:
            runs = "running" in step.state or "terminated" in step.state or step.restarts > 0
            sandbox = step.state != STARTING  # its network is there once its volumes are
            status |= {"podIP": life.ip, "podIPs": [{"ip": life.ip}]} if sandbox else {}
            status["hostIP"] = "10.0.0.1"
            status |= {"startTime": before.get("startTime", now())}
            status["phase"] = "Running" if runs else "Pending"
            unready = f"containers with unready status: [{container['name']}]"
            told = () if step.ready else ("ContainersNotReady", unready)
            status["conditions"] = [
                _condition("PodReadyToStartContainers", sandbox, before),
                _condition("Initialized", True, before),
                _condition("Ready", step.ready, before, *told),
                _condition("ContainersReady", step.ready, before, *told),
                _condition("PodScheduled", True, before),
            ]
            status["containerStatuses"] = [
                {
                    "name": each["name"],
                    "image": each.get("image", ""),
                    "imageID": f"sha256:{'0' * 64}" if runs else "",
                    "ready": step.ready,
                    "started": step.started or step.ready,
                    "restartCount": step.restarts,
                    "state": step.state,
                    "lastState": step.last,
                }
                | ({"containerID": f"containerd://{metadata['uid']}"} if runs else {})
                for each in pod["spec"]["containers"]
            ]
        status |= {"phase": step.phase} if step.phase else {}
        self.store.patch(pods, pod, KUBELET, "status", status=status | step.status)
        for note in step.notes:
            record(self.store, pod, note)


def _condition(kind: str, holds: bool, before: Object, reason: str = "", why: str = "") -> Object:
    status = "True" if holds else "False"
    old = next((c for c in before.get("conditions", []) if c["type"] == kind), {})
    since = old["lastTransitionTime"] if old.get("status") == status else now()
    told = {**({"reason": reason} if reason else {}), **({"message": why} if why else {})}
    return {
        "type": kind,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": since,
    } | told


def record(store: Store, about: Object, note: Note) -> None:
    """Write an event, or count one that says the same once more."""
    events = store.of_kind("Event", "v1")
    metadata = about["metadata"]
    namespace, uid = metadata.get("namespace", "default"), metadata["uid"]
    for event in store.all(events, namespace):
        same = (event["involvedObject"]["uid"], event["reason"], event["message"])
        if same == (uid, note.reason, note.message) and "count" in event:
            event |= {"count": event["count"] + 1, "lastTimestamp": now()}
            store.update(events, event, note.source)
            return
    names = ("apiVersion", "kind")
    involved = {k: about[k] for k in names} | {"name": metadata["name"], "uid": uid}
    involved["resourceVersion"] = metadata["resourceVersion"]
    if "namespace" in metadata:
        involved["namespace"] = namespace
    if note.source == KUBELET and note.reason not in ("FailedMount", "Evicted"):
        involved["fieldPath"] = f"spec.containers{{{about['spec']['containers'][0]['name']}}}"
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{time.time_ns():x}", "namespace": namespace},
        "involvedObject": involved,
        "type": note.type,
        "reason": note.reason,
        "message": note.message,
        "reportingComponent": note.source,
    }
    if note.source == SCHEDULER:  # the scheduler writes events.k8s.io/v1, which have no count
        event |= {"eventTime": now(micro=True), "firstTimestamp": None, "lastTimestamp": None}
        event |= {"source": {}, "action": "Scheduling", "reportingInstance": SCHEDULER}
    else:
        host = {"host": NODE} if note.source == KUBELET else {}
        event |= {"eventTime": None, "firstTimestamp": now(), "lastTimestamp": now(), "count": 1}
        event |= {
            "source": {"component": note.source} | host,
            "reportingInstance": NODE if host else "",
        }
    with contextlib.suppress(Refused):  # in a namespace that ends
        store.create(events, event, note.source)
