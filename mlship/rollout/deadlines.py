"""What the Deployment itself says: paused, or out of time."""

from __future__ import annotations

from mlship.rollout.fields import condition, moment, name, value, word
from mlship.rollout.snapshot import Snapshot
from mlship.rollout.trouble import Trouble


def paused(snapshot: Snapshot) -> Trouble | None:
    """Say that a Deployment is paused; certain: nothing happens until somebody resumes it."""
    if value(snapshot.deployment, "spec", "paused") is not True:
        return None
    deployment = name(snapshot.deployment) or "NAME"
    return Trouble(
        "paused", f"The Deployment {deployment} is paused, so no pod is replaced",
        (word(condition(snapshot.deployment, "Progressing"), "message") or "spec.paused: true",),
        f"kubectl rollout resume deployment/{deployment}, then `mlship deploy` again",
    )  # fmt: skip


def passed(snapshot: Snapshot) -> Trouble | None:
    """Say that nothing moved for progressDeadlineSeconds; certain: that is the manifest's own word.

    The condition of an earlier rollout may stand for a moment: one that is older than the newest
    pods does not count.
    """
    progress = condition(snapshot.deployment, "Progressing")
    if word(progress, "reason") != "ProgressDeadlineExceeded" or not snapshot.is_seen:
        return None
    said_at = moment(word(progress, "lastUpdateTime") or word(progress, "lastTransitionTime"))
    born = [moment(word(pod, "metadata", "creationTimestamp")) for pod in snapshot.new_pods]
    known = [b for b in born if b]
    if said_at and known and said_at < min(known):
        return None
    if not snapshot.new_pods:
        return None
    seconds = value(snapshot.deployment, "spec", "progressDeadlineSeconds") or 600
    return Trouble(
        "progress-deadline", f"No new pod became ready within {seconds} s; why is not to be seen",
        (word(progress, "message"),),
        "kubectl describe deployment,pods; --timeout SECONDS gives it more time",
    )  # fmt: skip
