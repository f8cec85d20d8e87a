"""Volumes that a pod waits for: claims without a volume, mounts that fail."""

from __future__ import annotations

import re

from mlship.rollout import configs
from mlship.rollout.fields import age, name, number, parts, value, word
from mlship.rollout.snapshot import Object, Snapshot, last_seen
from mlship.rollout.trouble import Trouble, Witness

# Seconds that a claim may wait: for its binding; for a disk that a provisioner makes.
_BINDING = 5
_PROVISIONING = 60
# A mount is tried again after 0.5, 1, 2, 4, 8 s (pkg/util/goroutinemap/exponentialbackoff).
_MOUNTING = 10
_TRIES = 4
_DETACHING = 60
_ABSENT = re.compile(r'persistentvolumeclaim "([^"]+)" not found')
_NO_CLASS = re.compile(r'storageclass\S* "([^"]+)" not found')
_MARKS = ("PersistentVolumeClaim", "persistentvolumeclaim", "persistent volumes", "pvc(s)",
          "PersistentVolume's node affinity", "volume node affinity")  # fmt: skip


def is_about_claims(said: str) -> bool:
    """Tell whether the scheduler's words are about volumes."""
    return any(mark in said for mark in _MARKS)


def unbound(snapshot: Snapshot, pod: Object, said: str, since: float, witness: Witness) -> Trouble:
    """Say which claim has no volume; ``since``: the seconds that the scheduler has said so.

    Certain after five seconds when the claim is missing, or its events say that nobody will make
    a volume for it; after sixty when a provisioner is at work.
    """
    if found := _ABSENT.search(said):
        missing = found.group(1)
        there = witness.exists("persistentvolumeclaim", missing)
        return Trouble(
            "pvc-pending", f"There is no PersistentVolumeClaim {missing}, which the pods mount",
            (said,), "add it to k8s/ (and to kustomization.yaml), or correct claimName",
            certain=since >= _BINDING and there is not True,
        )  # fmt: skip
    wanted = [word(v, "persistentVolumeClaim", "claimName") for v in parts(pod, "spec", "volumes")]
    wanted = [w for w in wanted if w]
    claims = [
        c for c in snapshot.others if c.get("kind") == "PersistentVolumeClaim" and name(c) in wanted
    ]
    pending = next((c for c in claims if word(c, "status", "phase") != "Bound"), {})
    events = snapshot.events_of(pending) if pending else _of_claims(snapshot, wanted)
    told = word(events[-1], "message") if events else ""
    claim = name(pending) or (wanted[0] if wanted else "of the pods")
    absent = _NO_CLASS.search(told)
    hopeless = bool(absent) or "no persistent volumes available" in told
    waits = _BINDING if hopeless else _PROVISIONING
    what = f"The PersistentVolumeClaim {claim} has no volume"
    fix = f"kubectl describe pvc {claim}, and correct it in k8s/"
    if absent:
        what += f": there is no StorageClass {absent.group(1)}"
        fix = "kubectl get storageclass, and correct storageClassName of the claim"
    elif "no persistent volumes available" in told:
        what += ": it names no StorageClass, and no PersistentVolume fits it"
        fix = (
            "name a storageClassName in the claim (kubectl get storageclass), or have a volume made"
        )
    elif "node affinity" in said:
        what = f"The volume of the claim {claim} is in a place where no node can run the pods"
        fix = f"kubectl describe pvc {claim}; nodes and volume must be in the same zone"
    facts = tuple(fact for fact in (told, said) if fact)
    return Trouble("pvc-pending", what, facts, fix, certain=since >= waits)


def _of_claims(snapshot: Snapshot, wanted: list[str]) -> list[Object]:
    found = [
        e for e in snapshot.events
        if word(e, "involvedObject", "kind") == "PersistentVolumeClaim"
        and word(e, "involvedObject", "name") in wanted
    ]  # fmt: skip
    return sorted(found, key=last_seen)


def mount(snapshot: Snapshot, pod: Object, witness: Witness) -> Trouble | None:
    """Say which volume of a pod, whose containers all wait, can't be attached or mounted.

    Certain when it has failed four times over ten seconds: drivers and API caches are late at
    first. A volume that another node holds is certain after sixty seconds. A ConfigMap or Secret
    that is missing is certain as soon as the API, too, has none.
    """
    if not _waits(pod):
        return None
    events = [
        e
        for e in snapshot.events_of(pod)
        if word(e, "reason") in {"FailedMount", "FailedAttachVolume", "FailedMapVolume"}
        # The pod's own token: its ConfigMaps are there a moment later in a new namespace.
        and "kube-api-access-" not in word(e, "message")
    ]
    if not events:
        return None
    event = events[-1]
    said = word(event, "message")
    lasted = age(word(event, "firstTimestamp") or last_seen(event), snapshot.taken)
    tries = number(event, "count") or number(event, "series", "count") or 1
    if found := configs.missing(said, witness):
        absent = found.certain and (tries >= 2 or lasted >= _BINDING)
        return Trouble(found.cause, found.what, found.evidence, found.next, absent)
    volume = re.search(r'for volume "([^"]+)"', said)
    what = f"The volume {volume.group(1) if volume else 'of the pods'} can't be mounted"
    certain = lasted >= _MOUNTING and tries >= _TRIES
    fix = f"kubectl describe pod {name(pod)}, and correct volumes: in k8s/base/deployment.yaml"
    if "Multi-Attach" in said:
        what += ": another node holds it, and it can be on one only"
        fix = "use a ReadWriteMany volume, or strategy Recreate in k8s/base/deployment.yaml"
        certain = lasted >= _DETACHING
    return Trouble("volume-mount", what, (said,), fix, certain)


def _waits(pod: Object) -> bool:
    statuses = [
        s for k in ("initContainerStatuses", "containerStatuses") for s in parts(pod, "status", k)
    ]
    reasons = {str(value(s, "state", "waiting", "reason")) for s in statuses}
    return reasons <= {"ContainerCreating", "PodInitializing"}
