"""Pods that ended before: Kubernetes keeps them, and they say nothing of what goes on now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mlship.rollout.fields import condition, moment, number, parts, value, word
from mlship.rollout.snapshot import Object, Snapshot

_PROGRESSING = 600  # seconds; the API's default of progressDeadlineSeconds


def left_out(snapshot: Snapshot, before: Snapshot | None = None) -> Snapshot:
    """Return the snapshot without the pods that ended before what is waited for began.

    Evicted pods, and those of nodes that were shut down, stay until somebody deletes them or the
    cluster has thousands:
    https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection
    ``before`` is how it stood then. Without, that is the past which ended longer ago than a
    rollout may stand still, counted from the oldest pod that is waited for.
    """
    if before is None:
        since = _beginning(snapshot)
        past = {_uid(pod) for pod in snapshot.pods if _has_ended(pod) and _end(pod) < since}
    else:
        past = {_uid(pod) for pod in before.pods if _has_ended(pod)}
    return replace(snapshot, pods=tuple(pod for pod in snapshot.pods if _uid(pod) not in past))


def _beginning(snapshot: Snapshot) -> datetime:
    awaited = [
        moment(word(pod, "metadata", "creationTimestamp"))
        for pod in snapshot.new_pods
        if not _has_ended(pod) and condition(pod, "Ready").get("status") != "True"
    ]
    seconds = number(snapshot.deployment, "spec", "progressDeadlineSeconds") or _PROGRESSING
    return min([when for when in awaited if when] or [snapshot.taken]) - timedelta(seconds=seconds)


def _has_ended(pod: Object) -> bool:
    return word(pod, "status", "phase") in {"Failed", "Succeeded"}


def _end(pod: Object) -> datetime:
    """Return the last that was heard of a pod; the end of time where it tells nothing."""
    told = [word(pod, "metadata", "creationTimestamp"), word(pod, "status", "startTime")]
    told += [word(c, "lastTransitionTime") for c in parts(pod, "status", "conditions")]
    told += [
        word(s, "state", "terminated", "finishedAt")
        for s in parts(pod, "status", "containerStatuses")
    ]
    heard = [when for text in told if (when := moment(text))]
    return max(heard, default=datetime.max.replace(tzinfo=UTC))


def _uid(pod: Object) -> str:
    return str(value(pod, "metadata", "uid"))
