"""Pods that no node takes."""

from __future__ import annotations

import re

from mlship.rollout import nodes, storage
from mlship.rollout.fields import age, condition, name, part, word, written
from mlship.rollout.snapshot import Object, Snapshot
from mlship.rollout.trouble import Trouble, Witness

# Seconds. The scheduler tries again at each change of the cluster.
_GRACE = 5
# Where something may add nodes: cluster-autoscaler looks every ten seconds, Karpenter batches for
# up to ten, and each says so in an event of the pod.
_AUTOSCALER_GRACE = 30
GPUS = ("nvidia.com/", "amd.com/gpu", "gpu.intel.com/", "google.com/tpu", "aws.amazon.com/neuron")
_INSUFFICIENT = re.compile(r"(\d+) Insufficient ([\w./-]+\w)")
# What a node may have for the pods.
_SOME = "room for another pod"
_TAINT = re.compile(r"untolerated taint(?:\(s\)|s)?(?: \{([^}]*)\})?")
# Labels and annotations of nodes that an autoscaler may add more of: its own, and those of the
# pools that it grows.
_GROWING = (
    "karpenter.sh/", "cluster-autoscaler.kubernetes.io/", "cluster.x-k8s.io/",
    "machine.openshift.io/", "worker.gardener.cloud/pool", "kops.k8s.io/instancegroup",
    "eks.amazonaws.com/nodegroup", "alpha.eksctl.io/nodegroup-name",
    "cloud.google.com/gke-nodepool", "kubernetes.azure.com/agentpool",
    "alibabacloud.com/nodepool-id", "doks.digitalocean.com/node-pool",
    "ibm-cloud.kubernetes.io/worker-pool", "k8s.scaleway.com/pool", "lke.linode.com/pool-id",
    "oci.oraclecloud.com/node-pool-id", "vke.vultr.com/node-pool",
)  # fmt: skip


def trouble(snapshot: Snapshot, pod: Object, witness: Witness) -> Trouble | None:
    """Say why no node takes a pod.

    Certain five seconds after the scheduler first said so, as it tries again at every change. Not
    while a cluster autoscaler brings a node (TriggeredScaleUp, Karpenter's Nominated), nor before
    thirty seconds where the nodes are of a kind that an autoscaler adds, or may not be looked at;
    after five when that says that it will not (NotTriggerScaleUp). Not while another pod makes
    room: one that the scheduler evicts for this one, or one of ours that is being deleted.
    """
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") != "False":
        return None
    reason, said = word(scheduled, "reason"), word(scheduled, "message")
    if reason == "SchedulingGated":
        return Trouble("unschedulable", "The pods are held back by a scheduling gate",
                       (said or reason,), "ask who set schedulingGates on them", False)  # fmt: skip
    if reason != "Unschedulable" and not said:
        return None
    since = age(word(scheduled, "lastTransitionTime"), snapshot.taken)
    if storage.is_about_claims(said):
        return storage.unbound(snapshot, pod, said, since, witness)
    found = _cause(pod, said, witness)
    told = {word(event, "reason") for event in snapshot.events_of(pod)}
    coming = "TriggeredScaleUp" in told or "Nominated" in told
    leaving = any(word(p, "metadata", "deletionTimestamp") for p in snapshot.pods)
    grace = _AUTOSCALER_GRACE
    if "NotTriggerScaleUp" in told or _is_fixed(witness):
        grace = _GRACE
    room_comes = coming or leaving or bool(word(pod, "status", "nominatedNodeName"))
    certain = since >= grace and not room_comes
    return Trouble(found.cause, found.what, (*found.evidence, said), found.next, certain)


def _cause(pod: Object, said: str, witness: Witness) -> Trouble:
    # What follows "preemption:" repeats the reasons for each node that evicting would not help.
    reasons = said.split("preemption:")[0]
    if taint := nodes.pressure(reasons, witness):
        return taint
    short = [resource for _, resource in _INSUFFICIENT.findall(reasons)]
    gpus = [resource for resource in short if resource.startswith(GPUS)]
    others = [resource for resource in short if resource not in gpus]
    # Where one is free, the node lacks something else.
    if gpus and not (others and _is_free(pod, gpus[0], witness)):
        return _gpu(pod, gpus[0], reasons, witness)
    if short:
        return _room(pod, others, witness)
    if "Too many pods" in reasons:
        return Trouble("unschedulable", "The nodes run as many pods as they may", (),
                       "add a node, or remove pods that nobody needs")  # fmt: skip
    if "node affinity/selector" in reasons:
        wanted = part(pod, "spec", "nodeSelector")
        labels = ", ".join(f"{k}={v}" for k, v in wanted.items())
        asks = f"the labels {labels}" if labels else "the labels that nodeAffinity asks for"
        return Trouble(
            "unschedulable", f"No node has {asks}", (),
            "kubectl get nodes --show-labels, and correct node_selector in mlship.yaml",
        )  # fmt: skip
    if found := _TAINT.search(reasons):
        taints = found.group(1) or ", ".join(nodes.taints(witness))
        return Trouble(
            "unschedulable",
            "The nodes keep these pods off by taints"
            + (f": {taints.strip(': ')}" if taints else ""),
            (),
            "add a toleration for it under tolerations in mlship.yaml, or use nodes without it",
        )
    for mark, what, fix in (
        ("anti-affinity", "Every node runs a pod that podAntiAffinity keeps these away from",
         "add a node, or ask for fewer replicas, or prefer instead of require in affinity:"),
        ("pod affinity", "No node runs the pods that podAffinity wants these beside",
         "correct affinity: in k8s/base/deployment.yaml"),
        ("topology spread", "topologySpreadConstraints leave no node for another pod",
         "use whenUnsatisfiable: ScheduleAnyway in k8s/base/deployment.yaml"),
        ("free ports", "The hostPort of the pods is taken on every node",
         "remove hostPort from k8s/base/deployment.yaml"),
        ("unschedulable", "The nodes are cordoned: they take no new pods",
         "kubectl uncordon NODE, once its maintenance is over"),
        ("no nodes available", "The cluster has no node that takes pods",
         "kubectl get nodes; add one"),
    ):  # fmt: skip
        if mark in reasons:
            return Trouble("unschedulable", what, (), fix)
    return Trouble("unschedulable", "No node takes the pods", (),
                   f"kubectl describe pod {name(pod)}")  # fmt: skip


