"""Why a rollout does not finish: all causes, the most telling first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from mlship.rollout import admission, containers, deadlines, nodes, scheduling, storage
from mlship.rollout.fields import condition, name, part, parts, word
from mlship.rollout.snapshot import Object, Snapshot
from mlship.rollout.trouble import Trouble, Witness

# The causes of a rollout, the most telling first: what explains the others stands before them.
# Those of the API (mlship/rollout/refusals.py) come alone.
CAUSES = (
    "paused", "quota", "limit-range", "pod-security", "admission-webhook",
    "missing-service-account", "priority-class", "runtime-class", "pod-refused", "gpu",
    "node-pressure", "ephemeral-storage", "pvc-pending", "unschedulable", "image-pull",
    "missing-config", "volume-mount", "pod-sandbox", "create-error", "bad-model-hash",
    "model-missing", "model-load", "out-of-memory", "init-container", "crash-loop", "probe",
    "slow-pull", "progress-deadline",
)  # fmt: skip

_NAMESPACED = re.compile(
    r"kubectl (?=(?:logs|edit|rollout|create)\b|"
    r"(?:describe|get) (?:pod|pvc|deployment|resourcequota|limitrange)\b)"
)


def diagnose(snapshot: Snapshot, witness: Witness, *, limited: bool = False) -> list[Trouble]:
    """Return why the newest pods don't serve, one Trouble a cause, the most telling first.

    Pods that are ready, or being deleted, or of an older revision, say nothing of this rollout;
    until the controller has looked at the Deployment, all pods are of an older one.
    The certain ones come first. When the Deployment is out of time (progressDeadlineSeconds), the
    first cause known is certain, whatever it is; not where the time is ``limited`` by a person, who
    may know that an image or a node takes longer to come.
    """
    if not snapshot.deployment or not snapshot.is_seen:
        return []
    several: dict[str, list[Trouble]] = {}
    for trouble in _all(snapshot, witness):
        several.setdefault(trouble.cause, []).append(trouble)
    found = [_typable(_together(one), snapshot) for one in several.values()]
    found.sort(key=lambda t: (not t.certain, CAUSES.index(t.cause)))
    late = None if limited else deadlines.passed(snapshot)
    if late and found and not found[0].certain:
        evidence = (*found[0].evidence, *late.evidence)
        found[0] = replace(found[0], certain=True, evidence=evidence)
    elif late and not found:
        found = [late]
    return found


def _all(snapshot: Snapshot, witness: Witness) -> Iterator[Trouble]:
    for trouble in (deadlines.paused(snapshot), admission.trouble(snapshot)):
        if trouble:
            yield trouble
    for pod in snapshot.new_pods:
        if not is_fine(pod) and (found := _of_pod(snapshot, pod, witness)):
            yield replace(found, pod=name(pod))


def is_fine(pod: Object) -> bool:
    """Tell whether a pod is ready, or on its way out, so that it says nothing."""
    leaves = bool(word(pod, "metadata", "deletionTimestamp"))
    return leaves or condition(pod, "Ready").get("status") == "True"


def _of_pod(snapshot: Snapshot, pod: Object, witness: Witness) -> Trouble | None:
    if word(pod, "status", "phase") == "Failed":
        return nodes.evicted(snapshot, pod)
    return (
        scheduling.trouble(snapshot, pod, witness)
        or containers.trouble(snapshot, pod, witness)
        or storage.mount(snapshot, pod, witness)
        or nodes.sandbox(snapshot, pod)
        or nodes.lost(snapshot, pod, witness)
        or _pulls(snapshot, pod)
    )


def _pulls(snapshot: Snapshot, pod: Object) -> Trouble | None:
    """Say that an image is being fetched; never certain: large images take minutes."""
    waiting = [
        s for k in ("initContainerStatuses", "containerStatuses") for s in parts(pod, "status", k)
        if part(s, "state", "waiting")
    ]  # fmt: skip
    events = snapshot.events_of(pod)
    if not waiting or not events or word(events[-1], "reason") != "Pulling":
        return None
    image = word(waiting[0], "image")
    return Trouble(
        "slow-pull", f"The node is still fetching {image}", (word(events[-1], "message"),),
        "wait: `mlship deploy --timeout` takes longer; a smaller image comes sooner", False,
    )  # fmt: skip


def _typable(trouble: Trouble, snapshot: Snapshot) -> Trouble:
    """Add the namespace to the commands that need it."""
    namespace = word(snapshot.deployment, "metadata", "namespace")
    if not namespace:
        return trouble
    return replace(trouble, next=_NAMESPACED.sub(f"kubectl --namespace {namespace} ", trouble.next))


def _together(several: list[Trouble]) -> Trouble:
    """Count the pods that show one cause; the certain one speaks for all."""
    pods = {trouble.pod for trouble in several if trouble.pod}
    first = sorted(several, key=lambda t: not t.certain)[0]
    return replace(first, what=f"{first.what} ({len(pods)} pods)") if len(pods) > 1 else first
