"""Nodes: the room they have left, and what keeps pods off or throws them out."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal

from mlship.rollout.fields import amount, condition, name, part, parts, word
from mlship.rollout.snapshot import Object, Snapshot
from mlship.rollout.trouble import Trouble, Witness

# k8s.io/api/core/v1/well_known_taints.go
_PRESSURE = {
    "node.kubernetes.io/disk-pressure": "are short of disk",
    "node.kubernetes.io/memory-pressure": "are short of memory",
    "node.kubernetes.io/pid-pressure": "run too many processes",
    "node.kubernetes.io/not-ready": "are not ready",
    "node.kubernetes.io/unreachable": "can't be reached",
    "node.kubernetes.io/network-unavailable": "have no network",
}
CORDONED = "node.kubernetes.io/unschedulable"
_KEEPS_OFF = {"NoSchedule", "NoExecute"}
# kubelet/eviction/helpers.go: limits of the pod's own, which it will exceed again.
_OWN_LIMIT = re.compile(r"exceed")
_REJECTED = re.compile(r"^(OutOf\w|UnexpectedAdmissionError|NodeAffinity|Terminated|NodeShutdown|"
                       r"Preempting)")  # fmt: skip


def pressure(reasons: str, witness: Witness) -> Trouble | None:
    """Say that all nodes are unwell, from the scheduler's words, or from their taints."""
    if "taint" not in reasons:
        return None
    bad = [taint for taint in _PRESSURE if taint in reasons]
    if not bad:
        # 1.36 no longer names the taints: 1 node(s) had untolerated taint(s).
        keys = [{t.split("=")[0] for t in taints([n])} for n in witness.nodes()]
        if keys and all(one & set(_PRESSURE) for one in keys):
            bad = sorted(set().union(*keys) & set(_PRESSURE))
    if not bad:
        return None
    return Trouble(
        "node-pressure", f"The nodes take no pods: they {_PRESSURE[bad[0]]}", tuple(bad),
        "kubectl describe nodes; free disk or memory there, or add a node",
    )  # fmt: skip


def taints(of: Witness | list[Object]) -> list[str]:
    """Return the taints of nodes that keep pods off, as ``key=value``, each once."""
    several = of if isinstance(of, list) else of.nodes()
    found = [
        f"{word(t, 'key')}={word(t, 'value')}".rstrip("=")
        for node in several
        for t in parts(node, "spec", "taints")
        if word(t, "effect") in _KEEPS_OFF
    ]
    return list(dict.fromkeys(found))


def requested(pod: Object, resource: str) -> Decimal:
    """Return what a pod asks for: its containers' sum, or its largest init container's.

    https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
    """

    def of(container: Object) -> Decimal:
        return amount(word(container, "resources", "requests", resource) or "0") or Decimal(0)

    sidecars = [c for c in parts(pod, "spec", "initContainers") if c.get("restartPolicy")]
    first = [c for c in parts(pod, "spec", "initContainers") if not c.get("restartPolicy")]
    steady = sum((of(c) for c in [*parts(pod, "spec", "containers"), *sidecars]), Decimal(0))
    over = amount(word(pod, "spec", "overhead", resource) or "0") or Decimal(0)
    return max([steady, *map(of, first)]) + over


def room(pod: Object, witness: Witness, resource: str) -> list[tuple[str, Decimal, Decimal]]:
    """Return name, size and what is left of a resource for each node that a pod may run on.

    Empty where unknown.
    """
    return [
        (name(node), total, left)
        for node, total, left in _left(witness, resource)
        if _is_selected(pod, node) and not untolerated(pod, node)
    ]


def kept_off(pod: Object, witness: Witness, gpu: str = "") -> list[tuple[str, list[Object]]]:
    """Return the nodes that would have room for a pod, and the taints that keep it off them.

    Of a ``gpu``, where given, it is enough that the node has as many, free or not. First come the
    nodes that may be meant for such pods.
    """
    asked = {gpu} if gpu else _resources(pod)
    fits: dict[str, bool] = {}
    for resource in asked:
        wanted = requested(pod, resource)
        for node, total, left in _left(witness, resource):
            enough = (total if gpu else left) >= wanted
            fits[name(node)] = fits.get(name(node), True) and enough
    found = [
        (name(node), taints)
        for node in witness.nodes()
        if fits.get(name(node)) and _is_selected(pod, node) and (taints := untolerated(pod, node))
    ]
    return sorted(found, key=lambda one: any("kubernetes.io/" in word(t, "key") for t in one[1]))