def _is_free(pod: Object, resource: str, witness: Witness) -> bool:
    asked = nodes.requested(pod, resource)
    return any(left >= asked for _, _, left in nodes.room(pod, witness, resource))


def _gpu(pod: Object, resource: str, reasons: str, witness: Witness) -> Trouble:
    asked = nodes.requested(pod, resource)
    free = nodes.room(pod, witness, resource)
    if kept := nodes.kept_off(pod, witness):
        return _kept_off(kept, resource)
    taken = [one for one in free if one[1] > 0 and one[2] < asked]
    if taken:
        best = max(taken, key=lambda one: one[2])
        return Trouble(
            "unschedulable", f"Every {resource} is taken: {asked} asked, {best[0]} has "
            f"{best[2]} of {best[1]} free", (), "wait for a free one, or add a node with one",
        )  # fmt: skip
    # It would not get one that becomes free either.
    if kept := nodes.kept_off(pod, witness, gpu=resource):
        return _kept_off(kept, resource)
    if not free and (found := _TAINT.search(reasons)):
        taint = f" ({found.group(1).strip(': ')})" if found.group(1) else ""
        return Trouble(
            "unschedulable", f"No node has a free {resource}, but for those that keep these pods "
            f"off by a taint{taint}", (),
            "add a toleration for it under tolerations in mlship.yaml, or add a node with "
            f"{resource}",
        )  # fmt: skip
    is_there = not free or any(total > 0 for _, total, _ in free)
    none = "no node has a free one" if is_there else "no node has any"
    return Trouble(
        "gpu", f"The pods ask for {resource}, and {none}", (),
        "add a node with it and its device plugin (kubectl describe nodes), or remove gpu from "
        "mlship.yaml",
    )  # fmt: skip


def _kept_off(kept: list[tuple[str, list[Object]]], has: str) -> Trouble:
    """Say which taint keeps the pods off a node that ``has`` what they ask for."""
    node, taints = kept[0]
    keys = [word(taint, "key") for taint in taints]
    wanted = ", ".join(
        f"{{key: {word(t, 'key')}, operator: Exists, effect: {word(t, 'effect')}}}" for t in taints
    )
    fix = f"add {wanted} to tolerations in mlship.yaml, or use nodes without the taint"
    if nodes.CORDONED in keys:
        fix = f"kubectl uncordon {node}, once its maintenance is over"
    elif any(key.startswith("node.kubernetes.io/") for key in keys):
        fix = f"kubectl describe node {node} tells why it has that"
    first, *more = [_taints(*one, has) for one in kept]
    return Trouble("unschedulable", first, tuple(more[:3]), fix)


def _taints(node: str, taints: list[Object], has: str) -> str:
    named = [
        f"{word(t, 'key')}={word(t, 'value')}".rstrip("=") + f":{word(t, 'effect')}" for t in taints
    ]
    many = "taints keep" if len(named) > 1 else "taint keeps"
    return f"{node} has {has}, but its {many} these pods off: {', '.join(named)}"


def _room(pod: Object, short: list[str], witness: Witness) -> Trouble:
    kept = nodes.kept_off(pod, witness)
    # Control planes are not meant for such pods.
    workers = [one for one in kept if not any(_is_role(taint) for taint in one[1])]
    if workers:
        return _kept_off(workers, _SOME)
    facts = []
    for resource in dict.fromkeys(short):
        asked = nodes.requested(pod, resource)
        # The others lack something else.
        free = [one for one in nodes.room(pod, witness, resource) if one[2] < asked]
        if not free:
            facts.append(f"a pod asks for {written(resource, asked)}")
            continue
        node, total, left = max(free, key=lambda one: one[2])
        missing = written(resource, asked - left)
        largest = max(one[1] for one in free)
        facts.append(
            f"a pod asks for {written(resource, asked)}; {node}, which has the most left, has "
            f"{written(resource, left)} of {written(resource, total)}: {missing} too few"
            + ("; no node is that large" if asked > largest else "")
        )
    words = " and ".join(dict.fromkeys(short))
    return Trouble(
        "unschedulable", f"No node has enough {words} left for another pod: {facts[0]}",
        (*facts[1:], *(_taints(*one, _SOME) for one in kept[:3])),
        "lower resources.requests in mlship.yaml, or ask for a larger node or one more",
    )  # fmt: skip


def _is_role(taint: Object) -> bool:
    return word(taint, "key").startswith("node-role.kubernetes.io/")


def _is_fixed(witness: Witness) -> bool:
    """Tell whether nothing is to be seen that adds nodes; of nodes unseen, one can't know."""
    marks = [
        str(key)
        for node in witness.nodes()
        for key in {**part(node, "metadata", "labels"), **part(node, "metadata", "annotations")}
    ]
    return bool(witness.nodes()) and not any(mark.startswith(_GROWING) for mark in marks)