def untolerated(pod: Object, node: Object) -> list[Object]:
    """Return the taints of a node that keep a pod off; a cordoned node has one, too."""
    found = [t for t in parts(node, "spec", "taints") if word(t, "effect") in _KEEPS_OFF]
    if part(node, "spec").get("unschedulable") and CORDONED not in {word(t, "key") for t in found}:
        found.append({"key": CORDONED, "effect": "NoSchedule"})
    allowed = parts(pod, "spec", "tolerations")
    return [taint for taint in found if not any(_tolerates(one, taint) for one in allowed)]


def _tolerates(toleration: Object, taint: Object) -> bool:
    """As ToleratesTaint of k8s.io/api/core/v1/toleration.go."""
    for field in ("effect", "key"):
        if word(toleration, field) not in {"", word(taint, field)}:
            return False
    return word(toleration, "operator") == "Exists" or (
        word(toleration, "operator") in {"", "Equal"}
        and word(toleration, "value") == word(taint, "value")
    )


def _is_selected(pod: Object, node: Object) -> bool:
    return part(pod, "spec", "nodeSelector").items() <= part(node, "metadata", "labels").items()


def _resources(pod: Object) -> set[str]:
    several = [*parts(pod, "spec", "containers"), *parts(pod, "spec", "initContainers")]
    return {str(key) for one in several for key in part(one, "resources", "requests")}


def _left(witness: Witness, resource: str) -> list[tuple[Object, Decimal, Decimal]]:
    """Return each node, its size and what is left of a resource; empty where unknown."""
    nodes = witness.nodes()
    pods = witness.node_pods() if nodes else []
    if not pods:
        return []
    used: dict[str, Decimal] = defaultdict(Decimal)
    for pod in pods:
        if word(pod, "status", "phase") not in {"Succeeded", "Failed"}:
            used[word(pod, "spec", "nodeName")] += requested(pod, resource)
    found = []
    for node in nodes:
        total = amount(word(node, "status", "allocatable", resource) or "0") or Decimal(0)
        found.append((node, total, total - used[name(node)]))
    return found


def evicted(snapshot: Snapshot, pod: Object) -> Trouble | None:
    """Say why a node threw a pod out, or did not let it in.

    Certain at once when the pod broke a limit of its own (it will again); for what the node lacked,
    at the second pod: the controller makes another one, perhaps on another node.
    """
    if word(pod, "status", "phase") != "Failed":
        return None
    reason, said = word(pod, "status", "reason"), word(pod, "status", "message").strip()
    facts = (said or reason,)
    if reason == "Evicted" and _OWN_LIMIT.search(said):
        return Trouble(
            "ephemeral-storage", "The node threw the pod out: it wrote more to disk than it may",
            facts, "raise sizeLimit of the emptyDir, or limits of ephemeral-storage, in "
            "k8s/base/deployment.yaml; or have the server write less",
        )  # fmt: skip
    failed = [p for p in snapshot.new_pods if word(p, "status", "reason") == reason]
    if reason == "Evicted":
        lacks = re.search(r"low on resource: ([\w-]+)", said)
        return Trouble(
            "node-pressure", "The node threw the pod out: it is short of "
            f"{lacks.group(1) if lacks else 'something'}", facts,
            "kubectl describe nodes; raise resources.requests in mlship.yaml to what the server "
            "uses, so that it is sent where there is room", len(failed) >= 2,
        )  # fmt: skip
    if _REJECTED.match(reason):
        return Trouble(
            "node-pressure", f"The node did not take the pod: {reason}", facts,
            "kubectl describe nodes; lower resources.requests in mlship.yaml, or add a node",
            len(failed) >= 3,
        )  # fmt: skip
    return None


def lost(snapshot: Snapshot, pod: Object, witness: Witness) -> Trouble | None:
    """Say that a pod's node is not well; never certain: the pod moves, or the node comes back."""
    where = word(pod, "spec", "nodeName")
    for node in witness.nodes() if where else []:
        ready = condition(node, "Ready")
        if name(node) == where and ready and ready.get("status") != "True":
            return Trouble(
                "node-pressure", f"The node {where} is not ready", (word(ready, "message"),),
                f"kubectl describe node {where}", False,
            )  # fmt: skip
    return None


def sandbox(snapshot: Snapshot, pod: Object) -> Trouble | None:
    """Say that a node can't set up a pod's network.

    Certain after five tries: network plugins are late on a node that has just started.
    """
    events = [e for e in snapshot.events_of(pod) if word(e, "reason") == "FailedCreatePodSandBox"]
    is_up = condition(pod, "PodReadyToStartContainers").get("status") == "True"
    if not events or is_up or not part(pod, "status"):
        return None
    tries = max(len(events), *(int(e.get("count") or 1) for e in events))
    return Trouble(
        "pod-sandbox", "The node can't set up the pod's network or sandbox",
        (word(events[-1], "message"),), "ask who runs the cluster: its network plugin (CNI) fails",
        tries >= 5,
    )  # fmt: skip
